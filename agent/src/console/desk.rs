//! Decisions: who is at one console, who of them types, and what each is told.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::{
    console::{ConsoleDown, ConsoleNote, Grip, Manner},
    id::TenancyId,
};

use crate::bmc::heard::{Heard, Typed};

/// Names somebody at a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(u64);

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Characters of the server.
    Output(Bytes),
    /// Something between them.
    Note(ConsoleNote),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell this one.
    Tell(WatcherId, Piece),
    /// Send it to the server, in the name of this one.
    Type(WatcherId, Typed),
    /// Tell this one nothing more: the server is not its tenant's any more.
    Part(WatcherId),
}

/// Somebody who wants to be at a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Its name, for the others there.
    pub who: String,
    /// Whether it wants to type.
    pub manner: Manner,
    /// It is there only while the server is this tenancy's; none: whosever it is.
    pub tenancy: Option<TenancyId>,
}

#[derive(Debug)]
struct Present {
    who: String,
    tenancy: Option<TenancyId>,
}

/// Everybody at one console.
#[derive(Debug, Default)]
pub struct Desk {
    watchers: BTreeMap<WatcherId, Present>,
    /// Whose the server is now.
    tenancy: Option<TenancyId>,
    /// Who types.
    keyboard: Option<WatcherId>,
    is_open: bool,
    came: u64,
    effects: VecDeque<Effect>,
}

