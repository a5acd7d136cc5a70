//! Decisions: which of the things seen on the wire are news. Every stage is news once per boot, a refusal once in a while.

use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    time::{Duration, Instant},
};

use protocol::{boot::BootStage, mac::MacAddr};

use crate::booter::Refusal;

/// For how long repeated refusals of one interface, for the same kind of reason, are not reported again.
pub const QUIET: Duration = Duration::from_secs(10);

/// Most interfaces remembered; a flood of invented ones makes us forget, never grow.
pub const MAX_REMEMBERED: usize = 4096;

/// Remembers what has been reported.
#[derive(Debug, Default)]
pub struct News {
    boots: HashMap<MacAddr, Boot>,
    refusals: HashMap<MacAddr, (Discriminant<Refusal>, Instant)>,
}

#[derive(Debug)]
struct Boot {
    id: u64,
    seen: Vec<BootStage>,
}

impl News {
    /// Whether this stage of this boot has not been reported yet; if so, it now counts as reported.
    pub fn is_new_stage(&mut self, mac: MacAddr, boot_id: u64, stage: BootStage) -> bool {
        if self.boots.len() >= MAX_REMEMBERED && !self.boots.contains_key(&mac) {
            self.boots.clear();
        }
        let boot = self.boots.entry(mac).or_insert_with(|| Boot { id: boot_id, seen: Vec::new() });
        if boot.id != boot_id {
            *boot = Boot { id: boot_id, seen: Vec::new() };
        }
        let new = !boot.seen.contains(&stage);
        if new {
            boot.seen.push(stage);
        }
        new
    }

    /// Takes back that a stage was reported, because the report could not be delivered.
    pub fn forget_stage(&mut self, mac: MacAddr, stage: BootStage) {
        if let Some(boot) = self.boots.get_mut(&mac) {
            boot.seen.retain(|seen| *seen != stage);
        }
    }

    /// Whether no refusal of this interface for such a reason was reported lately; if so, one now counts as reported.
    pub fn is_new_refusal(&mut self, mac: MacAddr, reason: &Refusal, now: Instant) -> bool {
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
    fn refusals_are_not_repeated_at_once_and_never_fill_memory() {
        let start = crate::test_clock::start();
        let mut news = News::default();
        let none = Refusal::NoPlan;
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
