//! Decisions: answers of OpenStack's services, refusals before all.

use openstack::{
    Service,
    error::{MESSAGE_CHARS_MAX, from_answer, human_text},
    ironic::{IronicNode, Port},
};

/// A refusal has a sentence of bounded length; objects are read as far as they can be.
pub fn run(data: &[u8]) {
    let text = human_text(data);
    assert!(text.chars().count() <= MESSAGE_CHARS_MAX + "...".len(), "{text}");
    for code in [401, 404, 409, 500] {
        assert!(!from_answer(Service::Ironic, "fuzz", code, data).to_string().is_empty());
    }
    let _ = serde_json::from_slice::<IronicNode>(data);
    let _ = serde_json::from_slice::<Port>(data);
}
