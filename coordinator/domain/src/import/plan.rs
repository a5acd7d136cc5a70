//! Decisions: what an import would change: which servers are new, which are known, and which of their fields differ.
//!
//! A server of the file is recognised by its name, and else by any of its MAC addresses: it may have been renamed. What the
//! file does not say of a known server stays as it is.

use std::collections::{BTreeMap, HashMap};

use protocol::{
    boot::BootMode,
    id::{RackId, ServerId},
    mac::MacAddr,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::{
    Fault, ImportedNode, KEEP_PASSWORD, ServersInUse,
    bmcs::{changed_bmcs, refuse_in_use},
    names, settings,
};
use crate::{
    lifecycle::ProvisionState,
    records::{NewServer, Server},
    rim::SwitchPort,
};

/// What holds for new servers of which the file does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Their rack.
    pub rack: RackId,
    /// Their resource class.
    pub resource_class: String,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct FieldChange {
    /// Such as `bmc.address` or `ports.eth0`.
    pub field: String,
    /// As it is; empty: not there.
    pub old: String,
    /// As the file says; empty: not there any more. Passwords are never shown.
    pub new: String,
}

/// A server of the file, joined with what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which known server it is; none: it is new.
    pub id: Option<ServerId>,
    /// As it is to be stored.
    pub server: NewServer,
    /// What differs from the known server; empty for a new one.
    pub changes: Vec<FieldChange>,
    /// What a person should know of it before it is done, such as that two BMCs are exchanged.
    pub note: Option<String>,
}

impl Planned {
    /// Whether anything is to be stored.
    pub fn is_change(&self) -> bool {
        self.id.is_none() || !self.changes.is_empty()
    }
}

/// Plans an import: all of it, or everything that stands against it.
pub fn plan(
    read: Vec<ImportedNode>,
    known: &[Server],
    defaults: &Defaults,
    servers_in_use: ServersInUse,
) -> Result<Vec<Planned>, Vec<Fault>> {
    let index = Index::of(known);
    let mut faults = Vec::new();
    let mut taken: HashMap<ServerId, usize> = HashMap::new();
    let mut matched = Vec::new();
    for (number, node) in read.into_iter().enumerate() {
        let mut fault = |field: &str, message: String| {
            faults.push(Fault { line: node.line, path: format!("nodes[{number}].{field}"), message });
        };
        let server = match index.find(&node) {
            Ok(server) => server,
            Err(message) => {
                fault("ports", message);
                None
            }
        };
        if let Some(server) = server {
            if let Some(first) = taken.insert(server.id, number) {
                fault(
                    "name",
                    format!("is the same server {} as nodes[{first}], by name or MAC address", server.name),
                );
            }
            if server.forgetting {
                fault("name", format!("{} is being deleted; import it again when it is gone", server.name));
            }
            if is_deployed(server) && !same_ports(server, &node) {
                fault(
                    "ports",
                    format!("{} is deployed; its ports cannot change until it is given back", server.name),
                );
            }
        }
        for (field, message) in names::unfit(&node, server) {
            fault(&field, message);
        }
        if node.bmc.password.reveal() == KEEP_PASSWORD
            && let Some(message) = why_no_password(server, &node.bmc)
        {
            fault("driver_info", message);
        }
        if node.bmc.settings.k_g.as_ref().is_some_and(settings::is_kept)
            && let Some(message) = why_no_key(server, &node.bmc)
        {
            fault("driver_info.ipmi_hex_kg_key", message);
        }
        matched.push((node, server));
    }
    for (number, (node, server)) in matched.iter().enumerate() {
        // Servers that this file describes too have been compared within the file.
        let others = |id: &ServerId| Some(*id) != server.map(|server| server.id) && !taken.contains_key(id);
        for message in index.conflicts(node, others) {
            faults.push(Fault {
                line: node.line,
                path: format!("nodes[{number}].{}", message.0),
                message: message.1,
            });
        }
    }
    let notes = changed_bmcs(&matched);
    faults.extend(refuse_in_use(&matched, &notes, servers_in_use));
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.line);
        return Err(faults);
    }
    let planned = |((node, server), note)| Planned { note, ..planned(node, server, defaults) };
    Ok(matched.into_iter().zip(notes).map(planned).collect())
}

