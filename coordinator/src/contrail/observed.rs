//! Decisions: what the objects on a server's switch port prove about it.

use uuid::Uuid;

use super::{
    filters, members,
    neighbours::{boot_role, is_servers},
    object::{Attached, Interface, Ref, Survey},
    site::{Config, routing_instance_name},
};
use crate::port::{ObservedNetwork, ServerPort};

/// The VLAN tag that a reference from an interface to its group says. An untagged one names the native VLAN, or 0.
fn attached_tag(reference: &Ref) -> Option<u64> {
    reference.attr["vlan_tag"].as_u64().filter(|tag| *tag != 0)
}

/// What the survey proves about the port. Anything that is not plainly one of ours or one tenant interface is `Other`,
/// because the gate must not take a guess for a proof. `wanted` is the tenant's interface that was put there, if one was.
pub fn observed(
    config: &Config,
    port: &ServerPort,
    wanted: Option<Uuid>,
    survey: &Survey,
) -> ObservedNetwork {
    if let Some(leader) = members::leader(port, survey) {
        return ObservedNetwork::Bond { with: leader.name.clone() };
    }
    match survey.attached.as_slice() {
        [] => ObservedNetwork::Nothing,
        [one] => observed_one(config, port, wanted, one),
        many => ObservedNetwork::Other {
            description: format!(
                "several interfaces at once: {}",
                many.iter().map(|one| describe(&one.interface)).collect::<Vec<_>>().join(", ")
            ),
        },
    }
}

fn observed_one(
    config: &Config,
    port: &ServerPort,
    wanted: Option<Uuid>,
    attached: &Attached,
) -> ObservedNetwork {
    let interface = &attached.interface;
    let other = |why: &str| ObservedNetwork::Other { description: format!("{}: {why}", describe(interface)) };
    let group = &attached.group;
    if let Some(why) = members::shared(port, group).or_else(|| members::spread(interface, group)) {
        return other(&why);
    }
    let ([network], [instance]) =
        (interface.virtual_network_refs.as_slice(), interface.routing_instance_refs.as_slice())
    else {
        return other("it does not have exactly one network and one routing instance");
    };
    if instance.to != routing_instance_name(&network.to) {
        return other(&format!("its traffic is still on routing instance {}", instance.to.join(":")));
    }
    let Some(reference) =
        interface.virtual_port_group_refs.iter().find(|group| group.uuid == attached.group.uuid)
    else {
        return other("it does not refer back to its port group; repeat the binding");
    };
    if !attached.group.refers_to(interface.uuid) {
        return other("its port group does not refer to it; repeat the binding");
    }
    if attached_tag(reference) != interface.tag().map(u64::from) {
        return other(&format!("it is attached with VLAN {}, which is not its own", reference.attr));
    }
    match (boot_role(port.server, &port.name, interface.uuid), config.role_of(&network.to)) {
        (Some(made_for), Some(seen)) if made_for == seen => match filters::fault_isolated(config, attached) {
            Some(fault) => other(&fault),
            None => ObservedNetwork::Boot(seen),
        },
        (Some(_), _) => other("our interface is on a network it was not made for"),
        (None, Some(_)) => other("an interface of another server or person on an isolated network"),
        (None, None) if !is_servers(config, port, wanted, attached) => other(
            "neither its MAC address nor the inventory nor a note of ours says that it is this server's",
        ),
        (None, None) => match filters::fault_of_tenant(config, attached) {
            Some(fault) => other(&fault),
            None => ObservedNetwork::Tenant(interface.uuid),
        },
    }
}

/// Name, uuid and network, for a person.
pub fn describe(interface: &Interface) -> String {
    let network = interface.virtual_network_refs.first().map_or("no network".to_owned(), |n| n.to.join(":"));
    let name = interface.fq_name.last().map_or("", String::as_str);
    format!("interface {name} ({}) of {network}", interface.uuid)
}

#[cfg(test)]
pub(super) mod tests {
    use protocol::{id::ServerId, network::BootNetwork};
    use serde_json::Value;

