//! Decisions: what a server boots next, from what it says about itself.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::Architecture;
use protocol::{
    boot::{BootLoader, BootMode},
    mac::MacAddr,
};

use crate::{booter::Refusal, grub::SHIM};

/// iPXE for UEFI firmware, as it is called in TFTP and HTTP requests.
pub const SNPONLY: &str = "snponly.efi";

/// iPXE for BIOS boot ROMs, as it is called in TFTP requests.
pub const UNDIONLY: &str = "undionly.kpxe";

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// iPXE, in a boot ROM or loaded by us, that runs our scripts. It takes URLs.
    Ipxe,
    /// A BIOS boot ROM (client architecture 0).
    BiosPxe,
    /// UEFI's own network boot by TFTP (7, or 9 as some firmware says).
    UefiPxe,
    /// UEFI's own network boot by HTTP (16).
    UefiHttp,
    /// A boot ROM that takes files by TFTP and does not say for which firmware it was made.
    SilentPxe,
    /// An operating system or our ramdisk: it wants an address and no file.
    System,
    /// A boot ROM for a processor that we have no loader for.
    Unsupported(u16),
}

/// How a server's DHCP request describes its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Description<'a> {
    /// Option 93: client architectures, two bytes each.
    pub architectures: &'a [u8],
    /// Option 60: vendor class.
    pub vendor_class: &'a [u8],
    /// Option 77: user class.
    pub user_class: &'a [u8],
    /// Option 175: iPXE's own, encapsulated.
    pub ipxe: &'a [u8],
}

/// How a boot ROM wants its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tftp,
    Http,
}

/// iPXE's features within option 175 (its `features.h`): each that it has is named there by an option of its own.
const IPXE_FEATURES: std::ops::RangeInclusive<u8> = 0x10..=0x2f;
const IPXE_HTTP: u8 = 0x13;
/// It starts Linux kernels: on a BIOS, and as UEFI programs.
const IPXE_KERNELS: [u8; 2] = [0x18, 0x24];

impl Firmware {
    /// Recognises the sender.
    pub fn recognise(description: Description<'_>) -> Self {
        if description.runs_our_script() {
            return Firmware::Ipxe;
        }
        let Some(way) = description.way() else { return Firmware::System };
        let architectures = description.architectures();
        let served = architectures.iter().find_map(|architecture| loaded(*architecture, way));
        match (served, architectures.first()) {
            (Some(firmware), _) => firmware,
            (None, Some(Architecture(other))) => Firmware::Unsupported(*other),
            (None, None) if way == Way::Http => Firmware::UefiHttp,
            (None, None) => Firmware::SilentPxe,
        }
    }

    /// The same, where the boot ROM does not say and the server's own boot mode is known.
    pub fn of_server(self, mode: BootMode) -> Self {
        match (self, mode) {
            (Firmware::SilentPxe, BootMode::Bios) => Firmware::BiosPxe,
            (Firmware::SilentPxe, BootMode::Uefi) => Firmware::UefiPxe,
            (other, _) => other,
        }
    }

    /// How the server was booted, where that can be told.
    pub fn boot_mode(self) -> Option<BootMode> {
        match self {
            Firmware::BiosPxe => Some(BootMode::Bios),
            Firmware::UefiPxe | Firmware::UefiHttp => Some(BootMode::Uefi),
            Firmware::Ipxe | Firmware::SilentPxe | Firmware::System | Firmware::Unsupported(_) => None,
        }
    }

    /// A few words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Firmware::Ipxe => "iPXE",
            Firmware::BiosPxe => "a BIOS boot ROM",
            Firmware::UefiPxe => "UEFI by TFTP",
            Firmware::UefiHttp => "UEFI by HTTP",
            Firmware::SilentPxe => "a boot ROM",
            Firmware::System => "an operating system",
            Firmware::Unsupported(_) => "unsupported firmware",
        }
    }
}

