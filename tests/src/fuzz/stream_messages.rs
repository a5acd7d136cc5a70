//! Decisions: the messages of the agents' stream (gRPC), each way.

use prost::Message;
use protocol::{
    convert::{FromAgent, ToAgent},
    grpc::{AgentMessage, CoordinatorMessage},
};

/// What a coordinator reads.
pub fn from_agent(data: &[u8]) {
    let Ok(wire) = AgentMessage::decode(data) else { return };
    let Ok(message) = FromAgent::try_from(wire) else { return };
    let again = AgentMessage::decode(&AgentMessage::from(message.clone()).encode_to_vec()[..]);
    let again = FromAgent::try_from(again.expect("our own bytes are a message"));
    assert_eq!(again.as_ref(), Ok(&message));
}

/// What an agent reads.
pub fn to_agent(data: &[u8]) {
    let Ok(wire) = CoordinatorMessage::decode(data) else { return };
    let Ok(message) = ToAgent::try_from(wire) else { return };
    let again = CoordinatorMessage::decode(&CoordinatorMessage::from(message.clone()).encode_to_vec()[..]);
    let again = ToAgent::try_from(again.expect("our own bytes are a message"));
    assert_eq!(again.as_ref(), Ok(&message));
}