/// Known servers by what they are recognised by.
struct Index<'a> {
    names: HashMap<&'a str, &'a Server>,
    macs: HashMap<MacAddr, &'a Server>,
    bmcs: HashMap<(String, u16), &'a Server>,
    links: HashMap<String, &'a Server>,
}

fn bmc_of(bmc: &BmcEndpoint) -> (String, u16) {
    (bmc.address.to_ascii_lowercase(), bmc.port)
}

impl<'a> Index<'a> {
    fn of(known: &'a [Server]) -> Self {
        let ports = || known.iter().flat_map(|server| server.ports.iter().map(move |port| (port, server)));
        Self {
            names: known.iter().map(|server| (server.name.as_str(), server)).collect(),
            macs: ports().map(|(port, server)| (port.mac, server)).collect(),
            bmcs: known.iter().map(|server| (bmc_of(&server.bmc), server)).collect(),
            links: ports().map(|(port, server)| (port.link.key(), server)).collect(),
        }
    }

    /// By name, and else by MAC address.
    fn find(&self, node: &ImportedNode) -> Result<Option<&'a Server>, String> {
        if let Some(server) = self.names.get(node.name.as_str()) {
            return Ok(Some(server));
        }
        let mut found = node.ports.iter().filter_map(|port| self.macs.get(&port.mac));
        let Some(first) = found.next() else { return Ok(None) };
        match found.find(|other| other.id != first.id) {
            Some(other) => Err(format!(
                "have MAC addresses that belong to two servers, {} and {}",
                first.name, other.name
            )),
            None => Ok(Some(first)),
        }
    }

    /// What of the node belongs to another server: which field, and in words.
    fn conflicts(&self, node: &ImportedNode, other: impl Fn(&ServerId) -> bool) -> Vec<(String, String)> {
        let mut conflicts = Vec::new();
        let is_other = |server: &&&Server| other(&server.id);
        if let Some(server) = self.bmcs.get(&bmc_of(&node.bmc)).filter(is_other) {
            let text =
                format!("BMC {}:{} belongs to {} already", node.bmc.address, node.bmc.port, server.name);
            conflicts.push(("driver_info".to_owned(), text));
        }
        for (index, port) in node.ports.iter().enumerate() {
            let field = |name: &str| format!("ports[{index}].{name}");
            if let Some(server) = self.macs.get(&port.mac).filter(is_other) {
                let text = format!("MAC address {} belongs to {} already", port.mac, server.name);
                conflicts.push((field("mac_address"), text));
            }
            if let Some(server) = self.links.get(&port.link.key()).filter(is_other) {
                let text = format!("switch port {} belongs to {} already", port.link, server.name);
                conflicts.push((field("port_name"), text));
            }
        }
        conflicts
    }
}

fn is_deployed(server: &Server) -> bool {
    let node = server.node.as_ref();
    node.is_some_and(|node| node.instance_id.is_some() || node.provision_state == ProvisionState::Active)
}

fn same_ports(server: &Server, node: &ImportedNode) -> bool {
    server
        .ports
        .iter()
        .map(|port| (port.mac, &port.link))
        .eq(node.ports.iter().map(|port| (port.mac, &port.link)))
}

/// A stored password is used for the BMC for which it was given, and for no other: whoever may write a file must not be able
/// to have it sent elsewhere.
fn why_no_password(server: Option<&Server>, wanted: &BmcEndpoint) -> Option<String> {
    let Some(server) = server else {
        return Some(format!("the password {KEEP_PASSWORD} means the stored one, but a new server has none"));
    };
    let same = bmc_of(&server.bmc) == bmc_of(wanted) && server.bmc.protocol == wanted.protocol;
    (!same).then(|| {
        format!(
            "the BMC of {} changes, so its password must be given: the stored one is not sent to another address or over \
             another protocol",
            server.name
        )
    })
}

