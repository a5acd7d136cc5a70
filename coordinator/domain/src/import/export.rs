//! Decisions: the servers of the inventory written as an import file, without passwords.
//!
//! What is written is read again by the same module: `import(export(x))` changes nothing.

use std::fmt::Write;

use protocol::{
    bmc_settings::BmcSettings,
    boot::BootMode,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::{
    Format, ImportedNode, KEEP_PASSWORD, Properties,
    cells::cell,
    csv::{COLUMNS, Column, Place},
    settings,
};
use crate::records::{NewPort, Server};
use protocol::secret::Secret;

/// A server as a file would describe it.
pub fn described(server: &Server) -> ImportedNode {
    let property = |name: &str| server.properties.get(name).cloned();
    let number = |name: &str| property(name).and_then(|text| text.parse().ok());
    ImportedNode {
        line: 0,
        name: server.name.clone(),
        rack: Some(server.rack.clone()),
        bmc: without_secrets(&server.bmc),
        ports: server.ports.iter().map(NewPort::from).collect(),
        boot_mode: server.boot_mode,
        resource_class: Some(server.resource_class.clone()),
        properties: Properties {
            cpus: number("cpus").and_then(|count| u32::try_from(count).ok()),
            cpu_arch: property("cpu_arch"),
            memory_mb: number("memory_mb"),
            local_gb: number("local_gb"),
            capabilities: Some(with_boot_mode(property("capabilities"), server.boot_mode)),
        },
    }
}

/// The same with words in place of the secrets, which mean the stored ones.
fn without_secrets(bmc: &BmcEndpoint) -> BmcEndpoint {
    let k_g = bmc.settings.k_g.as_ref().and_then(|_| settings::keep());
    let settings = BmcSettings { k_g, ..bmc.settings.clone() };
    BmcEndpoint { password: Secret::new(KEEP_PASSWORD), settings, ..bmc.clone() }
}

/// Capabilities that name the boot mode, which a file says in no other way.
fn with_boot_mode(capabilities: Option<String>, mode: BootMode) -> String {
    let text = capabilities.unwrap_or_default();
    let mode = match mode {
        BootMode::Bios => "boot_mode:bios",
        BootMode::Uefi => "boot_mode:uefi",
    };
    let others =
        text.split(',').map(str::trim).filter(|pair| !pair.is_empty() && !pair.starts_with("boot_mode:"));
    others.chain([mode]).collect::<Vec<_>>().join(",")
}

/// Writes a file with these servers.
pub fn write(nodes: &[ImportedNode], format: Format) -> String {
    let entries: Vec<Entry> = nodes.iter().map(entry).collect();
    match format {
        Format::Yaml => yaml(&entries),
        Format::Json => json(&entries),
        Format::Csv => table(&entries),
    }
}

type Fields = Vec<(&'static str, Value)>;

/// A server with its fields in the order in which they are written; what is not known is left out.
struct Entry {
    server: Fields,
    driver: Fields,
    properties: Fields,
    ports: Vec<Fields>,
}

enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
}

impl Value {
    fn plain(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }

    /// As YAML and as JSON: a quoted text is the same in both.
    fn quoted(&self) -> String {
        match self {
            Value::Text(text) => quote(text),
            Value::Number(_) | Value::Flag(_) => self.plain(),
        }
    }
}

/// In quotes, with what one of the two formats does not take as it is escaped in a way that both understand.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            // Line breaks and marks of which a YAML reader makes something else.
            '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{a0}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{feff}' => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn entry(node: &ImportedNode) -> Entry {
    let text = |value: &str| Value::Text(value.to_owned());
    let mut server = vec![("name", text(&node.name))];
    server.extend(node.rack.as_ref().map(|rack| ("rack", text(rack.as_str()))));
    server.extend(node.resource_class.as_ref().map(|class| ("resource_class", text(class))));
    let bmc = &node.bmc;
    let password = text(bmc.password.reveal());
    let mut driver = match &bmc.protocol {
        BmcProtocol::Ipmi { cipher_suite } => {
            server.push(("driver", text("ipmi")));
            let mut driver = vec![
                ("ipmi_address", text(&bmc.address)),
                ("ipmi_port", Value::Number(bmc.port.into())),
                ("ipmi_username", text(&bmc.username)),
                ("ipmi_password", password),
            ];
            driver.extend(cipher_suite.map(|suite| ("ipmi_cipher_suite", Value::Number(suite.into()))));
            driver
        }
        BmcProtocol::Redfish { system, certificate_sha256, http } => {
            server.push(("driver", text("redfish")));
            let scheme = if *http { "http" } else { "https" };
            let mut driver = vec![
                ("redfish_address", Value::Text(format!("{scheme}://{}:{}", bmc.address, bmc.port))),
                ("redfish_username", text(&bmc.username)),
                ("redfish_password", password),
            ];
            driver.extend(system.as_ref().map(|system| ("redfish_system_id", text(system))));
            let pin = certificate_sha256.as_ref();
            driver.extend(pin.map(|pin| ("redfish_certificate_sha256", text(pin))));
            driver
        }
    };
    let settings = settings::written(&bmc.settings);
    driver.extend(settings.into_iter().map(|(name, value)| (name, Value::Text(value))));
    let stated = &node.properties;
    let mut properties = Fields::new();
    properties.extend(stated.cpus.map(|count| ("cpus", Value::Number(count.into()))));
    properties.extend(stated.cpu_arch.as_ref().map(|arch| ("cpu_arch", text(arch))));
    properties.extend(stated.memory_mb.map(|size| ("memory_mb", Value::Number(size))));
    properties.extend(stated.local_gb.map(|size| ("local_gb", Value::Number(size))));
    properties.extend(stated.capabilities.as_ref().map(|all| ("capabilities", text(all))));
    let port = |port: &NewPort| {
        let mut fields = vec![
            ("name", text(&port.name)),
            ("mac_address", Value::Text(port.mac.to_string())),
            ("switch_name", text(&port.link.switch)),
            ("port_name", text(&port.link.port)),
        ];
        fields.extend(port.link.switch_id.as_ref().map(|id| ("switch_id", text(id))));
        fields.extend(port.link.fabric.as_ref().map(|fabric| ("fabric", text(fabric))));
        fields.push(("pxe_enabled", Value::Flag(port.pxe_enabled)));
        fields
    };
    Entry { server, driver, properties, ports: node.ports.iter().map(port).collect() }
}

fn flow(fields: &Fields, separator: &str, key: impl Fn(&str) -> String) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}: {}", key(name), value.quoted()));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(separator))
}

