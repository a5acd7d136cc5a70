//! Decisions: what a node or a port of ours must look like in Ironic, and the smallest change that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{hex, id::ServerId, mac::MacAddr, secret::Secret};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::node::{NodeProperties, parse_capabilities, write_capabilities};

/// Ironic shows passwords as `******`. A short digest of ours in `extra` tells whether it holds the current one.
/// The password is random and long, so the digest gives nothing away.
const PASSWORD_TAG: &str = "bms_password_tag";

/// A node as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its uuid.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// How Ironic reaches its facade.
    pub redfish: RedfishAccess,
    /// How it reaches its console by IPMI; none: by whatever it is set to there.
    pub console: Option<ConsoleAccess>,
    /// Kernel and ramdisk by URL for this node alone; none: the conductor's own.
    pub ramdisk: Option<RamdiskFiles>,
    /// What a flavor asks for.
    pub resource_class: String,
    /// Those that are given are set; the others are left to the inspection.
    pub properties: NodeProperties,
    /// Traits, all of them.
    pub traits: BTreeSet<String>,
    /// Group of conductors; empty for the default.
    pub conductor_group: String,
}

/// How Ironic reaches the Redfish facade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedfishAccess {
    /// Such as `https://127.0.0.1:22021`.
    pub address: String,
    /// Such as `/redfish/v1/Systems/<id>`.
    pub system_path: String,
    /// User.
    pub username: String,
    /// Password, of this node alone.
    pub password: Secret,
    /// File on the conductor's host with the certificate to trust; none: the system's.
    pub ca_file: Option<String>,
}

/// How Ironic reaches a node's console by IPMI (console interface `ipmitool-socat`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleAccess {
    /// Host, by name or address.
    pub address: String,
    /// UDP port.
    pub port: u16,
    /// User, at most 16 bytes.
    pub username: String,
    /// Password, of this node alone. It follows from the facade's, and is told to Ironic together with it.
    pub password: Secret,
}

/// Kernel and ramdisk for deploying and cleaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RamdiskFiles {
    /// URL of the kernel.
    pub kernel: String,
    /// URL of the ramdisk.
    pub ramdisk: String,
}

/// What an ensure verb found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ensured<T> {
    /// It was not there.
    Created(T),
    /// It differed.
    Changed(T),
    /// It was so already.
    Same(T),
}

impl<T> Ensured<T> {
    /// The object, however it came to be.
    pub fn into_inner(self) -> T {
        match self {
            Ensured::Created(object) | Ensured::Changed(object) | Ensured::Same(object) => object,
        }
    }
}

impl NodeSpec {
    fn password_tag(&self) -> String {
        let digest = Sha256::new()
            .chain_update(self.id.0.as_bytes())
            .chain_update(self.redfish.password.reveal())
            .finalize();
        hex::encode(&digest[..8])
    }

