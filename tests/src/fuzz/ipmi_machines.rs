//! Edges: both machines of IPMI over LAN, fed datagram by datagram. (They take a time; any will do.)

use std::{net::SocketAddr, time::Instant};

use protocol::{
    ipmi::{
        CipherSuite, Privilege,
        app::DeviceId,
        bmc::{Bmc, BmcConfig, Pong, SESSIONS_MAX, Users},
        client::{Client, ClientConfig, ProofRole, Retry},
        command::Request,
        message::CompletionCode,
    },
    secret::Secret,
};

use super::pieces;

/// Most datagrams that one may cause.
const ANSWERS_MAX: usize = 8;

fn client(now: Instant) -> Client {
    let config = ClientConfig {
        username: "admin".into(),
        password: Secret::new("correct horse"),
        suites: vec![CipherSuite::Seventeen, CipherSuite::Three],
        privilege: Privilege::Administrator,
        k_g: None,
        proof_role: ProofRole::AsProved,
        pads_name: false,
        retry: Retry { first: std::time::Duration::from_millis(100), tries: 5 },
        seed: [9; 32],
    };
    Client::new(config, now)
}

fn bmc() -> Bmc {
    Bmc::new(BmcConfig {
        users: Users::One { username: "admin".into(), password: Secret::new("correct horse") },
        sessions_max: SESSIONS_MAX,
        k_g: None,
        privilege: Privilege::Administrator,
        suites: vec![CipherSuite::Seventeen, CipherSuite::Three],
        guid: *b"0123456789abcdef",
        device: DeviceId::default(),
        pong: Pong::Usual,
        seed: [7; 32],
    })
}

/// Whatever comes, each datagram causes a few at most, and strangers fill no more than the places that there are.
pub fn run(data: &[u8]) {
    let now = Instant::now();
    let (mut client, mut bmc) = (client(now), bmc());
    let _ = client.request(Request::ChassisStatus, now);
    let console = SocketAddr::from(([192, 0, 2, 1], 4000));
    for datagram in pieces(data) {
        client.handle_packet(datagram, now);
        bmc.handle_packet(console, datagram, now);
        while let Some(event) = bmc.poll_event() {
            bmc.respond(event.token, Err(CompletionCode::UNSPECIFIED), now);
        }
        let mut sent = 0;
        while let Some(bytes) = client.poll_transmit() {
            bmc.handle_packet(console, &bytes, now);
            sent += 1;
        }
        while let Some(answer) = bmc.poll_transmit() {
            client.handle_packet(&answer.bytes, now);
            sent += 1;
        }
        while client.poll_event().is_some() {}
        assert!(sent <= ANSWERS_MAX, "one datagram caused {sent}");
        assert!(bmc.sessions() <= SESSIONS_MAX);
    }
}
