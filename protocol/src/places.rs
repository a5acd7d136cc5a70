//! Decisions: who may be connected to a listener: how many at once, how many from one place, and who makes room when the
//! places are taken.
//!
//! ```text
//!   a newcomer --> [its peer has places left?] --no--> [a loose one of this peer?] --no--> refused
//!                            | yes                              | yes: it makes room
//!                            v                                  v
//!                  [the listener has places left?] --no--> [a loose one of anybody?] --no--> refused
//!                            | yes                              | yes: it makes room
//!                            v                                  v
//!                          in, loose  <-- held while something whole is being done for it -->
//! ```
//!
//! What must stay true: whoever is silent or slow is loose, and a loose one keeps nobody out; a held one is never put out;
//! who has most connections makes room first, and among equals the one that has not moved for the longest time.
//!
//! Every listener of ours has places of its own, so that none can use up another's.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use ipnet::{IpNet, Ipv6Net};

/// How many may be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once, all peers together.
    pub total: usize,
    /// Connections at once of one peer: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_peer: usize,
    /// Peers that stand for many, such as proxies: only `total` bounds them. Of IPv6 whole networks of 64 bits, as peers are.
    pub trusted: Vec<IpNet>,
}

/// Why a newcomer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Its peer has as many connections as one may have, and all of them are in use.
    #[error("this peer already has {0} connections, the maximum for one peer")]
    OfPeer(usize),
    /// The listener has as many connections as it takes, and all of them are in use.
    #[error("{0} connections are in use, the maximum for this listener")]
    AtAll(usize),
}

/// What is called when a connection has to make room.
pub type MakeRoom = Box<dyn FnOnce() + Send>;

/// The places of one listener. Cheap to clone; the clones are one.
#[derive(Clone, Debug)]
pub struct Places(Arc<Mutex<Room>>);

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Mutex<Room>>,
    number: u64,
}

#[derive(Debug)]
struct Room {
    bounds: Bounds,
    next: u64,
    guests: BTreeMap<u64, Guest>,
    of_peer: HashMap<IpAddr, usize>,
}

struct Guest {
    peer: IpAddr,
    moved: Instant,
    is_held: bool,
    make_room: MakeRoom,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, moved, is_held, make_room: _ } = self;
        f.debug_struct("Guest").field("peer", peer).field("moved", moved).field("is_held", is_held).finish()
    }
}

/// Bits of an IPv6 address by which a peer is told apart.
const PEER_BITS: u8 = 64;

/// Whom an address is counted as: an IPv4 address is itself, in whatever form it comes; of IPv6 the first 64 bits, because a
/// single host has all the rest.
pub fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The peers of a network: no part of one.
fn peers_of(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(network) if network.prefix_len() > PEER_BITS => {
            let peer = Ipv6Net::new(network.addr(), PEER_BITS).expect("64 bits are not too many");
            IpNet::V6(peer.trunc())
        }
        IpNet::V4(_) | IpNet::V6(_) => network,
    }
}

impl Places {
    /// Nobody is in.
    pub fn new(mut bounds: Bounds) -> Self {
        bounds.trusted.iter_mut().for_each(|trusted| *trusted = peers_of(*trusted));
        let room = Room { bounds, next: 0, guests: BTreeMap::new(), of_peer: HashMap::new() };
        Self(Arc::new(Mutex::new(room)))
    }

    /// A place for a newcomer, loose until [`Place::hold`]. `make_room` is called when it must leave for somebody else; its
    /// place is then another's already, so it ends its connection without delay.
    pub fn take(&self, address: IpAddr, now: Instant, make_room: MakeRoom) -> Result<Place, NoPlace> {
        let peer = peer_of(address);
        let mut room = lock(&self.0);
        let leaving = room.leaving_for(peer)?;
        let leaves = leaving.and_then(|number| room.leave(number));
        let number = room.enter(Guest { peer, moved: now, is_held: false, make_room });
        drop(room);
        if let Some(guest) = leaves {
            (guest.make_room)();
        }
        Ok(Place { room: Arc::clone(&self.0), number })
    }

    /// How many are in.
    pub fn taken(&self) -> usize {
        lock(&self.0).guests.len()
    }
}

