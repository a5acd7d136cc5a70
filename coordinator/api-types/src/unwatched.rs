//! Decisions: how a server that nobody watches is shown: what is so once, and the verb that ends it.

use crate::{Bmc, Node, NotWatched, WhyNotWatched};

/// Why in a few words, and what to do, for a line of a list; none: it is watched.
pub fn in_list(node: &Node) -> Option<String> {
    let unwatched = node.not_watched.as_ref()?;
    let name = &node.name;
    Some(format!(
        "{}; `bmsctl node show {name}` says more, `bmsctl node bmc retry {name}` tries now",
        headline(node, unwatched)
    ))
}

/// Its power, and that nobody watches it. The whole sentence is said once: by the reason, when that is about the same, which is newer.
pub fn in_full(node: &Node) -> (String, String) {
    let reason = |text: &Option<String>| text.clone().unwrap_or_default();
    let Some(unwatched) = &node.not_watched else {
        let power = [node.power.to_string(), reason(&node.power_reason)].join(" ");
        return (power.trim().to_owned(), String::new());
    };
    let since = unwatched.since.as_deref().map(|since| format!("since {since}: ")).unwrap_or_default();
    let is_the_reason = is_told_by(&reason(&node.reason), node, unwatched);
    let why = if is_the_reason { "see the reason".to_owned() } else { unwatched.reason.clone() };
    let retry = format!("; `bmsctl node bmc retry {}` tries now", node.name);
    (node.power.to_string(), format!("{since}{why}{}", if is_the_reason { "" } else { &retry }))
}

/// For a page: why nobody watches its power, in full, and this `reason` without what is said by that.
pub fn on_page(node: &Node, reason: String) -> (String, String) {
    match &node.not_watched {
        None => (String::new(), reason),
        Some(unwatched) => match is_told_by(&reason, node, unwatched) {
            true => (reason, headline(node, unwatched)),
            false => (unwatched.reason.clone(), reason),
        },
    }
}

/// Why, in a few words.
fn headline(node: &Node, unwatched: &NotWatched) -> String {
    let Bmc { address, port, username, .. } = &node.bmc;
    match unwatched.why {
        WhyNotWatched::CredentialsRefused => {
            format!("the BMC at {address}:{port} does not accept user {username:?}")
        }
        WhyNotWatched::OtherMachine => {
            format!("another machine answers at the BMC's address {address}:{port}, or may")
        }
        WhyNotWatched::Unknown => unwatched.reason.clone(),
    }
}

/// Whether a sentence names all that the cause is about, so that it need not be said again.
fn is_told_by(sentence: &str, node: &Node, unwatched: &NotWatched) -> bool {
    let Bmc { address, username, .. } = &node.bmc;
    match unwatched.why {
        WhyNotWatched::CredentialsRefused => sentence.contains(address) && sentence.contains(username),
        WhyNotWatched::OtherMachine => sentence.contains(address),
        WhyNotWatched::Unknown => sentence.contains(&unwatched.reason),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WHY: &str = "the BMC at 198.51.100.12:623 (IPMI) does not accept user \"admin\": its proof of the password differs";

    fn node(not_watched: Option<&str>, reason: Option<&str>) -> Node {
        serde_json::from_value(json!({
            "id": uuid::Uuid::nil(), "name": "srv2", "rack": "rack1", "provision_state": "enroll", "deployed": false,
            "power": "unreachable", "power_reason": not_watched, "maintenance": false, "next": "", "ports": [],
            "resource_class": "", "boot_mode": "bios", "reason": reason,
            "bmc": {"protocol": "ipmi", "address": "198.51.100.12", "port": 623, "username": "admin", "identity": null},
            "not_watched": not_watched.map(|reason| json!({"why": "credentials_refused", "reason": reason, "since": "T"})),
        }))
        .unwrap()
    }

    #[test]
    fn a_server_that_nobody_watches_is_explained_once() {
        let check = |node: &Node, list: Option<&str>, full: (&str, &str)| {
            assert_eq!(in_list(node).as_deref(), list);
            let (power, not_watched) = in_full(node);
            assert_eq!((power.as_str(), not_watched.as_str()), full);
        };
        let list = "the BMC at 198.51.100.12:623 does not accept user \"admin\"; `bmsctl node show srv2` says more, \
                    `bmsctl node bmc retry srv2` tries now";
        check(&node(None, None), None, ("unreachable", ""));
        let again = format!(
            "the BMC of srv2 at 198.51.100.12 refused user admin: {WHY}; it is tried again in 10 min"
        );
        check(&node(Some(WHY), Some(&again)), Some(list), ("unreachable", "since T: see the reason"));
        let head = "the BMC at 198.51.100.12:623 does not accept user \"admin\"";
        let page = |reason: &str| on_page(&node(Some(WHY), None), reason.to_owned());
        assert_eq!(page(&again), (again.clone(), head.to_owned()));
        assert_eq!(page("a wait"), (WHY.to_owned(), "a wait".to_owned()));
        assert_eq!(on_page(&node(None, None), "a wait".to_owned()), (String::new(), "a wait".to_owned()));
        let other = format!("since T: {WHY}; `bmsctl node bmc retry srv2` tries now");
        check(&node(Some(WHY), Some("something else")), Some(list), ("unreachable", &other));
    }
}