impl Desk {
    /// Whether somebody came, and everybody has left.
    pub fn is_left(&self) -> bool {
        self.came > 0 && self.watchers.is_empty()
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The server is this tenancy's from now on. Whoever was there for another one is parted from it before it is told anything more.
    pub fn belongs_to(&mut self, tenancy: Option<TenancyId>) {
        self.tenancy = tenancy;
        let parted = |(_, at): &(&WatcherId, &Present)| at.tenancy.is_some() && at.tenancy != tenancy;
        let parted: Vec<WatcherId> = self.watchers.iter().filter(parted).map(|(id, _)| *id).collect();
        for id in parted {
            self.effects.push_back(Effect::Part(id));
            self.leaves(id);
        }
    }

    /// Somebody comes. Whoever wants to type gets the keyboard if it is free. None: the server is not its tenant's now.
    pub fn comes(&mut self, visitor: Visitor) -> Option<WatcherId> {
        let Visitor { who, manner, tenancy } = visitor;
        if tenancy.is_some() && tenancy != self.tenancy {
            return None;
        }
        self.came += 1;
        let id = WatcherId(self.came);
        self.watchers.insert(id, Present { who, tenancy });
        if self.is_open {
            self.note(id, ConsoleNote::Opened);
        }
        match manner {
            Manner::Types => self.takes(id, Grip::IfFree),
            Manner::Looks => self.tell_holder(id),
        }
        Some(id)
    }

    /// Somebody leaves. The keyboard is free then, if it was this one's.
    pub fn leaves(&mut self, id: WatcherId) {
        self.watchers.remove(&id);
        if self.keyboard.take_if(|holder| *holder == id).is_some() {
            self.note_others(id, ConsoleNote::Free);
        }
    }

    /// Somebody says something. What is typed without the keyboard goes nowhere, and its author is told whose it is.
    pub fn says(&mut self, id: WatcherId, what: ConsoleDown) {
        if !self.watchers.contains_key(&id) {
            return;
        }
        let typed = match what {
            ConsoleDown::Take(grip) => return self.takes(id, grip),
            ConsoleDown::Input(characters) => Typed::Characters(characters.into()),
            ConsoleDown::Break => Typed::Break,
        };
        match self.keyboard {
            Some(holder) if holder == id => self.effects.push_back(Effect::Type(id, typed)),
            Some(_) | None => self.tell_holder(id),
        }
    }

    /// Something came from the console; everybody is told.
    pub fn heard(&mut self, heard: Heard) {
        let piece = match heard {
            Heard::Characters(characters) => Piece::Output(characters),
            Heard::Break => Piece::Note(ConsoleNote::Break),
            Heard::Overrun => Piece::Note(ConsoleNote::Overrun),
            Heard::Cannot(why) => Piece::Note(ConsoleNote::Cannot(why.to_owned())),
            Heard::Opened => {
                self.is_open = true;
                Piece::Note(ConsoleNote::Opened)
            }
            Heard::Lost(why) => {
                self.is_open = false;
                Piece::Note(ConsoleNote::Lost(why))
            }
        };
        let all = self.watchers.keys().map(|id| Effect::Tell(*id, piece.clone()));
        self.effects.extend(all);
    }

    fn takes(&mut self, id: WatcherId, grip: Grip) {
        match (self.keyboard, grip) {
            (Some(holder), Grip::IfFree) if holder != id => self.tell_holder(id),
            (Some(holder), Grip::IfFree | Grip::ByForce) if holder == id => {
                self.note(id, ConsoleNote::Keyboard);
            }
            (Some(_) | None, Grip::IfFree | Grip::ByForce) => {
                self.keyboard = Some(id);
                let who = self.name_of(id);
                self.note_others(id, ConsoleNote::Held(who));
                self.note(id, ConsoleNote::Keyboard);
            }
        }
    }

    /// Tells somebody whose the keyboard is.
    fn tell_holder(&mut self, id: WatcherId) {
        let note = match self.keyboard {
            Some(holder) if holder == id => ConsoleNote::Keyboard,
            Some(holder) => ConsoleNote::Held(self.name_of(holder)),
            None => ConsoleNote::Free,
        };
        self.note(id, note);
    }

    fn name_of(&self, id: WatcherId) -> String {
        self.watchers.get(&id).map(|at| at.who.clone()).unwrap_or_default()
    }

    fn note(&mut self, id: WatcherId, note: ConsoleNote) {
        self.effects.push_back(Effect::Tell(id, Piece::Note(note)));
    }

    fn note_others(&mut self, but: WatcherId, note: ConsoleNote) {
        let others = self.watchers.keys().filter(|id| **id != but);
        self.effects.extend(others.map(|id| Effect::Tell(*id, Piece::Note(note.clone()))));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn effects(desk: &mut Desk) -> Vec<Effect> {
        std::iter::from_fn(|| desk.poll_effect()).collect()
    }

    fn told(id: WatcherId, note: ConsoleNote) -> Effect {
        Effect::Tell(id, Piece::Note(note))
    }

    fn comes(desk: &mut Desk, who: &str, manner: Manner) -> WatcherId {
        desk.comes(Visitor { who: who.into(), manner, tenancy: None }).unwrap()
    }

    fn typed(id: WatcherId, text: &'static str) -> Effect {
        Effect::Type(id, Typed::Characters(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn one_types_and_everybody_is_told_who() {
        let mut desk = Desk::default();
        let alice = comes(&mut desk, "alice", Manner::Types);
        assert_eq!(effects(&mut desk), [told(alice, ConsoleNote::Keyboard)]);
        let bob = comes(&mut desk, "bob", Manner::Types);
        let eve = comes(&mut desk, "eve", Manner::Looks);
        let held_by_alice = || ConsoleNote::Held("alice".into());
        assert_eq!(effects(&mut desk), [told(bob, held_by_alice()), told(eve, held_by_alice())]);
        desk.says(alice, ConsoleDown::Input(b"ls".to_vec()));
        desk.says(bob, ConsoleDown::Input(b"rm".to_vec()));
        desk.says(bob, ConsoleDown::Break);
        assert_eq!(
            effects(&mut desk),
            [typed(alice, "ls"), told(bob, held_by_alice()), told(bob, held_by_alice())]
        );
        // Asked for, it stays alice's; taken by force, it does not.
        desk.says(bob, ConsoleDown::Take(Grip::IfFree));
        assert_eq!(effects(&mut desk), [told(bob, held_by_alice())]);
        desk.says(bob, ConsoleDown::Take(Grip::ByForce));
        let held_by_bob = || ConsoleNote::Held("bob".into());
        assert_eq!(
            effects(&mut desk),
            [told(alice, held_by_bob()), told(eve, held_by_bob()), told(bob, ConsoleNote::Keyboard)]
        );
        desk.says(alice, ConsoleDown::Input(b"x".to_vec()));
        desk.says(bob, ConsoleDown::Break);
        assert_eq!(effects(&mut desk), [told(alice, held_by_bob()), Effect::Type(bob, Typed::Break)]);
    }

    #[test]
    fn the_keyboard_of_whoever_leaves_is_free_and_nobody_types_unasked() {
        let mut desk = Desk::default();
        assert!(!desk.is_left(), "its first watcher is on the way");
        let alice = comes(&mut desk, "alice", Manner::Types);
        let bob = comes(&mut desk, "bob", Manner::Looks);
        effects(&mut desk);
        desk.leaves(alice);
        assert_eq!(effects(&mut desk), [told(bob, ConsoleNote::Free)]);
        desk.says(alice, ConsoleDown::Input(b"gone".to_vec()));
        desk.says(bob, ConsoleDown::Input(b"x".to_vec()));
        assert_eq!(effects(&mut desk), [told(bob, ConsoleNote::Free)]);
        desk.says(bob, ConsoleDown::Take(Grip::IfFree));
        desk.says(bob, ConsoleDown::Input(b"y".to_vec()));
        assert_eq!(effects(&mut desk), [told(bob, ConsoleNote::Keyboard), typed(bob, "y")]);
        desk.leaves(bob);
        assert!(desk.is_left() && effects(&mut desk).is_empty());
    }

    #[test]
    fn everybody_hears_the_same_and_who_comes_late_hears_that_it_is_open() {
        let mut desk = Desk::default();
        let alice = comes(&mut desk, "alice", Manner::Looks);
        desk.heard(Heard::Opened);
        let bob = comes(&mut desk, "bob", Manner::Looks);
        desk.heard(Heard::Characters(Bytes::from_static(b"login: ")));
        desk.heard(Heard::Lost("gone".into()));
        let eve = comes(&mut desk, "eve", Manner::Looks);
        let output = |id| Effect::Tell(id, Piece::Output(Bytes::from_static(b"login: ")));
        let lost = |id| told(id, ConsoleNote::Lost("gone".into()));
        assert_eq!(
            effects(&mut desk),
            [
                told(alice, ConsoleNote::Free),
                told(alice, ConsoleNote::Opened),
                told(bob, ConsoleNote::Opened),
                told(bob, ConsoleNote::Free),
                output(alice),
                output(bob),
                lost(alice),
                lost(bob),
                told(eve, ConsoleNote::Free),
            ]
        );
    }

    #[test]
    fn who_is_there_for_a_tenancy_is_parted_at_its_end_before_anything_more_is_told() {
        let (mine, other) = (TenancyId(Uuid::from_u128(1)), TenancyId(Uuid::from_u128(2)));
        let visitor = |who: &str| Visitor { who: who.into(), manner: Manner::Types, tenancy: Some(mine) };
        let mut desk = Desk::default();
        assert_eq!(desk.comes(visitor("early")), None, "it is nobody's yet");
        desk.belongs_to(Some(mine));
        let alice = desk.comes(visitor("alice")).unwrap();
        let admin = comes(&mut desk, "admin", Manner::Looks);
        effects(&mut desk);
        desk.belongs_to(Some(mine));
        assert_eq!(effects(&mut desk), [], "nothing has changed");
        desk.belongs_to(None);
        desk.heard(Heard::Characters(Bytes::from_static(b"ours")));
        let output = Piece::Output(Bytes::from_static(b"ours"));
        assert_eq!(
            effects(&mut desk),
            [Effect::Part(alice), told(admin, ConsoleNote::Free), Effect::Tell(admin, output)]
        );
        desk.says(alice, ConsoleDown::Input(b"x".to_vec()));
        assert_eq!(effects(&mut desk), [], "it is heard no more");
        desk.belongs_to(Some(other));
        assert_eq!(desk.comes(visitor("alice")), None, "it is another's");
    }
}
