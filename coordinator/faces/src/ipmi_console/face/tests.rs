//! Against the client's machine of the same protocol; programs that nobody here wrote judge it from outside.

use std::time::Duration;

use protocol::ipmi::{
    bmc::SESSION_IDLE_MAX,
    call::Call,
    chassis::ChassisControl,
    client::{Client, ClientConfig, ClientEvent, ProofRole, RequestError, Retry},
    command::{Request, Response},
    message::CompletionCode,
    sol::{ALREADY_ACTIVE, Activate, Deactivate, NEEDS_SEALING, NOT_ACTIVE, SetSetting, Setting},
};
use uuid::Uuid;

use super::*;
use crate::ipmi_console::guard::FAILURES_AT_NODE_MAX;

const NODE: ServerId = ServerId(Uuid::from_u128(7));

struct World {
    now: Instant,
    face: Face,
    happened: Vec<Event>,
    made: u8,
}

/// A program that logs in, and from where.
struct Program {
    client: Client,
    at: SocketAddr,
}

impl World {
    fn new() -> Self {
        Self { now: Instant::now(), face: Face::new(623, [5; 16], [6; 32]), happened: vec![], made: 0 }
    }

    fn program(&mut self, username: &str, password: &str, privilege: Privilege) -> Program {
        self.made += 1;
        let config = ClientConfig {
            username: username.into(),
            password: Secret::new(password),
            suites: CipherSuite::ALL.to_vec(),
            privilege,
            k_g: None,
            proof_role: ProofRole::AsProved,
            pads_name: false,
            retry: Retry { first: Duration::from_secs(1), tries: 2 },
            seed: [self.made; 32],
        };
        Program {
            client: Client::new(config, self.now),
            at: SocketAddr::from(([192, 0, 2, 9], 1000 + u16::from(self.made))),
        }
    }

