//! Decisions: the security groups of a port group.
//!
//! A fabric of enterprise style (Contrail's default) makes a switch port's filter from the security groups of the port *group*; one of
//! service-provider style from those of the interface. So while a server's interface is on it, a group refers to the interface's
//! security groups, and to no others: each one more lets more through. In service-provider style these references do nothing.

use uuid::Uuid;

use super::{
    object::{Attached, Interface, PortGroup, Ref, RefChange},
    site::Config,
};

fn ids(refs: &[Ref]) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = refs.iter().map(|group| group.uuid).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What makes the port group filter as the interface on it: first what is missing is added, and then the rest removed.
pub fn changes(attached: &Attached) -> Vec<(RefChange, Uuid)> {
    let (wanted, found) =
        (ids(&attached.interface.security_group_refs), ids(&attached.group.security_group_refs));
    let missing = wanted.iter().filter(|id| !found.contains(id)).map(|id| (RefChange::Add, *id));
    let more = found.iter().filter(|id| !wanted.contains(id)).map(|id| (RefChange::Delete, *id));
    missing.chain(more).collect()
}

/// Security groups that the port group has for this interface, and is to lose with it: otherwise their owner cannot delete them.
pub fn to_forget(interface: &Interface, group: &PortGroup) -> Vec<Uuid> {
    let found = ids(&group.security_group_refs);
    ids(&interface.security_group_refs).into_iter().filter(|id| found.contains(id)).collect()
}

/// Why the filter of an isolated port is not ours, if it is not.
pub fn fault_isolated(config: &Config, attached: &Attached) -> Option<String> {
    let name = config.boot_group_name();
    let is_ours = |refs: &[Ref]| matches!(refs, [one] if one.to == name);
    let (interface, group) = (&attached.interface, &attached.group);
    let what = match (is_ours(&interface.security_group_refs), is_ours(&group.security_group_refs)) {
        (true, true) => return None,
        (false, _) => "the interface".to_owned(),
        (true, false) => format!("its port group {}", group.name()),
    };
    Some(format!(
        "{what} does not refer to security group {} alone: the port is not filtered",
        name.join(":")
    ))
}

/// Why a tenant's traffic would not pass: our filter was left on its port group.
pub fn fault_of_tenant(config: &Config, attached: &Attached) -> Option<String> {
    let name = config.boot_group_name();
    let left = attached.group.security_group_refs.iter().any(|group| group.to == name);
    left.then(|| {
        format!("its port group {} has our security group {}", attached.group.name(), name.join(":"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_group_filters_as_its_interface_and_no_more() {
        use RefChange::{Add, Delete};
        let refs = |ids: &[u128]| {
            ids.iter()
                .map(|id| json!({ "to": [id.to_string()], "uuid": Uuid::from_u128(*id) }))
                .collect::<Vec<_>>()
        };
        let check = |interface: &[u128], group: &[u128], expected: &[(RefChange, u128)]| {
            let interface =
                json!({ "uuid": Uuid::nil(), "fq_name": ["i"], "security_group_refs": refs(interface) });
            let group = json!({ "uuid": Uuid::nil(), "fq_name": ["g"], "security_group_refs": refs(group) });
            let attached = Attached {
                interface: serde_json::from_value(interface).unwrap(),
                group: serde_json::from_value(group).unwrap(),
            };
            let expected: Vec<_> =
                expected.iter().map(|(change, id)| (*change, Uuid::from_u128(*id))).collect();
            assert_eq!(changes(&attached), expected);
        };
        check(&[], &[], &[]);
        check(&[1, 2], &[2, 1], &[]);
        check(&[1], &[], &[(Add, 1)]);
        check(&[1, 3], &[3, 4], &[(Add, 1), (Delete, 4)]);
        check(&[], &[1], &[(Delete, 1)]);
    }
}
