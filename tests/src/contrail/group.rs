//! Decisions: port groups: what an interface's binding makes, fills, empties and removes, with the real server's refusals.
//!
//! ```text
//!   physical-interface <- virtual-port-group <-> virtual-machine-interface
//! ```
//!
//! The server keeps both references between a group and an interface by itself, one in each direction, in two steps; after
//! a crash between them there is a half. It asks now one of them and now the other, and so does this.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    binding::{self, Wish},
    claims::{self, Before, Claim, Release},
    members,
    refusal::{Refusal, quoted},
    store::{Object, Store},
};

const ROOT: &str = "default-global-system-config";
const GROUP: &str = "virtual-port-group";
const INTERFACE: &str = "virtual-machine-interface";
const SWITCH_PORT: &str = "physical-interface";
const INTERNAL: &str = "vpg-internal-";

/// Where a binding leads, apart from what its links say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Name of the group; none: a new one.
    name: Option<String>,
    /// A group that is known already, to learn the fabric from.
    hint: Option<Hint>,
    /// What the interface was bound as.
    before: Before,
}

/// A reference to a group. A request may say less than both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hint {
    to: Option<Vec<String>>,
    id: Option<Uuid>,
}

impl Hint {
    fn of_request(request: &Map<String, Value>) -> Option<Self> {
        let first = request.get("virtual_port_group_refs")?.as_array()?.first()?;
        let to = first.get("to").and_then(|to| serde_json::from_value(to.clone()).ok());
        let id = first.get("uuid").and_then(|id| Uuid::parse_str(id.as_str()?).ok());
        Some(Self { to, id })
    }

    fn of(group: &Object) -> Self {
        Self { to: Some(group.fq_name.clone()), id: Some(group.id) }
    }
}

/// Whether the server made it by itself, and removes it with its last interface.
fn is_internal(group: &Object) -> bool {
    group.properties.get("virtual_port_group_user_created") == Some(&Value::Bool(false))
}

fn groups_with(store: &Store, member: Uuid) -> impl Iterator<Item = &Object> {
    store.of_kind(GROUP).filter(move |group| group.refers_to(member))
}

/// Brings port groups in line with a new interface.
pub fn bind_new(store: &mut Store, id: Uuid, request: &Map<String, Value>) -> Result<(), Refusal> {
    let wish = Wish::read(request)?;
    let hint = Hint::of_request(request);
    if wish.vnic_type.as_deref() != Some("baremetal") {
        return Ok(());
    }
    if wish.group.is_none() && !wish.has_profile && hint.is_none() {
        return Ok(());
    }
    let place = Place { name: wish.group.clone(), hint, before: Before::default() };
    let group = associate(store, id, &wish, &place)?;
    store.change(id, |interface| {
        interface.refs.retain(|reference| reference.kind != GROUP);
        interface.set_ref(GROUP, group, wish.attr());
    });
    join(store, group, id);
    Ok(())
}

/// Brings port groups in line with an interface whose bindings a request has changed; `before` is what it was.
pub fn bind_again(store: &mut Store, before: &Object, request: &Map<String, Value>) -> Result<(), Refusal> {
    if !binding::binds(request) {
        return Ok(());
    }
    let wish = Wish::read(request)?;
    let old = binding::binding(before, "vnic_type").unwrap_or("normal");
    let new = wish.vnic_type.as_deref().unwrap_or(old);
    if new != "baremetal" && new != old {
        binding::check_other_type(before)?;
    }
    if wish.vnic_type.as_deref() != Some("baremetal") {
        return Ok(());
    }
    let own = groups_with(store, before.id).next().map(|group| (group.name().to_owned(), Hint::of(group)));
    let joined = own.is_some();
    let (own_name, own_hint) = own.unzip();
    let mut place = Place {
        name: wish.group.clone().or(own_name),
        hint: Hint::of_request(request).or(own_hint),
        before: binding::before(before),
    };
    if place.hint.is_none()
        && let Some(link) = wish.links.first()
        && let Some(group) = group_of_port(store, &link.port_name()?)?
    {
        place.name = Some(group.name().to_owned());
        place.hint = Some(Hint::of(group));
    }
    let group = associate(store, before.id, &wish, &place)?;
    if before.refs_to(GROUP).next().is_none() {
        store.change(before.id, |interface| interface.set_ref(GROUP, group, wish.attr()));
    }
    if !joined {
        join(store, group, before.id);
    }
    Ok(())
}

