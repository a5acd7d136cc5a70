//! Decisions: which of the things seen on the wire are news. Every stage is news once per boot, a refusal once in a while.

use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    time::{Duration, Instant},
};

use protocol::{boot::BootStage, mac::MacAddr, pace::Pace};

use crate::{booter::Refusal, firmware::Firmware};

/// For how long repeated refusals of one interface, for the same kind of reason, are not reported again.
pub const QUIET: Duration = Duration::from_secs(10);

/// Most interfaces remembered; a flood of invented ones makes us forget, never grow.
pub const MAX_REMEMBERED: usize = 4096;

/// Lines at once about interfaces that have no boot here, which anybody can invent without end.
pub const LINES_BURST: u32 = 50;

/// And from then on one in each so long, all interfaces together.
pub const LINE_EVERY: Duration = Duration::from_millis(100);

/// Remembers what has been reported.
#[derive(Debug)]
pub struct News {
    boots: HashMap<MacAddr, Boot>,
    refusals: HashMap<MacAddr, (Discriminant<Refusal>, Instant)>,
    lines: Pace,
}

impl Default for News {
    fn default() -> Self {
        Self { boots: HashMap::new(), refusals: HashMap::new(), lines: Pace::new(LINES_BURST, LINE_EVERY) }
    }
}

/// Where a refusal that is news is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// To whoever decides about boots, and in the log.
    InLog {
        /// Lines about interfaces without a boot that were not written since the last one.
        passed_over: u64,
    },
    /// To whoever decides about boots alone: the log has had enough of such lines.
    Quietly,
}

/// How often it is reported that the firmware of one boot begins anew.
pub const RESTARTS_MAX: u32 = 10;

#[derive(Debug)]
struct Boot {
    id: u64,
    seen: Vec<BootStage>,
    restarts: u32,
}

impl Boot {
    fn new(id: u64) -> Self {
        Self { id, seen: Vec::new(), restarts: 0 }
    }
}

impl News {
    /// Whether this stage of this boot has not been reported yet; if so, it now counts as reported.
    pub fn is_new_stage(&mut self, mac: MacAddr, boot_id: u64, stage: BootStage) -> bool {
        if self.boots.len() >= MAX_REMEMBERED && !self.boots.contains_key(&mac) {
            self.boots.clear();
        }
        let boot = self.boots.entry(mac).or_insert_with(|| Boot::new(boot_id));
        if boot.id != boot_id {
            *boot = Boot::new(boot_id);
        }
        let new = !boot.seen.contains(&stage);
        if new {
            boot.seen.push(stage);
        }
        new
    }

    /// A firmware asks for an address. Where it had come further than that before, it begins anew, and so do we: every stage is news once
    /// more. iPXE that we have loaded ourselves only goes on.
    pub fn asks(&mut self, mac: MacAddr, boot_id: u64, firmware: Firmware) {
        let Some(boot) = self.boots.get_mut(&mac).filter(|boot| boot.id == boot_id) else { return };
        let after = match firmware {
            Firmware::System | Firmware::Unsupported(_) => return,
            Firmware::Ipxe => BootStage::Script,
            Firmware::BiosPxe | Firmware::UefiPxe | Firmware::UefiHttp | Firmware::SilentPxe => {
                BootStage::Loader
            }
        };
        if boot.restarts < RESTARTS_MAX && boot.seen.iter().any(|stage| *stage >= after) {
            boot.seen.clear();
            boot.restarts += 1;
        }
    }

    /// Takes back that a stage was reported, because the report could not be delivered.
    pub fn forget_stage(&mut self, mac: MacAddr, stage: BootStage) {
        if let Some(boot) = self.boots.get_mut(&mac) {
            boot.seen.retain(|seen| *seen != stage);
        }
    }

    /// Where a refusal is told; none: it is no news.
    pub fn refusal(&mut self, mac: MacAddr, reason: &Refusal, now: Instant) -> Option<Told> {
        if !self.is_new_refusal(mac, reason, now) {
            return None;
        }
        let anybody_can_cause_it = match reason {
            Refusal::NoPlan { .. } => true,
            // These are of interfaces that have a plan, of which there are few.
            Refusal::WrongNetwork { .. }
            | Refusal::NoAddress { .. }
            | Refusal::AddressesInUse { .. }
            | Refusal::UnsupportedFirmware { .. }
            | Refusal::SignedByHttp
            | Refusal::OtherServer { .. }
            | Refusal::NotItsAddress { .. }
            | Refusal::CommandLine { .. } => false,
        };
        Some(match anybody_can_cause_it {
            false => Told::InLog { passed_over: 0 },
            true => match self.lines.next(now) {
                Some(passed_over) => Told::InLog { passed_over },
                None => Told::Quietly,
            },
        })
    }

