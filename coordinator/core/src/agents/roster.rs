//! Decisions: which agent serves which rack: the one whose stream is open, who may take its place, and since when a rack has none.
//!
//! A rack has one stream at most. Streams are numbered in the order in which they began, over all racks, so that whoever ends one does
//! not end its successor.

use std::collections::HashMap;

use domain::certificate::Fingerprint;
use protocol::id::{AgentBootId, RackId};

use super::arrival::{Arrival, Peer, arrival};

/// Others of one rack that are told of while its agent is connected; further ones are refused without a word.
const RIVALS_TOLD_MAX: usize = 8;

/// One stream of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Its number among all streams of this process.
    pub number: u64,
    /// The run of the agent at its other end.
    pub run: AgentBootId,
}

/// An agent that asks to be let in.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    pub run: AgentBootId,
    pub peer: Peer,
    /// The certificate that its own was renewed from.
    pub follows: Option<Fingerprint>,
}

/// Another agent of a rack that has one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rival {
    /// The one that is connected.
    pub present: Peer,
    /// Whether nobody was told yet.
    pub is_news: bool,
}

/// A stream that began.
#[derive(Debug)]
pub(super) struct Begun<W> {
    pub number: u64,
    /// The wire of the stream whose place it took.
    pub replaced: Option<W>,
}

/// The agents that are here. `W` is the wire to one of them, which nothing here looks at.
#[derive(Debug)]
pub(super) struct Roster<W> {
    present: HashMap<RackId, Present<W>>,
    away_since_us: HashMap<RackId, u64>,
    last_number: u64,
    began_us: u64,
}

#[derive(Debug)]
struct Present<W> {
    stream: Stream,
    peer: Peer,
    /// Others who asked to be let in meanwhile and were told of.
    rivals: Vec<Peer>,
    wire: W,
}

impl<W> Roster<W> {
    /// Nobody is here, since this time of day.
    pub(super) fn new(began_us: u64) -> Self {
        Self { present: HashMap::new(), away_since_us: HashMap::new(), last_number: 0, began_us }
    }

    /// Whether a newcomer would take a place that is not its own.
    pub(super) fn meet(&mut self, rack: &RackId, newcomer: &Newcomer) -> Result<(), Rival> {
        let present = self.present.get_mut(rack);
        let of = arrival(present.as_ref().map(|present| &present.peer), &newcomer.peer, newcomer.follows);
        match (of, present) {
            (Arrival::First | Arrival::Again, _) | (Arrival::Rival, None) => Ok(()),
            (Arrival::Rival, Some(present)) => {
                let rivals = &mut present.rivals;
                let is_news = rivals.len() < RIVALS_TOLD_MAX && !rivals.contains(&newcomer.peer);
                if is_news {
                    rivals.push(newcomer.peer.clone());
                }
                Err(Rival { present: present.peer.clone(), is_news })
            }
        }
    }

    /// Takes a new stream in. The wire of the same agent's older one is handed back, to be cut.
    pub(super) fn begin(&mut self, rack: &RackId, newcomer: Newcomer, wire: W) -> Result<Begun<W>, Rival> {
        self.meet(rack, &newcomer)?;
        self.last_number += 1;
        let stream = Stream { number: self.last_number, run: newcomer.run };
        self.away_since_us.remove(rack);
        let present = Present { stream, peer: newcomer.peer, rivals: Vec::new(), wire };
        let replaced = self.present.insert(rack.clone(), present).map(|old| old.wire);
        Ok(Begun { number: stream.number, replaced })
    }

    /// A stream ended. Says whether it was the rack's present one.
    pub(super) fn end(&mut self, rack: &RackId, number: u64, now_us: u64) -> bool {
        let was_present = self.present.get(rack).is_some_and(|present| present.stream.number == number);
        if was_present {
            self.present.remove(rack);
            self.away_since_us.insert(rack.clone(), now_us);
        }
        was_present
    }

    /// The rack's present stream.
    pub(super) fn stream(&self, rack: &RackId) -> Option<Stream> {
        self.present.get(rack).map(|present| present.stream)
    }

    /// Who is at its other end.
    pub(super) fn peer(&self, rack: &RackId) -> Option<&Peer> {
        self.present.get(rack).map(|present| &present.peer)
    }

    /// The wire to it.
    pub(super) fn wire(&self, rack: &RackId) -> Option<&W> {
        self.present.get(rack).map(|present| &present.wire)
    }

    /// Since when a rack's agent is away; one that has not come yet, since we began.
    pub(super) fn away_since_us(&self, rack: &RackId) -> u64 {
        self.away_since_us.get(rack).copied().unwrap_or(self.began_us)
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;

    use super::*;

    fn newcomer(host: u8) -> Newcomer {
        let fingerprint = Fingerprint::of(&CertificateDer::from(vec![1]));
        let peer = Peer { address: [198, 51, 100, host].into(), fingerprint };
        Newcomer { run: AgentBootId::random(), peer, follows: None }
    }

    #[test]
    fn a_rack_has_one_stream_and_an_old_one_ends_nothing() {
        let rack: RackId = "rack1".parse().unwrap();
        let mut roster = Roster::new(5);
        assert_eq!((roster.stream(&rack), roster.away_since_us(&rack)), (None, 5));
        let first = roster.begin(&rack, newcomer(1), "first").unwrap();
        let again = newcomer(1);
        let run = again.run;
        let second = roster.begin(&rack, again, "second").unwrap();
        assert_eq!((first.replaced, second.replaced), (None, Some("first")));
        assert!(!roster.end(&rack, first.number, 7), "it has a successor");
        assert_eq!(roster.stream(&rack), Some(Stream { number: second.number, run }));
        assert_eq!(roster.wire(&rack), Some(&"second"));
        assert!(roster.end(&rack, second.number, 9));
        assert_eq!((roster.stream(&rack), roster.away_since_us(&rack)), (None, 9));
        assert!(!roster.end(&rack, second.number, 11), "it ends once");
        assert_eq!(roster.away_since_us(&rack), 9);
    }

    #[test]
    fn each_rival_is_told_once_and_so_many_of_them() {
        let rack: RackId = "rack1".parse().unwrap();
        let mut roster = Roster::new(0);
        roster.begin(&rack, newcomer(0), ()).unwrap();
        for host in 1..=RIVALS_TOLD_MAX as u8 + 1 {
            let told = |rival: Rival| rival.is_news;
            let first = roster.begin(&rack, newcomer(host), ()).map(drop).map_err(told);
            let again = roster.meet(&rack, &newcomer(host)).map_err(told);
            let is_news = usize::from(host) <= RIVALS_TOLD_MAX;
            assert_eq!((first, again), (Err(is_news), Err(false)), "{host}");
        }
        assert_eq!(roster.peer(&rack), Some(&newcomer(0).peer));
    }
}
