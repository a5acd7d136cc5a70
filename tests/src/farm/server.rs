//! Edges: the server behind a virtual BMC of a farm: the machine of [`super::machine`] by the clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
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
