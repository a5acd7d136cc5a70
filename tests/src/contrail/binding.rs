//! Decisions: the stand-in's rules of bare metal: an interface's binding makes, fills, empties and removes port groups.
//!
//! The rules are those that were seen on the real server, with their texts; section numbers below are of the notes on it.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    refusal::Refusal,
    store::{Object, Store},
};

const GROUP: &str = "virtual-port-group";
const INTERFACE: &str = "virtual-machine-interface";
const SWITCH_PORT: &str = "physical-interface";
const INTERNAL: &str = "vpg-internal-";

/// What an interface's binding asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    links: Vec<Link>,
    group: Option<String>,
    native_vlan: Option<String>,
    /// 0: untagged.
    tag: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    switch: String,
    port: String,
    fabric: String,
}

/// The value of a key in an interface's binding.
pub fn binding<'a>(interface: &'a Object, key: &str) -> Option<&'a str> {
    let pairs = interface.properties.get("virtual_machine_interface_bindings")?.get("key_value_pair")?;
    pairs.as_array()?.iter().find(|pair| pair["key"] == key)?["value"].as_str()
}

fn links(interface: &Object) -> Result<Vec<Link>, Refusal> {
    let mut links = Vec::new();
    if let Some(text) = binding(interface, "profile") {
        let profile: Value = serde_json::from_str(text)
            .map_err(|error| Refusal::new(500, format!("JSONDecodeError: {error}")))?;
        for link in profile["local_link_information"].as_array().into_iter().flatten() {
            let text = |key: &str| {
                let value = link[key].as_str().map(str::to_owned);
                value.ok_or_else(|| Refusal::new(500, format!("KeyError: '{key}'")))
            };
            let fabric = link["fabric"].as_str().unwrap_or("default-fabric").to_owned();
            links.push(Link {
                port: text("port_id")?.replace(':', "_"),
                switch: text("switch_info")?,
                fabric,
            });
        }
    }
    Ok(links)
}

/// As the real server's source has it, the tag is looked for in the request alone: one that binds an interface without
/// repeating its tag attaches it untagged. And a native VLAN comes before any tag.
fn wish(interface: &Object, request: &Map<String, Value>) -> Result<Wish, Refusal> {
    let native_vlan = binding(interface, "tor_port_vlan_id").map(str::to_owned);
    let tag = request.get("virtual_machine_interface_properties");
    let tag = tag.and_then(|it| it["sub_interface_vlan_tag"].as_u64()).unwrap_or(0);
    if tag > 4094 {
        return Err(Refusal::new(400, format!("Invalid sub-interface VLAN tag ID: {tag}")));
    }
    Ok(Wish {
        links: links(interface)?,
        group: binding(interface, "vpg").map(str::to_owned),
        tag: if native_vlan.is_some() { 0 } else { tag },
        native_vlan,
    })
}

/// The tag that an interface is attached with; 0: none.
fn attached_tag(interface: &Object, group: Uuid) -> u64 {
    let reference = interface.refs_to(GROUP).find(|reference| reference.id == group);
    reference.and_then(|reference| reference.attr["vlan_tag"].as_u64()).unwrap_or(0)
}

/// Gives a new interface its routing instance and, when nobody named one, its MAC address.
pub fn complete(store: &mut Store, id: Uuid) -> Result<(), Refusal> {
    let Some(interface) = store.get(id) else { return Ok(()) };
    let instance = interface.refs_to("virtual-network").next().and_then(|network| {
        let network = store.get(network.id)?;
        store
            .children(network.id)
            .find(|child| child.kind == "routing-instance" && child.name() == network.name())
    });
    let instance = instance.map(|instance| instance.id);
    if instance.is_none() {
        return Err(Refusal::new(
            400,
            "Bad request, no virtual network reference in virtual machine interface",
        ));
    }
    let named = interface.properties.get("virtual_machine_interface_mac_addresses");
    let has_mac = named.is_some_and(|it| it["mac_address"].as_array().is_some_and(|list| !list.is_empty()));
    let unbound = binding(interface, "vnic_type") == Some("baremetal") && links(interface)?.is_empty();
    store.change(id, |interface| {
        if let Some(instance) = instance {
            let attr = json!({ "direction": "both" });
            interface.set_ref("routing-instance", instance, attr);
        }
        if !has_mac {
            let [a, b, c, d, e, ..] = *id.as_bytes();
            let mac = if unbound {
                "00:00:00:00:00:00".to_owned()
            } else {
                format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
            };
            let name = "virtual_machine_interface_mac_addresses".to_owned();
            interface.properties.insert(name, json!({ "mac_address": [mac] }));
        }
    });
    Ok(())
}

