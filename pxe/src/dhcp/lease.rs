//! Decisions: which interface has which address.
//!
//! An interface gets the same address every time: the search starts at a place that follows from its MAC, and a lease
//! that has run out is kept until its address is needed. So nothing has to be stored on disk.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use protocol::mac::MacAddr;

/// For how long an address is lent. Short, so that an address whose server is gone is soon free; clients ask again
/// after half of it.
pub const LEASE: Duration = Duration::from_secs(600);

/// For how long an offered address waits to be taken.
pub const OFFER: Duration = Duration::from_secs(60);

/// For how long an address that somebody else was seen to use is not given out.
pub const QUARANTINE: Duration = Duration::from_secs(600);

/// Addresses that one interface may have put into quarantine at a time. A server whose address is in use elsewhere needs one
/// or two; who declines on and on, in whosever name, would use the range up.
pub const DECLINES_MAX: usize = 3;

/// Most addresses of a range, and so most leases and quarantined addresses remembered.
pub const MAX_RANGE: u32 = 4096;

/// The addresses that may be given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRange {
    first: u32,
    count: u32,
}

/// Why a range cannot be given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// The wrong way round.
    #[error("its last address comes before its first")]
    Order,
    /// More than we want to remember.
    #[error("it has more than {MAX_RANGE} addresses")]
    TooLarge,
    /// Servers could not reach the agent.
    #[error("it does not lie within the agent's network, or includes the first or last address of it")]
    Outside,
    /// A server would get the agent's address.
    #[error("it includes the agent's own address {0}")]
    OwnAddress(Ipv4Addr),
    /// Not a prefix of a network with room for hosts.
    #[error("the prefix length {0} is not between 8 and 30")]
    Prefix(u8),
}

impl LeaseRange {
    /// Checks a range against the agent's own address and network.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr, own: Ipv4Addr, prefix_len: u8) -> Result<Self, InvalidRange> {
        if !(8..=30).contains(&prefix_len) {
            return Err(InvalidRange::Prefix(prefix_len));
        }
        let (first, last, own_bits) = (u32::from(first), u32::from(last), u32::from(own));
        let span = last.checked_sub(first).ok_or(InvalidRange::Order)?;
        if span >= MAX_RANGE {
            return Err(InvalidRange::TooLarge);
        }
        let mask = u32::from(subnet_mask(prefix_len));
        let (lowest, highest) = (own_bits & mask, own_bits | !mask);
        if first <= lowest || last >= highest {
            return Err(InvalidRange::Outside);
        }
        if (first..=last).contains(&own_bits) {
            return Err(InvalidRange::OwnAddress(own));
        }
        Ok(Self { first, count: span + 1 })
    }

    fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address).checked_sub(self.first).is_some_and(|offset| offset < self.count)
    }

    /// All addresses, beginning at a place that follows from the MAC.
    fn starting_at_place_of(self, mac: MacAddr) -> impl Iterator<Item = Ipv4Addr> {
        // FNV-1a: any function that spreads well and never changes will do.
        let hash = mac
            .0
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let start = hash % self.count;
        (0..self.count).map(move |step| Ipv4Addr::from(self.first + (start + step) % self.count))
    }
}

impl std::fmt::Display for LeaseRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", Ipv4Addr::from(self.first), Ipv4Addr::from(self.first + self.count - 1))
    }
}

/// The mask of a prefix of 1 to 32 bits.
pub fn subnet_mask(prefix_len: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix_len))).unwrap_or(0))
}

/// Whether somebody at `peer` is a neighbour of `own`: both lie in one network of this prefix length.
pub fn is_neighbour(peer: IpAddr, own: Ipv4Addr, prefix_len: u8) -> bool {
    let mask = u32::from(subnet_mask(prefix_len));
    match peer.to_canonical() {
        IpAddr::V4(peer) => u32::from(peer) & mask == u32::from(own) & mask,
        IpAddr::V6(_) => false,
    }
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Addr,
    until: Instant,
    /// Acknowledged, not only offered.
    taken: bool,
}

/// Who has what.
#[derive(Debug)]
pub struct Leases {
    range: LeaseRange,
    by_mac: HashMap<MacAddr, Lease>,
    by_address: HashMap<Ipv4Addr, MacAddr>,
    quarantine: HashMap<Ipv4Addr, Quarantine>,
}

/// An address that somebody else was seen to use.
#[derive(Clone, Copy, Debug)]
struct Quarantine {
    until: Instant,
    declined_by: MacAddr,
}

/// What becomes of an address that was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It is not given out for a while.
    #[error("it is not given out for {} s", QUARANTINE.as_secs())]
    Quarantined,
    /// It stays as it was: only who has taken an address can find somebody else at it (RFC 2131 section 3.1, step 5).
    #[error("it was not lent to this interface, so nothing changes")]
    NotLent,
    /// It stays as it was.
    #[error(
        "this interface has declined {DECLINES_MAX} addresses already, so nothing changes; find out who else uses the \
         range, or answers in its name"
    )]
    TooOften,
}

