//! Decisions: whether a server is in somebody's use, so that what it hangs on is not changed by the way.

use super::{
    phase::{Phase, phase},
    state::Node,
};

/// How a server is in use, for a person; none: it is free, or was not given to anybody yet.
pub fn in_use(node: Option<&Node>) -> Option<String> {
    let node = node?;
    let state = &node.provision_state;
    if let Some(instance) = node.instance_id {
        return Some(format!("{state} with the tenant's server {instance}"));
    }
    match phase(state) {
        Phase::New | Phase::Free => None,
        Phase::Looked
        | Phase::Waiting
        | Phase::Starting
        | Phase::Held
        | Phase::Busy
        | Phase::Cleaning
        | Phase::Stuck => Some(state.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::*;
    use crate::lifecycle::ProvisionState;

    #[test]
    fn what_is_free_or_new_is_not_in_use_and_all_else_is() {
        for state in ProvisionState::KNOWN {
            let mut node = Node::in_state(ServerId(Uuid::nil()), state.clone());
            let free = ["enroll", "verifying", "manageable", "inspect failed", "adopt failed", "available"];
            assert_eq!(in_use(Some(&node)).is_none(), free.contains(&state.as_str()), "{state}");
            node.instance_id = Some(Uuid::from_u128(7));
            assert!(in_use(Some(&node)).is_some_and(|how| how.contains(&Uuid::from_u128(7).to_string())));
        }
        assert_eq!(in_use(None), None);
    }
}
