//! Decisions: which servers a list shows, in which order, and which page of it.

use api_types::{HardwareHealth, Node, PAGE_ITEMS_MAX, Page, PowerState};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::problem::Problem;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Name.
    #[default]
    Name,
    /// Provision state.
    State,
    /// Rack.
    Rack,
    /// Power.
    Power,
    /// Resource class.
    Class,
    /// Since when it is in its state, oldest first.
    Since,
}

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Provision states; all for none.
    pub states: Vec<String>,
    /// Rack.
    pub rack: Option<String>,
    /// Power, as it is shown.
    pub power: Option<PowerState>,
    /// Health of the hardware.
    pub health: Option<HardwareHealth>,
    /// Resource class.
    pub class: Option<String>,
    /// With a tenant's server on it, or without.
    pub deployed: Option<bool>,
    /// In maintenance, or not.
    pub maintenance: Option<bool>,
    /// The order.
    pub sort: Sort,
    /// The other way round.
    pub descending: bool,
    /// Most items of the page.
    pub limit: usize,
    /// Sorting key and name of the last item of the page before.
    pub after: Option<(String, String)>,
}

/// `-since` and the like.
pub fn sort(text: &str) -> Result<(Sort, bool), Problem> {
    let (word, descending) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
    let sort = match word {
        "name" => Sort::Name,
        "state" => Sort::State,
        "rack" => Sort::Rack,
        "power" => Sort::Power,
        "class" => Sort::Class,
        "since" => Sort::Since,
        _ => {
            return Err(Problem::bad_at(
                "sort",
                format!(
                    "{word:?} is not known; write name, state, rack, power, class or since, with a leading - to reverse \
                 the order"
                ),
            ));
        }
    };
    Ok((sort, descending))
}

/// Provision states separated by commas; `clean-failed` is `clean failed`.
pub fn states(text: &str) -> Result<Vec<String>, Problem> {
    use domain::lifecycle::ProvisionState;
    let plain = |word: &str| word.trim().to_lowercase().replace(['-', '_'], " ");
    let one = |word: &str| {
        let found = ProvisionState::KNOWN.iter().find(|state| plain(state.as_str()) == plain(word));
        found.map(|state| state.as_str().to_owned()).ok_or_else(|| {
            let known: Vec<_> = ProvisionState::KNOWN.iter().map(ProvisionState::as_str).collect();
            Problem::bad_at("state", format!("{word:?} is not known; known are {}", known.join(", ")))
        })
    };
    text.split(',').map(one).collect()
}

/// A page's length.
pub fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    match asked {
        Some(0) => Err(Problem::bad_at("limit", "must be at least 1")),
        other => Ok(other.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX) as usize),
    }
}

/// Reads the mark at which an earlier page ended.
pub fn marker(text: &str) -> Result<(String, String), Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let read = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| Problem::bad_at("marker", "use the value of `next` from the previous page unchanged"))
}

/// Chooses, sorts and cuts. Pages go on where the one before ended, even when servers came or went between them.
pub fn page(nodes: Vec<Node>, wanted: &Wanted) -> Page<Node> {
    let mut keyed: Vec<((String, String), Node)> = nodes
        .into_iter()
        .filter(|node| matches(node, wanted))
        .map(|node| ((key(&node, wanted.sort), node.name.clone()), node))
        .collect();
    keyed.sort_by(|(one, _), (other, _)| if wanted.descending { other.cmp(one) } else { one.cmp(other) });
    if let Some(after) = &wanted.after {
        keyed.retain(|(key, _)| if wanted.descending { key < after } else { key > after });
    }
    let more = keyed.len() > wanted.limit;
    keyed.truncate(wanted.limit);
    let next = keyed.last().filter(|_| more).and_then(|(key, _)| serde_json::to_vec(key).ok());
    Page {
        next: next.map(|key| URL_SAFE_NO_PAD.encode(key)),
        items: keyed.into_iter().map(|(_, node)| node).collect(),
    }
}

