//! Decisions: how often wrong passwords may be tried at the sign-in.
//!
//! ```text
//!   one user from one address    10 tries, then a pause of 1, 2, 4 ... 60 s after each
//!   one address, any user        30 tries, then the same; not for a user who signed in from there lately
//!   one user, any address        no pause, ever; after 50 tries a new address has 3 tries and not 10
//! ```
//!
//! What must stay true: whoever tries wrong passwords elsewhere locks nobody out: with the right password from an address
//! of one's own one gets in at once. A try is forgotten after [`FORGET_EVERY_US`], so a pause ends and tries come back.
//! Tries are counted when they begin, so that many at once are no way around it.

use std::{collections::HashMap, hash::Hash, net::IpAddr, time::Duration};

use protocol::backoff::Backoff;

use crate::access::one_address;

/// Wrong passwords for one user from one address before there are pauses.
pub const PAIR_TRIES: u32 = 10;
/// The same while somebody tries that user's passwords from many addresses.
pub const WATCHED_PAIR_TRIES: u32 = 3;
/// Wrong passwords from one address before there are pauses: many people may share one.
pub const ADDRESS_TRIES: u32 = 30;
/// Wrong passwords for one user from anywhere before new addresses are watched more closely.
pub const USER_TRIES: u32 = 50;
/// Longest pause, in seconds.
pub const PAUSE_MAX_S: u32 = 60;
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(PAUSE_MAX_S as u64));
/// One try is forgotten in so many microseconds.
pub const FORGET_EVERY_US: u64 = 60_000_000;
/// An address from which somebody signed in is known as that user's for so many microseconds.
pub const KNOWN_FOR_US: u64 = 12 * 3600 * 1_000_000;
/// Most pairs, addresses and users that are remembered, of each; those with the fewest tries make room.
pub const REMEMBERED_MAX: usize = 4096;

/// Why a try is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Slow {
    /// This user from this address.
    #[error("too many wrong passwords for user {user} from {address}; try again in {wait_s} s")]
    Pair {
        /// User as it was typed.
        user: String,
        /// Address, or its network.
        address: IpAddr,
        /// How long to wait, in seconds.
        wait_s: u32,
    },
    /// This address.
    #[error("too many wrong passwords from {address}; try again in {wait_s} s")]
    Address {
        /// Address, or its network.
        address: IpAddr,
        /// How long to wait, in seconds.
        wait_s: u32,
    },
}

impl Slow {
    /// How long to wait, in seconds.
    pub fn wait_s(&self) -> u32 {
        match self {
            Slow::Pair { wait_s, .. } | Slow::Address { wait_s, .. } => *wait_s,
        }
    }
}

/// A bucket that fills with tries and leaks.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    /// As of `at_us`.
    count: u32,
    at_us: u64,
    last_us: u64,
    /// Pairs only: when this user last got in from there.
    good_us: Option<u64>,
}

impl Tries {
    fn leaked(mut self, now_us: u64) -> Self {
        // A clock that was set back forgets nothing and waits for nothing: time starts anew.
        let (at_us, last_us) = (self.at_us.min(now_us), self.last_us.min(now_us));
        let gone = (now_us - at_us) / FORGET_EVERY_US;
        self.count = self.count.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
        self.at_us = if self.count == 0 { now_us } else { at_us + gone * FORGET_EVERY_US };
        Self { last_us, ..self }
    }

    /// Seconds until the next try; none: now.
    fn wait_s(&self, free: u32, now_us: u64) -> Option<u32> {
        let over = self.count.checked_sub(free)?;
        let pause = PAUSES.after(over.saturating_add(1));
        let until_us = self.last_us + pause.as_secs() * 1_000_000;
        let left_s = until_us.checked_sub(now_us).filter(|left| *left > 0)?.div_ceil(1_000_000);
        Some(u32::try_from(left_s).unwrap_or(PAUSE_MAX_S))
    }

    fn is_known(&self, now_us: u64) -> bool {
        self.good_us.is_some_and(|good_us| now_us.saturating_sub(good_us) < KNOWN_FOR_US)
    }
}

