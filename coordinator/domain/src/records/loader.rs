//! Decisions: what is known of a server's Secure Boot, and which boot loader its site wants for it.

use protocol::{
    boot::{BootLoader, BootMode},
    hardware::HardwareReport,
};

use super::Server;

/// A capability's value in Ironic's `properties.capabilities`, such as `uefi` of `boot_mode:uefi,x:1`.
pub fn capability<'a>(capabilities: &'a str, name: &str) -> Option<&'a str> {
    capabilities.split(',').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix(':'))
}

impl Server {
    /// The loader that its site wants for it, by the capability `boot_loader`.
    pub(super) fn wanted_loader(&self) -> Option<BootLoader> {
        capability(self.properties.get("capabilities")?, "boot_loader").and_then(BootLoader::named)
    }

    /// Whether its firmware starts signed programs only, as its BMC says, or else as the last ramdisk that UEFI started has seen; none:
    /// nobody knows. (Ironic's capability `secure_boot` says what it can do, or what a tenant wants.)
    pub(super) fn known_secure_boot(&self) -> Option<bool> {
        let seen = |hardware: &HardwareReport| {
            (hardware.boot_mode == BootMode::Uefi).then_some(hardware.secure_boot)
        };
        self.secure_boot.or_else(|| self.hardware.as_ref().and_then(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_bmc_is_asked_before_the_ramdisk_and_the_site_chooses() {
        let check = |capabilities: &str, bmc: Option<bool>, seen: Option<(BootMode, bool)>, expected| {
            let hardware = seen.map(|(boot_mode, secure_boot)| HardwareReport {
                boot_mode,
                secure_boot,
                ..Default::default()
            });
            let properties = [("capabilities".to_owned(), capabilities.to_owned())].into();
            let server = Server { secure_boot: bmc, hardware, properties, ..samples::server() };
            let spec = server.spec();
            assert_eq!((spec.boot_loader, spec.secure_boot), expected, "{capabilities} {bmc:?} {seen:?}");
        };
        let (bios, uefi) = (BootMode::Bios, BootMode::Uefi);
        check("", None, None, (None, None));
        check("", None, Some((uefi, true)), (None, Some(true)));
        check("", None, Some((uefi, false)), (None, Some(false)));
        check("", None, Some((bios, false)), (None, None));
        check("", Some(true), Some((uefi, false)), (None, Some(true)));
        check("boot_mode:uefi, secure_boot:true", Some(false), None, (None, Some(false)));
        check("boot_mode:uefi,boot_loader:shim", None, None, (Some(BootLoader::Shim), None));
        check("boot_loader:ipxe", Some(true), None, (Some(BootLoader::Ipxe), Some(true)));
        check("boot_loader:lilo,my_boot_loader:shim", None, None, (None, None));
    }
}
