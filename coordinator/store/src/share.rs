//! Decisions: which events are forgotten when there are too many. Nobody's noise takes another's history away.
//!
//! ```text
//!   trail      what administrators asked for                 its own newest 20,000
//!   site       what else happened to hardware and agents     its own newest 30,000
//!   projects   what happened to tenants' servers             50,000 together, those with most give first
//! ```

use std::collections::BTreeMap;

/// Events that are kept in all: some tens of MB.
pub const EVENTS_MAX: u64 = 100_000;
/// Of them, what administrators asked for.
pub const TRAIL_EVENTS_MAX: u64 = 20_000;
/// Of them, what belongs to no project.
pub const SITE_EVENTS_MAX: u64 = 30_000;
/// Of them, what belongs to projects, together.
pub const PROJECT_EVENTS_MAX: u64 = 50_000;

/// Whose history an event is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// What administrators asked for.
    Trail,
    /// What else belongs to no project.
    Site,
    /// What belongs to a project, by its id.
    Project(String),
}

/// How many events each may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What administrators asked for.
    pub trail: u64,
    /// What else belongs to no project.
    pub site: u64,
    /// Projects together.
    pub projects: u64,
}

/// As it is in use.
pub const ROOM: Room = Room { trail: TRAIL_EVENTS_MAX, site: SITE_EVENTS_MAX, projects: PROJECT_EVENTS_MAX };

/// Shelves that hold too much, each with how many of its newest events stay.
pub fn too_full(held: &BTreeMap<Shelf, u64>, room: Room) -> Vec<(Shelf, u64)> {
    let projects = held.iter().filter(|(shelf, _)| matches!(shelf, Shelf::Project(_)));
    let share = share(projects.map(|(_, count)| *count).collect(), room.projects);
    let keep = |shelf: &Shelf| match shelf {
        Shelf::Trail => room.trail,
        Shelf::Site => room.site,
        Shelf::Project(_) => share,
    };
    held.iter()
        .filter(|(shelf, count)| **count > keep(shelf))
        .map(|(shelf, _)| (shelf.clone(), keep(shelf)))
        .collect()
}

/// The most that one may keep so that all together fit: whoever has less keeps it all, and the rest is shared evenly.
fn share(mut counts: Vec<u64>, room: u64) -> u64 {
    counts.sort_unstable();
    let (mut left, mut sharers) = (room, counts.len() as u64);
    for count in counts {
        let even = left / sharers;
        if count > even {
            return even;
        }
        left -= count;
        sharers -= 1;
    }
    // All of it fits.
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(trail: u64, site: u64, projects: &[u64]) -> BTreeMap<Shelf, u64> {
        let projects = projects.iter().enumerate();
        let mut held: BTreeMap<_, _> =
            projects.map(|(number, count)| (Shelf::Project(format!("p{number}")), *count)).collect();
        held.extend([(Shelf::Trail, trail), (Shelf::Site, site)]);
        held
    }

    #[test]
    fn who_has_most_gives_first_and_trails_are_kept_apart() {
        let room = Room { trail: 10, site: 20, projects: 30 };
        let check = |held: BTreeMap<Shelf, u64>, expected: &[(Shelf, u64)]| {
            assert_eq!(too_full(&held, room), expected, "{held:?}");
        };
        let project = |number: u32| Shelf::Project(format!("p{number}"));
        check(held(10, 20, &[10, 10, 10]), &[]);
        check(held(11, 20, &[30]), &[(Shelf::Trail, 10)]);
        check(held(10, 999, &[30]), &[(Shelf::Site, 20)]);
        // One busy project loses its own past and nobody else's.
        check(held(10, 20, &[5, 999, 5]), &[(project(1), 20)]);
        check(held(10, 20, &[5, 999, 998]), &[(project(1), 12), (project(2), 12)]);
        // What one does not use, others may.
        check(held(0, 0, &[1, 29]), &[]);
        check(held(0, 0, &[1, 30]), &[(project(1), 29)]);
        check(BTreeMap::new(), &[]);
    }

    #[test]
    fn the_rooms_are_all_there_is() {
        assert_eq!(TRAIL_EVENTS_MAX + SITE_EVENTS_MAX + PROJECT_EVENTS_MAX, EVENTS_MAX);
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_fits_and_nobody_gives_who_has_less(counts in proptest::collection::vec(0_u64..200, 0..20)) {
            let room = Room { trail: 0, site: 0, projects: 300 };
            let before = held(0, 0, &counts);
            let mut after = before.clone();
            for (shelf, keep) in too_full(&before, room) {
                after.insert(shelf, keep);
            }
            proptest::prop_assert!(after.values().sum::<u64>() <= room.projects);
            let most = after.values().max().copied().unwrap_or(0);
            for (shelf, count) in &before {
                proptest::prop_assert!(after[shelf] == *count || after[shelf] == most);
            }
        }
    }
}