/// The brake.
#[derive(Debug, Default)]
pub struct Brake {
    pairs: HashMap<(IpAddr, String), Tries>,
    addresses: HashMap<IpAddr, Tries>,
    users: HashMap<String, Tries>,
}

impl Brake {
    /// A try begins: it is counted, or it has to wait and is not.
    pub fn begin(&mut self, address: IpAddr, user: &str, now_us: u64) -> Result<(), Slow> {
        let address = one_address(address);
        let pair_key = (address, folded(user));
        let pair = of(&self.pairs, &pair_key, now_us);
        let place = of(&self.addresses, &address, now_us);
        let person = of(&self.users, &pair_key.1, now_us);
        let is_known = pair.is_known(now_us);
        let is_watched = person.count >= USER_TRIES && !is_known;
        let free = if is_watched { WATCHED_PAIR_TRIES } else { PAIR_TRIES };
        if let Some(wait_s) = pair.wait_s(free, now_us) {
            return Err(Slow::Pair { user: user.to_owned(), address, wait_s });
        }
        if let Some(wait_s) = place.wait_s(ADDRESS_TRIES, now_us).filter(|_| !is_known) {
            return Err(Slow::Address { address, wait_s });
        }
        put(&mut self.pairs, pair_key, one_more(pair, now_us), now_us);
        put(&mut self.addresses, address, one_more(place, now_us), now_us);
        put(&mut self.users, folded(user), one_more(person, now_us), now_us);
        Ok(())
    }

    /// The try that began was right: this pair starts anew, the others have one try less.
    pub fn was_right(&mut self, address: IpAddr, user: &str, now_us: u64) {
        let address = one_address(address);
        let good = Tries { good_us: Some(now_us), at_us: now_us, ..Tries::default() };
        put(&mut self.pairs, (address, folded(user)), good, now_us);
        self.take_back(address, user);
    }

    /// Nobody could tell whether it was right: it does not count.
    pub fn was_undecided(&mut self, address: IpAddr, user: &str) {
        let address = one_address(address);
        one_less(self.pairs.get_mut(&(address, folded(user))));
        self.take_back(address, user);
    }

    fn take_back(&mut self, address: IpAddr, user: &str) {
        one_less(self.addresses.get_mut(&address));
        one_less(self.users.get_mut(&folded(user)));
    }
}

/// Keystone's database takes `Eve` for `eve`.
fn folded(user: &str) -> String {
    user.to_lowercase()
}

fn of<K: Eq + Hash>(kept: &HashMap<K, Tries>, key: &K, now_us: u64) -> Tries {
    kept.get(key).copied().unwrap_or(Tries { at_us: now_us, ..Tries::default() }).leaked(now_us)
}

fn one_more(tries: Tries, now_us: u64) -> Tries {
    Tries { count: tries.count.saturating_add(1), last_us: now_us, ..tries }
}

fn one_less(tries: Option<&mut Tries>) {
    if let Some(tries) = tries {
        tries.count = tries.count.saturating_sub(1);
    }
}