/// The same of its key K_g.
fn why_no_key(server: Option<&Server>, wanted: &BmcEndpoint) -> Option<String> {
    let stored = server.filter(|server| server.bmc.settings.k_g.is_some());
    let Some(server) = stored else {
        return Some(format!("{KEEP_PASSWORD} means the stored key, but this server has none"));
    };
    (bmc_of(&server.bmc) != bmc_of(wanted)).then(|| {
        format!(
            "the BMC of {} changes, so its key K_g must be given or left out: the stored one is not used at another address",
            server.name
        )
    })
}

fn planned(node: ImportedNode, known: Option<&Server>, defaults: &Defaults) -> Planned {
    let mut properties: BTreeMap<String, String> =
        known.map(|server| server.properties.clone()).unwrap_or_default();
    let stated = &node.properties;
    let numbers = [
        ("cpus", stated.cpus.map(u64::from)),
        ("memory_mb", stated.memory_mb),
        ("local_gb", stated.local_gb),
    ];
    let texts = [("cpu_arch", &stated.cpu_arch), ("capabilities", &stated.capabilities)];
    let numbers = numbers.into_iter().filter_map(|(key, value)| Some((key, value?.to_string())));
    let texts = texts.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
    for (key, value) in numbers.chain(texts) {
        let same = properties.get(key).is_some_and(|old| plain(key, old) == plain(key, &value));
        let says_something = !plain(key, &value).is_empty() || properties.contains_key(key);
        if !same && says_something {
            properties.insert(key.to_owned(), value);
        }
    }
    let mut bmc = node.bmc;
    if let Some(server) = known.filter(|server| means_the_stored_one(server, &bmc)) {
        bmc.password = server.bmc.password.clone();
    }
    if let Some(server) = known.filter(|_| bmc.settings.k_g.as_ref().is_some_and(settings::is_kept)) {
        bmc.settings.k_g = server.bmc.settings.k_g.clone();
    }
    let server = NewServer {
        name: node.name,
        rack: node
            .rack
            .or_else(|| known.map(|server| server.rack.clone()))
            .unwrap_or_else(|| defaults.rack.clone()),
        bmc,
        ports: node.ports,
        boot_mode: match (&node.properties.capabilities, known) {
            (None, Some(server)) => server.boot_mode,
            (Some(_), _) | (None, None) => node.boot_mode,
        },
        resource_class: node
            .resource_class
            .or_else(|| known.map(|server| server.resource_class.clone()))
            .unwrap_or_else(|| defaults.resource_class.clone()),
        properties,
    };
    let changes = known.map(|known| changes(known, &server)).unwrap_or_default();
    Planned { id: known.map(|server| server.id), server, changes, note: None }
}

/// Whether the password in a file is the stored one, by its word, or because it is the one that a rotation has replaced: the file is
/// older than that, and would lock us out.
fn means_the_stored_one(server: &Server, wanted: &BmcEndpoint) -> bool {
    let retired = server.upkeep.retired.as_ref();
    wanted.password.reveal() == KEEP_PASSWORD
        || (why_no_password(Some(server), wanted).is_none()
            && retired.is_some_and(|retired| retired.is(server.id, &wanted.password)))
}

/// A property as it is compared: the boot mode has a field of its own, and the order of capabilities says nothing.
fn plain(key: &str, value: &str) -> String {
    if key != "capabilities" {
        return value.to_owned();
    }
    let pairs = value.split(',').map(str::trim);
    let mut pairs: Vec<_> =
        pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("boot_mode:")).collect();
    pairs.sort_unstable();
    pairs.join(",")
}

