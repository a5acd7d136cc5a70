//! Decisions: which interface has which address.
//!
//! An interface gets the same address every time: the search starts at a place that follows from its MAC, and a lease
//! that has run out is kept until its address is needed. What was lent is told to whoever keeps it over a restart
//! (`kept`); an address that an interface gets for the first time is proven to be free first (`probe`).

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
pub const MAX_RANGE: u32 = 16_384;

/// A lease that was kept for so long is kept anew when it is lent again: a boot asks three times within a minute.
pub const KEPT_ANEW: Duration = Duration::from_secs(60);

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

    /// Whether it is one of them.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
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

/// How sure an address is its interface's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// Chosen; nobody has looked yet whether somebody else uses it.
    Unproven,
    /// Somebody looks.
    BeingProven,
    /// Offered, not acknowledged.
    Offered,
    /// Lent.
    Taken,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Addr,
    until: Instant,
    hold: Hold,
    /// Until when it is lent by what is kept over a restart; none: nothing is kept of it.
    kept_until: Option<Instant>,
}

/// An address for an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// This one, which it had before, or which was proven to be free.
    Proven(Ipv4Addr),
    /// This one, which it never had: prove that nobody uses it, then say so by [`Leases::prove`] or [`Leases::in_use`].
    Unproven(Ipv4Addr),
    /// Somebody is about to prove it.
    BeingProven,
    /// All are in use.
    None,
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

/// A lease, as it is kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// To whom.
    pub mac: MacAddr,
    /// Which address.
    pub address: Ipv4Addr,
    /// For how long.
    pub until: Instant,
}