    /// Driver information without the password.
    fn driver_info(&self) -> BTreeMap<&'static str, Value> {
        let access = &self.redfish;
        let mut info = BTreeMap::from([
            ("redfish_address", json!(access.address)),
            ("redfish_system_id", json!(access.system_path)),
            ("redfish_username", json!(access.username)),
            ("redfish_verify_ca", access.ca_file.as_ref().map_or(json!(true), |file| json!(file))),
        ]);
        if let Some(console) = &self.console {
            info.insert("ipmi_address", json!(console.address));
            info.insert("ipmi_port", json!(console.port));
            info.insert("ipmi_username", json!(console.username));
            // Without it Ironic asks for ADMINISTRATOR, which nobody is there.
            info.insert("ipmi_priv_level", json!("OPERATOR"));
            info.insert("ipmi_cipher_suite", json!(17));
        }
        if let Some(files) = &self.ramdisk {
            for kind in ["deploy", "rescue"] {
                let (kernel, ramdisk) = match kind {
                    "deploy" => ("deploy_kernel", "deploy_ramdisk"),
                    _ => ("rescue_kernel", "rescue_ramdisk"),
                };
                info.insert(kernel, json!(files.kernel));
                info.insert(ramdisk, json!(files.ramdisk));
            }
        }
        info
    }

    /// Fields beside driver information, properties and traits.
    fn fields(&self) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::from([
            ("name", json!(self.name)),
            ("driver", json!("redfish")),
            ("resource_class", json!(self.resource_class)),
            ("conductor_group", json!(self.conductor_group)),
            ("boot_interface", json!("ipxe")),
            // Not `direct`: that downloads every image to the conductor and insists on serving it by HTTP from there.
            ("deploy_interface", json!("custom-agent")),
            ("inspect_interface", json!("agent")),
            // Not `redfish`, unless somebody chooses it for a node: each of its questions costs the conductor 0.6 to 1 s of processor
            // time (it hashes the password 600,000 times to find its session), and what a server boots is the gate's business anyway.
            ("management_interface", json!("noop")),
            ("network_interface", json!("noop")),
            ("rescue_interface", json!("agent")),
        ]);
        if self.console.is_some() {
            fields.insert("console_interface", json!("ipmitool-socat"));
        }
        fields
    }

    /// The passwords of driver information.
    fn passwords(&self) -> BTreeMap<&'static str, &Secret> {
        let mut passwords = BTreeMap::from([("redfish_password", &self.redfish.password)]);
        if let Some(console) = &self.console {
            passwords.insert("ipmi_password", &console.password);
        }
        passwords
    }

    /// The body of the request that makes it.
    pub fn create_body(&self) -> Value {
        let mut driver_info = self.driver_info();
        let passwords = self.passwords();
        driver_info.extend(passwords.into_iter().map(|(key, password)| (key, json!(password.reveal()))));
        let mut body: Map<String, Value> =
            self.fields().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        body.insert("uuid".into(), json!(self.id));
        body.insert("driver_info".into(), json!(driver_info));
        body.insert("properties".into(), json!(wanted_properties(&self.properties, &BTreeMap::new())));
        body.insert("extra".into(), json!({PASSWORD_TAG: self.password_tag()}));
        body.into()
    }

    /// The JSON patch (RFC 6902) from the node as Ironic shows it to the node as it must be; empty when it is so.
    pub fn patch(&self, current: &Value) -> Vec<Value> {
        let mut patch = Vec::new();
        let may_change = |key: &str| match key {
            "rescue_interface" | "console_interface" => at_rest(current),
            // Whoever wants Ironic's own verbs at a BMC has chosen it, and it stays.
            "management_interface" => current.get(key) != Some(&json!("redfish")),
            _ => true,
        };
        for (key, value) in self.fields() {
            if current.get(key) != Some(&value) && may_change(key) {
                patch.push(add(&format!("/{key}"), value));
            }
        }
        for (key, value) in self.driver_info() {
            if current["driver_info"].get(key) != Some(&value) {
                patch.push(add(&format!("/driver_info/{key}"), value));
            }
        }
        let tag = json!(self.password_tag());
        let is_tagged = current["extra"].get(PASSWORD_TAG) == Some(&tag);
        for (key, password) in self.passwords() {
            if !is_tagged || current["driver_info"].get(key).is_none() {
                patch.push(add(&format!("/driver_info/{key}"), json!(password.reveal())));
            }
        }
        if !is_tagged {
            patch.push(add(&format!("/extra/{PASSWORD_TAG}"), tag));
        }
        patch.extend(property_patch(&self.properties, current));
        patch
    }

    /// Whether the node's traits are others than ours.
    pub fn traits_differ(&self, current: &Value) -> bool {
        let seen: BTreeSet<&str> =
            current["traits"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        seen != self.traits.iter().map(String::as_str).collect()
    }
}

/// Whether Ironic lets a node's interfaces be changed. One that was in use before there was a rescue gets it with its next tenant.
fn at_rest(current: &Value) -> bool {
    matches!(current["provision_state"].as_str(), None | Some("enroll" | "manageable" | "available"))
}

/// The patch for those properties that are given.
pub(super) fn property_patch(properties: &NodeProperties, current: &Value) -> Vec<Value> {
    let seen = &current["properties"];
    let capabilities = seen["capabilities"].as_str().map(parse_capabilities).unwrap_or_default();
    wanted_properties(properties, &capabilities)
        .into_iter()
        .filter(|(key, value)| !same(seen.get(key), value))
        .map(|(key, value)| add(&format!("/properties/{key}"), value))
        .collect()
}

