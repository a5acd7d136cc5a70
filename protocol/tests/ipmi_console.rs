//! Decisions: a console's line against the BMC machine, over a network that loses and repeats; no socket, no clock.
#![cfg(feature = "ipmi")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use protocol::{
    ipmi::{
        CipherSuite, Privilege,
        app::DeviceId,
        bmc::{Bmc, BmcConfig, Pong, SESSIONS_MAX, SessionId, Users},
        call::Call,
        client::{Client, ClientConfig, ClientEvent, ProofRole, Retry},
        command::{Request, Response},
        message::CompletionCode,
        sol::{
            ALREADY_ACTIVE, Activate, Activated, DISABLED, Deactivate, InstanceInfo,
            flow::{Flow, FlowEvent},
            line::{KEEP_ALIVE_EVERY, Line, LineEnd, LineEvent, Take},
            packet::End,
        },
    },
    secret::Secret,
};

const STEP: Duration = Duration::from_millis(100);

/// A BMC with a console on a server that prints back what is typed.
struct Server {
    bmc: Bmc,
    owner: Option<(SessionId, Flow)>,
    enabled: bool,
    breaks: u32,
    /// How often it was activated; none: it does not tell whose the console is.
    activated: Option<u32>,
}

impl Server {
    fn new() -> Self {
        let config = BmcConfig {
            users: Users::One { username: "admin".into(), password: Secret::new("correct horse") },
            sessions_max: SESSIONS_MAX,
            k_g: None,
            privilege: Privilege::Administrator,
            suites: CipherSuite::ALL.to_vec(),
            guid: *b"0123456789abcdef",
            device: DeviceId::default(),
            pong: Pong::Usual,
            seed: [7; 32],
        };
        Self { bmc: Bmc::new(config), owner: None, enabled: true, breaks: 0, activated: Some(0) }
    }

    fn answer(&mut self, session: SessionId, call: &Call) -> Result<Response, CompletionCode> {
        self.owner.take_if(|(owner, _)| !self.bmc.has_session(*owner));
        if let Some(Ok(_)) = call.read::<Activate>() {
            if !self.enabled {
                return Err(CompletionCode(DISABLED));
            }
            if self.owner.is_some() {
                return Err(CompletionCode(ALREADY_ACTIVE));
            }
            self.owner = Some((session, Flow::new(End::Bmc, 64)));
            self.activated = self.activated.map(|count| count + 1);
            let activated = Activated { to_bmc_max: 64, from_bmc_max: 64, port: 623 };
            return Ok(Response::Call(Call::answer::<Activate>(&activated)));
        }
        if let Some(Ok(_)) = call.read::<Deactivate>() {
            return match self.owner.take() {
                Some(_) => Ok(Response::Call(vec![])),
                None => Err(CompletionCode(0x80)),
            };
        }
        match (call.read::<InstanceInfo>(), self.activated) {
            (Some(Ok(_)), Some(count)) => {
                let owner = if self.owner.is_some() { count } else { 0 };
                Ok(Response::Call(Call::answer::<InstanceInfo>(&owner)))
            }
            _ => Err(CompletionCode::INVALID_COMMAND),
        }
    }

    fn turn(&mut self, now: Instant) {
        while let Some(event) = self.bmc.poll_event() {
            let outcome = match &event.request {
                Request::Call(call) => self.answer(event.token.session(), call),
                _ => Err(CompletionCode::INVALID_COMMAND),
            };
            self.bmc.respond(event.token, outcome, now);
        }
        while let Some(packet) = self.bmc.poll_console() {
            if let Some((_, flow)) = self.owner.as_mut().filter(|(owner, _)| *owner == packet.session) {
                flow.handle_packet(&packet.bytes, now).unwrap();
            }
        }
        let Some((owner, flow)) = &mut self.owner else { return };
        flow.handle_timeout(now);
        while let Some(event) = flow.poll_event() {
            match event {
                FlowEvent::Characters(characters) => drop(flow.write(&characters, now)),
                FlowEvent::Break => self.breaks += 1,
                FlowEvent::Overrun | FlowEvent::Taken | FlowEvent::Dead { .. } => {}
            }
        }
        while let Some(packet) = flow.poll_transmit() {
            self.bmc.send_console(*owner, &packet);
        }
    }
}

struct World {
    now: Instant,
    server: Server,
    seed: u8,
}

