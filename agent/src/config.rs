//! Values: the agent's configuration file, read and checked as a whole before anything starts.
//!
//! ```toml
//! rack = "rack-1"                        # the name in our certificate
//! state_dir = "/var/lib/bms-agent"       # spool, results, boot table, image cache
//! poll_interval_ms = 2000                # how often each BMC is asked for the power
//! ramdisk_port = 8444                    # TCP, on the address of each network below
//! http_port = 80                         # TCP, for boot scripts, kernels and ramdisks
//! log_json = false
//! metrics = "127.0.0.1:9181"             # for Prometheus; left out: not given
//!
//! [coordinator]
//! address = "coordinator.example:22022"
//! server_name = "coordinator"            # the name in its certificate
//! ca = "/etc/bms-agent/ca.pem"
//! cert = "/etc/bms-agent/agent.pem"
//! key = "/etc/bms-agent/agent.key"
//!
//! [networks.provisioning]
//! interface = "prov0"
//! address = "198.18.1.1"
//! prefix = 24
//! range = ["198.18.1.50", "198.18.1.200"]
//! ipv6 = "2001:db8:0:7::1/64"            # optional: servers boot by IPv6 too (PXEv6, HTTPv6)
//!
//! [networks.cleaning]
//! interface = "clean0"
//! address = "198.18.2.1"
//! prefix = 24
//! range = ["198.18.2.50", "198.18.2.200"]
//!
//! # Only where unknown machines are discovered; closed until an administrator opens it:
//! [networks.discovery]
//! interface = "disc0"
//! address = "198.18.3.1"
//! prefix = 24
//! range = ["198.18.3.50", "198.18.3.200"]
//!
//! [boot]
//! kernel = "/usr/share/bms-agent/vmlinuz"
//! initrd = "/usr/share/bms-agent/initrd"
//! rescue = "/usr/share/bms-agent/rescue"     # optional
//! parts = "/usr/share/bms-agent/generic"     # optional: the ramdisk is put together for each server
//! shim = "/usr/lib/shim/shimx64.efi.signed"  # optional: for UEFI servers with Secure Boot
//! grub = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"  # with it
//! loader = "auto"                            # optional: ipxe or shim for all UEFI servers of which nothing else is said
//! snponly = "/usr/lib/ipxe/snponly.efi"
//! undionly = "/usr/lib/ipxe/undionly.kpxe"
//!
//! [boot.virtual_servers]                     # optional: for servers that boot by a virtio NIC
//! kernel = "/usr/share/bms-agent/virtual/vmlinuz"
//! initrd = "/usr/share/bms-agent/virtual/initrd"
//! rescue = "/usr/share/bms-agent/virtual/rescue"  # optional
//!
//! [boot.pack]                                # optional: files below the list's directory are taken as they were signed only
//! manifest = "/usr/share/bms-agent/manifest.txt"
//! key = "/etc/bms-agent/pack.pub"            # Ed25519, PEM
//!
//! [console]
//! record = "off"                         # or "all": what the servers print is kept under state_dir
//! keep_days = 30                         # for so long, and within the bound in bytes
//!
//! [image_cache]
//! size_mib = 20480
//!
//! [hardware]
//! sensors_every_s = 60                   # sensors and power draw of each server; 0: never
//! log_every_s = 60                       # its event log; 0: never
//! ```

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::{id::RackId, network::BootNetwork};
use serde::Deserialize;

use crate::{
    boot::loader::{LoaderRule, Loaders},
    console::record::{KEEP_DAYS, Room},
    hardware::rounds::Every,
};

pub mod network;
pub use network::Network;

/// Shortest poll interval: below it BMCs have no time for anything else.
pub const POLL_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// Longest poll interval: beyond it "off" would be noticed too late to isolate anything.
pub const POLL_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Shortest interval between two readings of sensors or of a log: BMCs have other things to do.
pub const HARDWARE_EVERY_MIN_S: u64 = 10;
/// Longest one: beyond it, what is shown would be of no use.
pub const HARDWARE_EVERY_MAX_S: u64 = 3600;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Our rack's name; our certificate must bear the same.
    pub rack: RackId,
    /// Directory for all that must survive a restart.
    pub state_dir: PathBuf,
    /// How often each BMC is asked for the power, in milliseconds.
    #[serde(default = "default_poll_interval_ms")]
    pub poll_interval_ms: u64,
    /// TCP port for ramdisks, on each boot network.
    #[serde(default = "default_ramdisk_port")]
    pub ramdisk_port: u16,
    /// TCP port for boot scripts, kernels and ramdisks, on each boot network.
    #[serde(default = "default_http_port")]
    pub http_port: u16,
    /// Where Prometheus reads our figures, in plain HTTP; none: nowhere.
    pub metrics: Option<SocketAddr>,
    /// Log lines as JSON.
    #[serde(default)]
    pub log_json: bool,
    /// Where the coordinator is.
    pub coordinator: Coordinator,
    /// The two isolated networks.
    pub networks: Networks,
    /// The servers' serial consoles.
    #[serde(default)]
    pub console: ConsoleConfig,
    /// What servers boot.
    pub boot: BootFiles,
    /// Images kept on disk.
    #[serde(default)]
    pub image_cache: ImageCache,
    /// How often sensors and event logs are read.
    #[serde(default)]
    pub hardware: Hardware,
}

