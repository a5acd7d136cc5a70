//! Decisions: what a port group may have as members whoever adds them, the numbers of bundles, and what may be deleted.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    refusal::Refusal,
    store::{Object, Store},
};

const GROUP: &str = "virtual-port-group";
const INTERFACE: &str = "virtual-machine-interface";
const SWITCH_PORT: &str = "physical-interface";

fn groups_with(store: &Store, member: Uuid) -> impl Iterator<Item = &Object> {
    store.of_kind(GROUP).filter(move |group| group.refers_to(member))
}

/// Groups that refer to an object.
pub fn groups_of(store: &Store, member: Uuid) -> Vec<Uuid> {
    groups_with(store, member).map(|group| group.id).collect()
}

/// A bundle of ports has a number on each of its switches, the smallest that is free there; a single port has none.
pub fn number(store: &mut Store, group: Uuid) {
    let Some(own) = store.get(group) else { return };
    let members: Vec<Uuid> = own.refs_to(SWITCH_PORT).map(|port| port.id).collect();
    let mut numbered = Vec::new();
    for member in &members {
        let switch = store.get(*member).and_then(|port| port.parent);
        let taken = |mine: bool| {
            let groups = store.of_kind(GROUP).filter(move |other| (other.id == group) == mine);
            let references = groups.flat_map(|group| group.refs_to(SWITCH_PORT));
            references.filter_map(|reference| {
                let there = store.get(reference.id).and_then(|port| port.parent);
                reference.attr["ae_num"].as_u64().filter(|_| there == switch)
            })
        };
        let number = match taken(true).next() {
            Some(number) => number,
            None => (0..).find(|number| !taken(false).any(|other| other == *number)).unwrap_or(0),
        };
        numbered.push((*member, number));
    }
    let bundle = members.len() > 1;
    store.change(group, |group| {
        for reference in group.refs.iter_mut().filter(|reference| reference.kind == SWITCH_PORT) {
            let number = numbered.iter().find(|(port, _)| *port == reference.id).filter(|_| bundle);
            reference.attr = number.map_or(Value::Null, |(_, number)| json!({ "ae_num": number }));
        }
    });
}

/// Refuses port groups that only the server itself may make.
pub fn check_made_by_user(id: Uuid, request: &Map<String, Value>) -> Result<(), Refusal> {
    let name = request.get("fq_name").and_then(|name| name.as_array()?.last()?.as_str()).unwrap_or("");
    let internal = request.get("virtual_port_group_user_created") == Some(&Value::Bool(false));
    if name.contains("vpg-internal") && !internal {
        return Err(Refusal::new(
            400,
            format!(
                "Virtual port group({id}) with name vpg-internal as prefix can only be created internally"
            ),
        ));
    }
    let ports = request.get("physical_interface_refs").and_then(Value::as_array);
    if ports.is_some_and(|ports| !ports.is_empty()) {
        return Err(Refusal::new(
            400,
            "API Infra do not support allocating AE-ID when Physical Interface refs are sent in VPG create \
             request. Workaround: Create VPG first, then add Physical Interface to VPG",
        ));
    }
    Ok(())
}

/// After a change of a group's references: a switch port is in one group only, and bundles have numbers.
pub fn check_members(store: &mut Store, before: &Object) -> Result<(), Refusal> {
    let group = store.expect(GROUP, before.id)?;
    for port in group.refs_to(SWITCH_PORT).filter(|port| !before.refers_to(port.id)) {
        if let Some(other) = groups_with(store, port.id).find(|other| other.id != before.id) {
            return Err(Refusal::new(
                400,
                format!(
                    "physical interfaces already added at other VPGs can not be attached to this VPG ({}): PI ({}) \
                     VPG-UUID ({}) VPG-FQNAME ({}); ",
                    before.id,
                    port.id,
                    other.id,
                    other.fq_name.join(":")
                ),
            ));
        }
    }
    number(store, before.id);
    Ok(())
}

/// Refuses the deletion of a group that still refers to interfaces.
pub fn check_empty(group: &Object) -> Result<(), Refusal> {
    if group.refs_to(INTERFACE).next().is_none() {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        format!(
            "Virtual port group({}) can not be deleted as refernces to VMI and BMS instance association still \
             exists.",
            group.id
        ),
    ))
}
