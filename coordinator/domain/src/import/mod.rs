//! Decisions: the server import file, in the format of Contrail's `server_import` job: YAML, JSON, or the same as a table (CSV).
//!
//! ```yaml
//! nodes:
//! - name: srv1
//!   driver_info: {ipmi_address: 192.0.2.5, ipmi_port: 623, ipmi_username: admin, ipmi_password: secret}
//!   properties: {cpus: 16, cpu_arch: x86_64, memory_mb: 65536, local_gb: 480, capabilities: "boot_mode:uefi"}
//!   ports:
//!   - {name: eth0, mac_address: "52:54:00:00:00:01", switch_name: qfx1, port_name: xe-0/0/0, pxe_enabled: true}
//! ```
//!
//! Beyond that format: `rack`, `resource_class`, a port's `fabric`, and Ironic's `redfish_*` fields in `driver_info`.
//!
//! What must stay true: a file is taken as a whole or not at all, and every fault in it is found in one reading. What the
//! inventory exports is such a file, and importing it changes nothing. No file ends or stalls the program, however deep, wide
//! or long it is.

mod bmcs;
mod bounds;
mod cells;
mod csv;
mod export;
mod factory;
mod fields;
mod names;
mod plan;
mod running;
mod settings;

use std::collections::HashMap;

use protocol::{
    boot::{BootLoader, BootMode},
    hex,
    id::RackId,
    mac::MacAddr,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};

use crate::{
    records::{NewPort, capability},
    rim::SwitchPort,
};
pub use bmcs::ServersInUse;
pub use export::{described, write};
pub use factory::factory_passwords;
pub use fields::{FAULTS_MAX, Fault};
use fields::{Faults, Fields};
pub use plan::{Defaults, FieldChange, Planned, plan};
pub use running::{Running, RunningNetwork};
pub use settings::said_of_bmc;

/// Largest file: two kilobytes for each of so many servers.
pub const FILE_BYTES_MAX: usize = NODES_MAX << 11;
/// Most servers in one file.
pub const NODES_MAX: usize = 2000;
/// Most ports of one server.
pub const PORTS_MAX: usize = 32;

/// Stands in exported files where a password would be; imported, it means the stored one.
pub const KEEP_PASSWORD: &str = "<keep>";

/// How a file is written.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
    /// A table, one row per interface.
    Csv,
}

/// A server as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedNode {
    /// Line where it begins.
    pub line: usize,
    /// Its name, unique.
    pub name: String,
    /// The rack whose agent reaches it; none: the importer's default.
    pub rack: Option<RackId>,
    /// How to reach its BMC.
    pub bmc: BmcEndpoint,
    /// Its interfaces, one at least that boots from the network.
    pub ports: Vec<NewPort>,
    /// Firmware mode, from the capability `boot_mode`.
    pub boot_mode: BootMode,
    /// Ironic's resource class; none: the importer's default.
    pub resource_class: Option<String>,
    /// Hardware as the file states it; inspection replaces it.
    pub properties: Properties,
}

/// Hardware as the file states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Processors.
    pub cpus: Option<u32>,
    /// Architecture, such as `x86_64`.
    pub cpu_arch: Option<String>,
    /// Memory in MiB.
    pub memory_mb: Option<u64>,
    /// Disk in GiB.
    pub local_gb: Option<u64>,
    /// Ironic's capabilities, `key:value,key:value`.
    pub capabilities: Option<String>,
}

/// Reads a YAML or JSON file. Either all its servers, or everything that is wrong with it.
pub fn parse(text: &str) -> Result<Vec<ImportedNode>, Vec<Fault>> {
    parse_as(text, Format::Yaml)
}

/// Reads a file of this format. Either all its servers, or everything that is wrong with it.
pub fn parse_as(text: &str, format: Format) -> Result<Vec<ImportedNode>, Vec<Fault>> {
    Ok(read(text, format, Runs::Unsaid)?.into_iter().map(|(node, _)| node).collect())
}

/// Reads a YAML or JSON file of servers on which something runs. `must`: a server of which the file does not say what runs
/// on it is a fault.
pub fn parse_running(text: &str, must: bool) -> Result<Vec<(ImportedNode, Option<Running>)>, Vec<Fault>> {
    read(text, Format::Yaml, if must { Runs::Must } else { Runs::May })
}

