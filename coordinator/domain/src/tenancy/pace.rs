//! Decisions: when a tenancy that ends is looked at again: at once when something has changed, else after a pause that grows to a
//! bound and stays there. It is never given up. And for how long Nova was given its time.

use std::{collections::HashMap, time::Duration};

use protocol::backoff::Backoff;
use uuid::Uuid;

/// The pauses between looks at what does not change.
pub const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));

/// The pauses of all tenancies that end.
#[derive(Debug, Default)]
pub struct Paces {
    paces: HashMap<Uuid, Pace>,
    nova_asked_us: HashMap<Uuid, u64>,
}

#[derive(Debug)]
struct Pace {
    seen: String,
    /// How often it was looked at since that was first seen.
    looks: u32,
    not_before_us: u64,
}

impl Paces {
    /// Whether a tenancy is to be looked at now, of which this is seen; and if so, when next.
    pub fn is_due(&mut self, id: Uuid, seen: &str, now_us: u64) -> bool {
        let looks = match self.paces.get(&id) {
            Some(pace) if pace.seen == seen && now_us < pace.not_before_us => return false,
            Some(pace) if pace.seen == seen => pace.looks.saturating_add(1),
            Some(_) | None => 1,
        };
        let pause_us = u64::try_from(PAUSES.after(looks).as_micros()).unwrap_or(u64::MAX);
        let pace = Pace { seen: seen.to_owned(), looks, not_before_us: now_us.saturating_add(pause_us) };
        self.paces.insert(id, pace);
        true
    }

    /// Forgets every tenancy but these.
    pub fn keep(&mut self, ids: impl Fn(Uuid) -> bool) {
        self.paces.retain(|id, _| ids(*id));
        self.nova_asked_us.retain(|id, _| ids(*id));
    }

    /// Lets a tenancy be looked at at once.
    pub fn hurry(&mut self, id: Uuid) {
        self.paces.remove(&id);
    }

    /// Nova was asked to end it.
    pub fn nova_asked(&mut self, id: Uuid, now_us: u64) {
        self.nova_asked_us.entry(id).or_insert(now_us);
    }

    /// How long ago Nova was first asked by this process; none: it was not.
    pub fn nova_asked_for_us(&self, id: Uuid, now_us: u64) -> Option<u64> {
        self.nova_asked_us.get(&id).map(|asked_us| now_us.saturating_sub(*asked_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_end_with_a_change() {
        let (mut paces, id) = (Paces::default(), Uuid::from_u128(1));
        let mut looks = Vec::new();
        for second in 0..40 {
            if paces.is_due(id, "active", second * 1_000_000) {
                looks.push(second);
            }
        }
        assert_eq!(looks, [0, 1, 3, 7, 15, 23, 31, 39]);
        assert!(paces.is_due(id, "cleaning", 39_000_001), "a change is looked at at once");
        assert!(!paces.is_due(id, "cleaning", 39_500_000));
        paces.hurry(id);
        assert!(paces.is_due(id, "cleaning", 39_500_000));
        paces.keep(|_| false);
        assert!(paces.is_due(id, "cleaning", 39_500_001));
    }

    #[test]
    fn novas_time_begins_when_it_is_asked() {
        let (mut paces, id) = (Paces::default(), Uuid::from_u128(1));
        assert_eq!(paces.nova_asked_for_us(id, 5), None);
        paces.nova_asked(id, 5);
        paces.nova_asked(id, 7);
        paces.hurry(id);
        assert_eq!(paces.nova_asked_for_us(id, 9), Some(4));
        paces.keep(|_| false);
        assert_eq!(paces.nova_asked_for_us(id, 9), None);
    }
}