/// What it is, if we hold a loader for this architecture (RFC 4578 section 2.1, IANA's list of processor architectures).
/// Firmware that boots by HTTP is known by its class; some names there what it would be by TFTP, and the other way round.
fn loaded(architecture: Architecture, way: Way) -> Option<Firmware> {
    match (architecture, way) {
        (Architecture::X86_Bios, Way::Tftp) => Some(Firmware::BiosPxe),
        (Architecture::X64 | Architecture::BC | Architecture::X64_Http, Way::Tftp) => Some(Firmware::UefiPxe),
        (Architecture::X64 | Architecture::BC | Architecture::X64_Http, Way::Http) => {
            Some(Firmware::UefiHttp)
        }
        _ => None,
    }
}

impl Description<'_> {
    /// Whether it is iPXE with all that our scripts need. One that lacks it is a boot ROM like others, and gets ours.
    fn runs_our_script(&self) -> bool {
        let features: Vec<u8> = encapsulated(self.ipxe).filter(|code| IPXE_FEATURES.contains(code)).collect();
        let has = |feature: &u8| features.contains(feature);
        match features.is_empty() {
            true => self.has_user_class(b"iPXE"),
            false => !self.has_user_class(b"gPXE") && has(&IPXE_HTTP) && IPXE_KERNELS.iter().any(has),
        }
    }

    /// iPXE writes its user class as plain text; RFC 3004 wants a list, each with a length byte before it.
    fn has_user_class(&self, class: &[u8]) -> bool {
        let mut rest = self.user_class;
        let plain = rest.strip_suffix(&[0]).unwrap_or(rest);
        while let Some((len, after)) = rest.split_first() {
            let Some((one, next)) = after.split_at_checked((*len).into()) else { break };
            if one == class {
                return true;
            }
            rest = next;
        }
        plain == class
    }

    fn way(&self) -> Option<Way> {
        let ways = [(&b"PXEClient"[..], Way::Tftp), (b"HTTPClient", Way::Http)];
        ways.into_iter().find_map(|(class, way)| self.vendor_class.starts_with(class).then_some(way))
    }

    /// The architectures that it names, its own first: in option 93, or else in its class, as in `PXEClient:Arch:00007`.
    fn architectures(&self) -> Vec<Architecture> {
        let (listed, _) = self.architectures.as_chunks::<2>();
        if !listed.is_empty() {
            return listed.iter().map(|bytes| Architecture(u16::from_be_bytes(*bytes))).collect();
        }
        let class = String::from_utf8_lossy(self.vendor_class);
        let named = class.split_once(":Arch:").and_then(|(_, rest)| rest.get(..5)?.parse().ok());
        named.map(Architecture).into_iter().collect()
    }
}

/// The codes of options within an option, as far as they stand there whole.
fn encapsulated(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&[code, len], after) = rest.split_first_chunk::<2>()?;
        rest = after.get(len.into()..)?;
        Some(code)
    })
}

/// Where the agent offers its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The agent's address.
    pub address: Ipv4Addr,
    /// Its HTTP port.
    pub http_port: u16,
}

impl Origin {
    /// The start of every URL, without a slash at its end.
    pub fn base_url(&self) -> String {
        base_url(self.address.into(), self.http_port)
    }
}

/// The start of every URL of files at this address, without a slash at its end.
pub fn base_url(address: IpAddr, http_port: u16) -> String {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match http_port {
        80 => format!("http://{host}"),
        port => format!("http://{host}:{port}"),
    }
}

/// What a DHCP answer names as the file to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootFile {
    /// Nothing: an address is all it wants.
    None,
    /// A file by TFTP.
    Tftp(&'static str),
    /// A file by HTTP.
    Http(String),
}

impl BootFile {
    /// As a DHCP answer names it; nothing where there is none.
    pub fn into_name(self) -> String {
        match self {
            BootFile::None => String::new(),
            BootFile::Tftp(name) => name.to_owned(),
            BootFile::Http(url) => url,
        }
    }
}

