//! Decisions: console and BMC machine against each other, over a network that loses, repeats and reorders; no socket, no clock.
#![cfg(feature = "ipmi")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use protocol::{
    bmc_settings::KgKey,
    ipmi::{
        CipherSuite, Privilege,
        app::{ChannelAuthCapabilities, DeviceId},
        bmc::{Bmc, BmcConfig, Datagram, Pong, SESSION_IDLE_MAX, SESSIONS_MAX, Users},
        chassis::{ChassisControl, ChassisStatus},
        client::{Client, ClientConfig, ClientEvent, EndReason, ProofRole, RequestError, Retry},
        command::{Request, Response},
        message::{CompletionCode, ResponseMessage},
        rmcp,
    },
    secret::Secret,
};

const SUITES: [CipherSuite; 2] = [CipherSuite::Seventeen, CipherSuite::Three];

fn bmc_config(suites: &[CipherSuite]) -> BmcConfig {
    BmcConfig {
        users: Users::One { username: "admin".into(), password: Secret::new("correct horse") },
        sessions_max: SESSIONS_MAX,
        k_g: None,
        privilege: Privilege::Administrator,
        suites: suites.to_vec(),
        guid: *b"0123456789abcdef",
        device: DeviceId { device: 32, firmware_major: 1, ..DeviceId::default() },
        pong: Pong::Usual,
        seed: [7; 32],
    }
}

fn client_config(suites: &[CipherSuite]) -> ClientConfig {
    ClientConfig {
        username: "admin".into(),
        password: Secret::new("correct horse"),
        suites: suites.to_vec(),
        privilege: Privilege::Administrator,
        k_g: None,
        proof_role: ProofRole::AsProved,
        pads_name: false,
        retry: Retry { first: Duration::from_millis(100), tries: 5 },
        seed: [9; 32],
    }
}

fn console() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

/// One console, one BMC, a clock, and what the chassis was told.
struct World {
    now: Instant,
    client: Client,
    bmc: Bmc,
    controls: Vec<ChassisControl>,
    events: Vec<ClientEvent>,
    /// The console's datagrams.
    sent: Vec<Vec<u8>>,
}

impl World {
    fn new(client: ClientConfig, bmc: BmcConfig) -> Self {
        let now = Instant::now();
        let (client, bmc) = (Client::new(client, now), Bmc::new(bmc));
        Self { now, client, bmc, controls: vec![], events: vec![], sent: vec![] }
    }

    /// Runs until nothing moves. `fate` says for each datagram how often it arrives: 0 is lost, 2 is doubled.
    fn run(&mut self, mut fate: impl FnMut() -> u8) {
        let mut to_bmc: VecDeque<Vec<u8>> = VecDeque::new();
        let mut to_client: VecDeque<Vec<u8>> = VecDeque::new();
        for _ in 0..5_000 {
            while let Some(bytes) = self.client.poll_transmit() {
                self.sent.push(bytes.clone());
                (0..fate()).for_each(|_| to_bmc.push_back(bytes.clone()));
            }
            while let Some(Datagram { bytes, .. }) = self.bmc.poll_transmit() {
                (0..fate()).for_each(|_| to_client.push_back(bytes.clone()));
            }
            while let Some(event) = self.client.poll_event() {
                self.events.push(event);
            }
            while let Some(event) = self.bmc.poll_event() {
                let answer = match event.request {
                    Request::ChassisControl(control) => {
                        self.controls.push(control);
                        Ok(Response::Done)
                    }
                    Request::ChassisStatus => Ok(Response::ChassisStatus(ChassisStatus {
                        on: true,
                        power_fault: false,
                        restore_policy: None,
                    })),
                    _ => Err(CompletionCode::UNSPECIFIED),
                };
                self.bmc.respond(event.token, answer, self.now);
            }
            if let Some(bytes) = to_bmc.pop_front() {
                self.bmc.handle_packet(console(), &bytes, self.now);
            } else if let Some(bytes) = to_client.pop_front() {
                self.client.handle_packet(&bytes, self.now);
            } else if let Some(at) = self.client.poll_timeout() {
                self.now = self.now.max(at);
                self.client.handle_timeout(self.now);
            } else {
                return;
            }
        }
        panic!("the machines never came to rest: {:?}", self.events);
    }

    fn ended(&self) -> Option<&EndReason> {
        self.events.iter().find_map(|event| match event {
            ClientEvent::Ended(reason) => Some(reason),
            ClientEvent::Opened(_) | ClientEvent::Answered(..) => None,
        })
    }
}