impl World {
    fn new() -> Self {
        Self { now: Instant::now(), server: Server::new(), seed: 0 }
    }

    /// An open session, from an address of its own.
    fn session(&mut self) -> Client {
        self.seed += 1;
        let config = ClientConfig {
            username: "admin".into(),
            password: Secret::new("correct horse"),
            suites: CipherSuite::ALL.to_vec(),
            privilege: Privilege::Administrator,
            k_g: None,
            proof_role: ProofRole::AsProved,
            pads_name: false,
            retry: Retry { first: Duration::from_millis(500), tries: 4 },
            seed: [self.seed; 32],
        };
        let mut client = Client::new(config, self.now);
        loop {
            while let Some(bytes) = client.poll_transmit() {
                self.server.bmc.handle_packet(from(self.seed), &bytes, self.now);
            }
            self.server.turn(self.now);
            while let Some(answer) = self.server.bmc.poll_transmit() {
                client.handle_packet(&answer.bytes, self.now);
            }
            match client.poll_event() {
                Some(ClientEvent::Opened(_)) => return client,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
    }

    fn take(&mut self, take: Take) -> (Line, u8) {
        let client = self.session();
        (Line::new(client, take, self.now), self.seed)
    }

    /// Runs the line for so long; `fate` says how often each datagram arrives.
    fn run(&mut self, line: &mut (Line, u8), time: Duration, mut fate: impl FnMut() -> u8) -> Vec<LineEvent> {
        let (until, mut events) = (self.now + time, vec![]);
        while self.now <= until {
            for _ in 0..4 {
                while let Some(bytes) = line.0.poll_transmit() {
                    (0..fate()).for_each(|_| self.server.bmc.handle_packet(from(line.1), &bytes, self.now));
                }
                self.server.turn(self.now);
                while let Some(answer) = self.server.bmc.poll_transmit() {
                    if answer.to == from(line.1) {
                        (0..fate()).for_each(|_| line.0.handle_packet(&answer.bytes, self.now));
                    }
                }
                events.extend(std::iter::from_fn(|| line.0.poll_event()));
            }
            self.now += STEP;
            if line.0.poll_timeout().is_some_and(|due| due <= self.now) {
                line.0.handle_timeout(self.now);
            }
            self.server.bmc.handle_timeout(self.now);
        }
        events
    }
}

fn from(seed: u8) -> std::net::SocketAddr {
    ([192, 0, 2, 1], 4000 + u16::from(seed)).into()
}

fn always() -> u8 {
    1
}

fn heard(events: &[LineEvent]) -> Vec<u8> {
    let characters = |event: &LineEvent| match event {
        LineEvent::Characters(characters) => characters.clone(),
        LineEvent::Opened | LineEvent::Break | LineEvent::Overrun | LineEvent::Ended(_) => vec![],
    };
    events.iter().flat_map(characters).collect()
}

#[test]
fn a_console_is_typed_at_for_hours_and_given_back() {
    let mut world = World::new();
    let mut line = world.take(Take::IfFree);
    assert_eq!(world.run(&mut line, STEP, always), [LineEvent::Opened]);
    line.0.write(b"hello", world.now);
    line.0.send_break(world.now);
    let events = world.run(&mut line, Duration::from_secs(2), always);
    assert_eq!((heard(&events), world.server.breaks), (b"hello".to_vec(), 1));
    // Nobody types for longer than a BMC keeps a silent session.
    assert_eq!(world.run(&mut line, Duration::from_secs(3600), always), []);
    line.0.write(b"again", world.now);
    assert_eq!(heard(&world.run(&mut line, Duration::from_secs(2), always)), b"again");
    line.0.close(world.now);
    assert_eq!(world.run(&mut line, Duration::from_secs(1), always), [LineEvent::Ended(LineEnd::Closed)]);
    assert!(line.0.is_over() && world.server.owner.is_none() && world.server.bmc.sessions() == 0);
}

#[test]
fn somebody_elses_console_is_taken_only_when_that_was_asked_for() {
    let mut world = World::new();
    let mut first = world.take(Take::IfFree);
    world.run(&mut first, STEP, always);
    let mut second = world.take(Take::IfFree);
    assert_eq!(world.run(&mut second, STEP, always), [LineEvent::Ended(LineEnd::Busy)]);
    first.0.write(b"mine", world.now);
    assert_eq!(heard(&world.run(&mut first, STEP * 5, always)), b"mine");
    let mut third = world.take(Take::ByForce);
    assert_eq!(world.run(&mut third, STEP, always), [LineEvent::Opened]);
    third.0.write(b"now mine", world.now);
    assert_eq!(heard(&world.run(&mut third, STEP * 5, always)), b"now mine");
    // A console that nobody has is taken by force as well.
    third.0.close(world.now);
    world.run(&mut third, STEP, always);
    let mut fourth = world.take(Take::ByForce);
    assert_eq!(world.run(&mut fourth, STEP, always), [LineEvent::Opened]);
}

#[test]
fn every_end_is_told_once_with_its_reason() {
    #[track_caller]
    fn check(prepare: impl FnOnce(&mut World), act: impl FnOnce(&mut World, &mut Line), why: &str) {
        let mut world = World::new();
        prepare(&mut world);
        let mut line = world.take(Take::IfFree);
        let mut events = world.run(&mut line, STEP, always);
        act(&mut world, &mut line.0);
        events.extend(world.run(&mut line, KEEP_ALIVE_EVERY * 3, always));
        let ends: Vec<String> = events
            .iter()
            .filter_map(|event| match event {
                LineEvent::Ended(end) => Some(end.to_string()),
                LineEvent::Opened | LineEvent::Characters(_) | LineEvent::Break | LineEvent::Overrun => None,
            })
            .collect();
        assert!(matches!(ends.as_slice(), [only] if only.contains(why)), "{ends:?}, expected {why}");
        assert!(line.0.is_over() && line.0.poll_timeout().is_none());
    }
    check(|world| world.server.enabled = false, |_, _| {}, "switched off in the BMC's settings");
    // It starts anew while nobody types: the sign of life is missed.
    check(|_| {}, |world, _| world.server.bmc.forget_sessions(), "no answer to Get Payload Instance Info");
    let does_not_tell = |world: &mut World| world.server.activated = None;
    check(does_not_tell, |world, _| world.server.bmc.forget_sessions(), "no answer to Get Device ID");
    // Somebody takes it, or puts us out, and this session is not told.
    let activated = |world: &mut World, _: &mut Line| world.server.activated = Some(7);
    check(|_| {}, activated, "another session has taken the console");
    check(|_| {}, |world, _| drop(world.server.owner.take()), "another session has taken the console");
    // And while somebody does.
    let typing = |world: &mut World, line: &mut Line| {
        world.server.bmc.forget_sessions();
        line.write(b"lost", world.now);
    };
    check(|_| {}, typing, "has not acknowledged characters after 8 tries");
    check(|_| {}, |_, line| line.leave(), "closed");
    check(|_| {}, |world, line| line.close(world.now), "closed");
    let taken = |world: &mut World, _: &mut Line| {
        let (owner, _) = world.server.owner.take().unwrap();
        // "Deactivated" in the status byte.
        world.server.bmc.send_console(owner, &[0, 0, 0, 0x10]);
    };
    check(|_| {}, taken, "another session has taken the console");
}

proptest! {
    #[test]
    fn whatever_is_lost_or_doubled_characters_come_once_and_in_order(
        typed in proptest::collection::vec(any::<u8>(), 1..400), fates in proptest::collection::vec(0..3_u8, 40),
    ) {
        let mut world = World::new();
        let mut line = world.take(Take::IfFree);
        // Every few datagrams two arrive for certain, so that no line counts as dead.
        let mut fates = fates.into_iter().flat_map(|fate| [fate, 1, 1]).cycle();
        let mut events = world.run(&mut line, Duration::from_secs(2), || fates.next().unwrap());
        line.0.write(&typed, world.now);
        events.extend(world.run(&mut line, Duration::from_secs(120), || fates.next().unwrap()));
        prop_assert!(typed.starts_with(&heard(&events)));
        let is_over = events.iter().any(|event| matches!(event, LineEvent::Ended(_)));
        prop_assert!(is_over || heard(&events) == typed);
    }

    #[test]
    fn any_packets_are_survived(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..40)) {
        let mut world = World::new();
        let mut line = world.take(Take::IfFree);
        world.run(&mut line, STEP, always);
        let owner = world.server.owner.take().unwrap().0;
        for packet in packets {
            world.server.bmc.send_console(owner, &packet);
            line.0.handle_packet(&packet, world.now);
            world.run(&mut line, STEP, always);
        }
    }
}
