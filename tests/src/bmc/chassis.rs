//! Values: the machine behind a virtual BMC, as the BMC sees it.

use std::sync::Mutex;

use async_trait::async_trait;
use protocol::boot::{BootDevice, BootMode, Persistence};

/// Where the next power-on or reset boots. The machine keeps it: a one-shot setting is used up by the boot, not by the BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootSetting {
    /// Device.
    pub device: BootDevice,
    /// For how long.
    pub persistence: Persistence,
    /// Firmware mode that was asked for; a machine with one firmware may ignore it.
    pub mode: BootMode,
}

/// One machine with a power switch. A virtual BMC calls it, several at once if need be; every call returns when it is done.
#[async_trait]
pub trait Chassis: Send + Sync + 'static {
    /// Whether the machine has power now; seen afresh, so that a killed machine is off.
    async fn power(&self) -> anyhow::Result<bool>;
    /// Switch on and boot by the boot setting; nothing to do when on.
    async fn power_on(&self) -> anyhow::Result<()>;
    /// Take the power away at once; nothing to do when off.
    async fn power_off(&self) -> anyhow::Result<()>;
    /// Restart a machine that is on, booting by the boot setting; an error when it is off.
    async fn reset(&self) -> anyhow::Result<()>;
    /// Press the power button: ask the operating system to switch off, and return without waiting for it.
    async fn soft_off(&self) -> anyhow::Result<()>;
    /// Where to boot from now on; none: the firmware's own order.
    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()>;
    /// The boot setting as it stands: a one-shot one is gone after the boot that used it.
    async fn boot(&self) -> anyhow::Result<Option<BootSetting>>;
}

/// What a [`FakeChassis`] remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FakeState {
    /// Power.
    pub on: bool,
    /// Boot setting.
    pub boot: Option<BootSetting>,
    /// Power-ons and resets, each with the setting that it booted by.
    pub boots: Vec<Option<BootSetting>>,
    /// Soft power-offs that were asked for.
    pub soft_offs: u32,
}

/// A machine without a machine, for the contract tests of clients.
#[derive(Debug, Default)]
pub struct FakeChassis(Mutex<FakeState>);

impl FakeChassis {
    /// What it remembers now.
    pub fn state(&self) -> FakeState {
        self.0.lock().expect("no holder panics").clone()
    }

    /// Pull the plug.
    pub fn pull_the_plug(&self) {
        self.0.lock().expect("no holder panics").on = false;
    }
}

impl FakeState {
    fn boot_now(&mut self) {
        let setting = self.boot;
        self.boots.push(setting);
        if setting.is_some_and(|s| s.persistence == Persistence::Once) {
            self.boot = None;
        }
        self.on = true;
    }
}

#[async_trait]
impl Chassis for FakeChassis {
    async fn power(&self) -> anyhow::Result<bool> {
        Ok(self.state().on)
    }

    async fn power_on(&self) -> anyhow::Result<()> {
        let mut state = self.0.lock().expect("no holder panics");
        if !state.on {
            state.boot_now();
        }
        Ok(())
    }

    async fn power_off(&self) -> anyhow::Result<()> {
        self.pull_the_plug();
        Ok(())
    }

    async fn reset(&self) -> anyhow::Result<()> {
        let mut state = self.0.lock().expect("no holder panics");
        anyhow::ensure!(state.on, "reset: the machine is off; switch it on");
        state.boot_now();
        Ok(())
    }

    async fn soft_off(&self) -> anyhow::Result<()> {
        let mut state = self.0.lock().expect("no holder panics");
        state.soft_offs += 1;
        state.on = false;
        Ok(())
    }

    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()> {
        self.0.lock().expect("no holder panics").boot = setting;
        Ok(())
    }

    async fn boot(&self) -> anyhow::Result<Option<BootSetting>> {
        Ok(self.state().boot)
    }
}
