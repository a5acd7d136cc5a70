//! Decisions: whether Ironic can be asked to take an instance away from a node, and whether a node without one is clean.

use super::{
    phase::{Phase, phase},
    state::{Node, ProvisionState},
};

/// States from which Ironic takes an instance away when it is asked; in every other one it first ends by itself what it does.
pub fn may_be_ended(state: &ProvisionState) -> bool {
    match phase(state) {
        Phase::Held | Phase::Waiting => true,
        Phase::New
        | Phase::Looked
        | Phase::Free
        | Phase::Starting
        | Phase::Busy
        | Phase::Cleaning
        | Phase::Stuck => false,
    }
}

/// Whether a node has been cleaned since it let go of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// It has.
    Yes,
    /// It is about to be.
    OnItsWay,
    /// It has not, and is not by itself.
    No,
}

/// Whether it has, by its state: Ironic reaches `available`, and a next instance, through a clean alone.
pub fn cleaned(node: &Node) -> Cleaned {
    if node.instance_id.is_some() {
        return Cleaned::Yes;
    }
    match phase(&node.provision_state) {
        Phase::Free | Phase::Waiting | Phase::Starting => Cleaned::Yes,
        Phase::Cleaning => Cleaned::OnItsWay,
        Phase::New | Phase::Looked | Phase::Held | Phase::Busy | Phase::Stuck => Cleaned::No,
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_state_says_whether_it_may_be_ended_and_whether_it_is_clean() {
        let ended = [
            "active",
            "error",
            "deploy failed",
            "wait call-back",
            "deploy hold",
            "rescue",
            "rescue wait",
            "rescue failed",
            "unrescue failed",
            "service failed",
        ];
        let clean = ["available", "deploying", "wait call-back", "deploy hold"];
        let on_its_way = ["deleting", "cleaning", "clean wait"];
        for state in ProvisionState::KNOWN {
            let mut node = Node::in_state(ServerId(Uuid::nil()), state.clone());
            assert_eq!(may_be_ended(state), ended.contains(&state.as_str()), "{state}");
            let expected = match state.as_str() {
                word if clean.contains(&word) => Cleaned::Yes,
                word if on_its_way.contains(&word) => Cleaned::OnItsWay,
                _ => Cleaned::No,
            };
            assert_eq!(cleaned(&node), expected, "{state}");
            node.instance_id = Some(Uuid::from_u128(7));
            assert_eq!(cleaned(&node), Cleaned::Yes, "{state}: a next instance comes through a clean");
        }
    }
}