/// Where the coordinator is, and how both sides prove who they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// `HOST:PORT`.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
    /// The authority that signed its certificate, PEM.
    pub ca: PathBuf,
    /// Our certificate, PEM.
    pub cert: PathBuf,
    /// Our key, PEM.
    pub key: PathBuf,
}

/// The servers' serial consoles.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Which are recorded.
    #[serde(default)]
    pub record: Record,
    /// For how many days what they print is kept, at least one.
    #[serde(default = "default_keep_days")]
    pub keep_days: NonZeroU16,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { record: Record::default(), keep_days: default_keep_days() }
    }
}

impl ConsoleConfig {
    /// How much is kept.
    pub fn room(&self) -> Room {
        Room { age: Duration::from_hours(24 * u64::from(self.keep_days.get())), ..Room::default() }
    }
}

fn default_keep_days() -> NonZeroU16 {
    NonZeroU16::new(KEEP_DAYS).unwrap_or(NonZeroU16::MIN)
}

/// Which consoles are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// None: a console is open only while somebody watches it.
    #[default]
    Off,
    /// All of the rack: their consoles are open all the time.
    All,
}

/// The isolated networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Networks {
    /// Inspection, deployment, rescue.
    pub provisioning: Network,
    /// Cleaning.
    pub cleaning: Network,
    /// Where machines that nobody knows may boot while an administrator lets them; none: nowhere.
    #[serde(default)]
    pub discovery: Option<Network>,
}

/// What servers boot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootFiles {
    /// The ramdisk's kernel.
    pub kernel: PathBuf,
    /// The ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond the ramdisk; without it a rescue fails with the reason.
    #[serde(default)]
    pub rescue: Option<PathBuf>,
    /// The directory with the parts of the ramdisk in `initrd`; without it every server is given all of it.
    #[serde(default)]
    pub parts: Option<PathBuf>,
    /// A shim that the firmware of servers with Secure Boot starts; without it they are given iPXE, which it does not.
    #[serde(default)]
    pub shim: Option<PathBuf>,
    /// The GRUB that the shim starts: one for network boots, which asks for its configuration.
    #[serde(default)]
    pub grub: Option<PathBuf>,
    /// Which loader UEFI servers are given of which nothing else is said.
    #[serde(default)]
    pub loader: LoaderRule,
    /// iPXE's `snponly.efi`.
    pub snponly: PathBuf,
    /// iPXE's `undionly.kpxe`.
    pub undionly: PathBuf,
    /// What servers are given that boot by a virtio NIC; without it the same as all others.
    #[serde(default)]
    pub virtual_servers: Option<VirtualServers>,
    /// How the files of the pack were signed; without it they are taken as they are.
    #[serde(default)]
    pub pack: Option<Pack>,
}

/// The signed list of what `ramdisk-pack` has made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The list, in the directory of the pack, with its signature beside it.
    pub manifest: PathBuf,
    /// The public key of whoever packs, in PEM.
    pub key: PathBuf,
}

/// A kernel of their own for virtual servers: it starts faster, and drives what these have alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualServers {
    /// The kernel.
    pub kernel: PathBuf,
    /// The ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond the ramdisk.
    #[serde(default)]
    pub rescue: Option<PathBuf>,
}

impl BootFiles {
    /// Which loaders there are, and which is whose.
    pub fn loaders(&self) -> Loaders {
        Loaders { has_shim: self.shim.is_some() && self.grub.is_some(), rule: self.loader }
    }
}

/// Images kept on disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageCache {
    /// Most space that they take, in MiB.
    pub size_mib: u64,
}

impl Default for ImageCache {
    fn default() -> Self {
        Self { size_mib: 20 << 10 }
    }
}

/// How often sensors and event logs are read, in seconds from one reading to the next; 0: never.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hardware {
    /// Sensors and power draw.
    pub sensors_every_s: u64,
    /// The event log.
    pub log_every_s: u64,
}

impl Default for Hardware {
    fn default() -> Self {
        Self { sensors_every_s: 60, log_every_s: 60 }
    }
}

impl Hardware {
    /// As the rounds take it.
    pub fn every(&self) -> Every {
        let every = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        Every { sensors: every(self.sensors_every_s), log: every(self.log_every_s) }
    }
}

