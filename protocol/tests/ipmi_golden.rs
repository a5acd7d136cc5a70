//! Decisions: known answers: what ipmitool said to ipmi_sim (suite 3) and to our virtual BMC (suite 17), byte for byte.
//!
//! The codes in these records were computed by programs that nobody here wrote: on the console's side always, on the BMC's side in suite 3.
#![cfg(feature = "ipmi")]

use protocol::ipmi::{
    CipherSuite,
    chassis::ChassisControl,
    command::Request,
    message::{CompletionCode, RequestMessage, ResponseMessage},
    rakp::{self, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4},
    rmcp::{self, Packet, PayloadType},
    suite::{Handshake, SessionKeys, same_code},
};

const PASSWORD: &[u8] = b"golden-pass";

fn datagrams(record: &str) -> Vec<(bool, Vec<u8>)> {
    record
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (mark, hex) = line.split_once(' ').expect("a mark and bytes");
            (mark == ">", protocol::hex::decode(hex).expect("bytes"))
        })
        .collect()
}

/// Follows the record and gives the requests that were understood, with how they ended.
fn replay(record: &str, suite: CipherSuite) -> Vec<(Request, CompletionCode)> {
    let (mut console_id, mut rakp1, mut rakp2) = (0, None::<Rakp1>, None::<Rakp2>);
    let (mut keys, mut check) = (None::<SessionKeys>, vec![]);
    let (mut asked, mut answered) = (None, vec![]);
    for (to_bmc, bytes) in datagrams(record) {
        let packet = match rmcp::parse(&bytes, |_| suite.integrity_bytes()).unwrap() {
            Packet::Plus(packet) => packet,
            Packet::Plain(_) => continue,
        };
        let payload = packet.payload;
        match packet.header.payload_type {
            PayloadType::OpenSessionRequest => {
                let request = OpenSessionRequest::parse(payload).unwrap();
                assert_eq!(rakp::suite_of(request.algorithms), Some(suite));
                assert_eq!(request.build(), payload);
                console_id = request.console_id;
            }
            PayloadType::OpenSessionResponse => {
                let response = OpenSessionResponse::parse(payload).unwrap();
                assert_eq!(response.console_id, console_id);
                assert!(response.outcome.is_ok(), "{response:?}");
            }
            PayloadType::Rakp1 => {
                let message = Rakp1::parse(payload).unwrap();
                assert_eq!((message.build(), &message.username[..]), (payload.to_vec(), &b"admin"[..]));
                rakp1 = Some(message);
            }
            PayloadType::Rakp2 => rakp2 = Some(Rakp2::parse(payload).unwrap()),
            PayloadType::Rakp3 | PayloadType::Rakp4 => {
                let proof = rakp2.as_ref().unwrap().outcome.as_ref().unwrap();
                let handshake = Handshake {
                    suite,
                    password: PASSWORD,
                    k_g: None,
                    console_id,
                    rakp1: rakp1.as_ref().unwrap(),
                    bmc_random: &proof.random,
                    guid: &proof.guid,
                };
                assert!(same_code(&handshake.rakp2_code(), &proof.auth_code), "RAKP 2");
                if to_bmc {
                    let code = Rakp3::parse(payload).unwrap().outcome.unwrap();
                    assert!(same_code(&handshake.rakp3_code(), &code), "RAKP 3");
                    let (session_keys, value) = handshake.keys();
                    (keys, check) = (Some(session_keys), value);
                } else {
                    let code = Rakp4::parse(payload).unwrap().outcome.unwrap();
                    assert!(same_code(&check, &code), "RAKP 4");
                }
            }
            PayloadType::Ipmi if packet.header.session_id == 0 => {}
            PayloadType::Sol => {}
            PayloadType::Ipmi => {
                let message = keys.as_ref().unwrap().open(&packet).unwrap();
                if to_bmc {
                    let request = RequestMessage::parse(&message).unwrap();
                    assert_eq!(request.build().len(), message.len());
                    asked = Request::parse(&request).ok();
                } else {
                    let response = ResponseMessage::parse(&message).unwrap();
                    answered.extend(asked.take().map(|request| (request, response.code)));
                }
            }
        }
    }
    answered
}

#[test]
fn ipmitool_and_we_agree_on_every_code_and_key() {
    let check = |record: &str, suite| {
        let answered = replay(record, suite);
        for wanted in [Request::ChassisControl(ChassisControl::PowerUp), Request::ChassisStatus] {
            assert!(answered.contains(&(wanted, CompletionCode::OK)), "{suite:?} {wanted:?}: {answered:?}");
        }
        let boots = |(request, _): &&(Request, CompletionCode)| matches!(request, Request::SetBootOption(_));
        assert!(answered.iter().filter(boots).count() >= 2, "{suite:?}: {answered:?}");
        let closes = |(request, _): &&(Request, CompletionCode)| matches!(request, Request::CloseSession(_));
        assert_eq!(answered.iter().filter(closes).count(), 3, "{suite:?}: {answered:?}");
    };
    check(include_str!("golden/ipmi_suite3.txt"), CipherSuite::Three);
    check(include_str!("golden/ipmi_suite17.txt"), CipherSuite::Seventeen);
}