/// Whether a file says what runs on its servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Unsaid,
    May,
    Must,
}

fn read(text: &str, format: Format, runs: Runs) -> Result<Vec<(ImportedNode, Option<Running>)>, Vec<Fault>> {
    let whole = |message: String| vec![Fault { line: 0, path: String::new(), message }];
    if text.len() > FILE_BYTES_MAX {
        return Err(whole(format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len())));
    }
    let root = match format {
        // JSON is YAML too.
        Format::Yaml | Format::Json => {
            bounds::check(text).map_err(|fault| vec![fault])?;
            let options = marked_yaml::LoaderOptions::default()
                .error_on_duplicate_keys(true)
                .prevent_coercion(true)
                .toplevel_mapping();
            marked_yaml::parse_yaml_with_options(0, text, options)
                .map_err(|error| whole(format!("is not YAML or JSON with a field \"nodes\": {error}")))?
        }
        Format::Csv => csv::tree(text)?,
    };
    let mut faults = Faults::default();
    let mut nodes = Vec::new();
    if let Some(mut fields) = Fields::of(&root, "", &mut faults) {
        let items = fields.list("nodes", &mut faults);
        if items.is_empty() {
            faults.add(fields.span(), "nodes", "is missing or empty: list at least one server");
        }
        if items.len() > NODES_MAX {
            let message = format!("lists {} servers; at most {NODES_MAX} are taken at once", items.len());
            faults.add(fields.span(), "nodes", message);
        }
        for (path, item) in items.into_iter().take(NODES_MAX) {
            nodes.extend(node(item, &path, runs, &mut faults).map(|read| (path, item, read)));
        }
        fields.finish(&mut faults);
    }
    find_doubles(&nodes, &mut faults);
    let running =
        nodes.iter().filter_map(|(path, item, (_, runs))| Some((path.as_str(), *item, runs.as_ref()?)));
    running::find_doubles(running, &mut faults);
    if faults.0.is_empty() {
        Ok(nodes.into_iter().map(|(_, _, read)| read).collect())
    } else {
        faults.0.sort_by_key(|fault| fault.line);
        Err(faults.0)
    }
}

fn node(
    item: &marked_yaml::Node,
    path: &str,
    runs: Runs,
    faults: &mut Faults,
) -> Option<(ImportedNode, Option<Running>)> {
    let before = faults.0.len();
    let mut fields = Fields::of(item, path, faults)?;
    let line = fields.span().start().map_or(0, |mark| mark.line());
    let name = fields.text("name", faults);
    let hostname = fields.text("hostname", faults);
    fields.text("display_name", faults);
    for field in ["type", "node_type"] {
        if let Some(kind) = fields.text(field, faults).filter(|kind| kind != "baremetal") {
            let message = format!("{kind:?} is not supported; only baremetal is");
            faults.add(fields.span(), fields.path(field), message);
        }
    }
    let rack = fields.parsed("rack", faults);
    let resource_class = fields.text("resource_class", faults);
    let driver = fields.text("driver", faults).unwrap_or_else(|| "pxe_ipmitool".to_owned());
    let bmc = bmc(&mut fields, &driver, faults);
    let properties = properties(&mut fields, faults);
    let ports: Vec<_> = fields
        .list("ports", faults)
        .into_iter()
        .take(PORTS_MAX)
        .filter_map(|(path, item)| port(item, &path, faults))
        .collect();
    if !ports.iter().any(|port| port.pxe_enabled) && faults.0.len() == before {
        faults.add(fields.span(), fields.path("ports"), "needs at least one port with pxe_enabled: true");
    }
    for (index, port) in ports.iter().enumerate() {
        if ports[..index].iter().any(|other| other.name == port.name) {
            let path = fields.path(&format!("ports[{index}].name"));
            faults.add(fields.span(), path, format!("two are named {:?}", port.name));
        }
    }
    let boot_mode = boot_mode(&properties, &fields, faults);
    let name = name.or(hostname).or_else(|| generated_name(&ports));
    if name.is_none() && faults.0.len() == before {
        faults.add(fields.span(), fields.path("name"), "is missing");
    }
    let said = if runs == Runs::Unsaid { None } else { fields.node("instance") };
    if said.is_none() && runs == Runs::Must {
        faults.add(
            fields.span(),
            fields.path("instance"),
            "is missing: describe the server that runs on the machine",
        );
    }
    let running = said.map(|item| running::read(item, &fields.path("instance"), faults));
    fields.finish(faults);
    let read =
        ImportedNode { line, name: name?, rack, bmc: bmc?, ports, boot_mode, resource_class, properties };
    match running {
        None => Some((read, None)),
        Some(running) => Some((read, Some(running?))),
    }
}

