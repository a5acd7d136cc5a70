//! Decisions: downloads over a simulated, bad network, to a client that follows RFC 7440.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A client that acknowledges a full window, a gap, and the end.
struct Client {
    window: u16,
    block: usize,
    expected: u64,
    since_ack: u16,
    received: Vec<u8>,
    complete: bool,
    gap_told: bool,
}

impl Client {
    fn handle_packet(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        match Packet::parse(bytes).unwrap() {
            Packet::OptionAck(options) => {
                let value = |name| {
                    options
                        .iter()
                        .find(|(has, _)| has == name)
                        .map(|(_, value)| value.parse::<u16>().unwrap())
                };
                self.window = value("windowsize").unwrap_or(1);
                self.block = usize::from(value("blksize").unwrap_or(DEFAULT_BLOCK));
                (self.expected == 1).then(|| self.ack())
            }
            Packet::Data { block, data } => {
                if block != (self.expected & 0xffff) as u16 {
                    // Something is missing, or came twice: say once where we are.
                    let tell = !self.gap_told || self.window == 1 || self.complete;
                    self.gap_told = true;
                    return tell.then(|| self.ack());
                }
                self.gap_told = false;
                if !self.complete {
                    self.received.extend_from_slice(&data);
                    self.expected += 1;
                    self.since_ack += 1;
                    self.complete = data.len() < self.block;
                }
                (self.complete || self.since_ack >= self.window).then(|| self.ack())
            }
            other => panic!("a server sent {other:?}"),
        }
    }

    fn ack(&mut self) -> Vec<u8> {
        self.since_ack = 0;
        Packet::Ack { block: ((self.expected - 1) & 0xffff) as u16 }.build()
    }
}

/// Everything that is to be sent now, as it is on the wire.
fn datagrams(server: &mut Transfer, now: Instant) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(transmit) = server.poll_transmit(now) {
        match transmit {
            Transmit::Options(message) => all.push(message),
            Transmit::Blocks { first, count } => all.extend(
                (first..first + u64::from(count))
                    .map(|block| [&header(block)[..], &server.data(block)].concat()),
            ),
        }
    }
    all
}

/// What happens to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    Late,
}

struct Run {
    end: End,
    received: Vec<u8>,
    complete: bool,
    lasted: Duration,
    sent: u64,
}