    /// Carries datagrams until nobody has more to say; looks users up, and opens consoles where `opens`.
    fn carry(&mut self, program: &mut Program, opens: Option<bool>) {
        loop {
            let mut quiet = true;
            while let Some(bytes) = program.client.poll_transmit() {
                quiet = false;
                self.face.handle_packet(program.at, &bytes, self.now);
            }
            while let Some(event) = self.face.poll_event() {
                match (&event, opens) {
                    (Event::Named { session, username }, _) => {
                        let found = (username == "node").then(|| (NODE, Secret::new("right")));
                        self.face.known(*session, found, self.now);
                    }
                    (Event::Wanted { place, .. }, Some(opens)) => self.face.opened(*place, opens, self.now),
                    _ => {}
                }
                self.happened.push(event);
            }
            while let Some(Datagram { to, bytes }) = self.face.poll_transmit() {
                quiet = false;
                if to == program.at {
                    program.client.handle_packet(&bytes, self.now);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn asks(&mut self, program: &mut Program, request: Request) -> Result<Response, RequestError> {
        let id = program.client.request(request, self.now).expect("there is room");
        self.carry(program, Some(true));
        loop {
            match program.client.poll_event().expect("it is answered") {
                ClientEvent::Answered(of, outcome) if of == id => return outcome,
                ClientEvent::Answered(..) | ClientEvent::Opened(_) => {}
                ClientEvent::Ended(why) => panic!("{why:?}, {:?}", self.happened),
            }
        }
    }

    fn refused(&mut self, program: &mut Program, request: Request) -> u8 {
        match self.asks(program, request) {
            Err(RequestError::Refused { code, .. }) => code.0,
            other => panic!("{other:?}"),
        }
    }
}

fn activate(sealed: bool) -> Request {
    Request::Call(Call::of(&Activate { instance: 1, sealed }))
}

fn deactivate() -> Request {
    Request::Call(Call::of(&Deactivate { instance: 1 }))
}

/// The place of the console that was wanted last.
fn place(world: &World) -> Place {
    let wanted = world.happened.iter().rev().find_map(|event| match event {
        Event::Wanted { place, .. } => Some(*place),
        _ => None,
    });
    wanted.expect("a console was wanted")
}

#[test]
fn characters_go_both_ways_and_whoever_takes_the_console_away_is_not_who_had_it() {
    let mut world = World::new();
    let mut one = world.program("node", "right", PRIVILEGE);
    assert!(world.asks(&mut one, activate(true)).is_ok());
    let place = place(&world);
    one.client.send_console(&[1, 0, 0, 0x10, b'l', b's']);
    world.face.print(place, b"login: ", world.now);
    world.carry(&mut one, None);
    assert_eq!(world.happened[2..], [Event::Break(place), Event::Typed(place, b"ls".to_vec())]);
    assert_eq!(one.client.poll_console().unwrap(), [1, 0, 0, 0, b'l', b'o', b'g', b'i', b'n', b':', b' ']);
    assert_eq!(one.client.poll_console().unwrap(), [0, 1, 2, 0], "acknowledged");
    // A second one is told that it is in use, and may take it away.
    let mut other = world.program("node", "right", PRIVILEGE);
    assert_eq!(world.refused(&mut other, activate(true)), ALREADY_ACTIVE);
    assert!(world.asks(&mut other, deactivate()).is_ok());
    assert_eq!(world.happened.last(), Some(&Event::Left(place)));
    assert_eq!(world.refused(&mut other, deactivate()), NOT_ACTIVE);
    assert!(world.asks(&mut other, activate(true)).is_ok());
}

#[test]
fn nothing_else_can_be_done_here() {
    let mut world = World::new();
    let mut program = world.program("node", "right", PRIVILEGE);
    for control in [ChassisControl::PowerUp, ChassisControl::PowerDown, ChassisControl::HardReset] {
        assert_eq!(
            world.refused(&mut program, Request::ChassisControl(control)),
            CompletionCode::PRIVILEGE.0
        );
    }
    assert_eq!(world.refused(&mut program, Request::ChassisStatus), CompletionCode::PRIVILEGE.0);
    let setting = Call::of(&SetSetting { channel: 1, setting: Setting::Enabled(false) });
    assert_eq!(world.refused(&mut program, Request::Call(setting)), CompletionCode::PRIVILEGE.0);
    assert_eq!(world.refused(&mut program, activate(false)), NEEDS_SEALING);
    let higher = Request::SetSessionPrivilege(Privilege::Administrator);
    assert_eq!(world.refused(&mut program, higher), 0x81);
    assert!(world.happened.iter().all(|event| matches!(event, Event::Named { .. })), "{:?}", world.happened);
}

#[test]
fn whoever_cannot_prove_the_password_is_refused_and_soon_not_listened_to() {
    let mut world = World::new();
    let check = |world: &mut World, username: &str, password: &str, privilege, why: &str| {
        world.happened.clear();
        let mut program = world.program(username, password, privilege);
        let _ = program.client.request(Request::DeviceId, world.now);
        world.carry(&mut program, None);
        let refused = world.happened.iter().find_map(|event| match event {
            Event::Refused { why, .. } => Some(*why),
            _ => None,
        });
        assert_eq!(refused.unwrap_or_default(), why, "{username} {:?}", world.happened);
    };
    check(&mut world, "node", "right", PRIVILEGE, "");
    check(&mut world, "nobody", "right", PRIVILEGE, "no node has this user name");
    for _ in 0..FAILURES_AT_NODE_MAX {
        check(&mut world, "node", "wrong", PRIVILEGE, "the password is wrong");
    }
    check(&mut world, "node", "right", PRIVILEGE, "it has failed too often at this node");
    world.now += crate::ipmi_console::guard::WAIT;
    check(&mut world, "node", "right", PRIVILEGE, "");
}

#[test]
fn a_console_ends_with_a_word_or_with_its_session() {
    let mut world = World::new();
    let mut program = world.program("node", "right", PRIVILEGE);
    assert!(world.asks(&mut program, activate(true)).is_ok());
    let first = place(&world);
    world.face.end(first, b"bye", world.now);
    world.carry(&mut program, None);
    assert_eq!(program.client.poll_console().unwrap(), [1, 0, 0, 0, b'b', b'y', b'e']);
    assert_eq!(program.client.poll_console(), None, "not over before it was taken");
    program.client.send_console(&[0, 1, 3, 0]);
    world.carry(&mut program, None);
    assert_eq!(program.client.poll_console().unwrap(), [0, 0, 0, 0x10]);
    assert_eq!(world.happened.last(), Some(&Event::Left(first)));
    // Killed, a program says nothing more: its session ends, and the console is free.
    assert!(world.asks(&mut program, activate(true)).is_ok());
    let second = place(&world);
    world.now += SESSION_IDLE_MAX;
    world.face.handle_timeout(world.now);
    assert_eq!(world.face.poll_event(), Some(Event::Left(second)));
}

#[test]
fn one_node_holds_only_so_many_sessions_and_whoever_is_at_the_console_stays() {
    let mut world = World::new();
    let mut first = world.program("node", "right", PRIVILEGE);
    assert!(world.asks(&mut first, activate(true)).is_ok());
    for _ in 0..2 * SESSIONS_OF_NODE_MAX {
        let mut program = world.program("node", "right", PRIVILEGE);
        assert!(world.asks(&mut program, Request::DeviceId).is_ok());
        assert!(world.face.claims.len() <= SESSIONS_OF_NODE_MAX);
    }
    assert!(world.asks(&mut first, Request::DeviceId).is_ok());
}

#[test]
fn an_agent_that_opens_no_console_is_told_as_unreachable() {
    let mut world = World::new();
    let mut program = world.program("node", "right", PRIVILEGE);
    let id = program.client.request(activate(true), world.now).unwrap();
    world.carry(&mut program, Some(false));
    let answers: Vec<_> = std::iter::from_fn(|| program.client.poll_event()).collect();
    let is_it = |event: &ClientEvent| match event {
        ClientEvent::Answered(of, Err(RequestError::Refused { code, .. })) => *of == id && code.0 == 0xd3,
        _ => false,
    };
    assert!(answers.iter().any(is_it), "{answers:?}");
}