impl Leases {
    /// Nobody has anything.
    pub fn new(range: LeaseRange) -> Self {
        Self { range, by_mac: HashMap::new(), by_address: HashMap::new(), quarantine: HashMap::new() }
    }

    /// The addresses that may be given out.
    pub fn range(&self) -> LeaseRange {
        self.range
    }

    /// The interface's address, reserved for it if it has none. `wish` is taken if it is free, so that a client keeps
    /// its address when we have forgotten it. An address in use is taken away only if its lease has run out and
    /// `may_boot` says no of its holder.
    pub fn reserve(
        &mut self,
        mac: MacAddr,
        wish: Option<Ipv4Addr>,
        now: Instant,
        may_boot: impl Fn(MacAddr) -> bool,
    ) -> Option<Ipv4Addr> {
        if let Some(lease) = self.by_mac.get_mut(&mac) {
            lease.until = lease.until.max(now + OFFER);
            return Some(lease.address);
        }
        self.quarantine.retain(|_, quarantine| quarantine.until > now);
        let candidates: Vec<Ipv4Addr> = wish
            .filter(|wish| self.range.contains(*wish))
            .into_iter()
            .chain(self.range.starting_at_place_of(mac))
            .filter(|address| !self.quarantine.contains_key(address))
            .collect();
        let free = candidates.iter().copied().find(|address| !self.by_address.contains_key(address));
        let address = free.or_else(|| {
            candidates.into_iter().find(|address| {
                self.by_address.get(address).is_some_and(|holder| {
                    self.by_mac.get(holder).is_none_or(|lease| lease.until <= now) && !may_boot(*holder)
                })
            })
        })?;
        if let Some(former) = self.by_address.insert(address, mac) {
            self.by_mac.remove(&former);
        }
        self.by_mac.insert(mac, Lease { address, until: now + OFFER, taken: false });
        Some(address)
    }

    /// Lends the reserved address.
    pub fn take(&mut self, mac: MacAddr, now: Instant) {
        if let Some(lease) = self.by_mac.get_mut(&mac) {
            lease.until = now + LEASE;
            lease.taken = true;
        }
    }

    /// Somebody else uses the address: the interface needs another one. Believed only of who has taken it, and a few times.
    pub fn decline(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) -> Declined {
        if self.holder(address, now) != Some(mac) {
            return Declined::NotLent;
        }
        self.quarantine.retain(|_, quarantine| quarantine.until > now);
        if self.quarantine.values().filter(|quarantine| quarantine.declined_by == mac).count() >= DECLINES_MAX
        {
            return Declined::TooOften;
        }
        self.by_mac.remove(&mac);
        self.by_address.remove(&address);
        self.quarantine.insert(address, Quarantine { until: now + QUARANTINE, declined_by: mac });
        Declined::Quarantined
    }

    /// Whose address it is, if it is lent now.
    pub fn holder(&self, address: Ipv4Addr, now: Instant) -> Option<MacAddr> {
        let mac = self.by_address.get(&address)?;
        self.by_mac.get(mac).filter(|lease| lease.taken && lease.until > now).map(|_| *mac)
    }

    /// The address that was last lent to, or reserved for, the interface.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).map(|lease| lease.address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 1, last)
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    fn leases(first: u8, last: u8) -> Leases {
        Leases::new(LeaseRange::new(ip(first), ip(last), ip(1), 24).unwrap())
    }

    #[test]
    fn ranges_are_checked() {
        let check = |first, last, own, prefix_len, expected: Result<(), InvalidRange>| {
            assert_eq!(LeaseRange::new(first, last, own, prefix_len).map(|_| ()), expected, "{first}-{last}");
        };
        check(ip(10), ip(250), ip(1), 24, Ok(()));
        check(ip(10), ip(10), ip(1), 24, Ok(()));
        check(ip(11), ip(10), ip(1), 24, Err(InvalidRange::Order));
        check(ip(0), ip(10), ip(1), 24, Err(InvalidRange::Outside));
        check(ip(200), ip(255), ip(1), 24, Err(InvalidRange::Outside));
        check(ip(10), ip(99), ip(50), 24, Err(InvalidRange::OwnAddress(ip(50))));
        check(ip(10), ip(20), ip(1), 31, Err(InvalidRange::Prefix(31)));
        check(
            Ipv4Addr::new(10, 0, 0, 2),
            Ipv4Addr::new(10, 0, 200, 0),
            Ipv4Addr::new(10, 0, 0, 1),
            8,
            Err(InvalidRange::TooLarge),
        );
    }

