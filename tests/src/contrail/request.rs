//! Decisions: one request to the stand-in: objects in, objects and an answer out. A refused request changes nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    address, binding,
    check::Verb,
    group,
    kind::Kind,
    members,
    refusal::Refusal,
    store::{Object, Store, href},
    view::{self, Query},
};

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// POST to a collection.
    Create(&'static Kind, Value),
    /// PUT of an item.
    Update(&'static Kind, Uuid, Value),
    /// DELETE of an item.
    Delete(&'static Kind, Uuid),
    /// GET of an item.
    Read(&'static Kind, Uuid, Query),
    /// GET of a collection.
    List(&'static Kind, Query),
    /// POST /fqname-to-id.
    NameToId(Value),
    /// POST /id-to-fqname.
    IdToName(Value),
    /// POST /ref-update.
    RefUpdate(Value),
}

impl Request {
    /// Whether it can change objects.
    pub fn changes(&self) -> bool {
        match self {
            Request::Create(..) | Request::Update(..) | Request::Delete(..) | Request::RefUpdate(_) => true,
            Request::Read(..) | Request::List(..) | Request::NameToId(_) | Request::IdToName(_) => false,
        }
    }
}

/// Does it. The answer is a body, empty for some.
pub fn perform(store: &mut Store, request: &Request) -> Result<Option<Value>, Refusal> {
    let mut next = store.clone();
    let answer = match request {
        Request::Create(kind, body) => create(&mut next, kind, inner(kind, body)?)?,
        Request::Update(kind, id, body) => update(&mut next, kind, *id, inner(kind, body)?)?,
        Request::Delete(kind, id) => delete(&mut next, kind, *id).map(|()| None)?,
        Request::Read(kind, id, query) => {
            Some(json!({ kind.name: view::object(&next, next.expect(kind.name, *id)?, query) }))
        }
        Request::List(kind, query) => Some(view::collection(&next, kind, query)?),
        Request::NameToId(body) => Some(name_to_id(&next, body)?),
        Request::IdToName(body) => Some(id_to_name(&next, body)?),
        Request::RefUpdate(body) => Some(ref_update(&mut next, body)?),
    };
    *store = next;
    Ok(answer)
}

fn inner<'a>(kind: &Kind, body: &'a Value) -> Result<&'a Map<String, Value>, Refusal> {
    let found = body.get(kind.name).and_then(Value::as_object);
    found.ok_or_else(Refusal::tripped)
}

fn create(
    store: &mut Store,
    kind: &'static Kind,
    body: &Map<String, Value>,
) -> Result<Option<Value>, Refusal> {
    let id = store.create(kind, body)?;
    match kind.name {
        "virtual-network" => {
            check_quota(store, id)?;
            complete_subnets(store, id)?;
            make_routing_instance(store, id)?;
        }
        "virtual-machine-interface" => {
            binding::complete(store, id)?;
            group::bind_new(store, id, body)?;
        }
        "virtual-port-group" => members::check_made_by_user(id, body)?,
        "instance-ip" => address::allocate(store, id)?,
        "port" => link_port(store, id),
        _ => {}
    }
    let made = store.expect(kind.name, id)?;
    Ok(Some(json!({ kind.name: store.summary(made) })))
}

fn update(
    store: &mut Store,
    kind: &'static Kind,
    id: Uuid,
    body: &Map<String, Value>,
) -> Result<Option<Value>, Refusal> {
    let before = store.expect(kind.name, id)?.clone();
    if body.is_empty() {
        return Ok(None);
    }
    let changed =
        |field: &str| body.get(field).is_some_and(|value| before.properties.get(field) != Some(value));
    if kind.name == "instance-ip" && changed("instance_ip_address") {
        return Err(Refusal::new(400, "Instance IP Address can not be changed"));
    }
    if kind.name == "fabric" && changed("fabric_enterprise_style") {
        return Err(Refusal::new(403, "Cannot change from sp-style to enterprise-style or vice-versa"));
    }
    let mut after = before.clone();
    store.apply(kind, &mut after, body, Verb::Update)?;
    let shown = json!({ kind.name: { "uuid": id, "href": href(&after) } });
    store.insert(after);
    match kind.name {
        "virtual-network" if body.contains_key("network_ipam_refs") => complete_subnets(store, id)?,
        "virtual-machine-interface" => group::bind_again(store, &before, body)?,
        "virtual-port-group" => members::check_members(store, &before)?,
        "port" => link_port(store, id),
        _ => {}
    }
    Ok(Some(shown))
}

fn delete(store: &mut Store, kind: &'static Kind, id: Uuid) -> Result<(), Refusal> {
    let object = store.expect(kind.name, id)?.clone();
    let instance = |child: &&Object| kind.name == "virtual-network" && child.kind == "routing-instance";
    let going_along: BTreeSet<Uuid> = store.children(id).filter(instance).map(|child| child.id).collect();
    store.check_delete(id, &going_along)?;
    if kind.name == "virtual-port-group" {
        members::check_empty(&object)?;
    }
    let groups = members::groups_of(store, id);
    going_along.iter().for_each(|instance| store.remove(*instance));
    store.remove(id);
    if kind.name == "virtual-machine-interface" {
        group::forget(store, &object, &groups);
    }
    Ok(())
}

/// A project may have a quota of networks; 412 is the one refusal whose body is an HTML page.
fn check_quota(store: &Store, network: Uuid) -> Result<(), Refusal> {
    let Some(project) = store.get(network).and_then(|it| store.get(it.parent?)) else { return Ok(()) };
    let Some(limit) = project.properties.get("quota").and_then(|quota| quota["virtual_network"].as_u64())
    else {
        return Ok(());
    };
    let count = store.children(project.id).filter(|it| it.kind == "virtual-network").count() as u64;
    if count <= limit {
        return Ok(());
    }
    Err(Refusal::new(412, format!("quota limit ({limit}) exceeded for resource virtual_network")))
}

fn complete_subnets(store: &mut Store, network: Uuid) -> Result<(), Refusal> {
    let done = store.change(network, |network| {
        network
            .refs
            .iter_mut()
            .filter(|it| it.kind == "network-ipam")
            .try_for_each(|it| address::complete(&mut it.attr))
    });
    done.unwrap_or(Ok(()))
}

fn make_routing_instance(store: &mut Store, network: Uuid) -> Result<(), Refusal> {
    let network = store.expect("virtual-network", network)?;
    let mut fq_name = network.fq_name.clone();
    fq_name.push(network.name().to_owned());
    let mut properties = Map::new();
    properties.insert("routing_instance_is_default".into(), json!(true));
    let (kind, id, parent) = ("routing-instance".to_owned(), Uuid::new_v4(), Some(network.id));
    store.insert(Object { kind, id, fq_name, parent, properties, refs: Vec::new() });
    Ok(())
}

/// A node's port that names its switch port makes that one refer to it, and then cannot be deleted before that reference
/// is; an unknown switch port is no error, and no link at all changes nothing.
fn link_port(store: &mut Store, id: Uuid) {
    let Some(port) = store.get(id) else { return };
    let link = port.properties.get("bms_port_info").map(|info| &info["local_link_connection"]);
    let named = link.and_then(|link| Some((link["switch_info"].as_str()?, link["port_id"].as_str()?)));
    let Some((switch, name)) = named else { return };
    let full = ["default-global-system-config".to_owned(), switch.to_owned(), name.replace(':', "_")];
    let target = store.by_name("physical-interface", &full).map(|it| it.id);
    let holders: Vec<Uuid> =
        store.back_refs(id).filter(|it| it.kind == "physical-interface").map(|it| it.id).collect();
    for holder in holders {
        store.change(holder, |holder| holder.drop_ref(id));
    }
    if let Some(target) = target {
        store.change(target, |target| target.set_ref("port", id, Value::Null));
    }
}

fn name_to_id(store: &Store, body: &Value) -> Result<Value, Refusal> {
    let (kind, name) = (body["type"].as_str().unwrap_or(""), body["fq_name"].clone());
    let name: Vec<String> = serde_json::from_value(name).unwrap_or_default();
    let found = store.by_name(kind, &name).ok_or_else(|| Refusal::no_name(&name))?;
    Ok(json!({ "uuid": found.id }))
}

fn id_to_name(store: &Store, body: &Value) -> Result<Value, Refusal> {
    let text = body["uuid"].as_str().unwrap_or("");
    let found =
        Uuid::parse_str(text).ok().and_then(|id| store.get(id)).ok_or_else(|| Refusal::no_id(text))?;
    Ok(json!({ "type": found.kind, "fq_name": found.fq_name }))
}

fn ref_update(store: &mut Store, body: &Value) -> Result<Value, Refusal> {
    let text = |key: &str| body[key].as_str();
    let (Some(kind), Some(other_kind)) = (text("type"), text("ref-type")) else {
        return Err(Refusal::tripped());
    };
    let (Some(id), Some(operation)) = (text("uuid"), text("operation")) else {
        return Err(Refusal::new(400, "Bad Request: type/uuid/ref-type/operation is null: "));
    };
    let kinds = (kind.replace('_', "-"), other_kind.replace('_', "-"));
    let id = Uuid::parse_str(id).map_err(|_| Refusal::no_id(id))?;
    let before = store.expect(&kinds.0, id)?.clone();
    let other = match text("ref-uuid") {
        Some(other) => Uuid::parse_str(other).map_err(|_| Refusal::no_id(other))?,
        None if body["ref-fq-name"].is_array() => {
            let name: Vec<String> = serde_json::from_value(body["ref-fq-name"].clone()).unwrap_or_default();
            store.by_name(&kinds.1, &name).ok_or_else(|| Refusal::no_name(&name))?.id
        }
        None => {
            return Err(Refusal::new(400, "Bad Request: ref-uuid or ref-fq-name must be specified"));
        }
    };
    match operation.to_uppercase().as_str() {
        "ADD" => {
            store.expect(&kinds.1, other)?;
            store.change(id, |object| object.set_ref(&kinds.1, other, body["attr"].clone()));
            if body["relax_ref_for_delete"] == true {
                store.relax(id, other);
            }
        }
        "DELETE" => {
            store.change(id, |object| object.drop_ref(other));
        }
        unknown => {
            return Err(Refusal::new(
                400,
                format!("Bad Request: operation should be add or delete: {unknown}"),
            ));
        }
    }
    if kinds.0 == "virtual-port-group" {
        members::check_members(store, &before)?;
    }
    Ok(json!({ "uuid": id }))
}