/// `auto-` and the last six hex digits of the booting port's MAC address, as Contrail names a server without a name.
fn generated_name(ports: &[NewPort]) -> Option<String> {
    let port = ports.iter().find(|port| port.pxe_enabled)?;
    let [.., a, b, c] = port.mac.0;
    Some(format!("auto-{a:02x}{b:02x}{c:02x}"))
}

fn bmc(fields: &mut Fields<'_>, driver: &str, faults: &mut Faults) -> Option<BmcEndpoint> {
    let Some(item) = fields.node("driver_info") else {
        faults.add(
            fields.span(),
            fields.path("driver_info"),
            "is missing: the BMC's address, user and password",
        );
        return None;
    };
    let path = fields.path("driver_info");
    let mut info = Fields::of(item, path, faults)?;
    let endpoint = match driver {
        "pxe_ipmitool" | "ipmi" => ipmi(&mut info, faults),
        "redfish" => redfish(&mut info, faults),
        other => {
            let message = format!("{other:?} is not known; write ipmi, pxe_ipmitool or redfish");
            faults.add(fields.span(), fields.path("driver"), message);
            return None;
        }
    };
    // Contrail's format carries these two; our agent has a kernel and a ramdisk of its own.
    info.text("deploy_kernel", faults);
    info.text("deploy_ramdisk", faults);
    info.finish(faults);
    endpoint
}

fn ipmi(info: &mut Fields<'_>, faults: &mut Faults) -> Option<BmcEndpoint> {
    let address = info.required_text("ipmi_address", faults);
    let port = info.number("ipmi_port", 1, 65535, faults).unwrap_or(623) as u16;
    let username = info.required_text("ipmi_username", faults);
    let password = info.required_text("ipmi_password", faults);
    let cipher_suite = info.number("ipmi_cipher_suite", 3, 17, faults).map(|suite| suite as u8);
    if cipher_suite.is_some_and(|suite| suite != 3 && suite != 17) {
        faults.add(
            info.span(),
            info.path("ipmi_cipher_suite"),
            "must be 3 or 17, or absent to try 17 and then 3",
        );
    }
    let protocol = BmcProtocol::Ipmi { cipher_suite };
    let settings = settings::read_ipmi(info, faults);
    Some(BmcEndpoint {
        protocol,
        address: address?,
        port,
        username: username?,
        password: Secret::new(password?),
        settings,
    })
}

fn redfish(info: &mut Fields<'_>, faults: &mut Faults) -> Option<BmcEndpoint> {
    let address = info.required_text("redfish_address", faults);
    let username = info.required_text("redfish_username", faults);
    let password = info.required_text("redfish_password", faults);
    let system = info.text("redfish_system_id", faults);
    let certificate_sha256 = info.text("redfish_certificate_sha256", faults).map(|text| text.to_lowercase());
    if certificate_sha256.as_ref().is_some_and(|text| !hex::is_digits(text, 64)) {
        faults.add(info.span(), info.path("redfish_certificate_sha256"), "must be 64 hex digits");
    }
    let settings = settings::read(info, faults);
    let address = address?;
    let (http, rest) = match address.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(("https", rest)) => (false, rest),
        None => (false, address.as_str()),
        Some(_) => {
            faults.add(info.span(), info.path("redfish_address"), "must begin with https:// or http://");
            return None;
        }
    };
    let default_port = if http { 80 } else { 443 };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !host.is_empty() => match port.parse() {
            Ok(port) if port > 0 => (host, port),
            _ => {
                faults.add(info.span(), info.path("redfish_address"), format!("{port:?} is not a TCP port"));
                return None;
            }
        },
        _ => (rest, default_port),
    };
    let protocol = BmcProtocol::Redfish { system, certificate_sha256, http };
    let (username, password) = (username?, Secret::new(password?));
    Some(BmcEndpoint { protocol, address: host.to_owned(), port, username, password, settings })
}