    #[test]
    fn an_address_stays_and_comes_back_after_a_restart() {
        let now = crate::test_clock::start();
        let mut first = leases(10, 250);
        let address = first.reserve(mac(1), None, now, |_| true).unwrap();
        assert_eq!(first.reserve(mac(1), None, now + LEASE * 9, |_| true), Some(address));
        assert_eq!(leases(10, 250).reserve(mac(1), None, now, |_| true), Some(address));
        assert_eq!(leases(10, 250).reserve(mac(2), Some(address), now, |_| true), Some(address), "a wish");
        assert_ne!(
            first.reserve(mac(2), Some(address), now, |_| true),
            Some(address),
            "a wish for another's"
        );
        assert_ne!(
            leases(10, 250).reserve(mac(2), Some(ip(1)), now, |_| true),
            Some(ip(1)),
            "not in the range"
        );
    }

    #[test]
    fn an_address_is_taken_away_only_from_who_is_gone() {
        let now = crate::test_clock::start();
        let mut leases = leases(10, 11);
        let one = leases.reserve(mac(1), None, now, |_| true).unwrap();
        leases.take(mac(1), now);
        leases.reserve(mac(2), None, now, |_| true).unwrap();
        leases.take(mac(2), now);
        assert_eq!(leases.reserve(mac(3), None, now, |_| false), None, "both are lent");
        let later = now + LEASE;
        assert_eq!(leases.reserve(mac(3), None, later, |_| true), None, "both may still boot");
        assert_eq!(leases.reserve(mac(3), None, later, |holder| holder != mac(1)), Some(one));
        assert_eq!(leases.address_of(mac(1)), None);
    }

    #[test]
    fn an_address_counts_from_the_acknowledgement_until_it_runs_out() {
        let now = crate::test_clock::start();
        let mut leases = leases(10, 20);
        let address = leases.reserve(mac(1), None, now, |_| true).unwrap();
        assert_eq!(leases.holder(address, now), None, "only offered");
        leases.take(mac(1), now);
        assert_eq!(leases.holder(address, now), Some(mac(1)));
        assert_eq!(leases.holder(address, now + LEASE), None, "run out");
        assert_eq!(leases.decline(mac(2), address, now), Declined::NotLent);
        assert_eq!(leases.holder(address, now), Some(mac(1)), "declined by somebody else");
        assert_eq!(leases.decline(mac(1), address, now), Declined::Quarantined);
        let other = leases.reserve(mac(1), Some(address), now, |_| true).unwrap();
        assert_ne!(other, address, "in quarantine");
        assert_eq!(leases.decline(mac(1), other, now), Declined::NotLent, "only offered");
        assert_eq!(leases.reserve(mac(1), None, now, |_| true), Some(other));
    }

    #[test]
    fn who_declines_on_and_on_does_not_use_the_range_up() {
        let mut now = crate::test_clock::start();
        let mut leases = leases(10, 19);
        let ask = |leases: &mut Leases, who, now| {
            let address = leases.reserve(mac(who), None, now, |_| true).expect("there are free addresses");
            leases.take(mac(who), now);
            address
        };
        let declined = |leases: &mut Leases, now| {
            let address = ask(leases, 1, now);
            leases.decline(mac(1), address, now)
        };
        for _ in 0..DECLINES_MAX {
            assert_eq!(declined(&mut leases, now), Declined::Quarantined);
        }
        for _ in 0..1000 {
            assert_eq!(declined(&mut leases, now), Declined::TooOften);
        }
        assert_eq!(leases.quarantine.len(), DECLINES_MAX);
        let own = leases.address_of(mac(1));
        assert!(own.is_some_and(|own| leases.holder(own, now) == Some(mac(1))), "it keeps its last address");
        for other in 2..8 {
            ask(&mut leases, other, now);
        }
        // After the quarantine it is believed again.
        now += QUARANTINE;
        assert_eq!(declined(&mut leases, now), Declined::Quarantined);
    }

    proptest! {
        #[test]
        fn no_two_interfaces_share_an_address(steps in proptest::collection::vec((0u8..12, 0u8..4, 8u8..20, any::<u16>()), 0..200)) {
            let mut now = crate::test_clock::start();
            let mut leases = leases(10, 15);
            for (who, what, address, pause) in steps {
                now += Duration::from_secs(u64::from(pause) % 400);
                match what {
                    0 => drop(leases.reserve(mac(who), Some(ip(address)), now, |holder| holder.0[5] % 2 == 0)),
                    1 => drop(leases.reserve(mac(who), None, now, |_| false)),
                    2 => leases.take(mac(who), now),
                    _ => drop(leases.decline(mac(who), ip(address), now)),
                }
                prop_assert_eq!(leases.by_mac.len(), leases.by_address.len());
                for (mac, lease) in &leases.by_mac {
                    prop_assert_eq!(leases.by_address.get(&lease.address), Some(mac));
                    prop_assert!(leases.range.contains(lease.address));
                }
                prop_assert!(leases.quarantine.len() <= 6);
            }
        }
    }
}