/// Numbers may come back as texts, and capabilities in another order.
fn same(seen: Option<&Value>, wanted: &Value) -> bool {
    match (seen, wanted) {
        (Some(Value::String(seen)), Value::Number(wanted)) => *seen == wanted.to_string(),
        (Some(Value::String(seen)), Value::String(wanted)) => {
            seen == wanted || (wanted.contains(':') && parse_capabilities(seen) == parse_capabilities(wanted))
        }
        (seen, wanted) => seen == Some(wanted),
    }
}

fn wanted_properties(
    properties: &NodeProperties,
    seen_capabilities: &BTreeMap<String, String>,
) -> BTreeMap<&'static str, Value> {
    // Root device hints are whose who wrote them: they are read, and never set.
    let NodeProperties { cpus, memory_mb, local_gb, cpu_arch, capabilities, root_device: _ } = properties;
    let mut wanted = BTreeMap::new();
    for (key, value) in [("cpus", cpus), ("memory_mb", memory_mb), ("local_gb", local_gb)] {
        if let Some(value) = value {
            wanted.insert(key, json!(value));
        }
    }
    if let Some(arch) = cpu_arch {
        wanted.insert("cpu_arch", json!(arch));
    }
    if !capabilities.is_empty() {
        let mut merged = seen_capabilities.clone();
        merged.extend(capabilities.clone());
        wanted.insert("capabilities", json!(write_capabilities(&merged)));
    }
    wanted
}

/// RFC 6902 section 4.1: `add` replaces a member that exists.
fn add(path: &str, value: Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

/// A port as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// Its node.
    pub node: ServerId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Whether the node boots over it.
    pub pxe_enabled: bool,
    /// Where it is plugged in, when Ironic is to know.
    pub link: Option<LocalLink>,
}

/// `local_link_connection`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalLink {
    /// Chassis MAC of the switch.
    pub switch_id: MacAddr,
    /// Port's name on it.
    pub port_id: String,
    /// Name of the switch.
    pub switch_info: String,
}

impl PortSpec {
    fn fields(&self) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::from([("pxe_enabled", json!(self.pxe_enabled))]);
        if let Some(LocalLink { switch_id, port_id, switch_info }) = &self.link {
            fields.insert(
                "local_link_connection",
                json!({"switch_id": switch_id, "port_id": port_id, "switch_info": switch_info}),
            );
        }
        fields
    }

    /// The body of the request that makes it.
    pub fn create_body(&self) -> Value {
        let mut body = json!({"node_uuid": self.node, "address": self.mac});
        for (key, value) in self.fields() {
            body[key] = value;
        }
        body
    }

    /// The patch from the port as Ironic shows it.
    pub fn patch(&self, current: &Value) -> Vec<Value> {
        self.fields()
            .into_iter()
            .filter(|(key, value)| current.get(key) != Some(value))
            .map(|(key, value)| add(&format!("/{key}"), value))
            .collect()
    }
}

/// What is to be deployed on a node, for a site without Nova.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSpec {
    /// Instance's uuid.
    pub id: Uuid,
    /// Its name.
    pub display_name: String,
    /// Glance's id of the image.
    pub image_id: String,
    /// Keystone project of the tenant.
    pub project_id: String,
}

