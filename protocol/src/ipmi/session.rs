//! Decisions: what both machines need of a session: numbers nobody can foretell, and the window of sequence numbers.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    Malformed,
    rmcp::{PayloadType, PlusPacket},
    suite::SessionKeys,
};

/// Unforeseeable numbers from a seed, so that the machines draw none themselves and a test can repeat a session.
pub(crate) struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), drawn: 0 }
    }

    pub(crate) fn bytes16(&mut self) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.seed).expect("HMAC takes keys of any length");
        mac.update(&self.drawn.to_le_bytes());
        self.drawn = self.drawn.wrapping_add(1);
        mac.finalize().into_bytes()[..16].try_into().expect("a SHA-256 digest has 32 bytes")
    }

    /// A session id; 0 means "no session" on the wire and never comes.
    pub(crate) fn session_id(&mut self) -> u32 {
        loop {
            let [a, b, c, d, ..] = self.bytes16();
            let id = u32::from_le_bytes([a, b, c, d]);
            if id != 0 {
                return id;
            }
        }
    }
}

/// Which sequence numbers were seen lately (section 6.12.13). A number is taken once, and only near the highest one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u32,
}

/// How far a number may be ahead of or behind the highest one seen.
const WINDOW: u32 = 16;

impl Window {
    /// Takes a number; false when it is a repetition, too old or too far ahead.
    pub(crate) fn accept(&mut self, sequence: u32) -> bool {
        if sequence == 0 {
            return false;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        // Nothing was seen yet: the first number of a session is 1, but some BMCs start elsewhere.
        if self.seen == 0 || (1..=WINDOW).contains(&ahead) {
            self.seen = if self.seen == 0 { 1 } else { self.seen << ahead | 1 };
            self.highest = sequence;
            true
        } else if behind < WINDOW && self.seen & (1 << behind) == 0 {
            self.seen |= 1 << behind;
            true
        } else {
            false
        }
    }
}

/// One end of an open session.
#[derive(Debug)]
pub(crate) struct Sealed {
    keys: SessionKeys,
    peer_id: u32,
    sent: u32,
    received: Window,
}

impl Sealed {
    pub(crate) fn new(keys: SessionKeys, peer_id: u32) -> Self {
        Self { keys, peer_id, sent: 0, received: Window::default() }
    }

    pub(crate) fn suite(&self) -> super::CipherSuite {
        self.keys.suite()
    }

    pub(crate) fn peer_id(&self) -> u32 {
        self.peer_id
    }

    pub(crate) fn seal(&mut self, message: &[u8]) -> Vec<u8> {
        self.seal_as(PayloadType::Ipmi, message)
    }

    pub(crate) fn seal_as(&mut self, payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
        // 0 is never used inside a session, so the count wraps past it.
        self.sent = self.sent.checked_add(1).unwrap_or(1);
        self.keys.seal_as(payload_type, self.peer_id, self.sent, payload)
    }

    pub(crate) fn open(&mut self, packet: &PlusPacket<'_>) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        let message = self.keys.open(packet)?;
        if self.received.accept(packet.header.sequence) {
            Ok(message)
        } else {
            Err(Malformed::new("session sequence number", "was seen before or is out of the window"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_window_takes_each_number_once() {
        let check = |numbers: &[u32], expected: &[bool]| {
            let mut window = Window::default();
            let got: Vec<bool> = numbers.iter().map(|n| window.accept(*n)).collect();
            assert_eq!(got, expected, "{numbers:?}");
        };
        check(&[1, 2, 3], &[true, true, true]);
        check(&[1, 1, 3, 2, 2], &[true, false, true, true, false]);
        check(&[0, 5, 6], &[false, true, true]);
        check(&[1, 18, 17, 33, 18], &[true, false, true, true, true]);
        check(&[u32::MAX, 1, u32::MAX], &[true, true, false]);
    }

    proptest! {
        #[test]
        fn no_number_is_taken_twice(numbers in proptest::collection::vec(1..60_u32, 0..200)) {
            let (mut window, mut taken) = (Window::default(), HashSet::new());
            for number in numbers {
                if window.accept(number) {
                    prop_assert!(taken.insert(number), "{number} twice");
                }
            }
        }
    }
}
