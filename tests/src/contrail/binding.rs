//! Decisions: what an interface's bindings say, read as the server reads them, and what the server adds to a new interface.
//!
//! What a binding does to port groups is in `group`, the VLANs that it claims in `claims`.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    claims::Before,
    refusal::Refusal,
    store::{Object, Store},
};

const BINDINGS: &str = "virtual_machine_interface_bindings";
const MACS: &str = "virtual_machine_interface_mac_addresses";
const TAG_MAX: u64 = 4094;

/// What the bindings in a request ask for. As the server does, tag and native VLAN are looked for in the request alone:
/// one that binds an interface without repeating its tag attaches it untagged. And a native VLAN comes before any tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `vnic_type`, if it is said.
    pub vnic_type: Option<String>,
    /// Whether there is any text under `profile`; `{}` is one.
    pub has_profile: bool,
    /// Switch ports in the profile.
    pub links: Vec<Link>,
    /// Name of a group, under `vpg`.
    pub group: Option<String>,
    /// `tor_port_vlan_id`.
    pub native_vlan: Option<String>,
    /// Tag; 0: none.
    pub tag: u64,
}

/// A switch port of a profile. What is missing matters only when it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `fabric`.
    pub fabric: Option<String>,
    switch: Option<String>,
    port: Option<String>,
}

impl Link {
    /// Full name of its physical-interface. The names are taken as they are: a `:` is not translated here, as it is for a
    /// node's ports.
    pub fn port_name(&self) -> Result<Vec<String>, Refusal> {
        let text = |value: &Option<String>, key: &str| {
            value.clone().ok_or_else(|| Refusal::new(500, format!("KeyError: '{key}'")))
        };
        let (port, switch) = (text(&self.port, "port_id")?, text(&self.switch, "switch_info")?);
        Ok(vec!["default-global-system-config".to_owned(), switch, port])
    }
}

impl Wish {
    /// Reads a request.
    pub fn read(request: &Map<String, Value>) -> Result<Self, Refusal> {
        let bindings = request.get(BINDINGS).unwrap_or(&Value::Null);
        let text = |key: &str| value_in(bindings, key).map(str::to_owned);
        let profile = text("profile").filter(|text| !text.is_empty());
        let links = match profile.as_deref().filter(|_| value_in(bindings, "vnic_type") == Some("baremetal"))
        {
            Some(text) => links(text)?,
            None => Vec::new(),
        };
        Ok(Self {
            vnic_type: text("vnic_type"),
            has_profile: profile.is_some(),
            links,
            group: text("vpg").filter(|name| !name.is_empty()),
            native_vlan: text("tor_port_vlan_id").filter(|vlan| !vlan.is_empty()),
            tag: tag(request),
        })
    }

    /// Whether frames carry no tag because a native VLAN is named.
    pub fn untagged(&self) -> bool {
        self.native_vlan.is_some()
    }

    /// The VLAN that is claimed. None: neither a tag nor a native VLAN that is a number; nothing is claimed.
    pub fn vlan(&self) -> Option<u64> {
        let vlan = match &self.native_vlan {
            Some(text) => text.parse().ok()?,
            None => self.tag,
        };
        (vlan != 0).then_some(vlan)
    }

    /// What the interface's reference to its group says.
    pub fn attr(&self) -> Value {
        match &self.native_vlan {
            Some(vlan) => json!({ "native_vlan_tag": vlan }),
            None => json!({ "vlan_tag": self.tag }),
        }
    }
}

fn links(profile: &str) -> Result<Vec<Link>, Refusal> {
    let profile: Value = serde_json::from_str(profile)
        .map_err(|error| Refusal::new(500, format!("json.decoder.JSONDecodeError: {error}")))?;
    let text = |link: &Value, key: &str| link[key].as_str().map(str::to_owned);
    let list = profile["local_link_information"].as_array().into_iter().flatten();
    let link = |link: &Value| Link {
        fabric: text(link, "fabric").filter(|name| !name.is_empty()),
        switch: text(link, "switch_info"),
        port: text(link, "port_id"),
    };
    Ok(list.map(link).collect())
}

fn value_in<'a>(bindings: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = bindings.get("key_value_pair")?.as_array()?;
    pairs.iter().rev().find(|pair| pair["key"] == key)?["value"].as_str()
}

