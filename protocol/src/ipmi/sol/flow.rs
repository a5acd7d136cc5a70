//! Decisions: one end of the line: characters get across once and in order, whatever packets are lost, repeated or reordered.
//!
//! Each end has one packet on its way (section 15.11). It is repeated until the other end acknowledges it; what that end did
//! not take is sent again under the next number. A repetition of what was taken is acknowledged, and not taken twice.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    super::Malformed,
    packet::{End, Signals, SolPacket},
};

/// Characters that wait to be sent; what comes beyond is refused.
pub const WAITING_MAX: usize = 64 << 10;
/// Characters in one packet, where the BMC does not want fewer.
pub const CHARACTERS_MAX: usize = 200;
/// Wait for an acknowledgement.
pub const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How often a packet is sent before the line counts as dead.
pub const TRIES_MAX: u32 = 8;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowEvent {
    /// Characters from the other end.
    Characters(Vec<u8>),
    /// A break from the other end.
    Break,
    /// Characters were lost before the BMC had them.
    Overrun,
    /// Another session has taken the console.
    Taken,
    /// The other end has not acknowledged a packet after so many tries.
    Dead {
        /// How often it was sent.
        tries: u32,
    },
}

/// The packet on its way.
#[derive(Debug)]
struct Sent {
    packet: SolPacket,
    tries: u32,
    deadline: Instant,
}

/// Numbers go from 1 to 15 and round again.
fn after(number: u8) -> u8 {
    number % 15 + 1
}

/// The packet before: a repetition of it may have been under way for long.
fn before(number: u8) -> u8 {
    if number <= 1 { 15 } else { number - 1 }
}

/// One end. See the module's text.
#[derive(Debug)]
pub struct Flow {
    end: End,
    characters_max: usize,
    waiting: VecDeque<u8>,
    break_waits: bool,
    number: u8,
    sent: Option<Sent>,
    /// Number of the newest packet that was taken.
    taken: u8,
    is_over: bool,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<FlowEvent>,
}

impl Flow {
    /// This end, before anything was sent. `payload_max`: longest payload that the other end takes, with its header.
    pub fn new(end: End, payload_max: u16) -> Self {
        let room = usize::from(payload_max).saturating_sub(super::packet::HEADER_BYTES);
        Self {
            end,
            // Some BMCs say 0; one character at a time is what all can take.
            characters_max: room.clamp(1, CHARACTERS_MAX),
            waiting: VecDeque::new(),
            break_waits: false,
            number: 0,
            sent: None,
            taken: 0,
            is_over: false,
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Whether the line has ended.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many characters can be queued now.
    pub fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.waiting.len())
    }

    /// Queues characters; says how many were taken.
    pub fn write(&mut self, characters: &[u8], now: Instant) -> usize {
        let taken = characters.len().min(self.room());
        self.waiting.extend(&characters[..taken]);
        self.send_next(now);
        taken
    }

    /// Sends a break as soon as the packet on its way is acknowledged.
    pub fn send_break(&mut self, now: Instant) {
        self.break_waits = true;
        self.send_next(now);
    }

    /// Takes a packet of the other end.
    pub fn handle_packet(&mut self, bytes: &[u8], now: Instant) -> Result<(), Malformed> {
        let other = match self.end {
            End::Console => End::Bmc,
            End::Bmc => End::Console,
        };
        let packet = SolPacket::parse(bytes, other)?;
        if self.is_over {
            return Ok(());
        }
        self.acknowledged(&packet);
        if packet.number != 0 {
            self.take(&packet);
        }
        self.tell(packet.signals, packet.number != 0);
        self.send_next(now);
        Ok(())
    }

    /// Signals that belong to no repetition.
    fn tell(&mut self, signals: Signals, is_numbered: bool) {
        if signals.overrun {
            self.events.push_back(FlowEvent::Overrun);
        }
        // A numbered packet with a break was looked at with its characters.
        if signals.is_break && !is_numbered {
            self.events.push_back(FlowEvent::Break);
        }
        if signals.is_over {
            self.end(FlowEvent::Taken);
        }
    }

    fn acknowledged(&mut self, packet: &SolPacket) {
        let Some(sent) = self.sent.take_if(|sent| sent.packet.number == packet.acknowledged) else { return };
        let taken = usize::from(packet.taken).min(sent.packet.characters.len());
        if packet.signals.not_taken && taken == 0 {
            // It is alive and cannot take any now: sent again after the wait rather than at once.
            self.sent = Some(Sent { tries: 1, ..sent });
            return;
        }
        // What was not taken goes first.
        sent.packet.characters[taken..].iter().rev().for_each(|byte| self.waiting.push_front(*byte));
    }

    fn take(&mut self, packet: &SolPacket) {
        let is_new = packet.number != self.taken && packet.number != before(self.taken);
        if is_new && packet.signals.is_break {
            self.events.push_back(FlowEvent::Break);
        }
        if is_new && !packet.characters.is_empty() {
            self.events.push_back(FlowEvent::Characters(packet.characters.clone()));
        }
        if is_new {
            self.taken = packet.number;
        }
        let acknowledgement = SolPacket {
            number: 0,
            acknowledged: packet.number,
            taken: packet.characters.len().min(0xff) as u8,
            signals: Signals::default(),
            characters: vec![],
        };
        self.out.push_back(acknowledgement.build(self.end));
    }

    fn send_next(&mut self, now: Instant) {
        if self.is_over || self.sent.is_some() || (self.waiting.is_empty() && !self.break_waits) {
            return;
        }
        self.number = after(self.number);
        let count = self.waiting.len().min(self.characters_max);
        let signals = Signals { is_break: std::mem::take(&mut self.break_waits), ..Signals::default() };
        let packet = SolPacket {
            number: self.number,
            acknowledged: 0,
            taken: 0,
            signals,
            characters: self.waiting.drain(..count).collect(),
        };
        self.out.push_back(packet.build(self.end));
        self.sent = Some(Sent { packet, tries: 1, deadline: now + RETRY_EVERY });
    }

