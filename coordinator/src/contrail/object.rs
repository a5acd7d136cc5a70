//! Values: Contrail's objects, as far as we read them, and what their references say about a switch port.

use protocol::{id::ServerId, network::BootNetwork};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::site::{Config, INTERNAL_GROUP_PREFIX, boot_interface_id, routing_instance_name};
use crate::port::{ObservedNetwork, ServerPort};

/// A reference to another object, as answers show it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Ref {
    /// Fully qualified name of the other.
    pub to: Vec<String>,
    /// Its uuid.
    pub uuid: Uuid,
    /// What the reference itself says.
    #[serde(default)]
    pub attr: Value,
}

/// Contrail's ordered map of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValues {
    /// The pairs.
    #[serde(default)]
    pub key_value_pair: Vec<KeyValue>,
}

/// One pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// Key.
    pub key: String,
    /// Value; always a text, whatever it holds.
    pub value: String,
}

impl KeyValues {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.key_value_pair.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
    }

    /// Sets a key, or removes it with none.
    pub fn set(&mut self, key: &str, value: Option<String>) {
        self.key_value_pair.retain(|pair| pair.key != key);
        if let Some(value) = value {
            self.key_value_pair.push(KeyValue { key: key.to_owned(), value });
        }
    }
}

/// MAC addresses of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MacAddresses {
    /// The addresses.
    #[serde(default)]
    pub mac_address: Vec<String>,
}

/// Properties of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceProperties {
    /// VLAN tag of its frames; none or 0: untagged.
    pub sub_interface_vlan_tag: Option<u16>,
    /// What does not matter here, and must not be lost when they are written: a PUT replaces them all.
    #[serde(flatten)]
    pub others: serde_json::Map<String, Value>,
}

/// A physical-interface: a switch port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PhysicalInterface {
    /// Its uuid.
    pub uuid: Uuid,
    /// The port groups it is in.
    #[serde(default)]
    pub virtual_port_group_back_refs: Vec<Ref>,
}

/// A virtual-port-group: the link between switch ports and interfaces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PortGroup {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub fq_name: Vec<String>,
    /// Switch ports in it.
    #[serde(default)]
    pub physical_interface_refs: Vec<Ref>,
    /// Interfaces on it.
    #[serde(default)]
    pub virtual_machine_interface_refs: Vec<Ref>,
}

impl PortGroup {
    /// Last part of the name.
    pub fn name(&self) -> &str {
        self.fq_name.last().map_or("", String::as_str)
    }

    /// Whether the API server made it by itself; such a one goes when it is empty.
    pub fn is_internal(&self) -> bool {
        self.name().starts_with(INTERNAL_GROUP_PREFIX)
    }
}

/// A virtual-machine-interface: what Neutron calls a port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Interface {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub fq_name: Vec<String>,
    /// Its network, by name.
    #[serde(default)]
    pub virtual_network_refs: Vec<Ref>,
    /// What it is really on: a bare change of the network leaves this behind.
    #[serde(default)]
    pub routing_instance_refs: Vec<Ref>,
    /// Its port group.
    #[serde(default)]
    pub virtual_port_group_refs: Vec<Ref>,
    /// The same reference from the other side.
    #[serde(default)]
    pub virtual_port_group_back_refs: Vec<Ref>,
    /// Its addresses.
    #[serde(default)]
    pub instance_ip_back_refs: Vec<Ref>,
    /// Floating addresses that lead to it.
    #[serde(default)]
    pub floating_ip_back_refs: Vec<Ref>,
    /// Binding: the switch port it asks for.
    pub virtual_machine_interface_bindings: Option<KeyValues>,
    /// MAC addresses.
    pub virtual_machine_interface_mac_addresses: Option<MacAddresses>,
    /// Whether its frames carry a tag.
    pub virtual_machine_interface_properties: Option<InterfaceProperties>,
    /// Free notes; ours carry a prefix.
    pub annotations: Option<KeyValues>,
}

impl Interface {
    /// The VLAN tag that its frames are to carry.
    pub fn tag(&self) -> Option<u16> {
        self.virtual_machine_interface_properties.as_ref()?.sub_interface_vlan_tag.filter(|tag| *tag != 0)
    }
}

/// The VLAN tag that a reference from an interface to its group says. An untagged one names the native VLAN, or 0.
fn attached_tag(reference: &Ref) -> Option<u64> {
    reference.attr["vlan_tag"].as_u64().filter(|tag| *tag != 0)
}

/// Fields of an interface that we ask for.
pub const INTERFACE_FIELDS: &str = "virtual_network_refs,routing_instance_refs,virtual_port_group_refs,\
    virtual_port_group_back_refs,instance_ip_back_refs,floating_ip_back_refs,virtual_machine_interface_bindings,\
    virtual_machine_interface_mac_addresses,virtual_machine_interface_properties,annotations";

/// An interface found on a switch port, with the group that puts it there.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// The interface.
    pub interface: Interface,
    /// The group.
    pub group: PortGroup,
}

/// Everything found on one switch port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The groups that the switch port is in.
    pub groups: Vec<PortGroup>,
    /// The interfaces on them.
    pub attached: Vec<Attached>,
}

/// Whose an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours: made for an isolated network, deleted when done with.
    Us,
    /// Somebody else's: unbound and bound, never deleted.
    Tenant,
}

