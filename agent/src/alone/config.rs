//! Values: the file of `bms-agent boot --static`: one network and the hosts that boot on it, read and checked as a whole before anything starts.
//!
//! ```toml
//! interface = "eth1"
//! address = "198.18.1.1"                 # ours, on that interface
//! prefix = 24
//! range = ["198.18.1.50", "198.18.1.200"]
//! router = "198.18.1.254"                # optional, as all that follows
//! dns = ["198.18.1.53"]
//! relays = ["198.18.1.254"]              # DHCP relays that are believed
//! ipv6 = "2001:db8::1/64"                # ours, on that interface: hosts boot by IPv6 too
//! http_port = 80
//! root = "/srv/boot"                     # files by TFTP and HTTP; names below are relative to it
//! leases = "/var/lib/bms-agent/leases"   # kept over a restart
//! proxy = false                          # true: addresses come from another DHCP server
//!
//! [loaders]                              # for firmware that is no iPXE, unless its host names one
//! uefi = "/usr/lib/ipxe/snponly.efi"
//! bios = "/usr/lib/ipxe/undionly.kpxe"
//!
//! [[host]]
//! mac = "02:00:00:00:00:11"
//! address = "198.18.1.21"                # the same every time; without it any of the range
//! kernel = "debian/linux"
//! initrd = "debian/initrd.gz"
//! arguments = "console=ttyS0"
//!
//! [[host]]
//! mac = "02:00:00:00:00:12"
//! script = "rescue.ipxe"                 # a script for iPXE instead
//!
//! [[host]]
//! mac = "02:00:00:00:00:13"
//! loader = "grub/grubx64.efi"            # what its firmware loads instead of iPXE
//!
//! [default]                              # every other machine; without it none is answered
//! script = "menu.ipxe"
//! ```

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use protocol::mac::MacAddr;
use pxe::{dhcp6::link::Ipv6, files::root::Root};
use serde::Deserialize;
use toml::Spanned;

use crate::config::network::relays6;

/// Most hosts of a file.
pub const HOSTS_MAX: usize = 16_384;

/// Longest file, in bytes.
pub const BYTES_MAX: u64 = 16 << 20;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticConfig {
    /// Where it is served.
    pub interface: String,
    /// Our address there.
    pub address: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
    /// First and last address that hosts without one of their own may get.
    pub range: Spanned<(Ipv4Addr, Ipv4Addr)>,
    /// The default route that hosts are told; none: none.
    pub router: Option<Ipv4Addr>,
    /// Name servers that hosts are told.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// DHCP relays that are believed, of both families.
    #[serde(default)]
    pub relays: Vec<IpAddr>,
    /// Our IPv6 address there, with its prefix's length; none: hosts boot by IPv4 alone.
    pub ipv6: Option<Spanned<Ipv6>>,
    /// TCP port of HTTP.
    #[serde(default = "default_http_port")]
    pub http_port: u16,
    /// The directory of files.
    pub root: Option<Spanned<PathBuf>>,
    /// Where leases are kept over a restart; none: nowhere, and addresses are probed.
    pub leases: Option<PathBuf>,
    /// Addresses come from another server; this one says what is booted.
    #[serde(default)]
    pub proxy: bool,
    /// iPXE, for firmware that is none.
    #[serde(default)]
    pub loaders: Loaders,
    /// The hosts.
    #[serde(default)]
    pub host: Vec<Spanned<Host>>,
    /// What every other machine boots; none: nothing.
    pub default: Option<Spanned<Boots>>,
}

/// iPXE, for firmware that is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loaders {
    /// For UEFI: `snponly.efi`.
    pub uefi: Option<PathBuf>,
    /// For BIOS: `undionly.kpxe`.
    pub bios: Option<PathBuf>,
}

/// A host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The interface by which it boots.
    pub mac: MacAddr,
    /// The address that it always gets.
    pub address: Option<Ipv4Addr>,
    /// What its firmware loads.
    pub loader: Option<String>,
    /// A script for iPXE.
    pub script: Option<String>,
    /// A kernel.
    pub kernel: Option<String>,
    /// Its first file system.
    pub initrd: Option<String>,
    /// The kernel's command line.
    #[serde(default)]
    pub arguments: String,
}

impl Host {
    /// What it boots.
    pub fn boots(&self) -> Boots {
        let Self { loader, script, kernel, initrd, arguments, .. } = self.clone();
        Boots { loader, script, kernel, initrd, arguments }
    }
}

/// What a machine boots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boots {
    /// As of a host.
    pub loader: Option<String>,
    /// As of a host.
    pub script: Option<String>,
    /// As of a host.
    pub kernel: Option<String>,
    /// As of a host.
    pub initrd: Option<String>,
    /// As of a host.
    #[serde(default)]
    pub arguments: String,
}