fn matches(node: &Node, wanted: &Wanted) -> bool {
    let is = |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
    (wanted.states.is_empty() || wanted.states.contains(&node.provision_state))
        && is(&wanted.rack, &node.rack)
        && wanted.power.is_none_or(|power| power == node.power)
        && wanted.health.is_none_or(|health| health == node.health)
        && is(&wanted.class, &node.resource_class)
        && wanted.deployed.is_none_or(|deployed| deployed == node.deployed)
        && wanted.maintenance.is_none_or(|maintenance| maintenance == node.maintenance)
}

fn key(node: &Node, sort: Sort) -> String {
    match sort {
        Sort::Name => String::new(),
        Sort::State => node.provision_state.clone(),
        Sort::Rack => node.rack.clone(),
        Sort::Power => node.power.to_string(),
        Sort::Class => node.resource_class.clone(),
        // RFC 3339 of one length sorts as the times do.
        Sort::Since => node.state_since.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, state: &str, rack: &str, power: &str) -> Node {
        serde_json::from_value(serde_json::json!({
            "id": uuid::Uuid::nil(), "name": name, "rack": rack, "resource_class": "gold", "boot_mode": "bios",
            "provision_state": state, "power": power, "maintenance": false, "deployed": state == "active", "next": "",
            "bmc": {"protocol": "ipmi", "address": "a", "port": 623, "username": "u"}, "ports": [],
        }))
        .unwrap()
    }

    fn all() -> Vec<Node> {
        vec![
            node("n3", "active", "r1", "on"),
            node("n1", "available", "r2", "off"),
            node("n2", "clean failed", "r1", "off"),
        ]
    }

    fn names(page: &Page<Node>) -> Vec<&str> {
        page.items.iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn filters_and_orders() {
        let check = |change: fn(&mut Wanted), expected: &[&str]| {
            let mut wanted = Wanted { limit: 10, ..Wanted::default() };
            change(&mut wanted);
            assert_eq!(names(&page(all(), &wanted)), expected, "{wanted:?}");
        };
        check(|_| {}, &["n1", "n2", "n3"]);
        check(|wanted| wanted.descending = true, &["n3", "n2", "n1"]);
        check(|wanted| wanted.states = states("clean-failed,active").unwrap(), &["n2", "n3"]);
        check(|wanted| wanted.rack = Some("r2".to_owned()), &["n1"]);
        check(|wanted| (wanted.power, wanted.rack) = (Some(PowerState::Off), Some("r1".to_owned())), &["n2"]);
        check(|wanted| wanted.class = Some("silver".to_owned()), &[]);
        check(|wanted| wanted.deployed = Some(true), &["n3"]);
        check(|wanted| wanted.deployed = Some(false), &["n1", "n2"]);
        check(|wanted| wanted.sort = sort("state").unwrap().0, &["n3", "n1", "n2"]);
        check(|wanted| (wanted.sort, wanted.descending) = sort("-power").unwrap(), &["n3", "n2", "n1"]);
        for bad in [
            sort("colour").map(drop),
            states("asleep").map(drop),
            marker("!").map(drop),
            limit(Some(0)).map(drop),
        ] {
            assert_eq!(bad.unwrap_err().status, 400);
        }
        assert_eq!(limit(Some(u32::MAX)).unwrap(), PAGE_ITEMS_MAX as usize);
    }

    #[test]
    fn pages_follow_each_other_without_gaps() {
        for order in ["name", "-name", "power", "-rack"] {
            let (sort, descending) = sort(order).unwrap();
            let mut wanted = Wanted { limit: 1, sort, descending, ..Wanted::default() };
            let whole = page(all(), &Wanted { limit: 9, ..wanted.clone() });
            let mut seen = Vec::new();
            loop {
                let page = page(all(), &wanted);
                seen.extend(page.items.iter().map(|node| node.name.clone()));
                let Some(next) = page.next else { break };
                wanted.after = Some(marker(&next).unwrap());
            }
            assert_eq!(seen, names(&whole), "{order}");
        }
    }
}