/// Whose the interface is: ours live in our project and on our networks, or carry the derived uuid.
pub fn owner(config: &Config, port: &ServerPort, interface: &Interface) -> Owner {
    let in_our_project = interface.fq_name.split_last().is_some_and(|(_, parent)| parent == config.project);
    let on_our_network =
        interface.virtual_network_refs.iter().any(|network| config.role_of(&network.to).is_some());
    let derived = boot_role(port.server, &port.name, interface.uuid).is_some();
    if derived || (in_our_project && on_our_network) { Owner::Us } else { Owner::Tenant }
}

fn boot_role(server: ServerId, port_name: &str, interface: Uuid) -> Option<BootNetwork> {
    [BootNetwork::Provisioning, BootNetwork::Cleaning]
        .into_iter()
        .find(|role| boot_interface_id(server, port_name, *role) == interface)
}

/// What the survey proves about the port. Anything that is not plainly one of ours or one tenant interface is `Other`,
/// because the gate must not take a guess for a proof.
pub fn observed(config: &Config, port: &ServerPort, survey: &Survey) -> ObservedNetwork {
    match survey.attached.as_slice() {
        [] => ObservedNetwork::Nothing,
        [one] => observed_one(config, port, one),
        many => ObservedNetwork::Other {
            description: format!(
                "several interfaces at once: {}",
                many.iter().map(|one| describe(&one.interface)).collect::<Vec<_>>().join(", ")
            ),
        },
    }
}

fn observed_one(config: &Config, port: &ServerPort, attached: &Attached) -> ObservedNetwork {
    let interface = &attached.interface;
    let other = |why: &str| ObservedNetwork::Other { description: format!("{}: {why}", describe(interface)) };
    let ([network], [instance]) =
        (interface.virtual_network_refs.as_slice(), interface.routing_instance_refs.as_slice())
    else {
        return other("it has not exactly one network and one routing instance");
    };
    if instance.to != routing_instance_name(&network.to) {
        return other(&format!("its traffic is still on routing instance {}", instance.to.join(":")));
    }
    let Some(reference) =
        interface.virtual_port_group_refs.iter().find(|group| group.uuid == attached.group.uuid)
    else {
        return other("it does not refer back to its port group; repeat the binding");
    };
    if attached_tag(reference) != interface.tag().map(u64::from) {
        return other(&format!("it is attached with VLAN {}, which is not its own", reference.attr));
    }
    match (boot_role(port.server, &port.name, interface.uuid), config.role_of(&network.to)) {
        (Some(made_for), Some(seen)) if made_for == seen => ObservedNetwork::Boot(seen),
        (Some(_), _) => other("our interface is on a network it was not made for"),
        (None, Some(_)) => other("an interface of another server or person on an isolated network"),
        (None, None) => ObservedNetwork::Tenant(interface.uuid),
    }
}

/// Name, uuid and network, for a person.
pub fn describe(interface: &Interface) -> String {
    let network = interface.virtual_network_refs.first().map_or("no network".to_owned(), |n| n.to.join(":"));
    let name = interface.fq_name.last().map_or("", String::as_str);
    format!("interface {name} ({}) of {network}", interface.uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::SwitchPort;

    fn port() -> ServerPort {
        ServerPort {
            server: ServerId(Uuid::from_u128(7)),
            name: "eth0".into(),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            link: SwitchPort {
                switch: "qfx1".into(),
                port: "xe-0/0/0".into(),
                switch_id: None,
                fabric: None,
            },
        }
    }

    fn reference(to: &[String], id: u128) -> Ref {
        Ref { to: to.to_vec(), uuid: Uuid::from_u128(id), attr: Value::Null }
    }

    fn attached(uuid: Uuid, network: &[String], instance_of: &[String], linked: bool) -> Attached {
        let group = PortGroup {
            uuid: Uuid::from_u128(50),
            fq_name: vec!["f".into(), "vpg-internal-0".into()],
            physical_interface_refs: vec![],
            virtual_machine_interface_refs: vec![],
        };
        let interface = Interface {
            uuid,
            fq_name: vec!["default-domain".into(), "acme".into(), "p".into()],
            virtual_network_refs: vec![reference(network, 60)],
            routing_instance_refs: vec![reference(&routing_instance_name(instance_of), 61)],
            virtual_port_group_refs: if linked { vec![reference(&group.fq_name, 50)] } else { vec![] },
            virtual_port_group_back_refs: vec![],
            instance_ip_back_refs: vec![],
            floating_ip_back_refs: vec![],
            virtual_machine_interface_bindings: None,
            virtual_machine_interface_mac_addresses: None,
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
            let seen = match observed(&config, &port(), &survey) {
                ObservedNetwork::Nothing => Seen::Nothing,
                ObservedNetwork::Boot(role) => Seen::Boot(role),
                ObservedNetwork::Tenant(id) => Seen::Tenant(id),
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
    }

    #[test]
    fn only_interfaces_of_ours_may_be_deleted() {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let tenant = vec!["default-domain".to_owned(), "acme".to_owned(), "web".to_owned()];
        let theirs = attached(Uuid::from_u128(99), &tenant, &tenant, true).interface;
        assert_eq!(owner(&config, &port(), &theirs), Owner::Tenant);
        let ours = boot_interface_id(port().server, "eth0", BootNetwork::Provisioning);
        let mine = attached(ours, &config.cleaning, &config.cleaning, true).interface;
        assert_eq!(owner(&config, &port(), &mine), Owner::Us);
    }
}