fn default_http_port() -> u16 {
    pxe::DEFAULT_HTTP_PORT
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum StaticConfigError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the TOML we expect; the message shows line and field.
    #[error("{path} is wrong")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// What it says cannot be used, all of it.
    #[error("{path} is wrong:{}", List(.faults))]
    Values {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        faults: Vec<Fault>,
    },
}

/// Something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which line, counted from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

struct List<'a>(&'a [Fault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  line {}: {}", fault.line, fault.why))
    }
}

impl StaticConfig {
    /// Reads and checks the file, and that the files that it names are there. Gives the directory of files with it.
    pub fn read(path: &Path) -> Result<(Self, Option<Root>), StaticConfigError> {
        let read = || {
            let len = std::fs::metadata(path)?.len();
            if len > BYTES_MAX {
                return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
            }
            std::fs::read_to_string(path)
        };
        let text = read().map_err(|source| StaticConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Checks a text; `path` is named in faults.
    pub fn parse(path: &Path, text: &str) -> Result<(Self, Option<Root>), StaticConfigError> {
        let config: Self = toml::from_str(text).map_err(|source| StaticConfigError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let mut faults = Faults { text, found: Vec::new() };
        let root = config.root(&mut faults);
        config.check_ipv6(&mut faults);
        config.check_hosts(root.as_ref(), &mut faults);
        match faults.found.is_empty() {
            true => Ok((config, root)),
            false => Err(StaticConfigError::Values { path: path.to_owned(), faults: faults.found }),
        }
    }

    fn root(&self, faults: &mut Faults<'_>) -> Option<Root> {
        let dir = self.root.as_ref()?;
        let opened = Root::open(dir.get_ref());
        opened.map_err(|error| faults.add(dir.span().start, format!("root: {error}; name a directory"))).ok()
    }

    /// Its IPv6 side, with the relays that are believed there.
    pub fn ipv6(&self) -> Option<Ipv6> {
        let ipv6 = self.ipv6.as_ref()?.get_ref().clone();
        Some(Ipv6 { relays: relays6(&self.relays), ..ipv6 })
    }

    fn check_ipv6(&self, faults: &mut Faults<'_>) {
        let Some(ipv6) = &self.ipv6 else { return };
        let at = ipv6.span().start;
        let is_host = |other: Ipv4Addr| {
            pxe::is_neighbour(other.into(), self.address, self.prefix) && other != self.address
        };
        if let Err(error) = ipv6.get_ref().check(is_host) {
            faults.add(at, format!("ipv6: {error}"));
        }
        if self.proxy {
            faults.add(
                at,
                "ipv6 and proxy: the other server gives no IPv6 addresses of ours; keep one of them"
                    .to_owned(),
            );
        }
    }

    fn check_hosts(&self, root: Option<&Root>, faults: &mut Faults<'_>) {
        let network = |address: Ipv4Addr| {
            pxe::is_neighbour(address.into(), self.address, self.prefix) && address != self.address
        };
        let mut macs = HashMap::new();
        let mut addresses = HashMap::new();
        if self.host.len() > HOSTS_MAX {
            faults.add(0, format!("it has more than {HOSTS_MAX} hosts"));
        }
        for spanned in &self.host {
            let (at, host) = (spanned.span().start, spanned.get_ref());
            if let Some(before) = macs.insert(host.mac, at) {
                let before = faults.line(before);
                faults.add(at, format!("{} stands in line {before} already", host.mac));
            }
            if let Some(address) = host.address {
                if !network(address) {
                    let (own, prefix) = (self.address, self.prefix);
                    faults.add(at, format!("the address {address} is not a host's of {own}/{prefix}"));
                }
                if let Some(before) = addresses.insert(address, at) {
                    let before = faults.line(before);
                    faults.add(at, format!("the address {address} is that of the host in line {before}"));
                }
            }
            self.check_boots(at, &host.boots(), root, faults);
        }
        if let Some(other) = &self.default {
            self.check_boots(other.span().start, other.get_ref(), root, faults);
        }
    }

    fn check_boots(&self, at: usize, boots: &Boots, root: Option<&Root>, faults: &mut Faults<'_>) {
        let Boots { loader, script, kernel, initrd, arguments } = boots;
        for (field, file) in [("loader", loader), ("script", script), ("kernel", kernel), ("initrd", initrd)]
        {
            let Some(file) = file else { continue };
            match root {
                None if self.root.is_none() => {
                    faults.add(at, format!("{field} names a file, and there is no `root` to take it from"));
                }
                None => {}
                Some(root) if root.find(file).is_none() => {
                    faults.add(at, format!("{field}: there is no file {file} below the root"));
                }
                Some(_) => {}
            }
        }
        if script.is_some() && kernel.is_some() {
            faults.add(at, "script and kernel; keep one of them".to_owned());
        }
        if kernel.is_none() && (initrd.is_some() || !arguments.is_empty()) {
            faults.add(at, "initrd or arguments without a kernel".to_owned());
        }
        let has_ipxe = self.loaders.uefi.is_some() || self.loaders.bios.is_some();
        if loader.is_none() && !has_ipxe && (script.is_some() || kernel.is_some()) {
            faults.add(at, "nothing that loads iPXE: name it in [loaders], or a loader here".to_owned());
        }
        if let Err(reason) = pxe::ipxe::script::check(arguments) {
            faults.add(at, format!("arguments: {reason}"));
        }
    }
}

struct Faults<'a> {
    text: &'a str,
    found: Vec<Fault>,
}

impl Faults<'_> {
    /// Of a byte of the text.
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn add(&mut self, at: usize, why: String) {
        let line = self.line(at);
        self.found.push(Fault { line, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "interface = \"eth1\"\naddress = \"198.18.1.1\"\nprefix = 24\n\
        range = [\"198.18.1.50\", \"198.18.1.200\"]\n";

    #[test]
    fn each_fault_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("linux"), "x").unwrap();
        let root = format!("root = {:?}\n", dir.path());
        let ipxe = "[loaders]\nuefi = \"/snponly.efi\"\n";
        let check = |text: &str, expected: &[&str]| {
            let told = match StaticConfig::parse(Path::new("f.toml"), text) {
                Ok(_) => Vec::new(),
                Err(StaticConfigError::Values { faults, .. }) => {
                    faults.iter().map(|fault| format!("{}: {}", fault.line, fault.why)).collect()
                }
                Err(StaticConfigError::Syntax { source, .. }) => vec![source.to_string()],
                Err(error) => vec![error.to_string()],
            };
            let fits = told.len() == expected.len()
                && told.iter().zip(expected).all(|(told, expected)| told.contains(expected));
            assert!(fits, "{text}\n{told:#?}\n{expected:#?}");
        };
        check(HEAD, &[]);
        check("", &["missing field `interface`"]);
        check(&format!("{HEAD}rnage = 1\n"), &["line 5, column 1"]);
        check(&format!("{HEAD}ipv6 = \"2001:db8::1/64\"\n"), &[]);
        check(&format!("{HEAD}ipv6 = \"2001:db8::1\"\n"), &["line 5, column 8"]);
        check(
            &format!("{HEAD}\nipv6 = \"fe80::1/64\"\n"),
            &["6: ipv6: fe80::1 is not an address that a loader's URL"],
        );
        check(&format!("{HEAD}ipv6 = \"2001:db8::1/64\"\nproxy = true\n"), &["5: ipv6 and proxy"]);
        check(&format!("{HEAD}[[host]]\nmac = \"02:00\"\n"), &["line 6, column 7"]);
        let host = "[[host]]\nmac = \"02:00:00:00:00:01\"\n";
        check(&format!("{HEAD}{host}"), &[]);
        check(&format!("{HEAD}{host}{host}"), &["7: 02:00:00:00:00:01 stands in line 5 already"]);
        check(&format!("{HEAD}{host}address = \"10.0.0.1\"\n"), &["5: the address 10.0.0.1 is not"]);
        check(&format!("{HEAD}{host}address = \"198.18.1.1\"\n"), &["5: the address 198.18.1.1 is not"]);
        let other = "[[host]]\nmac = \"02:00:00:00:00:02\"\naddress = \"198.18.1.9\"\n";
        check(
            &format!("{HEAD}{host}address = \"198.18.1.9\"\n{other}"),
            &["8: the address 198.18.1.9 is that of the host in line 5"],
        );
        check(
            &format!("{HEAD}{ipxe}{host}kernel = \"linux\"\n"),
            &["7: kernel names a file, and there is no"],
        );
        check(&format!("{HEAD}root = \"/absent\"\n"), &["5: root: No such file"]);
        check(&format!("{HEAD}{root}{ipxe}{host}kernel = \"linux\"\n"), &[]);
        check(
            &format!("{HEAD}{root}{ipxe}{host}kernel = \"Linux\"\n"),
            &["8: kernel: there is no file Linux"],
        );
        check(&format!("{HEAD}{root}{host}kernel = \"linux\"\n"), &["6: nothing that loads iPXE"]);
        check(
            &format!("{HEAD}{root}{ipxe}{host}kernel = \"linux\"\nscript = \"linux\"\n"),
            &["8: script and kernel"],
        );
        check(&format!("{HEAD}{root}{ipxe}{host}initrd = \"linux\"\n"), &["8: initrd or arguments without"]);
        check(
            &format!("{HEAD}{root}{ipxe}[default]\nkernel = \"linux\"\narguments = \"a || b\"\n"),
            &["8: arguments: it has"],
        );
    }
}
