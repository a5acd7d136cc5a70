//! Decisions: IPMI over LAN, packet by packet: RMCP, session headers, messages, log-in, answers, presence.

use protocol::ipmi::{
    Privilege,
    app::{ChannelAuthCapabilities, DeviceId},
    chassis::ChassisStatus,
    command::{Request, Response},
    message::{RequestMessage, ResponseMessage},
    presence::{parse_ping, parse_pong, ping, pong},
    rakp::{OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4},
    rmcp::{self, Packet},
};

const REQUESTS: [Request; 7] = [
    Request::DeviceId,
    Request::SystemGuid,
    Request::ChannelAuthCapabilities { privilege: Privilege::User },
    Request::ChannelCipherSuites { index: 0 },
    Request::SetSessionPrivilege(Privilege::Operator),
    Request::ChassisStatus,
    Request::GetBootFlags,
];

/// Every part of a packet lies in the packet, and what can be written is read again.
pub fn run(data: &[u8]) {
    let _ = rmcp::console_session_id(data);
    assert!(parse_ping(data).is_none_or(|tag| parse_ping(&ping(tag)) == Some(tag)));
    assert!(parse_pong(data).is_none_or(|tag| parse_pong(&pong(tag)) == Some(tag)));
    for code_bytes in [0, 12, 16] {
        match rmcp::parse(data, |_| code_bytes) {
            Ok(Packet::Plain(message)) => payload(message),
            Ok(Packet::Plus(packet)) => {
                assert!(packet.payload.len() + packet.auth_code.len() <= data.len());
                payload(packet.payload);
            }
            Err(_) => {}
        }
    }
    payload(data);
}

fn payload(bytes: &[u8]) {
    let _ = (OpenSessionRequest::parse(bytes), OpenSessionResponse::parse(bytes));
    let _ = (Rakp1::parse(bytes), Rakp2::parse(bytes), Rakp3::parse(bytes), Rakp4::parse(bytes));
    let _ = (DeviceId::parse(bytes), ChannelAuthCapabilities::parse(bytes), ChassisStatus::parse(bytes));
    if let Ok(message) = RequestMessage::parse(bytes)
        && let Ok(request) = Request::parse(&message)
    {
        let (netfn, command, data) = request.encode();
        let again = RequestMessage { netfn, command, sequence: message.sequence, data: &data };
        assert_eq!(Request::parse(&again), Ok(request));
    }
    let message = ResponseMessage::parse(bytes);
    for request in REQUESTS {
        let data = message.as_ref().map_or(bytes, |message| message.data);
        if let Ok(response) = Response::parse(&request, data) {
            let _ = response.build();
        }
    }
}
