//! Decisions: the time in which machines that nobody knows are answered on the discovery network, and which ones.
//!
//! ```text
//!   closed --open(until, never)--> open --its time, close, another open--> closed
//! ```
//!
//! What must stay true: nobody is answered while it is closed; an interface of an enrolled server is never answered; a
//! machine is answered until it was found, and at most [`MACHINES_MAX`] are.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use protocol::{id::ServerId, mac::MacAddr};
use uuid::Uuid;

/// Most machines that are answered in one window; a flood of invented ones makes us silent, never grow.
pub const MACHINES_MAX: usize = 128;

/// The window.
#[derive(Debug, Default)]
pub struct Window(Option<Open>);

#[derive(Debug)]
struct Open {
    order: Uuid,
    until: Instant,
    never: HashSet<MacAddr>,
    machines: HashMap<MacAddr, Machine>,
}

/// A machine that is being discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of this boot; it is no server's.
    pub id: ServerId,
    /// It was found, and is on its way to off.
    pub found: bool,
}

/// Why a machine gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The window is closed.
    Closed,
    /// It is an interface of an enrolled server.
    Enrolled,
    /// It was found already.
    Found,
    /// Too many others are being discovered.
    TooMany,
}

impl Window {
    /// Opens it, or opens it anew: the machines of an earlier one are returned, for they end with it.
    pub fn open(
        &mut self,
        order: Uuid,
        until: Instant,
        never: impl IntoIterator<Item = MacAddr>,
    ) -> Option<Ended> {
        let before = self.close();
        let never = never.into_iter().collect();
        self.0 = Some(Open { order, until, never, machines: HashMap::new() });
        before
    }

    /// Closes it.
    pub fn close(&mut self) -> Option<Ended> {
        let open = self.0.take()?;
        Some(Ended {
            order: open.order,
            machines: open.machines.values().map(|machine| machine.id).collect(),
        })
    }

    /// When it closes by itself.
    pub fn until(&self) -> Option<Instant> {
        self.0.as_ref().map(|open| open.until)
    }

    /// The order by which it was opened.
    pub fn order(&self) -> Option<Uuid> {
        self.0.as_ref().map(|open| open.order)
    }

    /// Whether a machine is answered, under which name. `id` names a new one.
    pub fn ask(&mut self, mac: MacAddr, now: Instant, id: ServerId) -> Result<ServerId, Silence> {
        let open = self.0.as_mut().filter(|open| now < open.until).ok_or(Silence::Closed)?;
        if open.never.contains(&mac) {
            return Err(Silence::Enrolled);
        }
        match open.machines.get(&mac) {
            Some(machine) if machine.found => Err(Silence::Found),
            Some(machine) => Ok(machine.id),
            None if open.machines.len() >= MACHINES_MAX => Err(Silence::TooMany),
            None => {
                open.machines.insert(mac, Machine { id, found: false });
                Ok(id)
            }
        }
    }

    /// A machine's ramdisk spoke, with these interfaces: none of them is answered any more. Says by which order it is there;
    /// none: the window has closed.
    pub fn found(&mut self, id: ServerId, macs: impl IntoIterator<Item = MacAddr>) -> Option<Uuid> {
        let open = self.0.as_mut()?;
        let machine = open.machines.values_mut().find(|machine| machine.id == id)?;
        machine.found = true;
        open.never.extend(macs);
        Some(open.order)
    }

    /// The interfaces of a machine that have asked; none: it is of an earlier window.
    pub fn macs(&self, id: ServerId) -> Vec<MacAddr> {
        let machines = self.0.iter().flat_map(|open| &open.machines);
        machines.filter(|(_, machine)| machine.id == id).map(|(mac, _)| *mac).collect()
    }
}

/// A window that was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The order by which it was opened.
    pub order: Uuid,
    /// The machines that were answered.
    pub machines: Vec<ServerId>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn mac(number: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, number])
    }

    #[test]
    fn only_strangers_are_answered_and_only_while_it_is_open() {
        let start = crate::test_clock::start();
        let end = start + Duration::from_secs(60);
        let (first, second) = (ServerId::random(), ServerId::random());
        let mut window = Window::default();
        assert_eq!(window.ask(mac(1), start, first), Err(Silence::Closed));
        assert_eq!(window.open(Uuid::nil(), end, [mac(9)]), None);
        assert_eq!(window.ask(mac(9), start, first), Err(Silence::Enrolled));
        assert_eq!(window.ask(mac(1), start, first), Ok(first));
        assert_eq!(window.ask(mac(1), start, second), Ok(first), "the same machine is the same boot");
        assert_eq!(window.found(second, []), None, "nobody's name");
        assert_eq!(window.found(first, [mac(1), mac(2)]), Some(Uuid::nil()));
        assert!(window.ask(mac(1), start, second).is_err(), "it is not booted again");
        assert!(window.ask(mac(2), start, second).is_err(), "another interface of a machine that was found");
        assert_eq!(window.ask(mac(3), end, second), Err(Silence::Closed), "its time is over");
        assert_eq!(window.close(), Some(Ended { order: Uuid::nil(), machines: vec![first] }));
        assert_eq!(window.ask(mac(3), start, second), Err(Silence::Closed));
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_enrolled_servers_are_never_answered(
            asks in proptest::collection::vec((any::<u16>(), 0u64..90), 0..400), opens in 0u64..60,
        ) {
            let start = crate::test_clock::start();
            let mut window = Window::default();
            window.open(Uuid::nil(), start + Duration::from_secs(opens), (0..128).map(mac));
            let mut answered = HashSet::new();
            for (number, at) in asks {
                let [high, low] = number.to_be_bytes();
                let asked = MacAddr([2, 0, 0, 0, high, low]);
                if window.ask(asked, start + Duration::from_secs(at), ServerId::random()).is_ok() {
                    answered.insert(asked);
                    prop_assert!(at < opens);
                    prop_assert!(high != 0 || low >= 128, "{asked} is enrolled");
                }
            }
            prop_assert!(answered.len() <= MACHINES_MAX);
        }
    }
}
