//! Decisions: how the frames of each network go over an interface, as `network_data.json` of the configuration drive says.

use serde_json::Value;

/// Highest VLAN that a frame can belong to.
const VLAN_MAX: u64 = 4094;

/// The tags of an interface's networks, in the document's order; none for untagged frames. An interface that the document does
/// not know is tried untagged, as cloud images do.
pub fn tags(network_data: &Value, mac: &str) -> Vec<Option<u16>> {
    let list = |name: &str| network_data[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_this = |link: &&Value| {
        link["type"] != "vlan"
            && link["ethernet_mac_address"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(mac))
    };
    let Some(card) = list("links").iter().find(is_this) else { return vec![None] };
    let tag_of = |network: &Value| {
        let link = list("links").iter().find(|link| link["id"] == network["link"])?;
        if link["id"] == card["id"] {
            return Some(None);
        }
        let tag = link["vlan_id"].as_u64().filter(|tag| (1..=VLAN_MAX).contains(tag))?;
        let is_over_it = link["type"] == "vlan" && link["vlan_link"] == card["id"];
        is_over_it.then_some(Some(u16::try_from(tag).ok()?))
    };
    let mut tags: Vec<_> = list("networks").iter().filter_map(tag_of).collect();
    tags.dedup();
    tags
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_interface_has_the_tags_of_its_networks() {
        let data = json!({
            "links": [
                {"id": "interface0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0A"},
                {"id": "interface1", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0b"},
                {"id": "vlan1", "type": "vlan", "vlan_link": "interface1", "vlan_id": 100},
                {"id": "interface2", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0c"},
                {"id": "vlan2", "type": "vlan", "vlan_link": "interface2", "vlan_id": 4095},
            ],
            "networks": [
                {"id": "network0", "type": "ipv4", "link": "interface0"},
                {"id": "network1", "type": "ipv4", "link": "vlan1"},
                {"id": "network2", "type": "ipv4", "link": "vlan2"},
                {"id": "network3", "type": "ipv4", "link": "nothing"},
            ],
        });
        let check = |mac: &str, expected: &[Option<u16>]| assert_eq!(tags(&data, mac), expected, "{mac}");
        check("52:54:00:00:00:0a", &[None]);
        check("52:54:00:00:00:0b", &[Some(100)]);
        check("52:54:00:00:00:0c", &[]);
        check("52:54:00:00:00:0d", &[None]);
        assert_eq!(tags(&Value::Null, "52:54:00:00:00:0a"), [None]);
        let both = json!({"links": data["links"], "networks": [{"link": "vlan1"}, {"link": "interface1"}]});
        assert_eq!(tags(&both, "52:54:00:00:00:0b"), [Some(100), None]);
    }
}
