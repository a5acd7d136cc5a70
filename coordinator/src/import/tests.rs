//! Values: import files, good and bad.

use super::*;

const GOOD: &str = r#"
nodes:
- name: srv1
  type: baremetal
  driver_info: {ipmi_address: 192.0.2.5, ipmi_port: "6230", ipmi_username: admin, ipmi_password: secret}
  properties: {cpus: "16", cpu_arch: x86_64, memory_mb: 65536, local_gb: 480, capabilities: "boot_option:local"}
  ports:
  - {name: eth0, mac_address: "52:54:00:00:00:01", switch_name: qfx1, port_name: "xe-0/0/0", pxe_enabled: true}
- driver: redfish
  rack: rack7
  driver_info: {redfish_address: "http://192.0.2.6:8000", redfish_username: root, redfish_password: "0000"}
  properties: {capabilities: "boot_mode:uefi"}
  ports:
  - {name: eth0, mac_address: "52-54-00-AB-CD-EF", switch_name: qfx1, port_name: "xe-0/0/1", fabric: rack1, pxe_enabled: true}
"#;

#[test]
fn a_good_file_is_taken() {
    let nodes = parse(GOOD).unwrap();
    assert_eq!(nodes[0].bmc.port, 6230);
    assert_eq!(nodes[0].properties.cpus, Some(16));
    assert_eq!(nodes[1].name, "auto-abcdef");
    assert_eq!(nodes[1].boot_mode, BootMode::Uefi);
    assert_eq!(nodes[1].bmc.password.reveal(), "0000");
    assert_eq!((nodes[1].bmc.address.as_str(), nodes[1].bmc.port), ("192.0.2.6", 8000));
    assert_eq!(nodes[1].ports[0].link.fabric.as_deref(), Some("rack1"));
}

#[test]
fn json_is_taken_too() {
    let json = r#"{"nodes": [{"name": "a", "driver_info": {"ipmi_address": "b", "ipmi_username": "u", "ipmi_password": "p"},
        "ports": [{"name": "eth0", "mac_address": "52:54:00:00:00:01", "switch_name": "s", "port_name": "p", "pxe_enabled": true}]}]}"#;
    assert_eq!(parse(json).unwrap().len(), 1);
}

/// Changes one line of the good file and expects one fault, whose path and words contain these.
fn check(from: &str, to: &str, path: &str, words: &str) {
    assert!(GOOD.contains(from), "{from:?} is not in the file");
    let faults = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
    let found = faults.iter().any(|fault| fault.path.contains(path) && fault.message.contains(words));
    assert!(found, "{to:?}: {faults:?} has nothing about {path:?} and {words:?}");
}

#[test]
fn every_fault_has_its_place() {
    check("52:54:00:00:00:01", "52:54:00:00:01", "nodes[0].ports[0].mac_address", "is not a MAC address");
    check("192.0.2.6:8000", "192.0.2.6:80000", "nodes[1].driver_info.redfish_address", "not a TCP port");
    check("http://192.0.2.6:8000", "http://192.0.2.5:6230", "nodes[1].driver_info", "stands in nodes[0] too");
    check(
        "52-54-00-AB-CD-EF",
        "52:54:00:00:00:01",
        "nodes[1].ports",
        "MAC address 52:54:00:00:00:01 stands in nodes[0]",
    );
    check("xe-0/0/1", "xe-0/0/0", "nodes[1].ports", "switch port qfx1:xe-0/0/0");
    check("type: baremetal", "colour: red", "nodes[0].colour", "is not a field here");
    check("type: baremetal", "type: esxi", "nodes[0].type", "only baremetal");
    check("cpus: \"16\"", "cpus: many", "nodes[0].properties.cpus", "whole number");
    check("boot_mode:uefi", "boot_mode:openfirmware", "nodes[1].properties.capabilities", "boot_mode");
    check("ipmi_password: secret", "ipmi_user: x", "nodes[0].driver_info.ipmi_password", "is missing");
    check("pxe_enabled: true", "pxe_enabled: maybe", "nodes[0].ports[0].pxe_enabled", "true or false");
    check("pxe_enabled: true", "pxe_enabled: false", "nodes[0].ports", "at least one port");
    check("driver: redfish", "driver: telepathy", "nodes[1].driver", "not known");
    check("nodes:", "servers:", "servers", "is not a field here");
    check("nodes:", "nodes: [", "", "is not YAML");
}

#[test]
fn all_faults_are_named_at_once_with_their_lines() {
    let bad = GOOD.replace("52:54:00:00:00:01", "x").replace("driver: redfish", "driver: telepathy");
    let lines: Vec<_> = parse(&bad).unwrap_err().iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [8, 9]);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_damaged_file_panics(at in 0..GOOD.len(), junk in "[\\PC]{0,3}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..at + 1, &junk);
        let _ = parse(&text);
    }
}
