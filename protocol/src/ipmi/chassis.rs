//! Values: power and boot device (chapter 28).

use super::wire::{Malformed, Reader};
use crate::power::RestorePolicy;

/// Answer to Get Chassis Status, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChassisStatus {
    /// Whether the system has power.
    pub on: bool,
    /// Whether the last power-down was a fault of the power or its control.
    pub power_fault: bool,
    /// What the server does when its mains power comes back; none: the BMC does not say.
    pub restore_policy: Option<RestorePolicy>,
}

/// "Unknown" in place of a power restore policy.
const POLICY_UNKNOWN: u8 = 3;

impl ChassisStatus {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let policy = self.restore_policy.map_or(POLICY_UNKNOWN, RestorePolicy::code);
        vec![u8::from(self.on) | u8::from(self.power_fault) << 3 | policy << 5, 0, 0]
    }

    /// From bytes; the optional front panel byte is ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let [power, _, _] = Reader::new("Get Chassis Status answer", bytes).array()?;
        let restore_policy = RestorePolicy::of_code(power >> 5 & 0x03);
        Ok(Self { on: power & 0x01 != 0, power_fault: power & 0x18 != 0, restore_policy })
    }
}

/// Chassis Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChassisControl {
    /// Off at once.
    PowerDown,
    /// On.
    PowerUp,
    /// Off, a pause, on.
    PowerCycle,
    /// Reset without a pause.
    HardReset,
    /// Diagnostic interrupt.
    DiagnosticInterrupt,
    /// Ask the operating system to switch off.
    SoftShutdown,
}

impl ChassisControl {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::PowerDown,
        Self::PowerUp,
        Self::PowerCycle,
        Self::HardReset,
        Self::DiagnosticInterrupt,
        Self::SoftShutdown,
    ];

    /// The number on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// From the number on the wire.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// The device of the boot flags (table 28-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootFlagDevice {
    /// No override.
    None,
    /// Network.
    Pxe,
    /// First disk.
    Disk,
    /// CD or DVD.
    Cdrom,
    /// Firmware set-up.
    Setup,
    /// One that we have no word for, 4 bits.
    Other(u8),
}

impl BootFlagDevice {
    fn code(self) -> u8 {
        match self {
            BootFlagDevice::None => 0,
            BootFlagDevice::Pxe => 1,
            BootFlagDevice::Disk => 2,
            BootFlagDevice::Cdrom => 5,
            BootFlagDevice::Setup => 6,
            BootFlagDevice::Other(code) => code & 0x0f,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            0 => BootFlagDevice::None,
            1 => BootFlagDevice::Pxe,
            2 => BootFlagDevice::Disk,
            5 => BootFlagDevice::Cdrom,
            6 => BootFlagDevice::Setup,
            other => BootFlagDevice::Other(other),
        }
    }
}

/// Boot option parameter 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the firmware is to heed them.
    pub valid: bool,
    /// For all boots; otherwise for the next one.
    pub persistent: bool,
    /// UEFI; otherwise legacy BIOS.
    pub efi: bool,
    /// Device.
    pub device: BootFlagDevice,
}

impl BootFlags {
    /// Nothing set.
    pub const NONE: Self = Self { valid: false, persistent: false, efi: false, device: BootFlagDevice::None };

    fn build(&self) -> [u8; 5] {
        let flags = u8::from(self.valid) << 7 | u8::from(self.persistent) << 6 | u8::from(self.efi) << 5;
        [flags, self.device.code() << 2, 0, 0, 0]
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        // Old BMCs leave out bytes behind the second; they say nothing that we need.
        let [flags, device] = Reader::new("boot flags", bytes).array()?;
        Ok(Self {
            valid: flags & 0x80 != 0,
            persistent: flags & 0x40 != 0,
            efi: flags & 0x20 != 0,
            device: BootFlagDevice::from_code(device >> 2 & 0x0f),
        })
    }
}

/// Number of the parameter for the boot flags.
pub const BOOT_FLAGS_PARAMETER: u8 = 5;

/// One system boot option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootOption {
    /// Parameter 0: 1 while a console sets several parameters, 2 to commit, 0 when it is done.
    SetInProgress(u8),
    /// Parameter 3: when the BMC clears the boot flags by itself.
    ValidBitClearing(u8),
    /// Parameter 4: who has dealt with the boot information; a mask and its bits.
    InfoAcknowledge {
        /// Which bits are written.
        mask: u8,
        /// Their values.
        bits: u8,
    },
    /// Parameter 5: the boot flags.
    Flags(BootFlags),
}

impl BootOption {
    /// Number of the parameter.
    pub fn parameter(&self) -> u8 {
        match self {
            BootOption::SetInProgress(_) => 0,
            BootOption::ValidBitClearing(_) => 3,
            BootOption::InfoAcknowledge { .. } => 4,
            BootOption::Flags(_) => BOOT_FLAGS_PARAMETER,
        }
    }

    /// The parameter's data.
    pub fn build(&self) -> Vec<u8> {
        match self {
            BootOption::SetInProgress(value) | BootOption::ValidBitClearing(value) => vec![*value],
            BootOption::InfoAcknowledge { mask, bits } => vec![*mask, *bits],
            BootOption::Flags(flags) => flags.build().to_vec(),
        }
    }

    /// From the parameter's number and data; none when we do not know the parameter.
    pub fn parse(parameter: u8, data: &[u8]) -> Option<Result<Self, Malformed>> {
        let byte = || Reader::new("boot option", data).u8();
        Some(match parameter & 0x7f {
            0 => byte().map(BootOption::SetInProgress),
            3 => byte().map(BootOption::ValidBitClearing),
            4 => Reader::new("boot option", data)
                .array()
                .map(|[mask, bits]| BootOption::InfoAcknowledge { mask, bits }),
            BOOT_FLAGS_PARAMETER => BootFlags::parse(data).map(BootOption::Flags),
            _ => return None,
        })
    }
}