fn put<K: Eq + Hash + Clone>(kept: &mut HashMap<K, Tries>, key: K, tries: Tries, now_us: u64) {
    if kept.len() >= REMEMBERED_MAX && !kept.contains_key(&key) {
        kept.retain(|_, tries| tries.leaked(now_us).count > 0 || tries.is_known(now_us));
    }
    if kept.len() >= REMEMBERED_MAX && !kept.contains_key(&key) {
        let least = kept.iter().min_by_key(|(_, tries)| (tries.is_known(now_us), tries.count));
        if let Some(least) = least.map(|(key, _)| key.clone()) {
            kept.remove(&least);
        }
    }
    kept.insert(key, tries);
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;
    const T0: u64 = 1_000_000 * S;

    fn at(host: u32) -> IpAddr {
        std::net::Ipv4Addr::from(host).into()
    }

    /// Wrong passwords without a pause, until one is refused or so many were taken.
    fn wrong(brake: &mut Brake, address: IpAddr, user: &str, most: u32, now_us: u64) -> u32 {
        (0..most).take_while(|_| brake.begin(address, user, now_us).is_ok()).count() as u32
    }

    #[test]
    fn pauses_grow_up_to_a_minute_and_tries_come_back() {
        let mut brake = Brake::default();
        assert_eq!(wrong(&mut brake, at(1), "eve", 100, T0), PAIR_TRIES);
        let mut now = T0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let slow = brake.begin(at(1), "eve", now).unwrap_err();
            pauses.push(slow.wait_s());
            now += u64::from(slow.wait_s()) * S;
            brake.begin(at(1), "eve", now).unwrap();
        }
        assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 32], "{pauses:?}");
        assert!(pauses[6..].iter().all(|pause| (32..=60).contains(pause)), "{pauses:?}");
        // In an hour nothing is left of it.
        assert_eq!(wrong(&mut brake, at(1), "eve", 100, now + 3600 * S), PAIR_TRIES);
    }

    #[test]
    fn nobody_is_locked_out_by_others() {
        let mut brake = Brake::default();
        // Somebody tries one user from a hundred addresses, without end.
        for host in 100..200 {
            wrong(&mut brake, at(host), "victim", 100, T0);
        }
        brake.begin(at(1), "victim", T0).expect("the right person at an address of her own gets in at once");
        brake.was_right(at(1), "victim", T0);
        assert_eq!(wrong(&mut brake, at(300), "victim", 100, T0), WATCHED_PAIR_TRIES, "new ones are watched");
        assert_eq!(wrong(&mut brake, at(1), "victim", 100, T0), PAIR_TRIES, "her own address is known");
    }

    #[test]
    fn an_address_that_tries_many_users_is_slowed_but_not_who_is_known_there() {
        let mut brake = Brake::default();
        brake.begin(at(1), "colleague", T0).unwrap();
        brake.was_right(at(1), "colleague", T0);
        let tried = (0..100).take_while(|user| brake.begin(at(1), &format!("u{user}"), T0).is_ok()).count();
        assert_eq!(tried, ADDRESS_TRIES as usize);
        let slow = brake.begin(at(1), "another", T0).unwrap_err();
        assert_eq!(slow.to_string(), "too many wrong passwords from 0.0.0.1; try again in 1 s");
        brake.begin(at(1), "colleague", T0).expect("who signed in there lately goes on");
        brake.begin(at(2), "another", T0).expect("others elsewhere do");
    }

    #[test]
    fn ones_own_success_buys_no_tries_for_others() {
        let mut brake = Brake::default();
        let mut tried = 0;
        while brake.begin(at(1), "victim", T0).is_ok() {
            tried += 1;
            brake.begin(at(1), "mine", T0).unwrap();
            brake.was_right(at(1), "mine", T0);
        }
        assert_eq!(tried, PAIR_TRIES);
    }

    #[test]
    fn what_keystone_did_not_decide_does_not_count() {
        let mut brake = Brake::default();
        for _ in 0..1000 {
            brake.begin(at(1), "eve", T0).unwrap();
            brake.was_undecided(at(1), "eve");
        }
    }

    #[test]
    fn memory_is_bounded_and_floods_free_nobody_who_was_slowed() {
        let mut brake = Brake::default();
        wrong(&mut brake, at(1), "eve", 100, T0);
        for host in 0..3 * REMEMBERED_MAX as u32 {
            let _ = brake.begin(at(1000 + host), &format!("u{host}"), T0);
        }
        assert!(brake.pairs.len() <= REMEMBERED_MAX && brake.users.len() <= REMEMBERED_MAX);
        assert!(brake.addresses.len() <= REMEMBERED_MAX);
        brake.begin(at(1), "eve", T0).unwrap_err();
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut brake = Brake::default();
        wrong(&mut brake, at(1), "eve", 100, T0);
        let slow = brake.begin(at(1), "eve", T0 - 500_000 * S).unwrap_err();
        assert!(slow.wait_s() <= PAUSE_MAX_S);
    }
}
