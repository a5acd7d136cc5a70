//! Decisions: which VLAN id a network has on switch ports that it is on untagged.
//!
//! A leaf has one VLAN per network, tagged and untagged, and refuses a configuration in which two networks have the same id. The API
//! server checks the ids of tagged interfaces only, so the untagged ones are ours to keep apart.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, str::FromStr};

use uuid::Uuid;

/// Ids that no network of ours gets: the first two are the switches' own, and the last is what every interface that a person binds
/// without a thought gets, whatever its network.
pub const RESERVED: [u16; 3] = [1, 2, 4094];
/// Every id that a frame can carry (IEEE 802.1Q-2022, table 9-2).
pub const VLANS: RangeInclusive<u16> = 1..=4094;

/// A range of VLAN ids, both ends in it; written as `3000-3899`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VlanRange {
    first: u16,
    last: u16,
}

/// Why a text is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a range of VLAN ids from 1 to 4094, the smaller first; write it like 3000-3899")]
pub struct NoRange;

impl VlanRange {
    /// From the first to the last.
    pub const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// Whether it holds this id.
    pub fn contains(&self, vlan: u16) -> bool {
        (self.first..=self.last).contains(&vlan)
    }
}

impl FromStr for VlanRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (first, last) = text.split_once('-').ok_or(NoRange)?;
        let number = |text: &str| text.trim().parse().ok().filter(|vlan| VLANS.contains(vlan)).ok_or(NoRange);
        let range = Self { first: number(first)?, last: number(last)? };
        if range.first <= range.last { Ok(range) } else { Err(NoRange) }
    }
}

impl TryFrom<String> for VlanRange {
    type Error = NoRange;

    fn try_from(text: String) -> Result<Self, NoRange> {
        text.parse()
    }
}

impl From<VlanRange> for String {
    fn from(range: VlanRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for VlanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A note of ours on a network: its id, and whether it is known that no other network has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Asked for: others may have asked for it at the same time.
    Asked(u16),
    /// Given.
    Given(u16),
}

impl Note {
    /// Which id.
    pub fn vlan(self) -> u16 {
        match self {
            Note::Asked(vlan) | Note::Given(vlan) => vlan,
        }
    }

    /// Reads what was written; none: it is not ours.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('?') {
            Some(asked) => asked.parse().ok().map(Note::Asked),
            None => text.parse().ok().map(Note::Given),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Asked(vlan) => write!(f, "{vlan}?"),
            Note::Given(vlan) => write!(f, "{vlan}"),
        }
    }
}

/// An id as some interface on a switch port has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The interface's network.
    pub network: Uuid,
    /// Its tag, or the VLAN of its untagged frames.
    pub vlan: u16,
}

/// The id that others have given this network on switch ports already: then it is that, for a network has one in a fabric.
pub fn theirs(network: Uuid, in_use: &[InUse]) -> Option<u16> {
    let found = in_use.iter().filter(|one| one.network == network).map(|one| one.vlan);
    found.filter(|vlan| VLANS.contains(vlan) && !RESERVED.contains(vlan)).min()
}

/// Why a network cannot have an id on the leaves of a fabric where a network has one VLAN and a VLAN one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The id is another network's.
    Other(Uuid),
    /// The network itself has another one.
    Itself(u16),
}

/// What keeps a network from having this id, by every id that any network is known to have; an interface with an id that nobody has
/// thought of says nothing about its network's.
pub fn clash(network: Uuid, vlan: u16, known: &[InUse]) -> Option<Clash> {
    let mut thought_of = known.iter().filter(|one| !RESERVED.contains(&one.vlan));
    let other = thought_of.clone().find(|one| one.network != network && one.vlan == vlan);
    let mut own = || thought_of.find(|one| one.network == network && one.vlan != vlan);
    other.map(|one| Clash::Other(one.network)).or_else(|| own().map(|one| Clash::Itself(one.vlan)))
}

