//! Edges: the boot options of a virtual IPMI BMC, kept as its manner has it.

use std::sync::{Arc, Mutex};

use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    ipmi::{
        chassis::{BootFlagDevice, BootFlags, BootOption},
        message::CompletionCode,
    },
};

use super::{
    BootManner,
    chassis::{BootSetting, Chassis},
    ipmi::Code,
};

/// What was told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct BootOptions {
    told: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Looks at the flags since they were set.
    looks: Arc<Mutex<u32>>,
    /// Flags without a device: they change no boot, and are shown as they were told, to whoever sets them one by one.
    without_device: Arc<Mutex<Option<BootFlags>>>,
}

impl BootOptions {
    pub(super) fn told(&self) -> Vec<Vec<u8>> {
        self.told.lock().expect("no holder panics").clone()
    }

    fn is_first_look(&self) -> bool {
        let mut looks = self.looks.lock().expect("no holder panics");
        *looks += 1;
        *looks == 1
    }

    /// The last value of a one-byte parameter.
    fn last(&self, parameter: u8) -> Option<u8> {
        let told = self.told();
        told.iter().rev().find(|option| option[0] == parameter).map(|option| option[1])
    }

    pub(super) async fn tell(
        &self,
        manner: BootManner,
        option: BootOption,
        chassis: &dyn Chassis,
    ) -> anyhow::Result<()> {
        let bytes = [vec![option.parameter()], option.build()].concat();
        self.told.lock().expect("no holder panics").push(bytes);
        let BootOption::Flags(flags) = option else {
            if let BootManner::OnlyFlags(code) = manner {
                return Err(Code(CompletionCode(code)).into());
            }
            return Ok(());
        };
        *self.looks.lock().expect("no holder panics") = 0;
        *self.without_device.lock().expect("no holder panics") =
            (flags.device == BootFlagDevice::None).then_some(flags);
        let is_kept = match manner {
            BootManner::Refused(code) => return Err(Code(CompletionCode(code)).into()),
            BootManner::DiskIsRemote(code) if flags.device == BootFlagDevice::Disk => {
                return Err(Code(CompletionCode(code)).into());
            }
            BootManner::OnlyOnce(code) if flags.persistent => return Err(Code(CompletionCode(code)).into()),
            BootManner::Thrown => false,
            BootManner::OnlyAnnounced => self.last(0) == Some(1),
            BootManner::OnlyPersistentNetwork => flags.device != BootFlagDevice::Pxe || flags.persistent,
            BootManner::Usual
            | BootManner::Cleared { .. }
            | BootManner::Stale
            | BootManner::DiskIsRemote(_)
            | BootManner::OnlyOnce(_)
            | BootManner::Slow
            | BootManner::OnlyFlags(_)
            | BootManner::NoMode
            | BootManner::Hidden(_) => true,
        };
        if is_kept { chassis.set_boot(setting_of(flags)?).await } else { Ok(()) }
    }

    pub(super) async fn shown(&self, manner: BootManner, chassis: &dyn Chassis) -> anyhow::Result<BootFlags> {
        let without_device = *self.without_device.lock().expect("no holder panics");
        let without_device = without_device.unwrap_or(BootFlags::NONE);
        let flags = chassis.boot().await?.map_or(without_device, flags_of);
        match manner {
            BootManner::Hidden(code) => Err(Code(CompletionCode(code)).into()),
            BootManner::Stale => Ok(BootFlags { valid: false, ..flags }),
            BootManner::NoMode => Ok(BootFlags { efi: false, ..flags }),
            BootManner::Slow if self.is_first_look() => Ok(BootFlags::NONE),
            BootManner::DiskIsRemote(_) if flags.efi && flags.device == BootFlagDevice::Disk => {
                Ok(BootFlags { device: BootFlagDevice::Other(9), ..flags })
            }
            BootManner::Usual
            | BootManner::Cleared { .. }
            | BootManner::Thrown
            | BootManner::Refused(_)
            | BootManner::DiskIsRemote(_)
            | BootManner::OnlyAnnounced
            | BootManner::OnlyOnce(_)
            | BootManner::Slow
            | BootManner::OnlyFlags(_)
            | BootManner::OnlyPersistentNetwork => Ok(flags),
        }
    }

    /// The server starts: its firmware reads the flags, if they are still there.
    pub(super) async fn start(&self, manner: BootManner, chassis: &dyn Chassis) -> anyhow::Result<()> {
        if let BootManner::Cleared { unless } = manner
            && self.last(3).unwrap_or(0) & unless != unless
        {
            chassis.set_boot(None).await?;
        }
        Ok(())
    }
}

fn setting_of(flags: BootFlags) -> anyhow::Result<Option<BootSetting>> {
    let device = match flags.device {
        _ if !flags.valid => return Ok(None),
        BootFlagDevice::None => return Ok(None),
        BootFlagDevice::Pxe => BootDevice::Pxe,
        // As some makers call it in UEFI mode.
        BootFlagDevice::Other(9) if flags.efi => BootDevice::Disk,
        BootFlagDevice::Disk => BootDevice::Disk,
        BootFlagDevice::Cdrom | BootFlagDevice::Setup | BootFlagDevice::Other(_) => {
            return Err(Code(CompletionCode::INVALID_FIELD).into());
        }
    };
    let persistence = if flags.persistent { Persistence::Persistent } else { Persistence::Once };
    let mode = if flags.efi { BootMode::Uefi } else { BootMode::Bios };
    Ok(Some(BootSetting { device, persistence, mode }))
}

fn flags_of(setting: BootSetting) -> BootFlags {
    BootFlags {
        valid: true,
        persistent: setting.persistence == Persistence::Persistent,
        efi: setting.mode == BootMode::Uefi,
        device: match setting.device {
            BootDevice::Pxe => BootFlagDevice::Pxe,
            BootDevice::Disk => BootFlagDevice::Disk,
        },
    }
}