/// Runs a download; `fates` befall the datagrams of both directions in turn, and later ones arrive.
fn run(content: &[u8], options: &[(&str, u16)], fates: &[Fate]) -> Run {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    let request = Request { file: "f".into(), mode: "octet".into(), options };
    let start = crate::test_clock::start();
    let mut now = start;
    let mut server =
        Transfer::new(Bytes::copy_from_slice(content), Terms::agree(&request, content.len(), 1468), now);
    let mut client = Client {
        window: 1,
        block: usize::from(DEFAULT_BLOCK),
        expected: 1,
        since_ack: 0,
        received: Vec::new(),
        complete: false,
        gap_told: false,
    };
    let mut fates = fates.iter().copied();
    let mut pass =
        |queue: &mut VecDeque<Vec<u8>>, datagram: Vec<u8>| match fates.next().unwrap_or(Fate::Arrives) {
            Fate::Arrives => queue.push_back(datagram),
            Fate::Lost => {}
            Fate::Twice => queue.extend([datagram.clone(), datagram]),
            Fate::Late => {
                let before_last = queue.len().saturating_sub(1);
                queue.insert(before_last, datagram);
            }
        };
    let (mut to_client, mut to_server) = (VecDeque::new(), VecDeque::new());
    let mut sent = 0;
    loop {
        for datagram in datagrams(&mut server, now) {
            sent += 1;
            pass(&mut to_client, datagram);
        }
        if let Some(end) = server.poll_event() {
            let Client { received, complete, .. } = client;
            return Run { end, received, complete, lasted: now - start, sent };
        }
        if let Some(datagram) = to_client.pop_front() {
            if let Some(answer) = client.handle_packet(&datagram) {
                pass(&mut to_server, answer);
            }
        } else if let Some(datagram) = to_server.pop_front() {
            server.handle_packet(&datagram, now);
        } else {
            now = server.poll_timeout().expect("it has not ended");
            client.gap_told = false;
            server.handle_timeout(now);
        }
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_good_network_needs_no_repetition() {
    let check = |len: usize, options: &[(&str, u16)], packets: u64| {
        let run = run(&content(len), options, &[]);
        assert_eq!(run.end, End::Complete { resent: 0 }, "{len} {options:?}");
        assert_eq!(
            (run.received, run.sent, run.lasted),
            (content(len), packets, Duration::ZERO),
            "{options:?}"
        );
    };
    check(0, &[], 1);
    check(511, &[], 1);
    check(512, &[], 2);
    check(1000, &[("blksize", 100), ("windowsize", 4)], 12);
    check(14_680, &[("blksize", 1468), ("windowsize", 64), ("tsize", 0), ("timeout", 2)], 12);
    check(8 * 70_000, &[("blksize", 8), ("windowsize", 16)], 70_002); // block numbers go round
}

#[test]
fn the_first_block_of_a_window_is_repeated_at_once() {
    let fates = [Fate::Arrives, Fate::Arrives, Fate::Lost];
    let run = run(&content(4000), &[("blksize", 500), ("windowsize", 4)], &fates);
    assert!(matches!(run.end, End::Complete { resent: 1..=4 }), "{:?}", run.end);
    assert_eq!((run.lasted, run.received), (Duration::ZERO, content(4000)));
}

#[test]
fn options_are_agreed_within_bounds() {
    let check = |asked: &[(&str, &str)], expected: &[(&str, &str)]| {
        let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let request = Request { file: "f".into(), mode: "octet".into(), options: own(asked) };
        assert_eq!(Terms::agree(&request, 1234, 1468).confirm, own(expected), "{asked:?}");
    };
    check(
        &[("tsize", "0"), ("BLKSIZE", "1468"), ("windowsize", "4")],
        &[("tsize", "1234"), ("blksize", "1468"), ("windowsize", "4")],
    );
    check(&[("blksize", "65464"), ("windowsize", "65535")], &[("blksize", "1468"), ("windowsize", "64")]);
    check(
        &[("blksize", "7"), ("windowsize", "0"), ("timeout", "0"), ("multicast", "1"), ("blksize", "x")],
        &[],
    );
    check(&[("timeout", "255"), ("timeout", "3")], &[("timeout", "255")]);
}

#[test]
fn an_error_of_the_client_ends_it() {
    let request =
        Request { file: "f".into(), mode: "octet".into(), options: vec![("tsize".into(), "0".into())] };
    let now = crate::test_clock::start();
    let mut transfer = Transfer::new(Bytes::from_static(b"abc"), Terms::agree(&request, 3, 1468), now);
    assert!(transfer.poll_transmit(now).is_some());
    transfer.handle_packet(b"\0\x05\0\0User aborted\0", now);
    assert_eq!(transfer.poll_event(), Some(End::ClientStopped { code: 0, message: "User aborted".into() }));
    assert_eq!((transfer.poll_transmit(now), transfer.poll_timeout()), (None, None));
}

#[test]
fn a_silent_client_is_given_up() {
    let run = run(&content(10), &[], &[Fate::Lost; 100]);
    assert_eq!(run.end, End::NoAnswer);
    assert_eq!(run.lasted, DEFAULT_TIMEOUT * SILENT_WAITS);
    // After 0.25 s, after 0.5 s more, and each second from then on.
    assert_eq!(run.sent, 8);
}

#[test]
fn one_lost_block_costs_no_second() {
    // Lost: the 10th block, when round trips of no length at all have been measured.
    let fates: Vec<_> = (0..19).map(|at| if at == 18 { Fate::Lost } else { Fate::Arrives }).collect();
    let run = run(&content(20_000), &[], &fates);
    assert_eq!((run.end, run.received), (End::Complete { resent: 1 }, content(20_000)));
    assert_eq!(run.lasted, super::super::patience::SHORTEST);
}

#[test]
fn an_answer_to_what_was_sent_twice_measures_nothing() {
    let request = Request { file: "f".into(), mode: "octet".into(), options: Vec::new() };
    let start = crate::test_clock::start();
    let mut transfer = Transfer::new(content(2000).into(), Terms::agree(&request, 2000, 1468), start);
    datagrams(&mut transfer, start);
    let late = start + DEFAULT_TIMEOUT;
    transfer.handle_timeout(late);
    datagrams(&mut transfer, late);
    transfer.handle_packet(&Packet::Ack { block: 1 }.build(), late);
    // The wait stays what it had become, until something is answered that was sent once.
    let wait = |transfer: &Transfer, now: Instant| transfer.poll_timeout().unwrap() - now;
    assert_eq!(wait(&transfer, late), super::super::patience::FIRST * 2);
    datagrams(&mut transfer, late);
    transfer.handle_packet(&Packet::Ack { block: 2 }.build(), late);
    assert_eq!(wait(&transfer, late), super::super::patience::SHORTEST);
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Twice), 1 => Just(Fate::Late)]
}

proptest! {
    #[test]
    fn every_network_ends_it_in_bounded_time(
        len in 0usize..20_000,
        block in 8u16..1500,
        window in 1u16..20,
        fates in proptest::collection::vec(fate(), 0..300),
    ) {
        let run = run(&content(len), &[("blksize", block), ("windowsize", window)], &fates);
        prop_assert!(run.lasted <= MAX_DURATION);
        prop_assert!(run.sent < 100_000);
        match run.end {
            End::Complete { .. } => {
                prop_assert!(run.complete);
                prop_assert_eq!(run.received, content(len));
            }
            // The very last acknowledgement may be lost for good.
            End::NoAnswer => prop_assert!(fates.iter().filter(|fate| **fate == Fate::Lost).count() > 2),
            End::ClientStopped { .. } | End::TooLong => prop_assert!(false, "{:?}", run.end),
        }
    }

    #[test]
    fn nonsense_neither_panics_nor_goes_on_for_ever(
        packets in proptest::collection::vec((0u16..8, any::<u16>(), any::<bool>()), 0..200),
        window in 1u16..70,
    ) {
        let request = Request { file: "f".into(), mode: "octet".into(), options: vec![("windowsize".into(), window.to_string())] };
        let mut now = crate::test_clock::start();
        let mut transfer = Transfer::new(content(100_000).into(), Terms::agree(&request, 100_000, 1468), now);
        let mut sent = 0_u64;
        for (opcode, number, wait) in packets {
            let mut bytes = opcode.to_be_bytes().to_vec();
            bytes.extend_from_slice(&(number % 300).to_be_bytes());
            transfer.handle_packet(&bytes, now);
            sent += datagrams(&mut transfer, now).len() as u64;
            if wait {
                now += Duration::from_millis(700);
                transfer.handle_timeout(now);
            }
        }
        // At most one window for each thing that happened.
        prop_assert!(sent <= 401 * u64::from(window));
    }
}
