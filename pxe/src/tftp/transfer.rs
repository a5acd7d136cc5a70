//! Decisions: one download by TFTP, from the agreed options to the last acknowledgement. Bytes and times in, bytes out.
//!
//! ```text
//!              options asked                 ACK 0
//!   new() ----> Opening (OACK sent) ---------------> Sending ---- ACK of the last block ----> Ended
//!      \------- no options: DATA 1 at once --------/    |  ^
//!                                                       +--+ ACK: the window moves on
//! ```
//!
//! Up to a window of blocks is on its way. An acknowledgement names the last block that came without a gap; everything
//! behind it is sent again (RFC 7440 section 4). If the first block of a window is lost, the client repeats its last
//! acknowledgement; the window is then sent again at once, but only once before something else happens, so that two
//! duplicated messages cannot keep a transfer busy for ever. Without windows a repeated acknowledgement is ignored, as
//! RFC 1123 section 4.2.3.1 demands. What is not acknowledged in time is sent again, in the time that [`Patience`] says.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    packet::{DATA_HEADER_LEN, Packet, Request},
    patience::Patience,
};

/// Block size without the option (RFC 1350).
const DEFAULT_BLOCK: u16 = 512;

/// Block sizes that may be asked for (RFC 2348).
const BLOCK_RANGE: std::ops::RangeInclusive<u64> = 8..=65464;

/// Most blocks on their way, whatever the client asks for: what a boot ROM's receive ring holds.
pub const MAX_WINDOW: u16 = 64;

/// Longest wait before something is sent again, if the client names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest such wait, whatever the client asks for.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that says nothing new for so many of its longest waits counts as gone.
pub const SILENT_WAITS: u32 = 6;

/// For how long a transfer may last, however lively the client is.
pub const MAX_DURATION: Duration = Duration::from_secs(300);

/// What client and server agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes in a block.
    pub block: u16,
    /// Blocks on their way.
    pub window: u16,
    /// Longest wait before something is sent again.
    pub timeout: Duration,
    /// The options to confirm, in the client's order; none: the client gets the first block at once.
    pub confirm: Vec<(String, String)>,
}

impl Terms {
    /// Agrees on what the client asks, within bounds; what makes no sense is left out (RFC 2347).
    pub fn agree(request: &Request, file_len: usize, max_block: u16) -> Self {
        let mut terms = Self {
            block: DEFAULT_BLOCK.min(max_block),
            window: 1,
            timeout: DEFAULT_TIMEOUT,
            confirm: Vec::new(),
        };
        for (name, value) in &request.options {
            let Ok(asked) = value.parse::<u64>() else { continue };
            let name = name.to_ascii_lowercase();
            if terms.confirm.iter().any(|(has, _)| *has == name) {
                continue;
            }
            let agreed = match name.as_str() {
                "blksize" if BLOCK_RANGE.contains(&asked) => {
                    terms.block = u16::try_from(asked).unwrap_or(max_block).min(max_block);
                    u64::from(terms.block)
                }
                "windowsize" if (1..=65535).contains(&asked) => {
                    terms.window = u16::try_from(asked).unwrap_or(MAX_WINDOW).min(MAX_WINDOW);
                    u64::from(terms.window)
                }
                // Not ours to change: confirmed as it is, or not at all (RFC 2349).
                "timeout" if (1..=255).contains(&asked) => {
                    terms.timeout = Duration::from_secs(asked).min(MAX_TIMEOUT);
                    asked
                }
                "tsize" => u64::try_from(file_len).unwrap_or(u64::MAX),
                _ => continue,
            };
            terms.confirm.push((name, agreed.to_string()));
        }
        terms
    }
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has every byte.
    Complete {
        /// Blocks that had to be sent more than once.
        resent: u64,
    },
    /// The client ended it. Boot ROMs do so when they only wanted to know the size.
    ClientStopped {
        /// TFTP's code.
        code: u16,
        /// The client's words.
        message: String,
    },
    /// Nothing was heard any more.
    NoAnswer,
    /// It lasted longer than [`MAX_DURATION`].
    TooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The options are confirmed, and the client has not said yes yet.
    Opening { to_send: bool },
    /// Blocks go out.
    Sending,
    /// Nothing more is sent or heard.
    Ended,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// These bytes: the options that are agreed.
    Options(Vec<u8>),
    /// These blocks, each with its [`header`] in front of its [`Transfer::data`].
    Blocks {
        /// Number of the first.
        first: u64,
        /// How many; one at least, and no more than the window has.
        count: u16,
    },
}

/// What stands in front of a block's data (RFC 1350, section 5).
pub fn header(block: u64) -> [u8; DATA_HEADER_LEN] {
    let [.., high, low] = block.to_be_bytes();
    [0, 3, high, low]
}

/// One download.
#[derive(Debug)]
pub struct Transfer {
    content: Bytes,
    terms: Terms,
    phase: Phase,
    /// Last block that the client has. Blocks are counted from 1 without end; the wire carries the lower 16 bits.
    acked: u64,
    /// Next block to send.
    next: u64,
    /// Highest block that was ever sent.
    highest: u64,
    /// Number of the last block, the only one that is not full.
    last: u64,
    resent: u64,
    patience: Patience,
    /// The newest block, or 0 for the options, that was sent once, and when: its acknowledgement measures a round trip.
    timed: Option<(u64, Instant)>,
    /// When something new was heard last.
    heard: Instant,
    /// Whether the window was already sent again because of a repeated acknowledgement.
    repeated: bool,
    deadline: Instant,
    must_end: Instant,
    end: Option<End>,
}