impl InstanceSpec {
    /// The patch that writes it.
    pub fn patch(&self) -> Vec<Value> {
        vec![
            add("/instance_uuid", json!(self.id)),
            add("/instance_info/display_name", json!(self.display_name)),
            add("/instance_info/image_source", json!(self.image_id)),
            add("/instance_info/project_id", json!(self.project_id)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> NodeSpec {
        NodeSpec {
            id: "27946b59-9e44-4fa7-8e91-f3527a1ef094".parse().unwrap(),
            name: "bms1".into(),
            redfish: RedfishAccess {
                address: "https://127.0.0.1:22021".into(),
                system_path: "/redfish/v1/Systems/27946b59-9e44-4fa7-8e91-f3527a1ef094".into(),
                username: "ironic".into(),
                password: Secret::new("hunter2"),
                ca_file: Some("/ca.pem".into()),
            },
            console: None,
            ramdisk: None,
            resource_class: "gold".into(),
            properties: NodeProperties {
                cpus: Some(4),
                capabilities: BTreeMap::from([("boot_mode".into(), "uefi".into())]),
                ..NodeProperties::default()
            },
            traits: BTreeSet::from(["CUSTOM_A".to_owned()]),
            conductor_group: String::new(),
        }
    }

    fn with_console() -> NodeSpec {
        let (address, username) = ("192.0.2.1".to_owned(), "27946b599e444fa7".to_owned());
        let console = ConsoleAccess { address, port: 623, username, password: Secret::new("swordfish") };
        NodeSpec { console: Some(console), ..spec() }
    }

    #[test]
    fn a_console_is_told_with_its_password_and_changed_at_rest_only() {
        let body = with_console().create_body();
        let told = &body["driver_info"];
        assert_eq!(
            (&told["ipmi_password"], &told["ipmi_priv_level"]),
            (&json!("swordfish"), &json!("OPERATOR"))
        );
        assert_eq!(body["console_interface"], json!("ipmitool-socat"));
        let mut same = body.clone();
        same["driver_info"]["ipmi_password"] = json!("******");
        assert_eq!(with_console().patch(&same), Vec::<Value>::new());
        let check = |state: &str, is_at_rest: bool| {
            let mut before = shown();
            before["provision_state"] = json!(state);
            let patch = with_console().patch(&before);
            let has = |path: &str| patch.iter().any(|change| change["path"] == path);
            assert!(has("/driver_info/ipmi_password") && has("/driver_info/ipmi_address"), "{patch:?}");
            assert_eq!(
                (has("/console_interface"), has("/driver_info/redfish_password")),
                (is_at_rest, false)
            );
        };
        check("available", true);
        check("active", false);
        // A site's own choice stays where we offer none.
        assert_eq!(spec().patch(&same), Vec::<Value>::new());
    }

    /// The node as Ironic would show it after we made it.
    fn shown() -> Value {
        let mut shown = spec().create_body();
        shown["driver_info"]["redfish_password"] = json!("******");
        shown["traits"] = json!(["CUSTOM_A"]);
        shown
    }

    #[test]
    fn patches_only_what_differs() {
        let check = |change: fn(&mut Value), expected: &[&str]| {
            let mut current = shown();
            change(&mut current);
            let patch = spec().patch(&current);
            let paths: Vec<_> = patch.iter().map(|p| p["path"].as_str().unwrap()).collect();
            assert_eq!(paths, expected);
        };
        check(|_| {}, &[]);
        check(|n| n["name"] = json!("other"), &["/name"]);
        check(|n| n["rescue_interface"] = json!("no-rescue"), &["/rescue_interface"]);
        check(
            |n| {
                n["rescue_interface"] = json!("no-rescue");
                n["provision_state"] = json!("active");
            },
            &[],
        );
        check(|n| n["management_interface"] = json!("redfish"), &[]);
        check(|n| n["management_interface"] = json!("fake"), &["/management_interface"]);
        check(|n| n["properties"]["cpus"] = json!("4"), &[]);
        check(|n| n["properties"]["cpus"] = json!("8"), &["/properties/cpus"]);
        check(|n| n["properties"]["memory_mb"] = json!("8"), &[]);
        check(|n| n["properties"]["capabilities"] = json!("x:1,boot_mode:uefi"), &[]);
        check(|n| n["properties"]["capabilities"] = json!("x:1"), &["/properties/capabilities"]);
        check(|n| n["extra"] = json!({}), &["/driver_info/redfish_password", "/extra/bms_password_tag"]);
        check(|n| n["driver_info"]["redfish_address"] = json!(""), &["/driver_info/redfish_address"]);
        check(
            |n| *n = json!(null),
            &[
                "/boot_interface",
                "/conductor_group",
                "/deploy_interface",
                "/driver",
                "/inspect_interface",
                "/management_interface",
                "/name",
                "/network_interface",
                "/rescue_interface",
                "/resource_class",
                "/driver_info/redfish_address",
                "/driver_info/redfish_system_id",
                "/driver_info/redfish_username",
                "/driver_info/redfish_verify_ca",
                "/driver_info/redfish_password",
                "/extra/bms_password_tag",
                "/properties/capabilities",
                "/properties/cpus",
            ],
        );
    }

    #[test]
    fn capabilities_are_merged() {
        let mut current = shown();
        current["properties"]["capabilities"] = json!("x:1,boot_mode:bios");
        assert_eq!(spec().patch(&current), [add("/properties/capabilities", json!("boot_mode:uefi,x:1"))]);
    }

    #[test]
    fn traits_are_compared_as_sets() {
        assert!(!spec().traits_differ(&shown()));
        assert!(spec().traits_differ(&json!({"traits": []})));
    }
}