impl Place {
    /// Something whole is being done for this connection: it makes no room any more.
    pub fn hold(&self) {
        self.change(|guest| guest.is_held = true);
    }

    /// Nothing is being done for it any more.
    pub fn loosen(&self, now: Instant) {
        self.change(|guest| (guest.is_held, guest.moved) = (false, now));
    }

    /// Something came of it, or was taken by it.
    pub fn moved(&self, now: Instant) {
        self.change(|guest| guest.moved = now);
    }

    fn change(&self, change: impl FnOnce(&mut Guest)) {
        // One that made room has no entry any more.
        if let Some(guest) = lock(&self.room).guests.get_mut(&self.number) {
            change(guest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = lock(&self.room).leave(self.number);
        drop(left);
    }
}

impl Room {
    /// Who must leave before one more of this peer comes in; none: nobody.
    fn leaving_for(&self, peer: IpAddr) -> Result<Option<u64>, NoPlace> {
        let Bounds { total, per_peer, trusted: _ } = &self.bounds;
        if self.count(peer) >= *per_peer && !self.is_trusted(peer) {
            let own = self.loosest(|guest| guest.peer == peer);
            return own.map(Some).ok_or(NoPlace::OfPeer(*per_peer));
        }
        if self.guests.len() >= *total {
            return self.loosest(|_| true).map(Some).ok_or(NoPlace::AtAll(*total));
        }
        Ok(None)
    }

    fn loosest(&self, of: impl Fn(&Guest) -> bool) -> Option<u64> {
        let loose = self.guests.iter().filter(|(_, guest)| !guest.is_held && of(guest));
        loose
            .min_by_key(|(_, guest)| (Reverse(self.weight(guest.peer)), guest.moved))
            .map(|(number, _)| *number)
    }

    fn count(&self, peer: IpAddr) -> usize {
        self.of_peer.get(&peer).copied().unwrap_or_default()
    }

    /// A proxy's many connections are many people's, and weigh no more than one.
    fn weight(&self, peer: IpAddr) -> usize {
        if self.is_trusted(peer) { 1 } else { self.count(peer) }
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        self.bounds.trusted.iter().any(|network| network.contains(&peer))
    }

    fn enter(&mut self, guest: Guest) -> u64 {
        let number = self.next;
        self.next += 1;
        *self.of_peer.entry(guest.peer).or_default() += 1;
        self.guests.insert(number, guest);
        number
    }

    fn leave(&mut self, number: u64) -> Option<Guest> {
        let guest = self.guests.remove(&number)?;
        if let Some(count) = self.of_peer.get_mut(&guest.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_peer.remove(&guest.peer);
            }
        }
        Some(guest)
    }
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Places, and the names of those that made room.
    struct Inn {
        places: Places,
        start: Instant,
        told: mpsc::Sender<&'static str>,
        gone: mpsc::Receiver<&'static str>,
    }

    impl Inn {
        fn new(total: usize, per_peer: usize, trusted: &[IpNet]) -> Self {
            let (told, gone) = mpsc::channel();
            let bounds = Bounds { total, per_peer, trusted: trusted.to_vec() };
            Self { places: Places::new(bounds), start: test_start(), told, gone }
        }

        fn come(&self, name: &'static str, peer: IpAddr, second: u64) -> Result<Place, NoPlace> {
            let told = self.told.clone();
            self.places.take(peer, self.at(second), Box::new(move || told.send(name).unwrap()))
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        #[track_caller]
        fn check_gone(&self, expected: &[&str]) {
            assert_eq!(self.gone.try_iter().collect::<Vec<_>>(), expected);
        }
    }

    fn test_start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_64_bits() {
        let check = |address: &str, expected: &str| {
            assert_eq!(peer_of(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("2001:db8:1:2::1", "2001:db8:1:2::");
        check("2001:db8:1:3::1", "2001:db8:1:3::");
    }

    #[test]
    fn the_silent_make_room_and_those_in_use_do_not() {
        let inn = Inn::new(3, 2, &[]);
        let a = inn.come("a", ip(1), 0).unwrap();
        let b = inn.come("b", ip(1), 1).unwrap();
        a.moved(inn.at(2));
        // A third of the same peer: its own connection that was silent for the longest time goes, nobody else's.
        let c = inn.come("c", ip(1), 3).unwrap();
        inn.check_gone(&["b"]);
        a.hold();
        c.hold();
        assert_eq!(inn.come("d", ip(1), 4).unwrap_err(), NoPlace::OfPeer(2));
        let e = inn.come("e", ip(2), 5).unwrap();
        // All places are taken: the only silent one goes, then there is none.
        let f = inn.come("f", ip(3), 6).unwrap();
        inn.check_gone(&["e"]);
        f.hold();
        assert_eq!(inn.come("g", ip(4), 7).unwrap_err(), NoPlace::AtAll(3));
        f.loosen(inn.at(8));
        let h = inn.come("h", ip(4), 9).unwrap();
        inn.check_gone(&["f"]);
        // What those that made room still do and give back is nobody's.
        b.hold();
        drop((b, e, f));
        assert_eq!(inn.places.taken(), 3);
        drop((a, c, h));
        assert_eq!(inn.places.taken(), 0);
    }

    #[test]
    fn who_has_most_makes_room_first() {
        let inn = Inn::new(4, 3, &[]);
        let _quiet = inn.come("quiet", ip(1), 0).unwrap();
        let _flood = [1, 2, 3].map(|second| inn.come("flood", ip(2), second).unwrap());
        let _new = inn.come("new", ip(3), 4).unwrap();
        inn.check_gone(&["flood"]);
    }

    #[test]
    fn a_trusted_peer_has_all_places_and_weighs_no_more_than_one() {
        let inn = Inn::new(4, 1, &[ip(9).into()]);
        let proxied = [1, 2, 3, 4].map(|second| inn.come("proxied", ip(9), second).unwrap());
        inn.check_gone(&[]);
        proxied.iter().for_each(Place::hold);
        assert_eq!(inn.come("proxied", ip(9), 5).unwrap_err(), NoPlace::AtAll(4));
        proxied[0].loosen(inn.at(6));
        let _direct = inn.come("direct", ip(1), 7).unwrap();
        inn.check_gone(&["proxied"]);
    }

    #[test]
    fn a_trusted_network_is_all_its_peers_and_of_ipv6_no_part_of_one() {
        let inn = Inn::new(9, 1, &["192.0.2.8/30".parse().unwrap(), "2001:db8:1:2::7/128".parse().unwrap()]);
        let come = |peer: &str| inn.come("one", peer.parse().unwrap(), 0).unwrap();
        let _in =
            ["192.0.2.8", "192.0.2.8", "192.0.2.11", "192.0.2.11", "2001:db8:1:2::7", "2001:db8:1:2::7"]
                .map(come);
        inn.check_gone(&[]);
        let _others = ["192.0.2.12", "192.0.2.12"].map(come);
        inn.check_gone(&["one"]);
    }

    #[test]
    fn a_refusal_says_how_many_are_in_use() {
        for (refusal, word) in
            [(NoPlace::OfPeer(64), "peer already has 64"), (NoPlace::AtAll(1024), "1024 connections")]
        {
            assert!(refusal.to_string().contains(word), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn bounds_hold_and_every_place_is_given_back(steps in proptest::collection::vec((0u8..6, 0u8..4), 0..300)) {
            let inn = Inn::new(6, 3, &[ip(5).into()]);
            let mut places: Vec<Place> = Vec::new();
            for (second, (who, what)) in steps.into_iter().enumerate() {
                let now = inn.at(second as u64);
                let nth = usize::from(who) % places.len().max(1);
                match (what, places.get(nth)) {
                    (0, _) => places.extend(inn.come("one", ip(who), second as u64).ok()),
                    (1, Some(place)) => place.hold(),
                    (2, Some(place)) => place.loosen(now),
                    (_, Some(_)) => drop(places.swap_remove(nth)),
                    (_, None) => {}
                }
                let room = lock(&inn.places.0);
                prop_assert!(room.guests.len() <= 6);
                prop_assert_eq!(room.of_peer.values().sum::<usize>(), room.guests.len());
                for (peer, count) in &room.of_peer {
                    prop_assert!(*count <= 3 || *peer == ip(5));
                }
            }
            places.clear();
            prop_assert_eq!(inn.places.taken(), 0);
        }
    }
}
