//! Edges: `boot`: where the next boot looks first, set and read back.

use protocol::{
    boot::BootDevice,
    ipmi::chassis::{BootFlagDevice, BootFlags},
};
use serde_json::json;

use super::{
    super::{
        args::BootVerb,
        failure::Failure,
        output::Answer,
        reach::{Reached, Way},
    },
    redfish,
};

pub(super) async fn run(verb: BootVerb, bmc: &Reached) -> Result<Answer, Failure> {
    if let Some((device, persistence, mode)) = verb.wanted() {
        bmc.bmc().set_boot_device(device, persistence, mode).await?;
        if let Way::Ipmi(ipmi) = bmc.way() {
            return read_back(device, ipmi.boot_flags().await?);
        }
    }
    match bmc.way() {
        Way::Ipmi(ipmi) => Ok(said(ipmi.boot_flags().await?)),
        // What was set was read back before it was called done.
        Way::Redfish(it) => redfish::power::boot(it).await,
    }
}

fn read_back(device: BootDevice, flags: BootFlags) -> Result<Answer, Failure> {
    let has = match flags.device {
        BootFlagDevice::Pxe => Some(BootDevice::Pxe),
        BootFlagDevice::Disk => Some(BootDevice::Disk),
        BootFlagDevice::None | BootFlagDevice::Cdrom | BootFlagDevice::Setup | BootFlagDevice::Other(_) => {
            None
        }
    };
    if flags.valid && has == Some(device) {
        return Ok(said(flags));
    }
    Err(Failure::NotSo(format!("the BMC accepted it, and reads back {}", words(flags))))
}

fn said(flags: BootFlags) -> Answer {
    let json = json!({
        "override": flags.valid,
        "device": device(flags.device),
        "persistent": flags.persistent,
        "uefi": flags.efi,
    });
    Answer::fact(&["boot"], words(flags), json)
}

fn words(flags: BootFlags) -> String {
    if !flags.valid || flags.device == BootFlagDevice::None {
        return "no override: the firmware's own order".to_owned();
    }
    let how_long = if flags.persistent { "every boot" } else { "next boot" };
    let mode = if flags.efi { "UEFI" } else { "legacy BIOS" };
    format!("{}, {how_long}, {mode}", device(flags.device))
}

fn device(device: BootFlagDevice) -> String {
    match device {
        BootFlagDevice::None => "none".to_owned(),
        BootFlagDevice::Pxe => "pxe".to_owned(),
        BootFlagDevice::Disk => "disk".to_owned(),
        BootFlagDevice::Cdrom => "cdrom".to_owned(),
        BootFlagDevice::Setup => "setup".to_owned(),
        BootFlagDevice::Other(code) => format!("device {code}"),
    }
}
