//! Decisions: what becomes of a stream that begins while the rack has one already.
//!
//! An agent that was restarted, or whose connection hangs half open, comes back from where it was with the certificate that it
//! had, or with the one by which it was renewed: it takes the place of its own old stream at once. Anybody else might have a copy of
//! the rack's key. Whoever was first is kept, the other one is refused and told of, until the first one's connection is found dead
//! (HTTP/2 asks it all the time) or its certificate is revoked.

use std::net::IpAddr;

use domain::certificate::Fingerprint;
use protocol::id::RackId;

/// Whoever is at the other end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where its connection comes from.
    pub address: IpAddr,
    /// Its certificate.
    pub fingerprint: Fingerprint,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with certificate {}", self.address, self.fingerprint.short())
    }
}

/// What a stream that begins is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The only one.
    First,
    /// The same agent once more: it takes the old one's place.
    Again,
    /// Somebody else's, or an agent that was moved.
    Rival,
}

/// What a newcomer's stream is. `follows`: the certificate that its own was renewed from.
pub fn arrival(present: Option<&Peer>, newcomer: &Peer, follows: Option<Fingerprint>) -> Arrival {
    let Some(present) = present else { return Arrival::First };
    let same_key = present.fingerprint == newcomer.fingerprint || follows == Some(present.fingerprint);
    if same_key && present.address == newcomer.address { Arrival::Again } else { Arrival::Rival }
}

/// What the newcomer is told.
pub fn refusal(rack: &RackId, present: &Peer) -> String {
    format!(
        "another agent of rack {rack} is connected from {present}; this one is admitted when that connection ends or is \
         found dead, within a minute; stop the other agent, or have its certificate revoked (bmsctl agent revoke {rack})"
    )
}

/// What administrators are told.
pub fn alarm(rack: &RackId, present: &Peer, newcomer: &Peer) -> String {
    format!(
        "a second agent of rack {rack} tries to connect from {newcomer} while the first one is connected from {present}; \
         it is refused as long as the first one answers. If the agent was moved, or its certificate was issued anew, it is \
         admitted within a minute; if not, somebody has a copy of the key: check both hosts, revoke the copied certificate \
         (bmsctl agent revoke {rack} --fingerprint ...) and issue a new one"
    )
}

/// A time for people, to the second.
pub(crate) fn time_text(at_us: u64) -> String {
    let time = i64::try_from(at_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    time.map_or_else(|| "a time that cannot be".to_owned(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;

    use super::*;

    #[test]
    fn only_the_same_agent_takes_its_own_place() {
        let key = |number: u8| Fingerprint::of(&CertificateDer::from(vec![number]));
        let peer = |host: u8, number| Peer { address: [198, 51, 100, host].into(), fingerprint: key(number) };
        let present = peer(1, 1);
        let check = |newcomer: Peer, follows: Option<u8>, expected| {
            assert_eq!(arrival(Some(&present), &newcomer, follows.map(key)), expected, "{newcomer}");
            assert_eq!(arrival(None, &newcomer, None), Arrival::First);
        };
        check(peer(1, 1), None, Arrival::Again);
        // Renewed on the stream that hangs now.
        check(peer(1, 2), Some(1), Arrival::Again);
        check(peer(1, 2), None, Arrival::Rival);
        check(peer(1, 3), Some(2), Arrival::Rival);
        // A copy of the key, or the agent on another host.
        check(peer(2, 1), None, Arrival::Rival);
        check(peer(2, 2), Some(1), Arrival::Rival);
        let rack = "rack1".parse().unwrap();
        let told = alarm(&rack, &present, &peer(2, 1));
        for word in ["198.51.100.1 ", "198.51.100.2 ", &key(1).short(), "bmsctl agent revoke rack1"] {
            assert!(told.contains(word), "{word} is not in {told}");
        }
        assert!(refusal(&rack, &present).contains("198.51.100.1"));
    }
}