    use super::*;
    use crate::{
        contrail::{
            object::{InterfaceProperties, MacAddresses, PortGroup},
            site::boot_interface_id,
        },
        port::{Sibling, SwitchPort},
    };

    fn link(port: &str) -> SwitchPort {
        SwitchPort { switch: "qfx1".into(), port: port.into(), switch_id: None, fabric: None }
    }

    pub fn port() -> ServerPort {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        ServerPort::alone(ServerId(Uuid::from_u128(7)), "eth0", mac, link("xe-0/0/0"))
    }

    pub fn sibling(name: &str, port: &str, leads: bool) -> Sibling {
        Sibling { name: name.into(), link: link(port), leads }
    }

    fn reference(to: &[String], id: u128) -> Ref {
        Ref { to: to.to_vec(), uuid: Uuid::from_u128(id), attr: Value::Null }
    }

    fn attached(uuid: Uuid, network: &[String], instance_of: &[String], linked: bool) -> Attached {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let is_isolated = config.role_of(network).is_some();
        let boot_filter = if is_isolated { vec![reference(&config.boot_group_name(), 70)] } else { vec![] };
        let group = PortGroup {
            uuid: Uuid::from_u128(50),
            fq_name: vec!["f".into(), "vpg-internal-0".into()],
            physical_interface_refs: vec![],
            virtual_machine_interface_refs: vec![Ref { to: vec![], uuid, attr: Value::Null }],
            virtual_machine_interface_back_refs: vec![],
            security_group_refs: boot_filter.clone(),
        };
        let interface = Interface {
            uuid,
            fq_name: vec!["default-domain".into(), "acme".into(), "p".into()],
            virtual_network_refs: vec![reference(network, 60)],
            routing_instance_refs: vec![reference(&routing_instance_name(instance_of), 61)],
            virtual_port_group_refs: if linked { vec![reference(&group.fq_name, 50)] } else { vec![] },
            virtual_port_group_back_refs: vec![],
            security_group_refs: boot_filter,
            instance_ip_back_refs: vec![],
            floating_ip_back_refs: vec![],
            virtual_machine_interface_bindings: None,
            virtual_machine_interface_mac_addresses: Some(MacAddresses {
                mac_address: vec!["52:54:00:00:00:01".to_owned()],
            }),
            virtual_machine_interface_properties: None,
            annotations: None,
        };
        Attached { interface, group }
    }