fn group_of_port<'a>(store: &'a Store, port: &[String]) -> Result<Option<&'a Object>, Refusal> {
    let found = store.by_name(SWITCH_PORT, port).ok_or_else(|| {
        let port = quoted(port);
        Refusal::new(404, format!("Retrive physical_interface ({port}) failed while trying to read vpg refs"))
    })?;
    Ok(groups_with(store, found.id).next())
}

/// The server's own references do not keep the other from being deleted.
fn join(store: &mut Store, group: Uuid, interface: Uuid) {
    store.change(group, |group| group.set_ref(INTERFACE, interface, Value::Null));
    store.relax(group, interface);
}

/// Finds or makes the group and gives it the links' ports, and only those.
fn associate(store: &mut Store, interface: Uuid, wish: &Wish, place: &Place) -> Result<Uuid, Refusal> {
    let (mut ports, fabric) = ports(store, wish, place)?;
    let fabric = match fabric {
        Some(fabric) => fabric,
        None => fabric_of(store, place)?,
    };
    check_free(store, &ports, place)?;
    let group = match &place.name {
        Some(name) => named(store, &fabric, name)?,
        None if ports.is_empty() => return Err(Refusal::new(500, "IndexError: list index out of range")),
        None => new_group(store, &fabric)?,
    };
    let made = store.expect(GROUP, group)?;
    if ports.is_empty() && !is_internal(made) {
        ports = made.refs_to(SWITCH_PORT).map(|port| port.id).collect();
        if ports.is_empty() {
            return Err(Refusal::new(500, "TypeError: 'NoneType' object is not iterable"));
        }
    }
    if let Some(claim) = claim(store, interface, group, wish, place.before) {
        claims::take(store, &claim)?;
    }
    store.change(group, |group| {
        group.refs.retain(|reference| reference.kind != SWITCH_PORT || ports.contains(&reference.id));
        for port in &ports {
            if !group.refers_to(*port) {
                group.set_ref(SWITCH_PORT, *port, Value::Null);
            }
        }
    });
    ports.iter().for_each(|port| store.relax(group, *port));
    members::number(store, group);
    Ok(group)
}

/// The switch ports of the links and the fabric that they say.
fn ports(store: &Store, wish: &Wish, place: &Place) -> Result<(Vec<Uuid>, Option<String>), Refusal> {
    let mut fabric: Option<String> = None;
    let mut ports = Vec::new();
    for link in &wish.links {
        fabric = Some(match (&link.fabric, &place.hint) {
            (Some(named), _) if fabric.as_ref().is_some_and(|fabric| fabric != named) => {
                let text = "Physical interfaces in the same vpg should belong to the same fabric";
                return Err(Refusal::new(400, text));
            }
            (Some(named), _) => named.clone(),
            (None, Some(Hint { to: Some(to), .. })) => to.iter().rev().nth(1).cloned().unwrap_or_default(),
            (None, Some(Hint { to: None, .. })) => return Err(Refusal::new(500, "KeyError: 'to'")),
            (None, None) => "default-fabric".to_owned(),
        });
        let full = link.port_name()?;
        let found = store.by_name(SWITCH_PORT, &full).map(|port| port.id);
        ports.push(found.ok_or_else(|| {
            let (group, port) = (place.name.as_deref().unwrap_or("vpg-internal-missing"), &full[2]);
            Refusal::new(
                404,
                format!(
                    "Unable to attach Physical interface to Virtual Port Group ({group}). \
                     No such Physical Interface object ({port}) exists"
                ),
            )
        })?);
    }
    Ok((ports, fabric))
}

/// Without links the fabric is that of a group which is known already.
fn fabric_of(store: &Store, place: &Place) -> Result<String, Refusal> {
    let refuse = |text: &str| Refusal::new(400, text);
    let none = "Unable to retrieve fabric name. No physical interfaces and no vpg refs";
    let hint = place.hint.as_ref().ok_or_else(|| refuse(none))?;
    let id = hint.id.ok_or_else(|| refuse("Failed to retrieve fabric name. No vpg refs found"))?;
    let parent = store.expect(GROUP, id)?.parent.and_then(|parent| store.get(parent));
    let fabric = parent.filter(|parent| parent.kind == "fabric").map(|fabric| fabric.name().to_owned());
    fabric.ok_or_else(|| refuse("VPG do not belong to fabric object, Unable to retrieve fabric name"))
}

