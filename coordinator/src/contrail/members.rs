//! Decisions: whose switch ports are in a port group. Whatever is bound to a group is on all of them, so a group that holds a switch
//! port of somebody else proves nothing about this server, and nothing is put into it.
//!
//! ```text
//!   group = { this port }                      the usual one
//!   group = { this port, siblings }            the server's bond: its first port carries it, the others follow
//!   group = { this port, anything else }       not this server's alone: no proof, nothing is bound into it
//! ```

use super::object::{Interface, PortGroup, Ref, Survey};
use crate::port::{FabricError, ServerPort, Sibling};

/// Switch and port of a member, as [`crate::port::SwitchPort::key`] writes them.
fn key(member: &Ref) -> String {
    match member.to.as_slice() {
        [_, switch, port] => format!("{switch}:{port}"),
        other => other.join(":"),
    }
}

/// Whether this switch port is in the group.
pub fn holds(group: &PortGroup, wanted: &str) -> bool {
    group.physical_interface_refs.iter().any(|member| key(member) == wanted)
}

/// Switch ports in the group that the inventory does not know as this server's, in order.
pub fn foreign(port: &ServerPort, group: &PortGroup) -> Vec<String> {
    let mut own: Vec<String> = port.siblings.iter().map(|sibling| sibling.link.key()).collect();
    own.push(port.link.key());
    let mut foreign: Vec<String> =
        group.physical_interface_refs.iter().map(key).filter(|member| !own.contains(member)).collect();
    foreign.sort_unstable();
    foreign.dedup();
    foreign
}

/// The server's port that carries the bond of which this one is a member; none: it carries its networks itself.
pub fn leader<'a>(port: &'a ServerPort, survey: &Survey) -> Option<&'a Sibling> {
    let [group] = survey.groups.as_slice() else { return None };
    let leads = |sibling: &&Sibling| sibling.leads && holds(group, &sibling.link.key());
    port.siblings.iter().find(leads).filter(|_| foreign(port, group).is_empty())
}

/// Port groups of the interface beside this one, by name.
pub fn second_groups(interface: &Interface, group: &PortGroup) -> Vec<String> {
    let referred = interface.virtual_port_group_refs.iter().chain(&interface.virtual_port_group_back_refs);
    let others = referred.filter(|other| other.uuid != group.uuid);
    let mut names: Vec<String> = others.map(|other| other.to.last().cloned().unwrap_or_default()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Why what is on this group is not on this server's switch ports alone.
pub fn shared(port: &ServerPort, group: &PortGroup) -> Option<String> {
    let foreign = foreign(port, group);
    (!foreign.is_empty()).then(|| {
        format!(
            "port group {} holds {} too, which is not a port of this server in the inventory: remove it from the group in \
             Contrail or, if it is the other half of the server's bond, import the server with both ports",
            group.name(),
            foreign.join(" and ")
        )
    })
}

/// Why this interface is on switch ports of another group as well.
pub fn spread(interface: &Interface, group: &PortGroup) -> Option<String> {
    let others = second_groups(interface, group);
    (!others.is_empty()).then(|| {
        let name = interface.fq_name.last().map_or("", String::as_str);
        format!(
            "interface {name} ({}) is in port group {} and also in {}: leave it in only one of them in Contrail",
            interface.uuid,
            group.name(),
            others.join(" and ")
        )
    })
}

/// The refusal to bind anything at this port.
pub fn refusal(port: &ServerPort, why: String) -> FabricError {
    FabricError::NotAlone { port: port.link.to_string(), why }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::contrail::observed::tests::{port, sibling};

    fn group(name: &str, members: &[&str]) -> PortGroup {
        let refs: Vec<Value> = members
            .iter()
            .map(|member| json!({ "to": ["default-global-system-config", "qfx1", member], "uuid": Uuid::nil() }))
            .collect();
        let body = json!({ "uuid": Uuid::from_u128(50), "fq_name": ["g", "f", name], "physical_interface_refs": refs });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn every_member_of_a_group_is_this_servers_or_it_is_no_proof() {
        let check = |siblings: &[&str], members: &[&str], expected: &[&str]| {
            let siblings = siblings.iter().map(|name| sibling("eth1", name, false)).collect();
            let port = ServerPort { siblings, ..port() };
            let group = group("lag1", members);
            assert_eq!(foreign(&port, &group), expected, "{members:?}");
            let why = shared(&port, &group);
            assert_eq!(why.is_some(), !expected.is_empty());
            for part in
                expected.iter().chain(["lag1", "remove it from", "import"].iter().filter(|_| why.is_some()))
            {
                assert!(why.as_ref().unwrap().contains(part), "{part} is not in {why:?}");
            }
        };
        check(&[], &["xe-0/0/0"], &[]);
        check(&[], &["xe-0/0/0", "xe-0/0/1"], &["qfx1:xe-0/0/1"]);
        check(&["xe-0/0/1"], &["xe-0/0/0", "xe-0/0/1"], &[]);
        check(&["xe-0/0/1"], &["xe-0/0/0", "xe-0/0/1", "xe-0/0/2"], &["qfx1:xe-0/0/2"]);
        check(&["xe-0/0/2:0"], &["xe-0/0/0", "xe-0/0/2_0"], &[]);
        // Contrail compares letter by letter.
        check(&["XE-0/0/1"], &["xe-0/0/0", "xe-0/0/1"], &["qfx1:xe-0/0/1"]);
    }

    #[test]
    fn one_port_carries_a_bond_and_its_members_follow() {
        let check = |leads: bool, groups: &[PortGroup], expected: Option<&str>| {
            let port = ServerPort { siblings: vec![sibling("eth1", "xe-0/0/1", leads)], ..port() };
            let survey = Survey { groups: groups.to_vec(), attached: vec![] };
            assert_eq!(leader(&port, &survey).map(|one| one.name.as_str()), expected, "{groups:?}");
        };
        let bond = group("lag1", &["xe-0/0/0", "xe-0/0/1"]);
        check(true, std::slice::from_ref(&bond), Some("eth1"));
        check(false, std::slice::from_ref(&bond), None);
        check(true, &[group("lag1", &["xe-0/0/0"])], None);
        check(true, &[group("lag1", &["xe-0/0/0", "xe-0/0/1", "xe-0/0/2"])], None);
        check(true, &[bond, group("lag2", &["xe-0/0/0"])], None);
        check(true, &[], None);
    }
}