#[test]
fn a_session_opens_asks_and_closes() {
    let check = |offered: &[CipherSuite], wanted: &[CipherSuite], expected: CipherSuite| {
        let mut world = World::new(client_config(wanted), bmc_config(offered));
        let status = world.client.request(Request::ChassisStatus, world.now).unwrap();
        let cycle =
            world.client.request(Request::ChassisControl(ChassisControl::PowerCycle), world.now).unwrap();
        world.run(|| 1);
        let on =
            Response::ChassisStatus(ChassisStatus { on: true, power_fault: false, restore_policy: None });
        assert_eq!(
            world.events,
            [
                ClientEvent::Opened(expected),
                ClientEvent::Answered(status, Ok(on)),
                ClientEvent::Answered(cycle, Ok(Response::Done)),
            ]
        );
        assert_eq!(world.controls, [ChassisControl::PowerCycle]);
        world.client.close(world.now);
        world.run(|| 1);
        assert_eq!((world.ended(), world.bmc.sessions()), (Some(&EndReason::Closed), 0));
    };
    check(&SUITES, &SUITES, CipherSuite::Seventeen);
    check(&SUITES, &[CipherSuite::Three], CipherSuite::Three);
    check(&[CipherSuite::Three], &SUITES, CipherSuite::Three);
}

#[test]
fn who_leaves_in_the_middle_of_a_request_gives_the_session_back() {
    let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
    world.run(|| 1);
    world.client.request(Request::ChassisStatus, world.now).unwrap();
    let asked = world.client.poll_transmit().unwrap();
    world.bmc.handle_packet(console(), &asked, world.now);
    assert_eq!(world.bmc.sessions(), 1);
    // The chassis has not answered yet.
    world.client.leave();
    let goodbye = world.client.poll_transmit().expect("it says goodbye at once");
    world.bmc.handle_packet(console(), &goodbye, world.now);
    assert_eq!((world.bmc.sessions(), world.client.is_ended()), (0, true));
}

#[test]
fn refusals_say_why_and_are_not_repeated() {
    let check = |change: fn(&mut ClientConfig), offered: &[CipherSuite], attempts: u64, why: &str| {
        let mut config = client_config(&SUITES);
        change(&mut config);
        let mut world = World::new(config, bmc_config(offered));
        world.run(|| 1);
        let reason = world.ended().expect("the session ended").to_string();
        assert!(reason.contains(why), "{reason}");
        assert_eq!(world.bmc.stats().attempts, attempts, "{reason}");
        assert_eq!(world.bmc.sessions(), 0, "{reason}: no slot stays taken");
    };
    check(|c| c.password = Secret::new("wrong"), &SUITES, 1, "does not match");
    check(|c| c.username = "nobody".into(), &SUITES, 1, "unknown user name");
    check(|c| c.password = Secret::new("x".repeat(21)), &SUITES, 0, "longer than IPMI's 20");
    check(|c| c.suites = vec![CipherSuite::Seventeen], &[CipherSuite::Three], 0, "no cipher suite in common");
}

#[test]
fn a_bmc_with_a_key_of_its_own_lets_in_who_has_it() {
    let key = |text: &str| Some(KgKey::from_text(text).unwrap());
    for suite in SUITES {
        let check = |given: Option<KgKey>, expected: Option<bool>| {
            let client = ClientConfig { k_g: given, ..client_config(&[suite]) };
            let mut world = World::new(client, BmcConfig { k_g: key("site-key"), ..bmc_config(&[suite]) });
            world.run(|| 1);
            let ended = expected.map(|key_given| EndReason::KeyMismatch { key_given });
            assert_eq!(world.ended(), ended.as_ref(), "{suite:?}");
            assert_eq!(world.events.contains(&ClientEvent::Opened(suite)), expected.is_none(), "{suite:?}");
        };
        check(key("site-key"), None);
        check(key("other-key"), Some(true));
        check(None, Some(false));
    }
}

#[test]
fn a_bmc_that_denies_its_sessions_is_asked_for_one_all_the_same() {
    let denial = || {
        let data = ChannelAuthCapabilities { channel: 1, ipmi_2_0: false }.build();
        let code = CompletionCode::OK;
        rmcp::build_plain(
            &ResponseMessage { netfn: 6, command: 0x38, sequence: 0, code, data: &data }.build(),
        )
    };
    let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
    world.client.handle_packet(&denial(), world.now);
    world.run(|| 1);
    assert!(world.events.contains(&ClientEvent::Opened(CipherSuite::Seventeen)), "{:?}", world.events);
    // Who is silent then has meant it.
    let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
    world.client.handle_packet(&denial(), world.now);
    world.run(|| 0);
    assert_eq!(world.ended(), Some(&EndReason::NoRmcpPlus));
}