fn check_free(store: &Store, ports: &[Uuid], place: &Place) -> Result<(), Refusal> {
    for port in ports {
        let holder = groups_with(store, *port).next().map(|group| group.name());
        if let Some(holder) = holder.filter(|holder| Some(*holder) != place.name.as_deref()) {
            let port = quoted(&store.expect(SWITCH_PORT, *port)?.fq_name);
            let text = format!("Physical interface {port} already belong to the vpg {holder}");
            return Err(Refusal::new(400, text));
        }
    }
    Ok(())
}

fn named(store: &Store, fabric: &str, name: &str) -> Result<Uuid, Refusal> {
    let full = [ROOT, fabric, name].map(str::to_owned);
    let found = store.by_name(GROUP, &full).map(|group| group.id);
    found.ok_or_else(|| Refusal::new(404, format!("Vpg object {name} is not found")))
}

/// A new internal group with the smallest free number; one counter for all fabrics.
fn new_group(store: &mut Store, fabric: &str) -> Result<Uuid, Refusal> {
    let full = [ROOT, fabric].map(str::to_owned);
    let parent = store.by_name("fabric", &full).map(|fabric| fabric.id).ok_or_else(|| {
        let full = quoted(&full);
        Refusal::new(500, format!("Exception: Parent {full} type fabric does not exist"))
    })?;
    let taken: std::collections::BTreeSet<u32> =
        store.of_kind(GROUP).filter_map(|group| group.name().strip_prefix(INTERNAL)?.parse().ok()).collect();
    let number = (0..u32::MAX).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
    let name = format!("{INTERNAL}{number}");
    let mut properties = Map::new();
    properties.insert("virtual_port_group_lacp_enabled".to_owned(), json!(true));
    properties.insert("virtual_port_group_user_created".to_owned(), json!(false));
    properties.insert("display_name".to_owned(), json!(name));
    let fq_name = vec![ROOT.to_owned(), fabric.to_owned(), name];
    let (kind, id, refs) = (GROUP.to_owned(), Uuid::new_v4(), Vec::new());
    Ok(store.insert(Object { kind, id, fq_name, parent: Some(parent), properties, refs }))
}

fn claim(store: &Store, interface: Uuid, group: Uuid, wish: &Wish, before: Before) -> Option<Claim> {
    let (fabric, enterprise, checked) = style(store, group)?;
    let network = store.get(interface)?.refs_to("virtual-network").next()?.id;
    let (vlan, untagged) = (wish.vlan().filter(|_| checked)?, wish.untagged());
    Some(Claim { interface, network, group, fabric, enterprise, vlan, untagged, before })
}

/// A group's fabric, whether it is of the enterprise style, and whether claims are made there at all.
fn style(store: &Store, group: Uuid) -> Option<(Uuid, bool, bool)> {
    let fabric = store.get(store.get(group)?.parent?).filter(|parent| parent.kind == "fabric")?;
    let set = |name: &str| fabric.properties.get(name) == Some(&Value::Bool(true));
    Some((fabric.id, set("fabric_enterprise_style"), !set("disable_vlan_vn_uniqueness_check")))
}

/// After the deletion of an interface: releases its claims in the groups that referred to it; an internal group goes with
/// its last interface. A group that only the interface referred to is not looked at.
pub fn forget(store: &mut Store, interface: &Object, groups: &[Uuid]) {
    let network = interface.refs_to("virtual-network").next().map(|network| network.id);
    let before = binding::before(interface);
    for group in groups {
        if let (Some((fabric, enterprise, _)), Some(network)) = (style(store, *group), network) {
            let (tag, untagged) = (before.tag, before.untagged == Some(true));
            claims::release(store, &Release { group: *group, fabric, enterprise, network, tag, untagged });
        }
        let last =
            store.get(*group).is_some_and(|it| is_internal(it) && it.refs_to(INTERFACE).next().is_none());
        if last {
            store.remove(*group);
        }
    }
}