    /// Repeats what is due, or gives the line up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(sent) = self.sent.as_mut().filter(|sent| sent.deadline <= now) else { return };
        if sent.tries >= TRIES_MAX {
            let tries = sent.tries;
            self.end(FlowEvent::Dead { tries });
            return;
        }
        sent.tries += 1;
        sent.deadline = now + RETRY_EVERY;
        self.out.push_back(sent.packet.build(self.end));
    }

    fn end(&mut self, why: FlowEvent) {
        self.is_over = true;
        self.sent = None;
        self.waiting.clear();
        self.events.push_back(why);
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When [`Flow::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sent.as_ref().map(|sent| sent.deadline)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<FlowEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn heard(flow: &mut Flow, all: &mut Vec<u8>) {
        while let Some(event) = flow.poll_event() {
            match event {
                FlowEvent::Characters(characters) => all.extend(characters),
                FlowEvent::Break | FlowEvent::Overrun | FlowEvent::Taken | FlowEvent::Dead { .. } => {}
            }
        }
    }

    /// Carries everything both ends have to say; of each packet `fate` says whether it is lost (0), arrives, or arrives twice (2).
    fn carry(from: &mut Flow, to: &mut Flow, now: Instant, mut fate: impl FnMut() -> u8) {
        while let Some(bytes) = from.poll_transmit() {
            for _ in 0..fate() {
                to.handle_packet(&bytes, now).unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn characters_get_across_once_and_in_order(
            typed in vec(any::<u8>(), 0..600), printed in vec(any::<u8>(), 0..600), fates in vec(0..3_u8, 30), payload_max in 0..64_u16,
        ) {
            let mut now = Instant::now();
            let (mut console, mut bmc) = (Flow::new(End::Console, payload_max), Flow::new(End::Bmc, payload_max));
            console.write(&typed, now);
            bmc.write(&printed, now);
            // Every few packets one arrives for certain, so that no line counts as dead.
            let mut fates = fates.into_iter().chain([1]).cycle();
            let (mut at_bmc, mut at_console) = (vec![], vec![]);
            for _ in 0..20_000 {
                carry(&mut console, &mut bmc, now, || fates.next().unwrap());
                carry(&mut bmc, &mut console, now, || fates.next().unwrap());
                heard(&mut console, &mut at_console);
                heard(&mut bmc, &mut at_bmc);
                if (console.is_over() || bmc.is_over()) || (at_bmc.len() == typed.len() && at_console.len() == printed.len()) {
                    break;
                }
                now += RETRY_EVERY;
                console.handle_timeout(now);
                bmc.handle_timeout(now);
            }
            let dead = console.is_over() || bmc.is_over();
            prop_assert!(typed.starts_with(&at_bmc) && printed.starts_with(&at_console));
            prop_assert!(dead || (at_bmc == typed && at_console == printed));
        }

        #[test]
        fn any_bytes_are_survived(packets in vec(vec(any::<u8>(), 0..40), 0..40)) {
            let mut now = Instant::now();
            let mut flow = Flow::new(End::Console, 64);
            for packet in packets {
                let _ = flow.handle_packet(&packet, now);
                flow.write(b"x", now);
                now += RETRY_EVERY;
                flow.handle_timeout(now);
                while flow.poll_transmit().is_some() || flow.poll_event().is_some() {}
            }
        }
    }

    #[test]
    fn what_is_not_taken_is_sent_again_and_a_dead_line_is_told() {
        let start = Instant::now();
        let mut flow = Flow::new(End::Console, 204);
        assert_eq!(flow.write(b"hello", start), 5);
        assert_eq!(flow.poll_transmit().unwrap(), [1, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);
        // Two of them taken.
        flow.handle_packet(&[0, 1, 2, 0x40], start).unwrap();
        assert_eq!(flow.poll_transmit().unwrap(), [2, 0, 0, 0, b'l', b'l', b'o']);
        // None now: the same again, later.
        flow.handle_packet(&[0, 2, 0, 0x60], start).unwrap();
        assert_eq!(flow.poll_transmit(), None);
        let mut now = start;
        for _ in 1..TRIES_MAX {
            now += RETRY_EVERY;
            flow.handle_timeout(now);
            assert_eq!(flow.poll_transmit().unwrap(), [2, 0, 0, 0, b'l', b'l', b'o']);
        }
        flow.handle_timeout(now + RETRY_EVERY);
        assert_eq!(flow.poll_event(), Some(FlowEvent::Dead { tries: TRIES_MAX }));
        assert!(flow.is_over() && flow.poll_timeout().is_none());
    }

    #[test]
    fn breaks_and_the_loss_of_the_console_are_told() {
        let now = Instant::now();
        let mut flow = Flow::new(End::Console, 64);
        flow.send_break(now);
        assert_eq!(flow.poll_transmit().unwrap(), [1, 0, 0, 0x10]);
        flow.handle_packet(&[1, 1, 0, 0x04, b'!'], now).unwrap();
        assert_eq!(flow.poll_event(), Some(FlowEvent::Break));
        assert_eq!(flow.poll_event(), Some(FlowEvent::Characters(b"!".to_vec())));
        assert_eq!(flow.poll_transmit().unwrap(), [0, 1, 1, 0], "acknowledged");
        flow.handle_packet(&[0, 0, 0, 0x10], now).unwrap();
        assert_eq!(flow.poll_event(), Some(FlowEvent::Taken));
        assert!(flow.is_over());
    }
}
