//! What the fake REST API shows beside nodes and servers.

use serde_json::{Value, json};

fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// Machines that were found: one that can be accepted, one of which little is known, one that may be the first again, and one
/// that is ignored.
pub fn discoveries() -> Vec<Value> {
    let machine = |last: u8, serial: &str| {
        json!({
            "id": format!("3f2a0000-0000-4000-8000-00000000000{last}"), "rack": "rack1", "ignored": false, "found_by": ["boot"],
            "uuid": null, "manufacturer": "Dell Inc.", "product": "PowerEdge R650", "serial": serial, "boot_mode": "uefi",
            "cpus": 32, "memory_mib": 262_144, "disks": [480_103_981_056_u64, 480_103_981_056_u64], "bmc": null,
            "nics": [
                { "name": "eth0", "mac": format!("52:54:00:00:0a:0{last}"), "switch": "leaf1", "port": "xe-0/0/14", "carrier": true, "booted": true },
                { "name": "eth1", "mac": format!("52:54:00:00:0b:0{last}"), "switch": null, "port": null, "carrier": false, "booted": false },
            ],
            "missing": [], "first_seen": ago(7200), "last_seen": ago(120),
        })
    };
    let bmc = |user: Option<&str>, problem: &str| json!({ "protocol": "redfish", "address": "198.51.100.14", "port": 443, "certificate_sha256": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c", "username": user, "problem": problem });
    let (mut whole, mut boot, mut scan, mut ignored) =
        (machine(1, "7XK2P93"), machine(2, "7xk2p93"), machine(3, ""), machine(4, "8AA0001"));
    whole["found_by"] = json!(["bmc", "boot"]);
    whole["uuid"] = json!("4c4c4544-0058-4b10-8032-b7c04f503933");
    whole["bmc"] = bmc(Some("root"), "");
    boot["nics"][0]["switch"] = Value::Null;
    boot["nics"][0]["port"] = Value::Null;
    scan["found_by"] = json!(["bmc"]);
    for field in ["manufacturer", "product"] {
        scan[field] = json!("");
    }
    scan["bmc"] = bmc(None, "the BMC refused all 2 credentials");
    scan["bmc"]["address"] = json!("198.51.100.17");
    (scan["nics"], scan["disks"], scan["cpus"], scan["memory_mib"]) =
        (json!([]), json!([]), json!(0), json!(0));
    ignored["ignored"] = json!(true);
    vec![whole, boot, scan, ignored]
}

pub fn scans() -> Value {
    json!([
        { "id": "5ca00000-0000-4000-8000-000000000001", "rack": "rack1", "began": ago(30), "running": true, "done": 12, "total": 32, "enrolled": ["srv1", "srv2"], "pending": 2, "fault": null },
        { "id": "5ca00000-0000-4000-8000-000000000002", "rack": "rack1", "began": ago(90_000), "running": false, "done": 7, "total": 32, "enrolled": [], "pending": 0, "fault": "the agent was started anew; scan again" },
    ])
}

pub fn rules() -> Value {
    json!([
        { "name": "r650", "rack": "rack1", "ranges": ["198.51.100.0/27", "198.51.100.64/27"], "manufacturer": "Dell*", "product": "*R650", "switch_ports": ["leaf1:xe-0/0/10-20", "leaf2"], "node_name": "{rack}-{serial}", "resource_class": "baremetal", "bmc_username": "root" },
        { "name": "rest", "rack": null, "ranges": ["198.51.100.0/24"], "manufacturer": null, "product": null, "switch_ports": [], "node_name": "{bmc}", "resource_class": "small", "bmc_username": null },
    ])
}

pub fn windows() -> Value {
    json!([
        { "rack": "rack1", "open": true, "until": ago(-900), "machines": 1, "reason": null },
        { "rack": "rack2", "open": false, "until": ago(900), "machines": 0, "reason": "its time is over" },
    ])
}

pub fn pools() -> Value {
    json!([
        { "name": "large", "position": 1, "resource_class": "baremetal", "match": ["cpus>=32", "manufacturer=Dell*"], "servers": ["srv1", "srv2", "srv3"] },
        { "name": "rest", "position": 2, "resource_class": "small", "match": ["name=*"], "servers": [] },
    ])
}

pub fn moves() -> Value {
    json!([
        { "node": "srv1", "from": "large", "from_class": "baremetal", "to": "rest", "to_class": "small", "held": null },
        { "node": "srv3", "from": null, "from_class": "old", "to": "large", "to_class": "baremetal", "held": "a tenant's server is on it" },
    ])
}

pub fn security_groups() -> Value {
    json!([
        { "id": "5ec00000-0000-4000-8000-000000000001", "name": "default" },
        { "id": "5ec00000-0000-4000-8000-000000000002", "name": "web" },
    ])
}

pub fn proofs() -> Value {
    let proof = |seconds: i64, asked_by: &str, wanted: &str, observed: Option<&str>, error: Option<&str>| {
        json!({
            "at": ago(seconds), "port": "eth0", "mac": "52:54:00:00:00:01", "asked_by": asked_by, "wanted": wanted, "observed": observed,
            "holds": observed == Some(wanted), "error": error, "took_ms": 41, "tries": if error.is_some() { 7 } else { 1 },
            "confirmed": (asked_by == "gate").then(|| ago(seconds - 1)),
            "seen": if wanted == "cleaning" { json!([{ "at": ago(seconds - 5), "network": "cleaning", "what": "DHCP request", "agrees": true }]) } else { json!([]) },
        })
    };
    let mut proofs = vec![
        proof(60, "gate", "cleaning", Some("cleaning"), None),
        proof(200, "isolate", "cleaning", Some("tenant 3f0e6f0e"), None),
        proof(
            260,
            "isolate",
            "cleaning",
            None,
            Some("the Contrail API at http://127.0.0.1:22030 did not answer: connection refused"),
        ),
    ];
    proofs[1]["seen"] =
        json!([{ "at": ago(190), "network": "provisioning", "what": "DHCP request", "agrees": false }]);
    proofs.extend(
        (0..12).map(|day| proof(86_400 * (day + 1), "gate", "provisioning", Some("provisioning"), None)),
    );
    json!(proofs)
}

/// What was asked for: by a member through a page, by Ironic, by nobody known, and by somebody who hung up.
pub fn audit() -> Value {
    let entry = |seconds: i64, user: &str, standing: Option<&str>, status: Option<u16>| {
        json!({
            "id": 1_000_000 - seconds, "at": ago(seconds), "request_id": "req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab", "source": "192.0.2.77",
            "user_id": standing.map(|_| "5c0ffee0000000000000000000000001"), "user": user, "standing": standing,
            "project_id": standing.map(|_| "0123456789abcdef0123456789abcdef"), "project": standing.map(|_| "web-shop"),
            "method": "POST", "route": "/v1/servers/{server}/actions", "action": "stop", "via": null,
            "object": "3f2a0000-0000-4000-8000-000000000001", "status": status,
        })
    };
    let mut entries = vec![
        entry(90_000, "carol", Some("member"), None),
        entry(7300, "root", None, Some(401)),
        entry(300, "ironic", Some("ironic"), Some(204)),
        entry(200, "demo", Some("reader"), Some(403)),
        entry(20, "demo", Some("member"), Some(202)),
    ];
    for field in ["user_id", "project_id", "project", "via"] {
        entries[2][field] = Value::Null;
    }
    entries[2]["route"] = json!("/redfish/v1/Systems/{server}/Actions/ComputerSystem.Reset");
    entries[1]["route"] = json!("/ui/sign-in");
    (entries[1]["action"], entries[1]["object"]) = (Value::Null, Value::Null);
    entries[4]["via"] = json!("/ui/servers/{server}/act");
    json!(entries)
}

/// Disks of a server: one as it should be, one that is owed an erase, one that is left out.
pub fn disks() -> Value {
    let disk = |number: u32, standing: &str| {
        json!({
            "number": number, "name": format!("/dev/sd{number}"), "size_bytes": 480_103_981_056_u64, "model": "SAMSUNG MZQL21T9HCJR",
            "serial": format!("S64GNE0R{number}"), "wwn": "eui.36344730", "removable": false, "read_only": false,
            "standing": standing, "first_seen": ago(900_000), "last_seen": ago(7200), "erased": null, "exception": null,
        })
    };
    let mut disks = vec![disk(1, "erased"), disk(2, "to be erased"), disk(3, "left out")];
    disks[0]["erased"] = json!({ "at": ago(7100), "method": "discard", "erased_bytes": 480_103_981_056_u64, "verified_bytes": 1_048_576 });
    disks[2]["exception"] =
        json!({ "at": ago(7000), "by": "admin", "reason": "it holds the site's own files" });
    json!(disks)
}

/// A server of this project; in use or failed.
pub fn server(project: &str, last: u8, status: &str) -> Value {
    json!({
        "id": format!("5e400000-0000-4000-8000-00000000000{last}"), "instance": uuid::Uuid::nil(), "name": "web", "project_id": project,
        "flavor": "metal", "image": "demo", "network": "blue", "address": "192.0.2.7", "status": status,
        "state_since": ago(700), "reason": "the image could not be written", "waiting_for": null, "next": "nothing; it is yours", "node": null,
        "networks": [{ "network": "blue", "address": "192.0.2.7", "vlan": null, "port": uuid::Uuid::nil() }, { "network": "green", "address": "198.18.7.9", "vlan": 100, "port": uuid::Uuid::nil() }],
        "security_groups": ["default", "web"],
    })
}
