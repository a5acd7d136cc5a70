//! Decisions: a server that is a state machine: its power takes time, and its firmware may be bad.

use std::time::{Duration, Instant};

use protocol::boot::{BootDevice, Persistence};
use serde::Serialize;

use super::describe::PowerTimes;
use crate::bmc::chassis::BootSetting;

/// What is wrong with a server, whatever its BMC does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// So many of the next power-ons do nothing.
    pub power_ons_lost: u32,
    /// It starts in circles while the disk is chosen as boot device.
    pub disk_starts_in_circles: bool,
    /// After a reset it does not find its disks, until it is off for once.
    pub reset_loses_disks: bool,
}

/// How the last start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Started {
    /// By what was set, or by the firmware's own order.
    Well,
    /// Again and again, without an end.
    InCircles,
    /// Without its disks.
    WithoutDisks,
}

/// The server.
#[derive(Debug, Default)]
pub(super) struct State {
    times: PowerTimes,
    pub(super) on: bool,
    /// What it will be, and from when on.
    becomes: Option<(bool, Instant)>,
    pub(super) boot: Option<BootSetting>,
    pub(super) manner: Manner,
    pub(super) starts: u32,
    pub(super) last: Option<(Option<BootSetting>, Started)>,
}

impl State {
    /// A server whose power takes these times.
    pub(super) fn new(times: PowerTimes) -> Self {
        Self { times, on: times.on, ..Self::default() }
    }

    /// Takes what is due.
    pub(super) fn settle(&mut self, now: Instant) {
        if let Some((on, at)) = self.becomes
            && at <= now
        {
            self.on = on;
            self.becomes = None;
        }
    }

    fn become_after(&mut self, on: bool, ms: u64, now: Instant) {
        self.becomes = Some((on, now + Duration::from_millis(ms)));
        self.settle(now);
    }

    /// Its firmware starts; by a reset, it may have lost what it needs.
    pub(super) fn start(&mut self, by_reset: bool) {
        let used = self.boot;
        if used.is_some_and(|setting| setting.persistence == Persistence::Once) {
            self.boot = None;
        }
        let is_disk = used.is_some_and(|setting| setting.device == BootDevice::Disk);
        let went = match self.manner {
            manner if manner.disk_starts_in_circles && is_disk => Started::InCircles,
            manner if manner.reset_loses_disks && by_reset => Started::WithoutDisks,
            _ => Started::Well,
        };
        self.starts += 1;
        self.last = Some((used, went));
    }

    /// Switches on, if it is off.
    pub(super) fn switch_on(&mut self, now: Instant) {
        self.settle(now);
        if self.on || self.becomes.is_some_and(|(on, _)| on) {
            return;
        }
        if self.manner.power_ons_lost > 0 {
            self.manner.power_ons_lost -= 1;
            return;
        }
        self.start(false);
        self.become_after(true, self.times.on_ms, now);
    }

    /// Takes the power away.
    pub(super) fn switch_off(&mut self, now: Instant) {
        self.end_after(self.times.off_ms, now);
    }

    /// Asks the system to end.
    pub(super) fn press_button(&mut self, now: Instant) {
        self.end_after(self.times.soft_off_ms, now);
    }

    fn end_after(&mut self, ms: u64, now: Instant) {
        self.settle(now);
        if self.on {
            self.become_after(false, ms, now);
        } else {
            self.becomes = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::boot::BootMode;

    use super::*;

    #[test]
    fn power_takes_its_time_and_a_start_goes_as_the_firmware_is() {
        let times = PowerTimes { on: false, on_ms: 100, off_ms: 50, soft_off_ms: 500 };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let is_on = |server: &mut State, ms| {
            server.settle(at(ms));
            server.on
        };
        let mut server = State::new(times);
        server.manner = Manner { power_ons_lost: 1, disk_starts_in_circles: true, reset_loses_disks: true };
        server.switch_on(at(0));
        assert_eq!((is_on(&mut server, 1000), server.starts), (false, 0), "it was lost");
        let (device, persistence, mode) = (BootDevice::Disk, Persistence::Once, BootMode::Uefi);
        let disk = BootSetting { device, persistence, mode };
        server.boot = Some(disk);
        server.switch_on(at(1000));
        assert_eq!((is_on(&mut server, 1099), is_on(&mut server, 1100)), (false, true));
        assert_eq!(server.last, Some((Some(disk), Started::InCircles)));
        server.start(true);
        assert_eq!(server.last, Some((None, Started::WithoutDisks)));
        server.press_button(at(2000));
        assert_eq!((is_on(&mut server, 2499), is_on(&mut server, 2500)), (true, false));
        server.switch_on(at(3000));
        server.switch_off(at(3100));
        assert_eq!((is_on(&mut server, 3149), is_on(&mut server, 3150)), (true, false));
    }
}