fn yaml(entries: &[Entry]) -> String {
    let mut out = String::from(if entries.is_empty() { "nodes: []\n" } else { "nodes:\n" });
    let flow = |fields: &Fields| flow(fields, ", ", str::to_owned);
    for entry in entries {
        for (index, (name, value)) in entry.server.iter().enumerate() {
            let lead = if index == 0 { "- " } else { "  " };
            out.push_str(&format!("{lead}{name}: {}\n", value.quoted()));
        }
        out.push_str(&format!("  driver_info: {}\n", flow(&entry.driver)));
        out.push_str(&format!("  properties: {}\n  ports:\n", flow(&entry.properties)));
        for port in &entry.ports {
            out.push_str(&format!("  - {}\n", flow(port)));
        }
    }
    out
}

fn json(entries: &[Entry]) -> String {
    let flow = |fields: &Fields| flow(fields, ", ", quote);
    let one = |entry: &Entry| {
        let mut lines: Vec<String> =
            entry.server.iter().map(|(name, value)| format!("{}: {}", quote(name), value.quoted())).collect();
        lines.push(format!("\"driver_info\": {}", flow(&entry.driver)));
        lines.push(format!("\"properties\": {}", flow(&entry.properties)));
        let ports: Vec<_> = entry.ports.iter().map(flow).collect();
        lines.push(format!("\"ports\": [\n      {}\n    ]", ports.join(",\n      ")));
        format!("  {{\n    {}\n  }}", lines.join(",\n    "))
    };
    let entries: Vec<_> = entries.iter().map(one).collect();
    format!("{{\"nodes\": [\n{}\n]}}\n", entries.join(",\n"))
}

fn table(entries: &[Entry]) -> String {
    let line = |cells: Vec<String>| format!("{}\n", cells.join(","));
    let mut out = line(COLUMNS.iter().map(|column| column.name.to_owned()).collect());
    for entry in entries {
        for (index, port) in entry.ports.iter().enumerate() {
            let value = |column: &Column| {
                let fields = match column.place {
                    Place::Port => port,
                    // A further interface repeats the name only.
                    Place::Server | Place::Driver | Place::Properties
                        if index > 0 && column.name != "name" =>
                    {
                        return String::new();
                    }
                    Place::Server => &entry.server,
                    Place::Driver => &entry.driver,
                    Place::Properties => &entry.properties,
                };
                let found = fields.iter().find(|(name, _)| *name == column.field);
                found.map(|(_, value)| cell(&value.plain())).unwrap_or_default()
            };
            out.push_str(&line(COLUMNS.iter().map(value).collect()));
        }
    }
    out
}
