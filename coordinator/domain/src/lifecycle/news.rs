//! Decisions: what of a node's change people are told, whoever saw it first: its state, maintenance, and a node that Ironic has lost.

use super::state::{Node, ProvisionState};
use crate::events::{EventKind, Told};

/// So much of a maintenance reason is told; other tools write what they like.
const REASON_CHARS_MAX: usize = 300;
/// So much of a failure's cause is told.
const CAUSE_CHARS_MAX: usize = 600;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What kind.
    pub kind: EventKind,
    /// In words.
    pub text: String,
    /// What the server's tenant is told.
    pub told: Option<Told>,
}

/// What has changed between two looks at the node of the server `name`. `forgetting`: an administrator has deleted the server.
pub fn news(name: &str, before: Option<&Node>, after: Option<&Node>, forgetting: bool) -> Vec<News> {
    let news_of = |kind, text: String, told| News { kind, text, told };
    let mut news = Vec::new();
    let state = |node: Option<&Node>| node.map(|node| node.provision_state.clone());
    if state(before) != state(after) {
        let text = after.map_or("Ironic has no node for it".to_owned(), state_text);
        // Several states of Ironic are one to a tenant, and a look may miss any of them.
        let told_of = |node: Option<&Node>| node.and_then(|node| Told::of_state(&node.provision_state));
        let told = told_of(after).filter(|told| told_of(before) != Some(*told));
        news.push(news_of(EventKind::State, text, told));
    }
    if let Some(lost) = before.filter(|before| !forgetting && is_lost(before, after)) {
        news.push(news_of(EventKind::Alarm, lost_text(name, lost), Told::of_kind(EventKind::Alarm)));
    }
    let text = match (before.and_then(reason), after.and_then(reason)) {
        (None, Some(reason)) => Some(format!("in maintenance: {reason}")),
        (Some(before), Some(reason)) if before != reason => {
            Some(format!("in maintenance, now for another reason: {reason}"))
        }
        (Some(_), None) if after.is_some() => Some("maintenance ended".to_owned()),
        (Some(_) | None, _) => None,
    };
    // A tenant hears of a person's maintenance only, and not why; of a fault that Ironic finds it hears by what follows.
    let held = |node: Option<&Node>| node.is_some_and(|node| node.held().is_some());
    let told = match (held(before), held(after)) {
        (false, true) => Some(Told::OperatorWorks),
        (true, false) => Some(Told::OperatorIsDone),
        (false, false) | (true, true) => None,
    };
    news.extend(text.map(|text| news_of(EventKind::Maintenance, text, told)));
    news
}

/// A state in words; a failure with its cause, which Ironic forgets when it goes on.
fn state_text(node: &Node) -> String {
    let state = node.provision_state.as_str();
    let failed = state.ends_with("failed") || node.provision_state == ProvisionState::Error;
    match node.last_error.as_deref().filter(|_| failed) {
        Some(cause) => format!("{state}: {}", cause.chars().take(CAUSE_CHARS_MAX).collect::<String>()),
        None => state.to_owned(),
    }
}

/// Whether Ironic has lost a node of which it knew more than that it exists; also when it was made anew between two looks.
/// Ironic itself leads no node back to `enroll` but one whose BMC it could not verify.
fn is_lost(before: &Node, after: Option<&Node>) -> bool {
    let knew_little = matches!(before.provision_state, ProvisionState::Enroll | ProvisionState::Verifying);
    let knows_little = after.is_none_or(|after| after.provision_state == ProvisionState::Enroll);
    !knew_little && knows_little
}

fn lost_text(name: &str, lost: &Node) -> String {
    let state = &lost.provision_state;
    match lost.instance_id {
        Some(instance) => format!(
            "Ironic has lost the node of {name}, which was {state} with the tenant's server {instance}: it keeps running, \
             but nothing manages it. Its node is created again automatically; then adopt it (bmsctl node adopt), or clean \
             it if nobody uses it (bmsctl node manage, inspect, provide)"
        ),
        None => format!(
            "Ironic has lost the node of {name}, which was {state}: the server is out of the pool. Its node is created \
             again automatically; then `bmsctl node manage {name}`, `node inspect {name}` and `node provide {name}` bring \
             it back"
        ),
    }
}

