//! Decisions: places for what callers may hold or do at the same time: so many in all, so many for one project, so many for
//! one user, so that nobody takes everything from everybody.
//!
//! What must stay true: whoever asks gets a place at once or a refusal at once, with the name of whoever holds them;
//! nobody waits. Some of all places are kept for those who see everything, so that projects cannot shut administrators
//! out however many of them join in. A place is given back by whatever way its holder ends.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::known::Known;

/// How many places there are, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What they are places for, in words and in the plural: "event streams".
    pub what: &'static str,
    /// How a holder makes room: "close one".
    pub remedy: &'static str,
    /// Places in all.
    pub all: usize,
    /// So many of them are for those who see everything and for nobody else.
    pub kept: usize,
    /// Most for one project.
    pub project: usize,
    /// Most for one user, or for one address where nobody is known yet.
    pub user: usize,
}

/// Streams of events: one for each `bmsctl events --follow`, and for each program that listens.
pub const EVENT_STREAMS: Bounds =
    Bounds { what: "event streams", remedy: "close one", all: 256, kept: 32, project: 32, user: 8 };
/// Pages that are told when something changed; further ones ask by themselves every half minute.
pub const OPEN_PAGES: Bounds =
    Bounds { what: "open pages", remedy: "close one", all: 512, kept: 64, project: 64, user: 16 };
/// Consoles that somebody watches; each has a connection of its rack's agent.
pub const CONSOLES: Bounds =
    Bounds { what: "open consoles", remedy: "leave one", all: 64, kept: 16, project: 16, user: 8 };
/// Images on their way into Glance; each may hold some MiB of tables.
pub const UPLOADS: Bounds = Bounds {
    what: "uploads of images",
    remedy: "wait until one is done",
    all: 16,
    kept: 2,
    project: 4,
    user: 2,
};
/// Requests of the REST API that are being answered, those of the pages too: each may ask Nova, Glance and Contrail.
pub const REQUESTS: Bounds = Bounds {
    what: "requests under way",
    remedy: "wait until one is answered",
    all: 256,
    kept: 32,
    project: 64,
    user: 32,
};
/// Passwords that Keystone is asked to check: slow on purpose there, and asked for by anybody. Of one address three, so
/// that three people behind one gateway may come at once, and no gateway takes all.
pub const SIGN_INS: Bounds = Bounds {
    what: "sign-ins under way",
    remedy: "wait until one is done",
    all: 8,
    kept: 0,
    project: 8,
    user: 3,
};

/// The places of every kind, which API and pages share.
#[derive(Clone, Debug)]
pub struct Shares {
    /// [`EVENT_STREAMS`].
    pub event_streams: Places,
    /// [`OPEN_PAGES`].
    pub open_pages: Places,
    /// [`CONSOLES`].
    pub consoles: Places,
    /// [`UPLOADS`].
    pub uploads: Places,
    /// [`REQUESTS`].
    pub requests: Places,
    /// [`SIGN_INS`].
    pub sign_ins: Places,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            event_streams: Places::new(EVENT_STREAMS),
            open_pages: Places::new(OPEN_PAGES),
            consoles: Places::new(CONSOLES),
            uploads: Places::new(UPLOADS),
            requests: Places::new(REQUESTS),
            sign_ins: Places::new(SIGN_INS),
        }
    }
}

/// Who takes a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Somebody with a token.
    Caller {
        /// User's id.
        user_id: String,
        /// User's name, for refusals.
        user_name: String,
        /// The project's id and name; none: a token of the whole system.
        project: Option<(String, String)>,
        /// Whether it sees everything.
        sees_all: bool,
    },
    /// Somebody at this address. Of IPv6 a network of 64 bits counts as one, because one host may use all of it.
    Address(IpAddr),
}

impl From<&Known> for Holder {
    fn from(known: &Known) -> Self {
        let identity = &known.identity;
        let project = identity.project_id().zip(identity.project_name());
        Holder::Caller {
            user_id: identity.user_id.clone(),
            user_name: identity.user_name.clone(),
            project: project.map(|(id, name)| (id.to_owned(), name.to_owned())),
            sees_all: known.standing.sees_all(),
        }
    }
}

/// What counts as one address: the address, or its network of 64 bits.
pub fn one_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The caller, or its project, holds all that it may.
    #[error("{who} has {most} of {most} {what}; {remedy}, or try again later")]
    Own {
        /// Who holds them.
        who: String,
        /// How many that is.
        most: usize,
        /// What of.
        what: &'static str,
        /// What makes room.
        remedy: &'static str,
    },
    /// Everybody together.
    #[error("all {most} {what} are in use; try again in a moment")]
    All {
        /// How many there are.
        most: usize,
        /// What of.
        what: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Project(Option<String>),
    User(String),
    Address(IpAddr),
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those that hold any: as many entries as places at most, twice.
    by: HashMap<Key, usize>,
}

#[derive(Debug)]
struct Room {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Places of one kind. Clones are the same places.
#[derive(Clone, Debug)]
pub struct Places(Arc<Room>);

/// One that was taken; it is given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    keys: Vec<Key>,
}