#[test]
fn a_user_name_is_padded_only_for_those_who_want_it() {
    for (pads_name, expected) in [(false, 44 - 16 + "admin".len()), (true, 44)] {
        let mut world = World::new(ClientConfig { pads_name, ..client_config(&SUITES) }, bmc_config(&SUITES));
        world.run(|| 1);
        // RAKP 1 (payload type 0x12) and its payload's length.
        let rakp1 = world.sent.iter().filter(|datagram| datagram[4..6] == [6, 0x12]);
        let lengths: Vec<_> = rakp1.map(|datagram| usize::from(datagram[14])).collect();
        assert_eq!(lengths, [expected], "{pads_name}");
        assert!(world.events.contains(&ClientEvent::Opened(CipherSuite::Seventeen)), "{:?}", world.events);
    }
}

#[test]
fn a_silent_bmc_is_no_answer() {
    let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
    world.run(|| 0);
    assert!(matches!(world.ended(), Some(EndReason::NoAnswer { tries: 5, .. })), "{:?}", world.events);
}

#[test]
fn a_bmc_that_restarts_ends_the_session_within_bounded_time() {
    let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
    world.run(|| 1);
    world.bmc.forget_sessions();
    let began = world.now;
    world.client.request(Request::ChassisStatus, world.now).unwrap();
    world.run(|| 1);
    assert!(matches!(world.ended(), Some(EndReason::NoAnswer { .. })), "{:?}", world.events);
    assert!(world.now - began < Duration::from_secs(2));
}

#[test]
fn a_user_who_may_not_switch_is_told() {
    let config = BmcConfig { privilege: Privilege::User, ..bmc_config(&SUITES) };
    let mut client = client_config(&SUITES);
    client.privilege = Privilege::User;
    let mut world = World::new(client, config);
    world.client.request(Request::ChassisControl(ChassisControl::PowerDown), world.now).unwrap();
    world.run(|| 1);
    let refused = |event: &ClientEvent| {
        matches!(
            event,
            ClientEvent::Answered(_, Err(RequestError::Refused { code: CompletionCode::PRIVILEGE, .. }))
        )
    };
    assert!(world.events.iter().any(refused), "{:?}", world.events);
    assert!(world.controls.is_empty());
}

#[test]
fn sessions_are_bounded_and_idle_ones_leave() {
    let mut bmc = Bmc::new(bmc_config(&SUITES));
    let now = Instant::now();
    for seed in 0..100 {
        let mut config = client_config(&SUITES);
        config.seed = [seed; 32];
        let mut client = Client::new(config, now);
        // Only as far as the opened session: what a flood of strangers can do.
        let probe = client.poll_transmit().unwrap();
        bmc.handle_packet(console(), &probe, now);
        client.handle_packet(&bmc.poll_transmit().unwrap().bytes, now);
        bmc.handle_packet(console(), &client.poll_transmit().unwrap(), now);
        assert!(bmc.poll_transmit().is_some());
        assert!(bmc.sessions() <= SESSIONS_MAX);
    }
    bmc.handle_timeout(now + SESSION_IDLE_MAX);
    assert_eq!(bmc.sessions(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn loss_and_repetition_end_in_bounded_time_and_switch_once(fates in proptest::collection::vec(0..3_u8, 1..200)) {
        let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
        let id = world.client.request(Request::ChassisControl(ChassisControl::HardReset), world.now).unwrap();
        let mut fates = fates.into_iter();
        world.run(|| fates.next().unwrap_or(1));
        let answered = world.events.contains(&ClientEvent::Answered(id, Ok(Response::Done)));
        prop_assert!(answered || world.ended().is_some(), "{:?}", world.events);
        prop_assert!(world.controls.len() <= 1, "switched {} times", world.controls.len());
        prop_assert!(!answered || world.controls.len() == 1);
    }

    #[test]
    fn changed_bytes_panic_nobody_and_open_nothing(place in 0..200_usize, value: u8, turn in 0..12_usize) {
        let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
        let mut count = 0;
        // The same exchange with one datagram changed on its way to either end.
        for _ in 0..40 {
            while let Some(mut bytes) = world.client.poll_transmit() {
                if count == turn && place < bytes.len() { bytes[place] = value; }
                count += 1;
                world.bmc.handle_packet(console(), &bytes, world.now);
            }
            while let Some(Datagram { mut bytes, .. }) = world.bmc.poll_transmit() {
                if count == turn && place < bytes.len() { bytes[place] = value; }
                count += 1;
                world.client.handle_packet(&bytes, world.now);
            }
            if let Some(at) = world.client.poll_timeout() {
                world.now = at;
                world.client.handle_timeout(at);
            }
        }
        prop_assert!(world.bmc.sessions() <= SESSIONS_MAX);
    }

    #[test]
    fn any_bytes_reach_both_machines_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..8_u8) {
        let mut world = World::new(client_config(&SUITES), bmc_config(&SUITES));
        let mut datagram = vec![6, 0, 0xff, 7, 6, [0, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0xc0][usize::from(kind)]];
        datagram.extend(bytes);
        world.bmc.handle_packet(console(), &datagram, world.now);
        world.client.handle_packet(&datagram, world.now);
        world.run(|| 1);
    }
}