/// The next file for this firmware, or why there is none. UEFI is given this loader; `base_url` is where our files are by HTTP.
pub fn boot_file(
    firmware: Firmware,
    loader: BootLoader,
    mac: MacAddr,
    base_url: &str,
) -> Result<BootFile, Refusal> {
    let file = match (firmware, loader) {
        (Firmware::Ipxe, _) => BootFile::Http(format!("{base_url}/boot/{mac}/script")),
        // One that is older than RFC 4578, and so for BIOS.
        (Firmware::BiosPxe | Firmware::SilentPxe, _) => BootFile::Tftp(UNDIONLY),
        (Firmware::UefiPxe, BootLoader::Ipxe) => BootFile::Tftp(SNPONLY),
        (Firmware::UefiPxe, BootLoader::Shim) => BootFile::Tftp(SHIM),
        (Firmware::UefiHttp, BootLoader::Ipxe) => BootFile::Http(format!("{base_url}/boot/loader/{SNPONLY}")),
        (Firmware::UefiHttp, BootLoader::Shim) => return Err(Refusal::SignedByHttp),
        (Firmware::System, _) => BootFile::None,
        (Firmware::Unsupported(architecture), _) => {
            return Err(Refusal::UnsupportedFirmware { architecture });
        }
    };
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client that describes itself so is given; none: there is no loader for it.
    fn given(
        architectures: &[u16],
        vendor: &str,
        user: &[u8],
        ipxe: &[u8],
        mode: BootMode,
    ) -> Option<String> {
        let architectures: Vec<u8> = architectures.iter().flat_map(|one| one.to_be_bytes()).collect();
        let vendor_class = vendor.as_bytes();
        let description = Description { architectures: &architectures, vendor_class, user_class: user, ipxe };
        let origin = Origin { address: Ipv4Addr::new(198, 18, 1, 1), http_port: 80 };
        let firmware = Firmware::recognise(description).of_server(mode);
        let file = boot_file(firmware, BootLoader::Ipxe, MacAddr([2, 0, 0, 0, 0, 1]), &origin.base_url());
        file.ok().map(|file| match file {
            BootFile::None => String::new(),
            BootFile::Tftp(name) => name.to_owned(),
            BootFile::Http(url) => url,
        })
    }

    const SCRIPT: &str = "http://198.18.1.1/boot/02:00:00:00:00:01/script";
    const BY_HTTP: &str = "http://198.18.1.1/boot/loader/snponly.efi";

    #[test]
    fn every_firmware_gets_its_file() {
        let check = |architectures: &[u16], vendor: &str, expected: Option<&str>| {
            for mode in [BootMode::Bios, BootMode::Uefi] {
                let file = given(architectures, vendor, b"", b"", mode);
                assert_eq!(file.as_deref(), expected, "{vendor} {architectures:?}");
            }
        };
        check(&[0], "PXEClient:Arch:00000:UNDI:002001", Some(UNDIONLY));
        check(&[7], "PXEClient:Arch:00007:UNDI:003000", Some(SNPONLY));
        check(&[9], "PXEClient:Arch:00009:UNDI:003016", Some(SNPONLY));
        check(&[16], "HTTPClient:Arch:00016:UNDI:003001", Some(BY_HTTP));
        check(&[], "bms-ramdisk", Some(""));
        check(&[], "udhcp 1.35.0", Some(""));
        check(&[11], "PXEClient:Arch:00011:UNDI:003000", None);
        check(&[15], "HTTPClient:Arch:00015:UNDI:003001", None);
        check(&[19], "HTTPClient:Arch:00019:UNDI:003001", None);
        // Several: the first that there is a loader for. What option 93 says counts more than the class.
        check(&[6, 7], "PXEClient:Arch:00006:UNDI:003000", Some(SNPONLY));
        check(&[11, 0], "PXEClient", Some(UNDIONLY));
        check(&[7], "PXEClient:Arch:00000:UNDI:002001", Some(SNPONLY));
        check(&[6, 11], "PXEClient:Arch:00007:UNDI:003000", None);
        // None: what the class says.
        check(&[], "PXEClient:Arch:00007:UNDI:003016", Some(SNPONLY));
        check(&[], "PXEClient:Arch:00000:UNDI:002001", Some(UNDIONLY));
        check(&[], "PXEClient:Arch:00011:UNDI:003000", None);
        check(&[], "HTTPClient:Arch:00016:UNDI:003001", Some(BY_HTTP));
        check(&[], "HTTPClient", Some(BY_HTTP));
        // The one's number in the other's class.
        check(&[7], "HTTPClient:Arch:00007:UNDI:003001", Some(BY_HTTP));
        check(&[16], "PXEClient:Arch:00016:UNDI:003001", Some(SNPONLY));
    }

    #[test]
    fn where_nothing_unsigned_runs_uefi_is_given_the_shim() {
        let check = |firmware, expected| {
            let origin = Origin { address: Ipv4Addr::new(198, 18, 1, 1), http_port: 80 };
            let mac = MacAddr([2, 0, 0, 0, 0, 1]);
            assert_eq!(
                boot_file(firmware, BootLoader::Shim, mac, &origin.base_url()),
                expected,
                "{firmware:?}"
            );
        };
        check(Firmware::UefiPxe, Ok(BootFile::Tftp(SHIM)));
        check(Firmware::UefiHttp, Err(Refusal::SignedByHttp));
        check(Firmware::BiosPxe, Ok(BootFile::Tftp(UNDIONLY)));
        check(Firmware::Ipxe, Ok(BootFile::Http(SCRIPT.to_owned())));
        check(Firmware::System, Ok(BootFile::None));
    }

    #[test]
    fn a_boot_rom_that_says_nothing_is_its_servers() {
        let check = |vendor: &str, mode, expected: &str| {
            assert_eq!(given(&[], vendor, b"", b"", mode).as_deref(), Some(expected), "{vendor} {mode:?}");
        };
        for vendor in ["PXEClient", "PXEClient:Arch:", "PXEClient:Arch:x0007:UNDI", "PXEClient:UNDI:002001"] {
            check(vendor, BootMode::Bios, UNDIONLY);
            check(vendor, BootMode::Uefi, SNPONLY);
        }
    }

    #[test]
    fn ipxe_gets_our_script_if_it_can_run_it_and_ours_if_not() {
        let check = |user: &[u8], ipxe: &[u8], expected: &str| {
            let file = given(&[7], "PXEClient:Arch:00007:UNDI:003010", user, ipxe, BootMode::Uefi);
            assert_eq!(file.as_deref(), Some(expected), "{user:?} {ipxe:?}");
        };
        let all = [177, 1, 1, 0x13, 1, 1, 0x18, 1, 1, 0x24, 1, 1];
        check(b"iPXE", &all, SCRIPT);
        check(b"iPXE", &[], SCRIPT);
        check(b"iPXE\0", &[], SCRIPT);
        check(b"\x04iPXE", &[], SCRIPT);
        check(b"\x04iPXE\x03foo", &[], SCRIPT);
        check(b"\x03foo\x04iPXE", &all, SCRIPT);
        check(b"", &all, SCRIPT);
        // Firmware's, with parts left out: no HTTP; nothing that starts a kernel.
        check(b"iPXE", &[0x15, 1, 1, 0x24, 1, 1], SNPONLY);
        check(b"iPXE", &[0x13, 1, 1, 0x15, 1, 1], SNPONLY);
        check(b"iPXE", &[0x13, 1, 1, 0x24, 1, 1], SCRIPT);
        // Its ancestor does not know our script's language.
        check(b"gPXE", &all, SNPONLY);
        // A number that others use for something else.
        check(b"", &[1, 1], SNPONLY);
        check(b"", &[177, 1, 1], SNPONLY);
        check(b"iPXE-like", &[], SNPONLY);
        check(b"\x09iPXE", &[], SNPONLY);
    }

    #[test]
    fn other_ports_are_named() {
        let origin = Origin { address: Ipv4Addr::LOCALHOST, http_port: 8080 };
        assert_eq!(origin.base_url(), "http://127.0.0.1:8080");
        let v6 = "2001:db8::1".parse().unwrap();
        assert_eq!(
            [80, 8080].map(|port| base_url(v6, port)),
            ["http://[2001:db8::1]", "http://[2001:db8::1]:8080"]
        );
    }
}