/// What becomes of an address that was declined, or that somebody else was seen to use.
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

    /// Puts back what was lent before a restart. What does not fit into the range, or is another's by now, is left out.
    pub fn restore(&mut self, mac: MacAddr, address: Ipv4Addr, until: Instant) {
        if self.range.contains(address) {
            self.restore_own(mac, address, until);
        }
    }

    /// The same for an address that is its interface's own, inside the range or outside.
    pub fn restore_own(&mut self, mac: MacAddr, address: Ipv4Addr, until: Instant) {
        let free = !self.by_mac.contains_key(&mac) && !self.by_address.contains_key(&address);
        if free && self.by_mac.len() < MAX_RANGE as usize {
            self.by_address.insert(address, mac);
            self.by_mac.insert(mac, Lease { address, until, hold: Hold::Taken, kept_until: Some(until) });
        }
    }

    /// The interface's address, reserved for it if it has none. `wish` is taken if it is free, so that a client keeps
    /// its address when we have forgotten it. An address in use is taken away only if its lease has run out and
    /// `may_boot` says no of its holder. One at which `runs_anothers` ramdisk is nobody else's, whatever became of its lease.
    pub fn reserve(
        &mut self,
        mac: MacAddr,
        wish: Option<Ipv4Addr>,
        now: Instant,
        may_boot: impl Fn(MacAddr) -> bool,
        runs_anothers: impl Fn(Ipv4Addr) -> bool,
    ) -> Reserved {
        // What was reserved before the ramdisk came back, which a restart had made us forget.
        if let Some(lost) = self.by_mac.get(&mac).map(|lease| lease.address).filter(|own| runs_anothers(*own))
        {
            self.by_mac.remove(&mac);
            self.by_address.remove(&lost);
        }
        if let Some(lease) = self.by_mac.get_mut(&mac) {
            match lease.hold {
                Hold::BeingProven if lease.until > now => return Reserved::BeingProven,
                // Nobody has said how it ended.
                Hold::Unproven | Hold::BeingProven => {
                    (lease.hold, lease.until) = (Hold::BeingProven, now + OFFER);
                    return Reserved::Unproven(lease.address);
                }
                Hold::Offered | Hold::Taken => {
                    lease.until = lease.until.max(now + OFFER);
                    return Reserved::Proven(lease.address);
                }
            }
        }
        self.quarantine.retain(|_, quarantine| quarantine.until > now);
        let candidates = || {
            let wish = wish.filter(|wish| self.range.contains(*wish));
            let all = wish.into_iter().chain(self.range.starting_at_place_of(mac));
            all.filter(|address| !self.quarantine.contains_key(address) && !runs_anothers(*address))
        };
        let free = candidates().find(|address| !self.by_address.contains_key(address));
        let gone = || {
            candidates().find(|address| {
                self.by_address.get(address).is_some_and(|holder| {
                    self.by_mac.get(holder).is_none_or(|lease| lease.until <= now) && !may_boot(*holder)
                })
            })
        };
        let Some(address) = free.or_else(gone) else { return Reserved::None };
        if let Some(former) = self.by_address.insert(address, mac) {
            self.by_mac.remove(&former);
        }
        let lease = Lease { address, until: now + OFFER, hold: Hold::BeingProven, kept_until: None };
        self.by_mac.insert(mac, lease);
        Reserved::Unproven(address)
    }

    /// Makes an address an interface's own, inside the range or outside, unless somebody else was seen to use it lately. Who had it of the
    /// range gets another one when it asks next.
    pub fn assign(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) {
        let has = self.by_mac.get(&mac).map(|lease| lease.address);
        let is_quarantined = self.quarantine.get(&address).is_some_and(|quarantine| quarantine.until > now);
        if has == Some(address) || is_quarantined {
            return;
        }
        if let Some(former) = self.by_address.insert(address, mac) {
            self.by_mac.remove(&former);
        }
        if let Some(former) = has {
            self.by_address.remove(&former);
        }
        let lease = Lease { address, until: now + OFFER, hold: Hold::Unproven, kept_until: None };
        self.by_mac.insert(mac, lease);
    }

    /// Nobody else uses the address that was reserved for the interface.
    pub fn prove(&mut self, mac: MacAddr) {
        if let Some(lease) = self.by_mac.get_mut(&mac)
            && lease.hold == Hold::BeingProven
        {
            lease.hold = Hold::Offered;
        }
    }

    /// Somebody else was seen to use the address that was reserved for the interface: it needs another one.
    pub fn in_use(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) -> Declined {
        match self.by_mac.get_mut(&mac) {
            Some(lease) if lease.address == address && lease.hold == Hold::BeingProven => {
                lease.hold = Hold::Unproven;
                self.pass_over(mac, address, now)
            }
            _ => Declined::NotLent,
        }
    }

    /// Lends the reserved address. Gives until when, if that has to be kept before the client is told.
    pub fn take(&mut self, mac: MacAddr, now: Instant) -> Option<Lent> {
        let lease = self.by_mac.get_mut(&mac)?;
        lease.until = now + LEASE;
        lease.hold = Hold::Taken;
        let fresh = lease.kept_until.is_some_and(|kept| kept + KEPT_ANEW > lease.until);
        if fresh {
            return None;
        }
        lease.kept_until = Some(lease.until);
        Some(Lent { mac, address: lease.address, until: lease.until })
    }

    /// All that is lent, or was and is still kept for its interface.
    pub fn lent(&self) -> Vec<Lent> {
        let lent = |(mac, lease): (&MacAddr, &Lease)| {
            let lent = Lent { mac: *mac, address: lease.address, until: lease.until };
            (lease.hold == Hold::Taken).then_some(lent)
        };
        self.by_mac.iter().filter_map(lent).collect()
    }

    /// Somebody else uses the address: the interface needs another one. Believed only of who has taken it, and a few times.
    pub fn decline(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) -> Declined {
        if self.holder(address, now) != Some(mac) {
            return Declined::NotLent;
        }
        self.pass_over(mac, address, now)
    }

    fn pass_over(&mut self, mac: MacAddr, address: Ipv4Addr, now: Instant) -> Declined {
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
        self.by_mac.get(mac).filter(|lease| lease.hold == Hold::Taken && lease.until > now).map(|_| *mac)
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

    /// The address that an interface is reserved when nobody else uses it.
    fn reserve(
        leases: &mut Leases,
        mac: MacAddr,
        wish: Option<Ipv4Addr>,
        now: Instant,
        may_boot: impl Fn(MacAddr) -> bool,
    ) -> Option<Ipv4Addr> {
        match leases.reserve(mac, wish, now, may_boot, |_| false) {
            Reserved::Proven(address) => Some(address),
            Reserved::Unproven(address) => {
                leases.prove(mac);
                Some(address)
            }
            Reserved::BeingProven | Reserved::None => None,
        }
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
        let address = reserve(&mut first, mac(1), None, now, |_| true).unwrap();
        assert_eq!(reserve(&mut first, mac(1), None, now + LEASE * 9, |_| true), Some(address));
        assert_eq!(reserve(&mut leases(10, 250), mac(1), None, now, |_| true), Some(address));
        assert_eq!(
            reserve(&mut leases(10, 250), mac(2), Some(address), now, |_| true),
            Some(address),
            "a wish"
        );
        assert_ne!(
            reserve(&mut first, mac(2), Some(address), now, |_| true),
            Some(address),
            "a wish for another's"
        );
        assert_ne!(
            reserve(&mut leases(10, 250), mac(2), Some(ip(1)), now, |_| true),
            Some(ip(1)),
            "not in the range"
        );
    }

    #[test]
    fn an_address_is_taken_away_only_from_who_is_gone() {
        let now = crate::test_clock::start();
        let mut leases = leases(10, 11);
        let one = reserve(&mut leases, mac(1), None, now, |_| true).unwrap();
        leases.take(mac(1), now);
        reserve(&mut leases, mac(2), None, now, |_| true).unwrap();
        leases.take(mac(2), now);
        assert_eq!(reserve(&mut leases, mac(3), None, now, |_| false), None, "both are lent");
        let later = now + LEASE;
        assert_eq!(reserve(&mut leases, mac(3), None, later, |_| true), None, "both may still boot");
        assert_eq!(reserve(&mut leases, mac(3), None, later, |holder| holder != mac(1)), Some(one));
        assert_eq!(leases.address_of(mac(1)), None);
    }

    #[test]
    fn an_address_counts_from_the_acknowledgement_until_it_runs_out() {
        let now = crate::test_clock::start();
        let mut leases = leases(10, 20);
        let address = reserve(&mut leases, mac(1), None, now, |_| true).unwrap();
        assert_eq!(leases.holder(address, now), None, "only offered");
        leases.take(mac(1), now);
        assert_eq!(leases.holder(address, now), Some(mac(1)));
        assert_eq!(leases.holder(address, now + LEASE), None, "run out");
        assert_eq!(leases.decline(mac(2), address, now), Declined::NotLent);
        assert_eq!(leases.holder(address, now), Some(mac(1)), "declined by somebody else");
        assert_eq!(leases.decline(mac(1), address, now), Declined::Quarantined);
        let other = reserve(&mut leases, mac(1), Some(address), now, |_| true).unwrap();
        assert_ne!(other, address, "in quarantine");
        assert_eq!(leases.decline(mac(1), other, now), Declined::NotLent, "only offered");
        assert_eq!(reserve(&mut leases, mac(1), None, now, |_| true), Some(other));
    }

    #[test]
    fn an_address_is_proven_before_it_is_anybodys() {
        let mut now = crate::test_clock::start();
        let mut leases = leases(10, 20);
        let ask = |leases: &mut Leases, now| leases.reserve(mac(1), None, now, |_| true, |_| false);
        let Reserved::Unproven(first) = ask(&mut leases, now) else { panic!("it was nobody's before") };
        // The client repeats itself meanwhile.
        assert_eq!(ask(&mut leases, now), Reserved::BeingProven);
        assert_ne!(leases.reserve(mac(2), Some(first), now, |_| true, |_| false), Reserved::Unproven(first));
        assert_eq!(leases.in_use(mac(2), first, now), Declined::NotLent, "not the other's to prove");
        assert_eq!(leases.in_use(mac(1), first, now), Declined::Quarantined);
        let Reserved::Unproven(second) = ask(&mut leases, now) else { panic!("another one") };
        assert_ne!(second, first);
        leases.prove(mac(1));
        assert_eq!(ask(&mut leases, now), Reserved::Proven(second));
        assert_eq!(leases.in_use(mac(1), second, now), Declined::NotLent, "it is proven");
        leases.take(mac(1), now);
        assert_eq!(ask(&mut leases, now + LEASE * 9), Reserved::Proven(second));
        // Who does not say how it ended is not waited for without end.
        let Reserved::Unproven(other) = leases.reserve(mac(3), None, now, |_| true, |_| false) else {
            panic!("new")
        };
        now += OFFER;
        assert_eq!(leases.reserve(mac(3), None, now, |_| true, |_| false), Reserved::Unproven(other));
        // Nor does an answer to every question use the range up.
        for _ in 0..20 {
            if let Reserved::Unproven(address) = leases.reserve(mac(4), None, now, |_| true, |_| false) {
                leases.in_use(mac(4), address, now);
            }
        }
        assert_eq!(leases.quarantine.len(), 1 + DECLINES_MAX);
    }

    #[test]
    fn what_was_lent_is_lent_after_a_restart() {
        let now = crate::test_clock::start();
        let mut before = leases(10, 20);
        let address = reserve(&mut before, mac(1), None, now, |_| true).unwrap();
        assert!(before.lent().is_empty(), "only offered");
        let lent = before.take(mac(1), now).expect("it is kept before the client is told");
        assert_eq!((lent.mac, lent.address, lent.until), (mac(1), address, now + LEASE));
        assert_eq!(before.lent(), [lent]);
        // A boot asks several times; the disk is not asked each time.
        assert_eq!(before.take(mac(1), now + KEPT_ANEW / 2), None);
        assert!(before.take(mac(1), now + KEPT_ANEW).is_some());

        let mut after = leases(10, 20);
        after.restore(lent.mac, lent.address, lent.until);
        assert_eq!(after.holder(address, now), Some(mac(1)));
        assert_eq!(after.holder(address, lent.until), None, "it runs out as it would have");
        assert_ne!(reserve(&mut after, mac(2), Some(address), now, |_| true), Some(address));
        assert_eq!(after.reserve(mac(1), None, now, |_| true, |_| false), Reserved::Proven(address));
        // A range that was changed, and a file that says a thing twice.
        for (who, address) in [(3, ip(9)), (3, ip(21)), (3, address), (1, ip(15))] {
            after.restore(mac(who), address, lent.until);
        }
        assert_eq!(after.lent().len(), 1);
    }

    #[test]
    fn an_address_at_which_anothers_ramdisk_runs_is_nobody_elses() {
        let now = crate::test_clock::start();
        let mut leases = leases(10, 11);
        let ask = |leases: &mut Leases, wish| leases.reserve(mac(1), wish, now, |_| false, |at| at == ip(10));
        assert_eq!(ask(&mut leases, Some(ip(10))), Reserved::Unproven(ip(11)));
        // What was reserved before it was known is given up.
        let mut leases = Leases::new(leases.range());
        assert_eq!(reserve(&mut leases, mac(1), Some(ip(10)), now, |_| false), Some(ip(10)));
        assert_eq!(ask(&mut leases, None), Reserved::Unproven(ip(11)));
        assert_eq!(reserve(&mut leases, mac(2), None, now, |_| false), Some(ip(10)), "it is free again");
    }

    #[test]
    fn who_declines_on_and_on_does_not_use_the_range_up() {
        let mut now = crate::test_clock::start();
        let mut leases = leases(10, 19);
        let ask = |leases: &mut Leases, who, now| {
            let address = reserve(leases, mac(who), None, now, |_| true).expect("there are free addresses");
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
        fn no_two_interfaces_share_an_address(steps in proptest::collection::vec((0u8..12, 0u8..5, 8u8..20, any::<u16>()), 0..200)) {
            let mut now = crate::test_clock::start();
            let mut leases = leases(10, 15);
            for (who, what, address, pause) in steps {
                now += Duration::from_secs(u64::from(pause) % 400);
                match what {
                    0 => drop(reserve(&mut leases, mac(who), Some(ip(address)), now, |holder| holder.0[5] % 2 == 0)),
                    1 => drop(reserve(&mut leases, mac(who), None, now, |_| false)),
                    2 => drop(leases.take(mac(who), now)),
                    3 => drop(leases.in_use(mac(who), ip(address), now)),
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