impl Places {
    /// All of them free.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Room { bounds, taken: Mutex::default() }))
    }

    /// Takes one, or says who holds them.
    pub fn take(&self, holder: impl Into<Holder>) -> Result<Place, Full> {
        let Room { bounds, .. } = *self.0;
        let (shares, kept) = shares(&holder.into(), &bounds);
        let mut taken = self.0.taken();
        for (key, who, most) in &shares {
            if taken.by.get(key).is_some_and(|held| held >= most) {
                let Bounds { what, remedy, .. } = bounds;
                return Err(Full::Own { who: who.clone(), most: *most, what, remedy });
            }
        }
        let most = bounds.all - kept;
        if taken.all >= most {
            return Err(Full::All { most, what: bounds.what });
        }
        taken.all += 1;
        let keys: Vec<_> = shares.into_iter().map(|(key, ..)| key).collect();
        for key in &keys {
            *taken.by.entry(key.clone()).or_default() += 1;
        }
        Ok(Place { room: Arc::clone(&self.0), keys })
    }
}

/// Whose shares a holder's place is counted to, narrowest first, and how many of all places are kept from it.
fn shares(holder: &Holder, bounds: &Bounds) -> (Vec<(Key, String, usize)>, usize) {
    match holder {
        Holder::Caller { user_id, user_name, project, sees_all } => {
            let user = (Key::User(user_id.clone()), format!("user {user_name}"), bounds.user);
            let (id, name) = match project {
                Some((id, name)) => (Some(id.clone()), format!("project {name}")),
                None => (None, "the whole system".to_owned()),
            };
            let kept = if *sees_all { 0 } else { bounds.kept };
            (vec![user, (Key::Project(id), name, bounds.project)], kept)
        }
        Holder::Address(address) => {
            let address = one_address(*address);
            (vec![(Key::Address(address), format!("address {address}"), bounds.user)], bounds.kept)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all -= 1;
        for key in self.keys.drain(..) {
            if let Some(held) = taken.by.get_mut(&key) {
                *held -= 1;
                if *held == 0 {
                    taken.by.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { what: "things", remedy: "drop one", all: 8, kept: 2, project: 4, user: 3 };

    fn caller(user: &str, project: &str) -> Holder {
        let project = (!project.is_empty()).then(|| (project.to_owned(), format!("named {project}")));
        let sees_all = project.is_none();
        Holder::Caller { user_id: user.to_owned(), user_name: user.to_owned(), project, sees_all }
    }

    #[test]
    fn each_has_its_share_and_administrators_find_a_place() {
        let places = Places::new(BOUNDS);
        let mut held = Vec::new();
        let mut check = |user: &str, project: &str, expected: Result<(), &str>| match (
            places.take(caller(user, project)),
            expected,
        ) {
            (Ok(place), Ok(())) => held.push(place),
            (Err(full), Err(words)) => assert_eq!(full.to_string(), words),
            (got, expected) => panic!("{user} {project}: {got:?}, expected {expected:?}"),
        };
        for _ in 0..3 {
            check("a", "p", Ok(()));
        }
        check("a", "p", Err("user a has 3 of 3 things; drop one, or try again later"));
        // A user is one person in all its projects.
        check("a", "q", Err("user a has 3 of 3 things; drop one, or try again later"));
        check("b", "p", Ok(()));
        check("b", "p", Err("project named p has 4 of 4 things; drop one, or try again later"));
        check("c", "q", Ok(()));
        check("c", "q", Ok(()));
        check("d", "r", Err("all 6 things are in use; try again in a moment"));
        check("root", "", Ok(()));
        check("root", "", Ok(()));
        check("root", "", Err("all 8 things are in use; try again in a moment"));
        held.clear();
        let taken = places.0.taken();
        assert!(taken.all == 0 && taken.by.is_empty(), "what was given back is forgotten: {taken:?}");
    }

    #[test]
    fn a_refused_one_takes_nothing() {
        let places = Places::new(BOUNDS);
        let held: Vec<_> = (0..3).map(|_| places.take(caller("a", "p")).unwrap()).collect();
        for _ in 0..10 {
            places.take(caller("a", "p")).unwrap_err();
        }
        assert_eq!(places.0.taken().all, held.len());
        assert!(places.take(caller("b", "p")).is_ok());
    }

    #[test]
    fn one_host_is_one_address() {
        let check = |address: &str, expected: &str| {
            assert_eq!(one_address(address.parse().unwrap()).to_string(), expected);
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }

    proptest::proptest! {
        #[test]
        fn no_bound_is_passed_and_nothing_is_lost(
            steps in proptest::collection::vec((0_usize..4, 0_usize..3, proptest::bool::ANY), 0..200)
        ) {
            let places = Places::new(BOUNDS);
            let mut held: Vec<((usize, usize), Place)> = Vec::new();
            for (user, project, leaves) in steps {
                if leaves {
                    held.pop();
                } else if let Ok(place) = places.take(caller(&format!("u{user}"), &format!("p{project}"))) {
                    held.push(((user, project), place));
                }
                for one in 0..4 {
                    let users = held.iter().filter(|((user, _), _)| *user == one).count();
                    let projects = held.iter().filter(|((_, project), _)| *project == one).count();
                    proptest::prop_assert!(users <= BOUNDS.user && projects <= BOUNDS.project);
                }
                proptest::prop_assert!(held.len() <= BOUNDS.all - BOUNDS.kept);
                proptest::prop_assert_eq!(places.0.taken().all, held.len());
            }
        }
    }
}