fn changes(known: &Server, new: &NewServer) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut compare = |field: &str, old: String, new: String| {
        if old != new {
            changes.push(FieldChange { field: field.to_owned(), old, new });
        }
    };
    compare("name", known.name.clone(), new.name.clone());
    compare("rack", known.rack.to_string(), new.rack.to_string());
    compare("resource_class", known.resource_class.clone(), new.resource_class.clone());
    compare("boot_mode", mode(known.boot_mode), mode(new.boot_mode));
    compare("bmc.protocol", protocol(&known.bmc.protocol), protocol(&new.bmc.protocol));
    compare("bmc.address", known.bmc.address.clone(), new.bmc.address.clone());
    compare("bmc.port", known.bmc.port.to_string(), new.bmc.port.to_string());
    compare("bmc.username", known.bmc.username.clone(), new.bmc.username.clone());
    if known.bmc.password.reveal() != new.bmc.password.reveal() {
        compare("bmc.password", "(the stored one)".to_owned(), "(another one)".to_owned());
    }
    for (name, old, new) in settings::changes(&known.bmc.settings, &new.bmc.settings) {
        compare(&format!("bmc.{}", name.strip_prefix("bmc_").unwrap_or(name)), old, new);
    }
    for (key, value) in &new.properties {
        compare(
            &format!("properties.{key}"),
            known.properties.get(key).cloned().unwrap_or_default(),
            value.clone(),
        );
    }
    let old_ports = known.ports.iter().map(|port| (&port.name, port.mac, &port.link, port.pxe_enabled));
    let new_ports = new.ports.iter().map(|port| (&port.name, port.mac, &port.link, port.pxe_enabled));
    let (old_ports, new_ports): (Vec<_>, Vec<_>) = (old_ports.collect(), new_ports.collect());
    let text = |port: Option<&(&String, MacAddr, &SwitchPort, bool)>| {
        port.map(|(_, mac, link, boots)| {
            let more =
                |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(", {name} {value}"));
            let id = more("switch id", &link.switch_id).unwrap_or_default();
            let fabric = more("fabric", &link.fabric).unwrap_or_default();
            format!("{mac} on {link}{id}{fabric}{}", if *boots { ", boots" } else { "" })
        })
        .unwrap_or_default()
    };
    for port in &old_ports {
        let now = new_ports.iter().find(|new| new.0 == port.0);
        compare(&format!("ports.{}", port.0), text(Some(port)), text(now));
    }
    for port in new_ports.iter().filter(|new| old_ports.iter().all(|old| old.0 != new.0)) {
        compare(&format!("ports.{}", port.0), String::new(), text(Some(port)));
    }
    let order = |ports: &[(&String, MacAddr, &SwitchPort, bool)]| {
        ports.iter().map(|port| port.0.as_str()).collect::<Vec<_>>().join(", ")
    };
    let moved = |from: &[(&String, MacAddr, &SwitchPort, bool)],
                 other: &[(&String, MacAddr, &SwitchPort, bool)]| {
        from.iter()
            .filter(|port| other.iter().any(|also| also.0 == port.0))
            .map(|port| port.0.clone())
            .collect::<Vec<_>>()
    };
    // The first port that boots carries the tenant's address, so the order counts.
    if moved(&old_ports, &new_ports) != moved(&new_ports, &old_ports) {
        compare("ports", order(&old_ports), order(&new_ports));
    }
    changes
}

fn mode(mode: BootMode) -> String {
    match mode {
        BootMode::Bios => "bios".to_owned(),
        BootMode::Uefi => "uefi".to_owned(),
    }
}

fn protocol(protocol: &BmcProtocol) -> String {
    match protocol {
        BmcProtocol::Ipmi { cipher_suite: None } => "ipmi".to_owned(),
        BmcProtocol::Ipmi { cipher_suite: Some(suite) } => format!("ipmi, cipher suite {suite}"),
        BmcProtocol::Redfish { system, certificate_sha256, http } => {
            let mut text = if *http { "redfish by http" } else { "redfish" }.to_owned();
            text.extend(system.iter().map(|system| format!(", system {system}")));
            text.extend(certificate_sha256.iter().map(|pin| format!(", certificate {pin}")));
            text
        }
    }
}