fn default_poll_interval_ms() -> u64 {
    2000
}

fn default_ramdisk_port() -> u16 {
    8444
}

fn default_http_port() -> u16 {
    pxe::DEFAULT_HTTP_PORT
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the TOML we expect; the message shows line and field.
    #[error("the configuration file {path} is wrong")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// Fields whose values cannot be used, all of them.
    #[error("the configuration file {path} is wrong:{}", List(.faults))]
    Values {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        faults: Vec<Fault>,
    },
}

/// A field whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which, such as `networks.cleaning.range`.
    pub field: String,
    /// What is wrong, and what to do.
    pub why: String,
}

struct List<'a>(&'a [Fault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  {} {}", fault.field, fault.why))
    }
}

impl Config {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Checks a text; `path` is named in faults.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Values { path: path.to_owned(), faults })
        }
    }

    /// The poll interval.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    /// Both networks with the part that each plays.
    pub fn each_network(&self) -> [(BootNetwork, &Network); 2] {
        [
            (BootNetwork::Provisioning, &self.networks.provisioning),
            (BootNetwork::Cleaning, &self.networks.cleaning),
        ]
    }

    /// Everything that is wrong with the values.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |good: bool, field: String, why: &dyn fmt::Display| {
            if !good {
                faults.push(Fault { field, why: why.to_string() });
            }
        };
        let interval = self.poll_interval();
        check(
            (POLL_INTERVAL_MIN..=POLL_INTERVAL_MAX).contains(&interval),
            "poll_interval_ms".into(),
            &format_args!(
                "is {}; choose {} to {}",
                self.poll_interval_ms,
                POLL_INTERVAL_MIN.as_millis(),
                POLL_INTERVAL_MAX.as_millis()
            ),
        );
        let port = self.coordinator.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        check(
            port.is_some_and(|port| port != 0),
            "coordinator.address".into(),
            &format_args!("is {:?}; write HOST:PORT", self.coordinator.address),
        );
        check(
            !self.coordinator.server_name.is_empty(),
            "coordinator.server_name".into(),
            &"is empty; write the name in the coordinator's certificate",
        );
        check(self.image_cache.size_mib > 0, "image_cache.size_mib".into(), &"is 0; no image would fit");
        check(
            self.boot.shim.is_some() == self.boot.grub.is_some(),
            "boot.shim".into(),
            &"and boot.grub go together; name both, or none",
        );
        check(
            self.boot.loader != LoaderRule::Shim || self.boot.shim.is_some(),
            "boot.loader".into(),
            &"is \"shim\", and there is none; name boot.shim and boot.grub",
        );
        let Hardware { sensors_every_s, log_every_s } = self.hardware;
        for (field, every_s) in [("sensors_every_s", sensors_every_s), ("log_every_s", log_every_s)] {
            check(
                every_s == 0 || (HARDWARE_EVERY_MIN_S..=HARDWARE_EVERY_MAX_S).contains(&every_s),
                format!("hardware.{field}"),
                &format_args!(
                    "is {every_s}; choose {HARDWARE_EVERY_MIN_S} to {HARDWARE_EVERY_MAX_S}, or 0 to read nothing"
                ),
            );
        }
        check(
            self.ramdisk_port != self.http_port,
            "ramdisk_port".into(),
            &"is the http_port too; choose another",
        );
        let named = self.each_network().map(|(network, settings)| (network.as_str(), settings));
        let discovery = self.networks.discovery.as_ref().map(|settings| ("discovery", settings));
        for (network, settings) in named.into_iter().chain(discovery) {
            let field = |name| format!("networks.{network}.{name}");
            let Network { interface, address, prefix, range: (first, last), relays, ipv6: _ } = settings;
            check(
                (1..=15).contains(&interface.len()),
                field("interface"),
                &format_args!("is {interface:?}; an interface name has 1 to 15 characters"),
            );
            check((8..=30).contains(prefix), field("prefix"), &format_args!("is {prefix}; choose 8 to 30"));
            let in_network = |other: &Ipv4Addr| pxe::is_neighbour((*other).into(), *address, *prefix);
            check(
                first <= last && in_network(first) && in_network(last),
                field("range"),
                &format_args!("{first} to {last} must rise and lie in the network of {address}/{prefix}"),
            );
            check(
                !(first..=last).contains(&address),
                field("range"),
                &format_args!("{first} to {last} holds the agent's own address {address}; leave it out"),
            );
            if let Err(fault) = settings.check_ipv6() {
                check(false, field("ipv6"), &format_args!("cannot be used: {fault}"));
            }
            for relay in relays {
                check(
                    settings.is_relay(*relay),
                    field("relays"),
                    &format_args!(
                        "holds {relay}; name a relay's own address in the network of {address}/{prefix}, outside the range; IPv6 relays need `ipv6`"
                    ),
                );
            }
        }
        check(
            self.networks.provisioning.interface != self.networks.cleaning.interface,
            "networks.cleaning.interface".into(),
            &"is that of the provisioning network; the two must be apart",
        );
        let servers = [&self.networks.provisioning.interface, &self.networks.cleaning.interface];
        check(
            self.networks.discovery.as_ref().is_none_or(|settings| !servers.contains(&&settings.interface)),
            "networks.discovery.interface".into(),
            &"is that of another network; strangers must be apart from servers",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example at the top of this file.
    fn example() -> String {
        let source = include_str!("config.rs");
        let lines = source.lines().skip_while(|line| *line != "//! ```toml").skip(1);
        lines
            .take_while(|line| *line != "//! ```")
            .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n")
            .collect()
    }

    fn check(text: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        let seen = match Config::read(&path) {
            Ok(_) => "good".to_owned(),
            Err(error) => protocol::error_chain::chain(&error),
        };
        assert!(seen.contains(expected), "{seen:?} lacks {expected:?}");
    }

    #[test]
    fn the_documented_example_is_good() {
        check(&example(), "good");
    }

    #[test]
    fn a_wrong_field_is_named_with_its_remedy() {
        let wrong = |from: &str, to: &str, expected: &str| {
            let text = example().replace(from, to);
            assert_ne!(text, example(), "{from}");
            check(&text, expected);
        };
        wrong("rack = \"rack-1\"", "rack = \"a rack\"", "must have 1 to 63 of the characters");
        wrong("2000", "3", "poll_interval_ms is 3; choose 200 to 60000");
        wrong("example:22022", "example", "coordinator.address is \"coordinator.example\"; write HOST:PORT");
        wrong(
            "\"198.18.2.50\"",
            "\"198.18.3.50\"",
            "networks.cleaning.range 198.18.3.50 to 198.18.2.200 must rise",
        );
        wrong(
            "\"198.18.1.50\"",
            "\"198.18.1.1\"",
            "networks.provisioning.range 198.18.1.1 to 198.18.1.200 holds",
        );
        wrong(
            "prefix = 24\nrange = [\"198.18.2",
            "prefix = 40\nrange = [\"198.18.2",
            "networks.cleaning.prefix is 40; choose",
        );
        wrong("clean0", "prov0", "networks.cleaning.interface is that of the provisioning network");
        wrong("disc0", "clean0", "networks.discovery.interface is that of another network");
        wrong("\"198.18.3.50\"", "\"198.18.3.1\"", "networks.discovery.range 198.18.3.1 to");
        for relay in ["198.18.2.254", "198.18.1.1", "198.18.1.60"] {
            let relays = format!("198.18.1.200\"]\nrelays = [\"{relay}\"]");
            wrong("198.18.1.200\"]", &relays, &format!("networks.provisioning.relays holds {relay}"));
        }
        let ipv6 = "ipv6 = \"2001:db8:0:7::1/64\"";
        let told = |text: &str, expected: &str| wrong(ipv6, text, expected);
        told("ipv6 = \"2001:db8::1\"", "such as 2001:db8::1/64");
        told(
            "ipv6 = \"2001:db8::1/48\"",
            "networks.provisioning.ipv6 cannot be used: the prefix length 48 is not",
        );
        told("ipv6 = \"2001:db8::c612:132/64\"", "of the server that has the IPv4 address 198.18.1.50");
        told("relays = [\"2001:db8::9\"]", "networks.provisioning.relays holds 2001:db8::9");
        for relay in ["2001:db8::1", "2001:db8::c612:132", "2001:db8:9::9"] {
            let relays = format!("ipv6 = \"2001:db8::1/64\"\nrelays = [\"{relay}\"]");
            told(&relays, &format!("networks.provisioning.relays holds {relay}"));
        }
        let both = format!("{ipv6}\nrelays = [\"198.18.1.254\", \"fe80::9\", \"2001:db8:0:7::9\"]");
        let config = Config::parse(Path::new("t"), &example().replace(ipv6, &both)).unwrap();
        let network = &config.networks.provisioning;
        assert_eq!((network.relays4().len(), network.ipv6().unwrap().relays.len()), (1, 2));
        wrong("kernel =", "kernle =", "kernle");
        wrong("grub =", "# grub =", "boot.shim and boot.grub go together; name both, or none");
        wrong("loader = \"auto\"", "loader = \"lilo\"", "lilo");
        let neither = example().replace("shim =", "# shim =").replace("grub =", "# grub =");
        check(&neither, "good");
        check(&neither.replace("\"auto\"", "\"shim\""), "boot.loader is \"shim\", and there is none");
        wrong("log_json = false", "colour = true", "colour");
    }
}