/// Brings port groups in line with the binding of an interface that was created or whose binding was changed by the request.
pub fn bind(store: &mut Store, id: Uuid, request: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(interface) = store.get(id) else { return Ok(()) };
    let vnic_type = binding(interface, "vnic_type").unwrap_or("normal").to_owned();
    let was_grouped = group_of(store, interface).is_some();
    if vnic_type != "baremetal" {
        return if was_grouped && binding(interface, "profile").is_none() {
            Err(Refusal::new(500, "KeyError: 'profile'"))
        } else {
            Ok(())
        };
    }
    let wish = wish(interface, request)?;
    if wish.links.is_empty() && wish.group.is_none() {
        empty_group(store, id);
        return Ok(());
    }
    attach(store, id, &wish)
}

/// Unbinding (1.3): the internal group stays, loses its switch ports, and still refers to the interface.
fn empty_group(store: &mut Store, interface: Uuid) {
    let groups: Vec<Uuid> =
        groups_with(store, interface).filter(|group| is_internal(group)).map(|group| group.id).collect();
    for group in groups {
        store.change(group, |group| group.refs.retain(|reference| reference.kind != SWITCH_PORT));
    }
}

fn groups_with(store: &Store, interface: Uuid) -> impl Iterator<Item = &Object> {
    store.of_kind(GROUP).filter(move |group| group.refers_to(interface))
}

fn group_of<'a>(store: &'a Store, interface: &Object) -> Option<&'a Object> {
    let reference = interface.refs_to(GROUP).next()?;
    store.get(reference.id)
}

fn is_internal(group: &Object) -> bool {
    group.name().starts_with(INTERNAL)
}

fn attach(store: &mut Store, id: Uuid, wish: &Wish) -> Result<(), Refusal> {
    let fabric = fabric_of(store, wish)?;
    let mut ports = Vec::new();
    for link in &wish.links {
        ports.push(switch_port(store, link)?);
    }
    let own = store.get(id).and_then(|interface| group_of(store, interface)).map(|group| group.id);
    let group = match (&wish.group, own) {
        (Some(name), _) => {
            let named = store.of_kind(GROUP).find(|group| group.name() == name).map(|group| group.id);
            named.ok_or_else(|| Refusal::no_name(std::slice::from_ref(name)))?
        }
        (None, Some(own)) => {
            // The same PUT again changes nothing (1.3); a group that was emptied by unbinding is in the way (1.6).
            let emptied = store.get(own).is_some_and(|group| group.refs_to(SWITCH_PORT).next().is_none());
            if emptied {
                return Err(in_the_way(id, own));
            }
            own
        }
        (None, None) => new_group(store, fabric)?,
    };
    for port in &ports {
        let holder = store.of_kind(GROUP).find(|other| other.id != group && other.refers_to(*port));
        if let Some(holder) = holder {
            let names: Vec<_> =
                ports.iter().filter_map(|port| store.get(*port)).map(|port| port.name().to_owned()).collect();
            return Err(Refusal::new(
                400,
                format!("Physical interfaces {names:?} already belong to the vpg {}", holder.name()),
            ));
        }
    }
    check_unique(store, id, group, wish)?;
    let bundle = ports.len() > 1;
    store.change(group, |group| {
        if is_internal(group) {
            group.refs.retain(|reference| reference.kind != SWITCH_PORT);
        }
        for port in &ports {
            group.set_ref(SWITCH_PORT, *port, if bundle { json!({ "ae_num": 0 }) } else { Value::Null });
        }
        group.set_ref(INTERFACE, id, Value::Null);
    });
    let attr = match &wish.native_vlan {
        Some(vlan) => json!({ "native_vlan_tag": vlan }),
        None => json!({ "vlan_tag": wish.tag }),
    };
    store.change(id, |interface| {
        // A reference that is there keeps what it says, whatever the binding says now.
        if interface.refs_to(GROUP).next().is_none() {
            interface.set_ref(GROUP, group, attr);
        }
    });
    Ok(())
}

fn in_the_way(interface: Uuid, group: Uuid) -> Refusal {
    Refusal::new(
        400,
        format!("Virtual machine interface:({interface}) already exists for virtual port group:({group})"),
    )
}

fn fabric_of(store: &Store, wish: &Wish) -> Result<Uuid, Refusal> {
    let name = wish.links.first().map_or("default-fabric", |link| link.fabric.as_str());
    if wish.links.iter().any(|link| link.fabric != name) {
        return Err(Refusal::new(400, "Physical interfaces in the profile belong to more than one fabric"));
    }
    let full = ["default-global-system-config".to_owned(), name.to_owned()];
    let fabric = store.by_name("fabric", &full).map(|fabric| fabric.id);
    fabric.ok_or_else(|| {
        let parent = super::refusal::quoted(&full);
        Refusal::new(500, format!("Exception: Parent {parent} type fabric does not exist"))
    })
}