impl Transfer {
    /// Begins to send `content`.
    pub fn new(content: Bytes, terms: Terms, now: Instant) -> Self {
        let blocks = content.len() / usize::from(terms.block.max(1)) + 1;
        let phase = if terms.confirm.is_empty() { Phase::Sending } else { Phase::Opening { to_send: true } };
        let patience = Patience::new(terms.timeout);
        let timed = (!terms.confirm.is_empty()).then_some((0, now));
        let deadline = now + patience.wait();
        Self {
            content,
            terms,
            phase,
            acked: 0,
            next: 1,
            highest: 0,
            last: u64::try_from(blocks).unwrap_or(u64::MAX),
            resent: 0,
            patience,
            timed,
            heard: now,
            repeated: false,
            deadline,
            must_end: now + MAX_DURATION,
            end: None,
        }
    }

    /// Takes a message of the client; one that makes no sense changes nothing.
    pub fn handle_packet(&mut self, bytes: &[u8], now: Instant) {
        match (Packet::parse(bytes), self.phase) {
            (Ok(Packet::Ack { block }), Phase::Sending) => self.handle_ack(block, now),
            (Ok(Packet::Ack { block: 0 }), Phase::Opening { .. }) => {
                self.phase = Phase::Sending;
                self.measure(0, now);
                self.advance(now);
            }
            (Ok(Packet::Error { code, message }), Phase::Opening { .. } | Phase::Sending) => {
                self.finish(End::ClientStopped { code, message });
            }
            (Ok(Packet::Ack { .. }), Phase::Opening { .. })
            | (Ok(Packet::Read(_) | Packet::Write(_) | Packet::Data { .. } | Packet::OptionAck(_)), _)
            | (Ok(_), Phase::Ended)
            | (Err(_), _) => {}
        }
    }

    fn handle_ack(&mut self, block: u16, now: Instant) {
        let in_flight = self.next - 1 - self.acked;
        let lower_bits = u16::try_from(self.acked & 0xffff).unwrap_or_default();
        let moved = u64::from(block.wrapping_sub(lower_bits));
        if moved == 0 {
            if self.terms.window > 1 && in_flight > 0 && !self.repeated {
                self.next = self.acked + 1;
                self.repeated = true;
                self.timed = None;
                self.deadline = now + self.patience.wait();
            }
        } else if moved <= in_flight {
            self.acked += moved;
            self.next = self.acked + 1;
            self.measure(self.acked, now);
            self.advance(now);
            if self.acked == self.last {
                self.finish(End::Complete { resent: self.resent });
            }
        }
        // Anything else acknowledges what was acknowledged long ago, or was never sent.
    }

    fn advance(&mut self, now: Instant) {
        self.heard = now;
        self.repeated = false;
        self.deadline = now + self.patience.wait();
    }

    /// An answer to what was sent once says how long the way is; one to what was sent twice does not (Karn's rule).
    fn measure(&mut self, acked: u64, now: Instant) {
        if let Some((block, at)) = self.timed
            && acked >= block
        {
            self.patience.measured(now.saturating_duration_since(at));
            self.timed = None;
        }
    }

    fn gives_up_at(&self) -> Instant {
        self.heard + self.terms.timeout * SILENT_WAITS
    }

    /// Sends again what has not been acknowledged in time, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Ended {
            return;
        }
        if now >= self.must_end {
            self.finish(End::TooLong);
        } else if now >= self.gives_up_at() {
            self.finish(End::NoAnswer);
        } else if now >= self.deadline {
            self.repeated = false;
            self.timed = None;
            self.patience.in_vain();
            self.deadline = now + self.patience.wait();
            match self.phase {
                Phase::Opening { .. } => self.phase = Phase::Opening { to_send: true },
                Phase::Sending => self.next = self.acked + 1,
                Phase::Ended => {}
            }
        }
    }

    /// What is to be sent now; ask until there is nothing.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        match self.phase {
            Phase::Opening { to_send: true } => {
                self.phase = Phase::Opening { to_send: false };
                Some(Transmit::Options(Packet::OptionAck(self.terms.confirm.clone()).build()))
            }
            Phase::Sending => {
                let (first, end) = (self.next, self.last.min(self.acked + u64::from(self.terms.window)) + 1);
                let count = u16::try_from(end.checked_sub(first)?).ok().filter(|count| *count > 0)?;
                self.next = end;
                self.resent += (self.highest + 1).min(end).saturating_sub(first);
                self.timed = (first > self.highest).then_some((end - 1, now));
                self.highest = self.highest.max(end - 1);
                Some(Transmit::Blocks { first, count })
            }
            Phase::Opening { to_send: false } | Phase::Ended => None,
        }
    }

    /// A block's bytes.
    pub fn data(&self, number: u64) -> Bytes {
        let len = usize::from(self.terms.block);
        let start = usize::try_from(number.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .saturating_mul(len)
            .min(self.content.len());
        let end = start.saturating_add(len).min(self.content.len());
        self.content.slice(start..end)
    }

    /// When [`Transfer::handle_timeout`] wants to be called; never, once it has ended.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.phase != Phase::Ended).then(|| self.deadline.min(self.must_end).min(self.gives_up_at()))
    }

    /// How it ended, once.
    pub fn poll_event(&mut self) -> Option<End> {
        self.end.take()
    }

    fn finish(&mut self, end: End) {
        self.phase = Phase::Ended;
        self.end = Some(end);
    }
}

#[cfg(test)]
mod tests;