/// A free id of the range. Where the search begins depends on the network and on how often it was in vain, so that two coordinators
/// that choose at the same time seldom choose the same, and do not go on choosing the same.
pub fn choose(range: VlanRange, network: Uuid, tries: usize, taken: &BTreeSet<u16>) -> Option<u16> {
    let size = u64::from(range.last - range.first) + 1;
    let (first, step) = network.as_u64_pair();
    let place = first.wrapping_add(step.wrapping_mul(tries as u64)) % size;
    let start = u16::try_from(place).expect("a remainder is smaller than the range");
    let from_there = (range.first + start..=range.last).chain(range.first..range.first + start);
    from_there.into_iter().find(|vlan| !RESERVED.contains(vlan) && !taken.contains(vlan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let check = |text: &str, expected: Option<(u16, u16)>| {
            let read = text.parse::<VlanRange>().ok();
            assert_eq!(read, expected.map(|(first, last)| VlanRange::new(first, last)), "{text}");
        };
        check("3000-3899", Some((3000, 3899)));
        check(" 5 - 5 ", Some((5, 5)));
        check("5-4", None);
        check("0-4", None);
        check("1-4095", None);
        check("7", None);
        check("a-b", None);
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for note in [Note::Asked(3000), Note::Given(3001)] {
            assert_eq!(Note::parse(&note.to_string()), Some(note));
        }
        assert_eq!(Note::parse("somebody's"), None);
    }

    #[test]
    fn every_free_id_of_the_range_is_found_and_none_that_is_taken() {
        let range = VlanRange::new(1, 6);
        for network in 0..20 {
            let mut taken = BTreeSet::from([5]);
            while let Some(vlan) = choose(range, Uuid::from_u128(network), 0, &taken) {
                assert!(taken.insert(vlan) && range.contains(vlan), "{vlan}");
            }
            assert_eq!(taken, BTreeSet::from([3, 4, 5, 6]), "network {network}");
        }
        let nothing = BTreeSet::new();
        assert_eq!(choose(VlanRange::new(4094, 4094), Uuid::nil(), 0, &nothing), None);
        assert_eq!(choose(VlanRange::new(4093, 4093), Uuid::max(), 0, &nothing), Some(4093));
    }

    #[test]
    fn what_others_use_for_a_network_is_its_id() {
        let (web, db) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let check = |in_use: &[(Uuid, u16)], expected: Option<u16>| {
            let in_use: Vec<_> =
                in_use.iter().map(|(network, vlan)| InUse { network: *network, vlan: *vlan }).collect();
            assert_eq!(theirs(web, &in_use), expected, "{in_use:?}");
        };
        check(&[], None);
        check(&[(db, 100)], None);
        check(&[(db, 100), (web, 200)], Some(200));
        check(&[(web, 4094)], None);
        check(&[(web, 4094), (web, 300), (web, 200)], Some(200));
    }

    #[test]
    fn a_network_has_one_id_and_an_id_one_network() {
        let (web, db) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let check = |known: &[(Uuid, u16)], expected: Option<Clash>| {
            let known: Vec<_> =
                known.iter().map(|(network, vlan)| InUse { network: *network, vlan: *vlan }).collect();
            assert_eq!(clash(web, 100, &known), expected, "{known:?}");
        };
        check(&[], None);
        check(&[(web, 100), (db, 200)], None);
        check(&[(web, 4094), (db, 4094)], None);
        check(&[(web, 100), (db, 100)], Some(Clash::Other(db)));
        check(&[(db, 200), (web, 200)], Some(Clash::Itself(200)));
        check(&[(web, 200), (db, 100)], Some(Clash::Other(db)));
    }

    #[test]
    fn networks_that_wished_for_the_same_part_ways() {
        let range = VlanRange::new(100, 199);
        let wish =
            |network: u64, tries| choose(range, Uuid::from_u64_pair(7, network), tries, &BTreeSet::new());
        assert_eq!(wish(1, 0), wish(2, 0));
        assert!((1..8).all(|tries| wish(1, tries) != wish(2, tries)));
    }
}
