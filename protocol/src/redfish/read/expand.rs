//! Values: whether a service shows the members of a collection whole when it is asked to (DSP0266, section 7.3.1).

use crate::redfish::node::Node;

/// The query that asks for it; none: the service root says of none that it would be answered.
pub fn members_whole(root: Node<'_>) -> Option<&'static str> {
    let said = root.at("ProtocolFeaturesSupported").at("ExpandQuery");
    let is = |name: &str| said.flag(name) == Some(true);
    let has_levels = is("Levels") && said.count("MaxLevels") != Some(0);
    // One level is the members; what they link to is not asked for.
    match (is("NoLinks"), is("ExpandAll")) {
        (true, _) if has_levels => Some("$expand=.($levels=1)"),
        (true, _) => Some("$expand=."),
        (false, true) if has_levels => Some("$expand=*($levels=1)"),
        (false, true) => Some("$expand=*"),
        (false, false) => None,
    }
}

/// Whether a member that stands in a collection is all of itself. Some services leave out what every resource must have (`Id`, `Name`) and
/// more; then it is read by itself.
pub fn is_whole(member: Node<'_>) -> bool {
    !member.is_link_only() && member.at("Id").is_there() && member.at("Name").is_there()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_a_service_says_is_asked_of_it() {
        let check = |expand: Value, expected: Option<&str>| {
            let root = json!({ "ProtocolFeaturesSupported": { "ExpandQuery": expand } });
            assert_eq!(members_whole(Node::of(&root)), expected, "{root}");
        };
        check(json!({ "NoLinks": true, "Levels": true, "MaxLevels": 6 }), Some("$expand=.($levels=1)"));
        check(json!({ "NoLinks": true, "ExpandAll": true, "Levels": false }), Some("$expand=."));
        check(json!({ "NoLinks": false, "ExpandAll": "True", "Levels": true }), Some("$expand=*($levels=1)"));
        check(json!({ "NoLinks": true, "Levels": true, "MaxLevels": 0 }), Some("$expand=."));
        check(json!({ "Links": true, "Levels": true }), None);
        check(json!(null), None);
        assert_eq!(members_whole(Node::of(&json!({}))), None);
    }

    #[test]
    fn what_lacks_what_every_resource_has_is_not_whole() {
        let check =
            |member: Value, expected: bool| assert_eq!(is_whole(Node::of(&member)), expected, "{member}");
        check(json!({ "@odata.id": "/a", "Id": "a", "Name": "A" }), true);
        check(json!({ "@odata.id": "/a", "Name": "A", "Speed": 1 }), false);
        check(json!({ "@odata.id": "/a" }), false);
    }
}