/// Why a node is in maintenance; none: it is not.
fn reason(node: &Node) -> Option<String> {
    let reason = node.maintenance_reason.as_deref().unwrap_or("no reason was given");
    node.maintenance.then(|| reason.chars().take(REASON_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::*;
    use crate::lifecycle::trouble::Trouble;

    fn node(state: &str, maintenance: Option<&str>, instance: Option<u128>) -> Option<Node> {
        let mut node = Node::in_state(ServerId(Uuid::from_u128(1)), ProvisionState::from(state));
        node.maintenance = maintenance.is_some();
        node.maintenance_reason = maintenance.filter(|reason| !reason.is_empty()).map(str::to_owned);
        node.instance_id = instance.map(Uuid::from_u128);
        Some(node)
    }

    #[test]
    fn each_change_is_told_in_words() {
        let check = |before: Option<Node>, after: Option<Node>, expected: &[(EventKind, &str)]| {
            let told = news("n1", before.as_ref(), after.as_ref(), false);
            let fits = |(news, (kind, words)): (&News, &(EventKind, &str))| {
                news.kind == *kind && news.text.contains(words)
            };
            assert!(told.len() == expected.len() && told.iter().zip(expected).all(fits), "{told:?}");
        };
        use EventKind::{Alarm, Maintenance, State};
        let plain = |state| node(state, None, None);
        check(plain("active"), plain("active"), &[]);
        check(None, None, &[]);
        check(None, plain("enroll"), &[(State, "enroll")]);
        check(plain("verifying"), plain("enroll"), &[(State, "enroll")]);
        check(plain("enroll"), None, &[(State, "no node for it")]);
        check(plain("manageable"), plain("cleaning"), &[(State, "cleaning")]);
        let reason = |text| node("active", Some(text), None);
        check(plain("active"), reason("fan"), &[(Maintenance, "in maintenance: fan")]);
        check(plain("active"), reason(""), &[(Maintenance, "no reason was given")]);
        check(reason("fan"), reason("fan"), &[]);
        check(reason("fan"), reason("psu"), &[(Maintenance, "another reason: psu")]);
        check(reason("fan"), plain("active"), &[(Maintenance, "maintenance ended")]);
        check(reason("fan"), plain("deleting"), &[(State, "deleting"), (Maintenance, "maintenance ended")]);
        let failed = |state, cause: &str| {
            let node = node(state, None, None);
            node.map(|node| Node { last_error: Some(cause.to_owned()), ..node })
        };
        check(plain("deploying"), failed("deploy failed", "no image"), &[(State, "deploy failed: no image")]);
        check(plain("deleting"), failed("error", "no agent"), &[(State, "error: no agent")]);
        let told = news("n1", None, failed("active", "long ago").as_ref(), false);
        assert_eq!(told[0].text, "active");
        let lost = "Ironic has lost the node of n1, which was";
        for state in ["available", "manageable", "clean failed"] {
            check(plain(state), None, &[(State, "no node for it"), (Alarm, lost)]);
            check(plain(state), plain("enroll"), &[(State, "enroll"), (Alarm, "node provide n1")]);
        }
        check(node("active", None, Some(7)), None, &[(State, "no node"), (Alarm, "node adopt")]);
        // An administrator who deletes a server knows.
        let told = news("n1", plain("available").as_ref(), None, true);
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn a_tenant_is_told_each_thing_once() {
        let check = |states: &[&str], expected: &[Told]| {
            let nodes: Vec<_> = states.iter().map(|state| node(state, None, Some(7))).collect();
            let told: Vec<_> = nodes
                .windows(2)
                .flat_map(|pair| news("n1", pair[0].as_ref(), pair[1].as_ref(), false))
                .filter_map(|news| news.told)
                .collect();
            assert_eq!(told, expected, "{states:?}");
        };
        let deployed = ["available", "deploying", "wait call-back", "deploying", "active"];
        check(&deployed, &[Told::Installing, Told::InUse]);
        check(&["available", "wait call-back", "active"], &[Told::Installing, Told::InUse]);
        let cleaned = ["active", "deleting", "cleaning", "clean wait", "cleaning", "available"];
        check(&cleaned, &[Told::Releasing, Told::Erasing]);
        check(
            &["deleting", "clean wait", "clean failed"],
            &[Told::Erasing, Told::Trouble(Trouble::NotErased)],
        );
        check(&["active", "rescue wait", "rescue"], &[Told::Rescuing, Told::InRescue]);
        let held = node("active", Some("psu of n1"), Some(7));
        let told = news("n1", node("active", None, Some(7)).as_ref(), held.as_ref(), false);
        assert_eq!(told[0].told, Some(Told::OperatorWorks));
    }

    #[test]
    fn a_reason_is_told_within_bounds() {
        let long = node("active", Some(&"x".repeat(5000)), None);
        let told = news("n1", node("active", None, None).as_ref(), long.as_ref(), false);
        assert!(told[0].text.len() < REASON_CHARS_MAX + 50, "{}", told[0].text.len());
    }
}
