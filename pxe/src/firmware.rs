//! Decisions: what a server boots next, from what it says about itself.

use std::net::Ipv4Addr;

use dhcproto::v4::Architecture;
use protocol::{boot::BootMode, mac::MacAddr};

/// iPXE for UEFI firmware, as it is called in TFTP and HTTP requests.
pub const SNPONLY: &str = "snponly.efi";

/// iPXE for BIOS boot ROMs, as it is called in TFTP requests.
pub const UNDIONLY: &str = "undionly.kpxe";

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// iPXE, in a boot ROM or loaded by us. It takes URLs.
    Ipxe,
    /// A BIOS boot ROM (client architecture 0).
    BiosPxe,
    /// UEFI's own network boot by TFTP (7, or 9 as some firmware says).
    UefiPxe,
    /// UEFI's own network boot by HTTP (16).
    UefiHttp,
    /// An operating system or our ramdisk: it wants an address and no file.
    System,
    /// A boot ROM for a processor that we have no loader for.
    Unsupported(u16),
}

/// How a server's DHCP request describes its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Description<'a> {
    /// Option 93: client architecture.
    pub architecture: Option<Architecture>,
    /// Option 60: vendor class.
    pub vendor_class: &'a [u8],
    /// Option 77: user class.
    pub user_class: &'a [u8],
    /// Whether option 175, iPXE's own, is there.
    pub has_ipxe_option: bool,
}

impl Firmware {
    /// Recognises the sender.
    pub fn recognise(description: Description<'_>) -> Self {
        // iPXE writes its user class as plain text, others as RFC 3004 wants it: after a length byte.
        let class = description.user_class;
        if class == b"iPXE" || class.get(1..) == Some(b"iPXE") || description.has_ipxe_option {
            return Firmware::Ipxe;
        }
        let is_pxe = description.vendor_class.starts_with(b"PXEClient");
        let is_http = description.vendor_class.starts_with(b"HTTPClient");
        if !is_pxe && !is_http {
            return Firmware::System;
        }
        match description.architecture {
            // Boot ROMs older than RFC 4578 do not say; they are for BIOS.
            None | Some(Architecture::X86_Bios) if is_pxe => Firmware::BiosPxe,
            Some(Architecture::X64 | Architecture::BC) if is_pxe => Firmware::UefiPxe,
            Some(Architecture::X64_Http) if is_http => Firmware::UefiHttp,
            Some(Architecture(other)) => Firmware::Unsupported(other),
            None => Firmware::Unsupported(u16::MAX),
        }
    }

    /// How the server was booted, where that can be told.
    pub fn boot_mode(self) -> Option<BootMode> {
        match self {
            Firmware::BiosPxe => Some(BootMode::Bios),
            Firmware::UefiPxe | Firmware::UefiHttp => Some(BootMode::Uefi),
            Firmware::Ipxe | Firmware::System | Firmware::Unsupported(_) => None,
        }
    }

    /// A few words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Firmware::Ipxe => "iPXE",
            Firmware::BiosPxe => "a BIOS boot ROM",
            Firmware::UefiPxe => "UEFI by TFTP",
            Firmware::UefiHttp => "UEFI by HTTP",
            Firmware::System => "an operating system",
            Firmware::Unsupported(_) => "unsupported firmware",
        }
    }
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
        match self.http_port {
            80 => format!("http://{}", self.address),
            port => format!("http://{}:{port}", self.address),
        }
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

/// The next file for this firmware; none: we have no loader for it.
pub fn boot_file(firmware: Firmware, mac: MacAddr, origin: &Origin) -> Option<BootFile> {
    match firmware {
        Firmware::Ipxe => Some(BootFile::Http(format!("{}/boot/{mac}/script", origin.base_url()))),
        Firmware::BiosPxe => Some(BootFile::Tftp(UNDIONLY)),
        Firmware::UefiPxe => Some(BootFile::Tftp(SNPONLY)),
        Firmware::UefiHttp => Some(BootFile::Http(format!("{}/boot/loader/{SNPONLY}", origin.base_url()))),
        Firmware::System => Some(BootFile::None),
        Firmware::Unsupported(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_firmware_gets_its_file() {
        let check =
            |architecture: Option<u16>, vendor: &str, user: &str, has_ipxe_option, expected: Option<&str>| {
                let firmware = Firmware::recognise(Description {
                    architecture: architecture.map(Architecture),
                    vendor_class: vendor.as_bytes(),
                    user_class: user.as_bytes(),
                    has_ipxe_option,
                });
                let origin = Origin { address: Ipv4Addr::new(198, 18, 1, 1), http_port: 80 };
                let file = boot_file(firmware, MacAddr([2, 0, 0, 0, 0, 1]), &origin).map(|file| match file {
                    BootFile::None => String::new(),
                    BootFile::Tftp(name) => name.to_owned(),
                    BootFile::Http(url) => url,
                });
                assert_eq!(file.as_deref(), expected, "{vendor} {architecture:?} {user}");
            };
        let script = "http://198.18.1.1/boot/02:00:00:00:00:01/script";
        check(Some(0), "PXEClient:Arch:00000:UNDI:002001", "iPXE", true, Some(script));
        check(Some(7), "PXEClient:Arch:00007:UNDI:003000", "\u{4}iPXE", false, Some(script));
        check(Some(0), "PXEClient:Arch:00000:UNDI:002001", "", true, Some(script));
        check(Some(0), "PXEClient:Arch:00000:UNDI:002001", "", false, Some("undionly.kpxe"));
        check(None, "PXEClient", "", false, Some("undionly.kpxe"));
        check(Some(7), "PXEClient:Arch:00007:UNDI:003000", "", false, Some("snponly.efi"));
        check(Some(9), "PXEClient:Arch:00009:UNDI:003016", "", false, Some("snponly.efi"));
        check(
            Some(16),
            "HTTPClient:Arch:00016:UNDI:003001",
            "",
            false,
            Some("http://198.18.1.1/boot/loader/snponly.efi"),
        );
        check(None, "bms-ramdisk", "", false, Some(""));
        check(None, "udhcp 1.35.0", "", false, Some(""));
        check(Some(11), "PXEClient:Arch:00011:UNDI:003000", "", false, None);
    }

    #[test]
    fn other_ports_are_named() {
        let origin = Origin { address: Ipv4Addr::LOCALHOST, http_port: 8080 };
        assert_eq!(origin.base_url(), "http://127.0.0.1:8080");
    }
}