fn tag(fields: &Map<String, Value>) -> u64 {
    let properties = fields.get("virtual_machine_interface_properties");
    properties.and_then(|it| it["sub_interface_vlan_tag"].as_u64()).unwrap_or(0)
}

/// Whether a request says anything in bindings.
pub fn binds(request: &Map<String, Value>) -> bool {
    let pairs = request.get(BINDINGS).and_then(|bindings| bindings["key_value_pair"].as_array());
    pairs.is_some_and(|pairs| !pairs.is_empty())
}

/// The value of a key in an interface's binding.
pub fn binding<'a>(interface: &'a Object, key: &str) -> Option<&'a str> {
    value_in(interface.properties.get(BINDINGS)?, key)
}

/// What an interface is bound as, by what is stored of it.
pub fn before(interface: &Object) -> Before {
    let tag = tag(&interface.properties);
    let native = binding(interface, "tor_port_vlan_id").is_some_and(|vlan| !vlan.is_empty());
    let untagged = if native { Some(true) } else { (tag != 0).then_some(false) };
    Before { tag, untagged }
}

/// Refuses another `vnic_type` than the stored one. The server trips over any profile that a bare-metal interface has kept.
pub fn check_other_type(interface: &Object) -> Result<(), Refusal> {
    let baremetal = binding(interface, "vnic_type") == Some("baremetal");
    if baremetal && binding(interface, "profile").is_some() {
        return Err(Refusal::new(500, "AttributeError: 'str' object has no attribute 'get'"));
    }
    if !baremetal && interface.refs_to("virtual-machine").next().is_some() {
        let text = "Vnic_type can not be modified when port is linked to Vrouter or VM.";
        return Err(Refusal::new(409, text));
    }
    Ok(())
}

/// Gives a new interface its routing instance, what its bindings leave open and, when nobody named one, its MAC address.
pub fn complete(store: &mut Store, id: Uuid) -> Result<(), Refusal> {
    let Some(interface) = store.get(id) else { return Ok(()) };
    if tag(&interface.properties) > TAG_MAX {
        let tag = tag(&interface.properties);
        return Err(Refusal::new(400, format!("Invalid sub-interface VLAN tag ID: {tag}")));
    }
    let instance = interface.refs_to("virtual-network").next().and_then(|network| {
        let network = store.get(network.id)?;
        store
            .children(network.id)
            .find(|child| child.kind == "routing-instance" && child.name() == network.name())
    });
    let Some(instance) = instance.map(|instance| instance.id) else {
        let text = "Bad request, no virtual network reference in virtual machine interface";
        return Err(Refusal::new(400, text));
    };
    let mac = mac(interface);
    store.change(id, |interface| {
        interface.set_ref("routing-instance", instance, json!({ "direction": "both" }));
        interface.properties.insert(MACS.to_owned(), json!({ "mac_address": [mac] }));
        complete_bindings(interface);
    });
    Ok(())
}

/// The MAC address that was named, none for a server of which no switch port is known, or one made of the uuid.
fn mac(interface: &Object) -> String {
    let named = interface.properties.get(MACS).and_then(|it| it["mac_address"][0].as_str());
    if let Some(mac) = named {
        return mac.replace('-', ":");
    }
    let profile = binding(interface, "profile").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let linked = profile.is_some_and(|profile| !profile["local_link_information"].is_null());
    if binding(interface, "vnic_type") == Some("baremetal") && !linked {
        return "00:00:00:00:00:00".to_owned();
    }
    let [a, b, c, d, e, ..] = *interface.id.as_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

fn complete_bindings(interface: &mut Object) {
    let normal = binding(interface, "vnic_type").is_none_or(|kind| kind == "normal");
    let missing = |interface: &Object, key: &str| binding(interface, key).is_none();
    let (no_vnic, no_vif) = (missing(interface, "vnic_type"), missing(interface, "vif_type"));
    let bindings = interface.properties.get_mut(BINDINGS);
    let Some(pairs) = bindings.and_then(|it| it.get_mut("key_value_pair")?.as_array_mut()) else { return };
    if no_vnic {
        pairs.push(json!({ "key": "vnic_type", "value": "normal" }));
    }
    if normal {
        pairs.retain(|pair| pair["key"] != "vif_type");
    } else if no_vif {
        pairs.push(json!({ "key": "vif_type", "value": "vrouter" }));
    }
}
