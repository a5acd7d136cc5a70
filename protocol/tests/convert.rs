//! Every value goes over the wire and comes back the same; no message panics; the bytes of version 1 never change.
#![cfg(feature = "grpc")]

mod values;

use std::path::PathBuf;

use proptest::prelude::*;
use prost::Message;
use protocol::{
    console::{ConsoleDown, ConsoleUp, PIECE_BYTES_MAX},
    convert::{FromAgent, InvalidMessage, ToAgent},
    grpc as wire,
    image_cache::{CacheAnswer, CacheOrder},
    tunnel::{self, TunnelDown, TunnelUp},
};

fn up(message: &FromAgent) -> Vec<u8> {
    wire::AgentMessage::from(message.clone()).encode_to_vec()
}

fn down(message: &ToAgent) -> Vec<u8> {
    wire::CoordinatorMessage::from(message.clone()).encode_to_vec()
}

proptest! {
    #[test]
    fn what_an_agent_sends_arrives_unchanged(message in values::from_agent()) {
        let wire = wire::AgentMessage::decode(&up(&message)[..]).unwrap();
        prop_assert_eq!(FromAgent::try_from(wire).unwrap(), message);
    }

    #[test]
    fn what_a_coordinator_sends_arrives_unchanged(message in values::to_agent()) {
        let wire = wire::CoordinatorMessage::decode(&down(&message)[..]).unwrap();
        prop_assert_eq!(ToAgent::try_from(wire).unwrap(), message);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        message in values::to_agent(), report in values::from_agent(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut bytes = down(&message);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(wire) = wire::CoordinatorMessage::decode(&bytes[..]) {
                let _ = ToAgent::try_from(wire);
            }
        }
        let mut bytes = up(&report);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(wire) = wire::AgentMessage::decode(&bytes[..]) {
                let _ = FromAgent::try_from(wire);
            }
        }
    }
}

/// Compares with `tests/golden/NAME.hex`. A new message's file is written by running with `GOLDEN=write`; a file that
/// exists is changed only together with the protocol's version.
fn check_golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    let mut text = String::new();
    for line in bytes.chunks(32) {
        text.push_str(&protocol::hex::encode(line));
        text.push('\n');
    }
    if std::env::var_os("GOLDEN").is_some_and(|how| how == "write") && !path.exists() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, golden, "{name}: the bytes on the wire changed; older programs could not read them");
}

#[test]
fn the_bytes_of_version_1_stay() {
    for (name, message) in values::examples::examples_up() {
        check_golden(name, &up(&message));
    }
    for (name, message) in values::examples::examples_down()
        .into_iter()
        .chain(values::records::examples_down())
        .chain(values::image_cache::examples_down())
        .chain(values::tunnels::examples_down())
    {
        check_golden(name, &down(&message));
    }
}

#[test]
fn what_a_console_says_arrives_unchanged_and_its_bytes_stay() {
    for (name, message) in
        values::examples::examples_console_up().into_iter().chain(values::records::examples_up())
    {
        let bytes = wire::ConsoleUp::from(message.clone()).encode_to_vec();
        check_golden(name, &bytes);
        assert_eq!(ConsoleUp::try_from(wire::ConsoleUp::decode(&bytes[..]).unwrap()), Ok(message));
    }
    for (name, message) in values::examples::examples_console_down() {
        let bytes = wire::ConsoleDown::from(message.clone()).encode_to_vec();
        check_golden(name, &bytes);
        assert_eq!(ConsoleDown::try_from(wire::ConsoleDown::decode(&bytes[..]).unwrap()), Ok(message));
    }
    let too_long = ConsoleDown::Input(vec![0; PIECE_BYTES_MAX + 1]);
    let refused = ConsoleDown::try_from(wire::ConsoleDown::from(too_long)).unwrap_err();
    assert_eq!(refused.field, "ConsoleDown.input");
}

#[test]
fn what_goes_through_a_tunnel_arrives_unchanged_and_its_bytes_stay() {
    for (name, message) in values::tunnels::examples_up() {
        let bytes = wire::TunnelUp::from(message.clone()).encode_to_vec();
        check_golden(name, &bytes);
        assert_eq!(TunnelUp::try_from(wire::TunnelUp::decode(&bytes[..]).unwrap()), Ok(message));
    }
    let (name, piece) = values::tunnels::example_piece_down();
    let bytes = wire::TunnelDown::from(piece.clone()).encode_to_vec();
    check_golden(name, &bytes);
    assert_eq!(TunnelDown::try_from(wire::TunnelDown::decode(&bytes[..]).unwrap()), Ok(piece));
    let too_long = vec![0; tunnel::PIECE_BYTES_MAX + 1];
    let refused = TunnelUp::try_from(wire::TunnelUp::from(TunnelUp::Piece(too_long.clone()))).unwrap_err();
    assert_eq!(refused.field, "TunnelUp.piece");
    let refused = TunnelDown::try_from(wire::TunnelDown::from(TunnelDown(too_long))).unwrap_err();
    assert_eq!(refused.field, "TunnelDown.piece");
}

#[test]
fn what_is_told_of_a_cache_arrives_unchanged_and_its_bytes_stay() {
    for (name, answer) in values::image_cache::examples_answer() {
        let bytes = wire::CacheAnswer::from(answer.clone()).encode_to_vec();
        check_golden(name, &bytes);
        assert_eq!(CacheAnswer::try_from(wire::CacheAnswer::decode(&bytes[..]).unwrap()), Ok(answer));
    }
    let dropping = wire::CacheOrder {
        id: uuid::Uuid::nil().to_string(),
        order: Some(wire::cache_order::Order::Drop("../etc/passwd".into())),
    };
    assert_eq!(CacheOrder::try_from(dropping).unwrap_err().field, "CacheOrder.drop");
}

#[test]
fn a_wrong_field_is_named() {
    let check = |message: wire::agent_message::Message, field: &str| {
        let error: InvalidMessage =
            FromAgent::try_from(wire::AgentMessage { message: Some(message) }).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    };
    let report = |seq: u64, server: &str, body: Option<wire::report::Body>| {
        wire::agent_message::Message::Report(wire::Report { seq, at_us: 0, server: server.to_owned(), body })
    };
    let uuid = "11111111-2222-3333-4444-555555555555";
    let power =
        |state, cause| Some(wire::report::Body::Power(wire::Power { state, reason: String::new(), cause }));
    check(report(1, uuid, None), "Report.body");
    check(report(1, "sausage", power(1, 1)), "Report.server");
    check(report(0, uuid, power(1, 1)), "Report.seq");
    check(report(1, uuid, power(0, 1)), "Power.state");
    check(report(1, uuid, power(77, 1)), "Power.state");
    check(report(1, uuid, power(1, 0)), "Power.cause");
    check(wire::agent_message::Message::Hello(wire::Hello::default()), "Hello.rack");
}

#[test]
fn printing_a_declared_server_hides_its_password() {
    for (_, message) in values::examples::examples_down() {
        let shown = format!("{:?}", wire::CoordinatorMessage::from(message));
        assert!(!shown.contains("hunter2") && !shown.contains("736974652d6b6579"), "{shown}");
    }
}