fn switch_port(store: &Store, link: &Link) -> Result<Uuid, Refusal> {
    let full = ["default-global-system-config".to_owned(), link.switch.clone(), link.port.clone()];
    let found = store.by_name(SWITCH_PORT, &full).map(|port| port.id);
    found.ok_or_else(|| {
        Refusal::new(
            404,
            format!(
                "Unable to attach Physical interface to Virtual Port Group (vpg-internal-missing). \
                 No such Physical Interface object ({}) exists",
                link.port
            ),
        )
    })
}

/// A new internal group with the smallest free number; one counter for all fabrics.
fn new_group(store: &mut Store, fabric: Uuid) -> Result<Uuid, Refusal> {
    let taken: std::collections::BTreeSet<u32> =
        store.of_kind(GROUP).filter_map(|group| group.name().strip_prefix(INTERNAL)?.parse().ok()).collect();
    let number = (0..u32::MAX).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
    let mut fq_name = store.expect("fabric", fabric)?.fq_name.clone();
    fq_name.push(format!("{INTERNAL}{number}"));
    let properties =
        json!({ "virtual_port_group_lacp_enabled": true, "virtual_port_group_user_created": false });
    let Value::Object(properties) = properties else { return Ok(fabric) };
    let id = Uuid::new_v4();
    let group =
        Object { kind: GROUP.into(), id, fq_name, parent: Some(fabric), properties, refs: Vec::new() };
    Ok(store.insert(group))
}

/// The uniqueness rules (1.4) among the interfaces of one group, and in enterprise style among the tags of a whole fabric.
fn check_unique(store: &Store, id: Uuid, group: Uuid, wish: &Wish) -> Result<(), Refusal> {
    let Some(group) = store.get(group) else { return Ok(()) };
    let fabric = group.parent.and_then(|fabric| store.get(fabric));
    let enterprise =
        fabric.filter(|fabric| fabric.properties.get("fabric_enterprise_style") == Some(&Value::Bool(true)));
    let network_of = |object: &Object| {
        object.refs_to("virtual-network").next().map(|network| network.id).unwrap_or_default()
    };
    let network = store.get(id).map(network_of).unwrap_or_default();
    let others = |group: &Object| {
        let members = group.refs.iter().filter(|it| it.kind == INTERFACE && it.id != id);
        let (group, members): (Uuid, Vec<Uuid>) = (group.id, members.map(|it| it.id).collect());
        members.into_iter().filter_map(move |other| {
            let other = store.get(other)?;
            Some((other.id, network_of(other), attached_tag(other, group)))
        })
    };
    for (other, theirs, tag) in others(group) {
        let clash = match (enterprise.is_some(), wish.tag, tag) {
            (false, 0, 0) => return Err(in_the_way(other, group.id)),
            (true, 0, 0) => format!(
                "Virtual machine interface:({other}) already exists with virtual network:({theirs}) with vlan({tag})"
            ),
            (enterprise, mine, tag) if mine == tag && (enterprise || theirs == network) => format!(
                "Virtual machine interface:({other}) already exists in virtual network:({theirs}) with vlan({tag})"
            ),
            (true, _, tag) if theirs == network => format!(
                "vlan:({tag}) already exists in virtual port group:({}) with virtual network:({network})",
                group.id
            ),
            _ => continue,
        };
        return Err(Refusal::new(400, clash));
    }
    let Some(fabric) = enterprise.filter(|_| wish.tag != 0) else { return Ok(()) };
    let groups = store.children(fabric.id).filter(|it| it.kind == GROUP);
    let taken =
        groups.flat_map(others).any(|(_, theirs, tag)| tag != 0 && (theirs == network) != (tag == wish.tag));
    if !taken {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        format!(
            "Virtual network:({network}) with other vlan({}) already exists in fabric:({})",
            wish.tag, fabric.id
        ),
    ))
}

/// Takes a deleted interface out of its groups; an internal one goes with its last interface.
pub fn forget(store: &mut Store, id: Uuid) {
    let mut groups: Vec<Uuid> = groups_with(store, id).map(|group| group.id).collect();
    groups.extend(
        store.get(id).into_iter().flat_map(|interface| interface.refs_to(GROUP).map(|group| group.id)),
    );
    for group in groups {
        store.change(group, |group| group.drop_ref(id));
        let last =
            store.get(group).is_some_and(|it| is_internal(it) && it.refs_to(INTERFACE).next().is_none());
        if last {
            store.remove(group);
        }
    }
}

/// Refuses port groups that only the server itself may make.
pub fn check_user_group(body: &Map<String, Value>) -> Result<(), Refusal> {
    let name = body.get("fq_name").and_then(|name| name.as_array()?.last()?.as_str()).unwrap_or("");
    if name.starts_with(INTERNAL) {
        return Err(Refusal::new(
            400,
            format!("Virtual port group name {name} uses the reserved prefix {INTERNAL}"),
        ));
    }
    if body.get("physical_interface_refs").and_then(Value::as_array).is_some_and(|refs| !refs.is_empty()) {
        return Err(Refusal::new(400, "Virtual port group cannot be created with physical interfaces"));
    }
    Ok(())
}
