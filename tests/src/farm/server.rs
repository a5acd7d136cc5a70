//! Edges: the server behind a virtual BMC of a farm: the machine of [`super::machine`] by the clock, or one that is given.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;

use super::{
    describe::PowerTimes,
    machine::{Manner, Started, State},
};
use crate::bmc::chassis::{BootSetting, Chassis};

/// A server that is a state machine.
#[derive(Debug)]
pub struct Server(Mutex<State>);

impl Server {
    /// A server whose power takes these times.
    pub fn new(times: PowerTimes) -> Self {
        Self(Mutex::new(State::new(times)))
    }

    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(Instant::now());
        state
    }

    /// From now on it is bad in this way.
    pub fn set_manner(&self, manner: Manner) {
        self.now().manner = manner;
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.now().starts
    }

    /// By which boot setting it was started the last time, and how that went.
    pub fn last_start(&self) -> Option<(Option<BootSetting>, Started)> {
        self.now().last
    }
}

#[async_trait]
impl Chassis for Server {
    async fn power(&self) -> anyhow::Result<bool> {
        Ok(self.now().on)
    }

    async fn power_on(&self) -> anyhow::Result<()> {
        self.now().switch_on(Instant::now());
        Ok(())
    }

    async fn power_off(&self) -> anyhow::Result<()> {
        self.now().switch_off(Instant::now());
        Ok(())
    }

    async fn reset(&self) -> anyhow::Result<()> {
        let mut state = self.now();
        anyhow::ensure!(state.on, "reset: the server is off; switch it on");
        state.start(true);
        Ok(())
    }

    async fn soft_off(&self) -> anyhow::Result<()> {
        self.now().press_button(Instant::now());
        Ok(())
    }

    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()> {
        self.now().boot = setting;
        Ok(())
    }

    async fn boot(&self) -> anyhow::Result<Option<BootSetting>> {
        Ok(self.now().boot)
    }
}

/// What stands behind a virtual BMC.
#[derive(Clone, Debug)]
pub enum Behind {
    /// A state machine.
    Machine(Arc<Server>),
    /// A server that is given.
    Given(Arc<Given>),
}

impl Behind {
    pub(super) fn chassis(&self) -> Arc<dyn Chassis> {
        match self {
            Self::Machine(server) => Arc::clone(server) as _,
            Self::Given(server) => Arc::clone(server) as _,
        }
    }

    /// From now on it is bad in this way.
    pub(super) fn set_manner(&self, manner: Manner) -> anyhow::Result<()> {
        match self {
            Self::Machine(server) => {
                server.set_manner(manner);
                Ok(())
            }
            Self::Given(server) => server.set_manner(manner),
        }
    }

    /// How often it was started, if that is known.
    pub fn starts(&self) -> Option<u32> {
        match self {
            Self::Machine(server) => Some(server.starts()),
            Self::Given(_) => None,
        }
    }

    /// By which boot setting it was started the last time and how that went, if that is known.
    pub fn last_start(&self) -> Option<(Option<BootSetting>, Started)> {
        match self {
            Self::Machine(server) => server.last_start(),
            Self::Given(_) => None,
        }
    }
}

/// A server that is given, such as a virtual machine, and whose power-ons may get lost all the same.
pub struct Given {
    server: Arc<dyn Chassis>,
    power_ons_lost: Mutex<u32>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("power_ons_lost", &self.power_ons_lost).finish_non_exhaustive()
    }
}

impl Given {
    /// A server that is as good as this one.
    pub fn new(server: Arc<dyn Chassis>) -> Self {
        Self { server, power_ons_lost: Mutex::default() }
    }

    /// From now on it is bad in this way. How its firmware starts is its own.
    pub fn set_manner(&self, manner: Manner) -> anyhow::Result<()> {
        let Manner { power_ons_lost, disk_starts_in_circles, reset_loses_disks } = manner;
        anyhow::ensure!(
            !disk_starts_in_circles && !reset_loses_disks,
            "a fault of the server's firmware: only a server that is a state machine has those"
        );
        *self.lost() = power_ons_lost;
        Ok(())
    }

    fn lost(&self) -> MutexGuard<'_, u32> {
        self.power_ons_lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loses_power_on(&self) -> bool {
        let mut lost = self.lost();
        let left = lost.checked_sub(1);
        *lost = left.unwrap_or(0);
        left.is_some()
    }
}

#[async_trait]
impl Chassis for Given {
    async fn power(&self) -> anyhow::Result<bool> {
        self.server.power().await
    }

    async fn power_on(&self) -> anyhow::Result<()> {
        if !self.power().await? && self.loses_power_on() {
            return Ok(());
        }
        self.server.power_on().await
    }

    async fn power_off(&self) -> anyhow::Result<()> {
        self.server.power_off().await
    }

    async fn reset(&self) -> anyhow::Result<()> {
        self.server.reset().await
    }

    async fn soft_off(&self) -> anyhow::Result<()> {
        self.server.soft_off().await
    }

    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()> {
        self.server.set_boot(setting).await
    }

    async fn boot(&self) -> anyhow::Result<Option<BootSetting>> {
        self.server.boot().await
    }
}