    /// Whether one more line may be written that anybody can cause; if so, how many were not since the last one.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        self.lines.next(now)
    }

    /// Whether no refusal of this interface for such a reason was reported lately; if so, one now counts as reported.
    fn is_new_refusal(&mut self, mac: MacAddr, reason: &Refusal, now: Instant) -> bool {
        let kind = discriminant(reason);
        let told = |(last, at): &(_, Instant)| *last == kind && now.saturating_duration_since(*at) < QUIET;
        if self.refusals.get(&mac).is_some_and(told) {
            return false;
        }
        if self.refusals.len() >= MAX_REMEMBERED {
            self.refusals.clear();
        }
        self.refusals.insert(mac, (kind, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use protocol::network::BootNetwork;

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn each_stage_is_news_once_per_boot() {
        let mut news = News::default();
        let mut check = |boot_id, stage, expected| {
            assert_eq!(news.is_new_stage(MAC, boot_id, stage), expected, "{boot_id} {stage:?}");
        };
        check(1, BootStage::DhcpDiscover, true);
        check(1, BootStage::DhcpDiscover, false);
        check(1, BootStage::Kernel, true);
        check(2, BootStage::DhcpDiscover, true);
        check(2, BootStage::Kernel, true);
        news.forget_stage(MAC, BootStage::Kernel);
        assert!(news.is_new_stage(MAC, 2, BootStage::Kernel));
    }

    #[test]
    fn a_firmware_that_begins_anew_is_told_so_often() {
        use BootStage::{DhcpDiscover, Initrd, Loader, Script};
        let pass = |news: &mut News, firmware, stages: &[BootStage]| {
            news.asks(MAC, 1, firmware);
            stages.iter().filter(|stage| news.is_new_stage(MAC, 1, **stage)).count()
        };
        let mut news = News::default();
        assert_eq!(pass(&mut news, Firmware::UefiPxe, &[DhcpDiscover, Loader]), 2);
        // The loader's own request, a repeated one, and the ramdisk's, are of the same beginning.
        assert_eq!(pass(&mut news, Firmware::Ipxe, &[DhcpDiscover, Script, Initrd]), 2);
        assert_eq!(pass(&mut news, Firmware::System, &[DhcpDiscover]), 0);
        for _ in 0..RESTARTS_MAX {
            assert_eq!(pass(&mut news, Firmware::UefiPxe, &[DhcpDiscover, Loader]), 2);
        }
        assert_eq!(pass(&mut news, Firmware::UefiPxe, &[DhcpDiscover, Loader]), 0, "it is known by now");
        // A boot ROM that is iPXE has come further only with its script.
        let mut news = News::default();
        assert_eq!(pass(&mut news, Firmware::Ipxe, &[DhcpDiscover]), 1);
        assert_eq!(pass(&mut news, Firmware::Ipxe, &[DhcpDiscover, Script]), 1);
        assert_eq!(pass(&mut news, Firmware::Ipxe, &[DhcpDiscover, Script]), 2);
    }

    #[test]
    fn invented_interfaces_fill_no_log() {
        let start = crate::test_clock::start();
        let mut news = News::default();
        let mut lines = 0;
        for number in 0..90_000_u32 {
            let [a, b, c, _] = number.to_le_bytes();
            let now = start + Duration::from_secs(3) * number / 90_000;
            let told = news.refusal(MacAddr([2, 1, 1, a, b, c]), &Refusal::NoPlan { machine: None }, now);
            lines += u32::from(matches!(told, Some(Told::InLog { .. })));
        }
        let bound = LINES_BURST + 30;
        assert!((LINES_BURST..=bound).contains(&lines), "{lines} lines in three seconds");
        // A server with a plan is told in the midst of it.
        let elsewhere = Refusal::WrongNetwork { planned: BootNetwork::Cleaning };
        let now = start + Duration::from_secs(3);
        assert_eq!(news.refusal(MAC, &elsewhere, now), Some(Told::InLog { passed_over: 0 }));
        // And what was passed over is told with the next line.
        let told = news.refusal(MAC, &Refusal::NoPlan { machine: None }, now + LINE_EVERY);
        assert!(matches!(told, Some(Told::InLog { passed_over: 1.. })), "{told:?}");
    }

    #[test]
    fn refusals_are_not_repeated_at_once_and_never_fill_memory() {
        let start = crate::test_clock::start();
        let mut news = News::default();
        let none = Refusal::NoPlan { machine: None };
        assert!(news.is_new_refusal(MAC, &none, start));
        assert!(!news.is_new_refusal(MAC, &none, start + QUIET / 2));
        assert!(news.is_new_refusal(MAC, &none, start + QUIET));
        // It was permitted meanwhile, elsewhere: that is news at once, and once.
        let elsewhere = Refusal::WrongNetwork { planned: BootNetwork::Cleaning };
        assert!(news.is_new_refusal(MAC, &elsewhere, start + QUIET));
        assert!(!news.is_new_refusal(MAC, &elsewhere, start + QUIET));
        for number in 0..3 * MAX_REMEMBERED {
            let [a, b, ..] = (number as u64).to_le_bytes();
            news.is_new_refusal(MacAddr([2, 1, 1, 1, a, b]), &none, start);
            news.is_new_stage(MacAddr([2, 1, 1, 1, a, b]), 1, BootStage::Kernel);
        }
        assert!(news.refusals.len() <= MAX_REMEMBERED && news.boots.len() <= MAX_REMEMBERED);
    }
}