    #[test]
    fn only_a_plain_reading_is_a_proof() {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let tenant = vec!["default-domain".to_owned(), "acme".to_owned(), "web".to_owned()];
        let ours = boot_interface_id(port().server, "eth0", BootNetwork::Cleaning);
        let theirs = Uuid::from_u128(99);
        #[derive(Debug, PartialEq)]
        enum Seen {
            Nothing,
            Boot(BootNetwork),
            Tenant(Uuid),
            Other,
        }
        let check = |attached: Vec<Attached>, expected: Seen| {
            let survey = Survey { groups: vec![], attached };
            let seen = match observed(&config, &port(), None, &survey) {
                ObservedNetwork::Nothing => Seen::Nothing,
                ObservedNetwork::Boot(role) => Seen::Boot(role),
                ObservedNetwork::Tenant(id) => Seen::Tenant(id),
                ObservedNetwork::Bond { .. } => panic!("it is in no bond"),
                ObservedNetwork::Other { .. } => Seen::Other,
            };
            assert_eq!(seen, expected, "{survey:?}");
        };
        let (cleaning, provisioning) = (&config.cleaning, &config.provisioning);
        check(vec![], Seen::Nothing);
        check(vec![attached(ours, cleaning, cleaning, true)], Seen::Boot(BootNetwork::Cleaning));
        check(vec![attached(ours, cleaning, provisioning, true)], Seen::Other);
        check(vec![attached(ours, cleaning, cleaning, false)], Seen::Other);
        check(vec![attached(ours, provisioning, provisioning, true)], Seen::Other);
        check(vec![attached(theirs, cleaning, cleaning, true)], Seen::Other);
        check(vec![attached(theirs, &tenant, &tenant, true)], Seen::Tenant(theirs));
        check(vec![attached(theirs, &tenant, cleaning, true)], Seen::Other);
        let mut tagged = attached(theirs, &tenant, &tenant, true);
        tagged.interface.virtual_machine_interface_properties =
            Some(InterfaceProperties { sub_interface_vlan_tag: Some(100), ..Default::default() });
        check(vec![tagged.clone()], Seen::Other);
        tagged.interface.virtual_port_group_refs[0].attr = serde_json::json!({ "vlan_tag": 100 });
        check(vec![tagged.clone()], Seen::Tenant(theirs));
        tagged.interface.virtual_machine_interface_properties = None;
        check(vec![tagged], Seen::Other);
        let two = vec![attached(ours, cleaning, cleaning, true), attached(theirs, &tenant, &tenant, true)];
        check(two, Seen::Other);
        let mut anothers = attached(theirs, &tenant, &tenant, true);
        anothers.interface.virtual_machine_interface_mac_addresses = None;
        check(vec![anothers], Seen::Other);
        let mut forgotten = attached(ours, cleaning, cleaning, true);
        forgotten.group.virtual_machine_interface_refs.clear();
        check(vec![forgotten], Seen::Other);
        // A group with a switch port of somebody else, and an interface that is in two groups.
        for found in [attached(ours, cleaning, cleaning, true), attached(theirs, &tenant, &tenant, true)] {
            let mut shared = found.clone();
            let member = |name: &str| reference(&["g".to_owned(), "qfx1".to_owned(), name.to_owned()], 80);
            shared.group.physical_interface_refs = vec![member("xe-0/0/0"), member("xe-0/0/1")];
            check(vec![shared], Seen::Other);
            let mut spread = found;
            let second = reference(&["g".to_owned(), "f".to_owned(), "lag2".to_owned()], 51);
            spread.interface.virtual_port_group_refs.push(second);
            check(vec![spread], Seen::Other);
        }
    }

    #[test]
    fn an_isolated_port_is_one_whose_group_filters_by_ours_alone() {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let ours = boot_interface_id(port().server, "eth0", BootNetwork::Cleaning);
        let good = attached(ours, &config.cleaning, &config.cleaning, true);
        let (filter, other) = (good.group.security_group_refs.clone(), reference(&["x".to_owned()], 71));
        let both = [filter.clone(), vec![other.clone()]].concat();
        let check = |interface: &[Ref], group: &[Ref], expected: bool| {
            let mut attached = good.clone();
            attached.interface.security_group_refs = interface.to_vec();
            attached.group.security_group_refs = group.to_vec();
            let survey = Survey { groups: vec![], attached: vec![attached] };
            let seen = observed(&config, &port(), None, &survey);
            assert_eq!(seen == ObservedNetwork::Boot(BootNetwork::Cleaning), expected, "{seen:?}");
        };
        check(&filter, &filter, true);
        check(&filter, &[], false);
        check(&filter, &both, false);
        check(&filter, &[other], false);
        check(&[], &[], false);
        check(&[], &filter, false);
        check(&both, &both, false);
    }

    #[test]
    fn a_tenants_port_whose_group_still_filters_by_ours_is_no_proof() {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let tenant = vec!["default-domain".to_owned(), "acme".to_owned(), "web".to_owned()];
        let theirs = Uuid::from_u128(99);
        let check = |group: Vec<Ref>, expected: bool| {
            let mut attached = attached(theirs, &tenant, &tenant, true);
            attached.group.security_group_refs = group;
            let survey = Survey { groups: vec![], attached: vec![attached] };
            let seen = observed(&config, &port(), None, &survey);
            assert_eq!(seen == ObservedNetwork::Tenant(theirs), expected, "{seen:?}");
        };
        let (ours, other) = (reference(&config.boot_group_name(), 70), reference(&["x".to_owned()], 71));
        check(vec![], true);
        check(vec![other.clone()], true);
        check(vec![ours.clone()], false);
        check(vec![other, ours], false);
    }
}