fn properties(fields: &mut Fields<'_>, faults: &mut Faults) -> Properties {
    let Some(item) = fields.node("properties") else { return Properties::default() };
    let path = fields.path("properties");
    let Some(mut fields) = Fields::of(item, path, faults) else { return Properties::default() };
    let properties = Properties {
        cpus: fields.number("cpus", 1, 65536, faults).map(|count| count as u32),
        cpu_arch: fields.text("cpu_arch", faults),
        memory_mb: fields.number("memory_mb", 1, 1 << 40, faults),
        local_gb: fields.number("local_gb", 0, 1 << 40, faults),
        capabilities: fields.text("capabilities", faults),
    };
    fields.finish(faults);
    properties
}

fn boot_mode(properties: &Properties, fields: &Fields<'_>, faults: &mut Faults) -> BootMode {
    let capabilities = properties.capabilities.as_deref().unwrap_or_default();
    let loader = capability(capabilities, "boot_loader");
    if let Some(other) = loader.filter(|word| BootLoader::named(word).is_none()) {
        let message = format!("boot_loader:{other} must be boot_loader:ipxe or boot_loader:shim");
        faults.add(fields.span(), fields.path("properties.capabilities"), message);
    }
    match capability(capabilities, "boot_mode") {
        None | Some("bios") => BootMode::Bios,
        Some("uefi") => BootMode::Uefi,
        Some(other) => {
            let message = format!("boot_mode:{other} must be boot_mode:bios or boot_mode:uefi");
            faults.add(fields.span(), fields.path("properties.capabilities"), message);
            BootMode::Bios
        }
    }
}

fn port(item: &marked_yaml::Node, path: &str, faults: &mut Faults) -> Option<NewPort> {
    let mut fields = Fields::of(item, path, faults)?;
    let name = fields.required_text("name", faults);
    if fields.node("mac_address").is_none() {
        faults.add(fields.span(), fields.path("mac_address"), "is missing");
    }
    let mac = fields.parsed::<MacAddr>("mac_address", faults);
    let switch = fields.required_text("switch_name", faults);
    let port = fields.required_text("port_name", faults);
    let switch_id = fields.text("switch_id", faults);
    let fabric = fields.text("fabric", faults);
    let pxe_enabled = fields.boolean("pxe_enabled", faults).unwrap_or(false);
    fields.text("dvs_name", faults);
    fields.finish(faults);
    let link = SwitchPort { switch: switch?, port: port?, switch_id, fabric };
    Some(NewPort { name: name?, mac: mac?, link, pxe_enabled })
}

/// A server of the file with its path and its place.
type Read<'a> = (String, &'a marked_yaml::Node, (ImportedNode, Option<Running>));

/// Names, BMCs, MAC addresses and switch ports that stand twice in the file.
fn find_doubles(nodes: &[Read<'_>], faults: &mut Faults) {
    let mut first: HashMap<(&'static str, String), String> = HashMap::new();
    for (path, item, (node, _)) in nodes {
        let bmc = format!("{}:{}", node.bmc.address, node.bmc.port);
        let field = |name: &str| name.to_owned();
        let mut things = vec![("name", field("name"), node.name.clone()), ("BMC", field("driver_info"), bmc)];
        for (index, port) in node.ports.iter().enumerate() {
            things.push(("MAC address", format!("ports[{index}].mac_address"), port.mac.to_string()));
            things.push(("switch port", format!("ports[{index}].port_name"), port.link.key()));
        }
        for (what, field, value) in things {
            if let Some(other) = first.insert((what, value.clone()), path.clone()) {
                faults.add(
                    item.span(),
                    format!("{path}.{field}"),
                    format!("{what} {value} is also used in {other}"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
