//! What the fake REST API shows beside nodes and servers, in the API's own types.

use api_types::{
    AskedBy, AuditEntry, BmcProtocol, BootAttempt, BootFinding, BootMark, BootMode, BootPurpose, BootStage,
    DiscoveredBmc, DiscoveredNic, Discovery, DiscoveryRule, FactoryPassword, FoundBy, IsolatedNetwork,
    NodeDisk, Pool, PoolMove, Proof, Scan, SecurityGroup, Server, Sighting, Window,
};
use serde_json::{Value, json};
use uuid::Uuid;

fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn all(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn machine(last: u8, serial: &str) -> Discovery {
    let nic = |name: &str, middle: char, carrier| DiscoveredNic {
        name: name.to_owned(),
        mac: format!("52:54:00:00:0{middle}:0{last}"),
        switch: None,
        port: None,
        carrier,
        booted: carrier,
    };
    let first = DiscoveredNic { switch: some("leaf1"), port: some("xe-0/0/14"), ..nic("eth0", 'a', true) };
    Discovery {
        id: Uuid::from_u128(0x3f2a_0000_0000_4000_8000_0000_0000_0000 + u128::from(last)),
        rack: "rack1".to_owned(),
        ignored: false,
        found_by: vec![FoundBy::Boot],
        uuid: None,
        manufacturer: "Dell Inc.".to_owned(),
        product: "PowerEdge R650".to_owned(),
        serial: serial.to_owned(),
        boot_mode: Some(BootMode::Uefi),
        cpus: 32,
        memory_mib: 262_144,
        disks: vec![480_103_981_056; 2],
        bmc: None,
        nics: vec![first, nic("eth1", 'b', false)],
        missing: Vec::new(),
        first_seen: Some(ago(7200)),
        last_seen: Some(ago(120)),
    }
}

/// Machines that were found: one that can be accepted, one of which little is known, one that may be the first again, and one
/// that is ignored.
pub fn discoveries() -> Vec<Discovery> {
    let bmc = |address: &str, username: Option<&str>, problem: &str| DiscoveredBmc {
        protocol: BmcProtocol::Redfish,
        address: address.to_owned(),
        port: 443,
        certificate_sha256: some("b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"),
        username: username.map(str::to_owned),
        problem: problem.to_owned(),
    };
    let whole = Discovery {
        found_by: vec![FoundBy::Bmc, FoundBy::Boot],
        uuid: some("4c4c4544-0058-4b10-8032-b7c04f503933"),
        bmc: Some(bmc("198.51.100.14", Some("root"), "")),
        ..machine(1, "7XK2P93")
    };
    let mut boot = machine(2, "7xk2p93");
    (boot.nics[0].switch, boot.nics[0].port) = (None, None);
    let scan = Discovery {
        found_by: vec![FoundBy::Bmc],
        manufacturer: String::new(),
        product: String::new(),
        bmc: Some(bmc("198.51.100.17", None, "the BMC refused all 2 credentials")),
        nics: Vec::new(),
        disks: Vec::new(),
        cpus: 0,
        memory_mib: 0,
        ..machine(3, "")
    };
    vec![whole, boot, scan, Discovery { ignored: true, ..machine(4, "8AA0001") }]
}

pub fn scans() -> Vec<Scan> {
    let id = |last: u128| Uuid::from_u128(0x5ca0_0000_0000_4000_8000_0000_0000_0000 + last);
    let running = Scan {
        id: id(1),
        rack: "rack1".to_owned(),
        began: Some(ago(30)),
        running: true,
        done: 12,
        total: 32,
        enrolled: all(&["srv1", "srv2"]),
        pending: 2,
        fault: None,
    };
    let broken = Scan {
        id: id(2),
        began: Some(ago(90_000)),
        running: false,
        done: 7,
        enrolled: Vec::new(),
        pending: 0,
        fault: some("the agent was restarted; scan again"),
        ..running.clone()
    };
    vec![running, broken]
}

pub fn rules() -> Vec<DiscoveryRule> {
    let r650 = DiscoveryRule {
        name: "r650".to_owned(),
        rack: some("rack1"),
        ranges: all(&["198.51.100.0/27", "198.51.100.64/27"]),
        manufacturer: some("Dell*"),
        product: some("*R650"),
        switch_ports: all(&["leaf1:xe-0/0/10-20", "leaf2"]),
        node_name: "{rack}-{serial}".to_owned(),
        resource_class: "baremetal".to_owned(),
        bmc_username: some("root"),
    };
    let rest = DiscoveryRule {
        name: "rest".to_owned(),
        rack: None,
        ranges: all(&["198.51.100.0/24"]),
        manufacturer: None,
        product: None,
        switch_ports: Vec::new(),
        node_name: "{bmc}".to_owned(),
        resource_class: "small".to_owned(),
        bmc_username: None,
    };
    vec![r650, rest]
}

/// One at each stage.
pub fn factory_passwords() -> Vec<FactoryPassword> {
    let line = |last: u128, serial: Option<&str>, mac: Option<&str>, stage: &str| FactoryPassword {
        id: Uuid::from_u128(0xfac7_0000_0000_4000_8000_0000_0000_0000 + last),
        serial: serial.map(str::to_owned),
        mac: mac.map(str::to_owned),
        uuid: None,
        rack: None,
        bmc_username: "root".to_owned(),
        added: Some(ago(90_000)),
        stage: stage.to_owned(),
        bmc: None,
        node: None,
        since: None,
        problem: None,
    };
    let at = |last: u8| Some(format!("198.51.100.{last}:443 in rack rack1"));
    vec![
        line(1, Some("7X0AB12"), None, "waiting"),
        FactoryPassword {
            bmc: at(21),
            since: Some(ago(5)),
            ..line(2, None, Some("3c:ec:ef:00:00:01"), "given")
        },
        FactoryPassword {
            bmc: at(22),
            since: Some(ago(900)),
            problem: some("it does not accept this user and password"),
            ..line(3, Some("7X0AB13"), Some("3c:ec:ef:00:00:02"), "refused")
        },
        FactoryPassword {
            bmc: at(23),
            since: Some(ago(60)),
            rack: some("rack1"),
            ..line(4, Some("7X0AB14"), None, "accepted")
        },
        FactoryPassword {
            node: some("srv1"),
            since: Some(ago(7000)),
            uuid: some("4c4c4544-0035-5810-8030-b7c04f4d4431"),
            ..line(5, None, None, "claimed")
        },
    ]
}

pub fn windows() -> Vec<Window> {
    let window = |rack: &str, open, until, machines, reason: Option<&str>| Window {
        rack: rack.to_owned(),
        open,
        until: Some(ago(until)),
        machines,
        reason: reason.map(str::to_owned),
    };
    vec![window("rack1", true, -900, 1, None), window("rack2", false, 900, 0, Some("its time is over"))]
}

pub fn pools() -> Vec<Pool> {
    let pool = |position, name: &str, class: &str, conditions: &[&str], servers: &[&str]| Pool {
        name: name.to_owned(),
        position,
        resource_class: class.to_owned(),
        conditions: all(conditions),
        servers: all(servers),
    };
    let large = ["cpus>=32", "manufacturer=Dell*"];
    vec![
        pool(1, "large", "baremetal", &large, &["srv1", "srv2", "srv3"]),
        pool(2, "rest", "small", &["name=*"], &[]),
    ]
}

pub fn moves() -> Vec<PoolMove> {
    let first = PoolMove {
        node: "srv1".to_owned(),
        from: some("large"),
        from_class: "baremetal".to_owned(),
        to: some("rest"),
        to_class: "small".to_owned(),
        held: None,
    };
    let held = PoolMove {
        node: "srv3".to_owned(),
        from: None,
        from_class: "old".to_owned(),
        to: some("large"),
        to_class: "baremetal".to_owned(),
        held: some("a tenant's server is on it"),
    };
    vec![first, held]
}

pub fn security_groups() -> Vec<SecurityGroup> {
    let group = |last: u128, name: &str| SecurityGroup {
        id: Uuid::from_u128(0x5ec0_0000_0000_4000_8000_0000_0000_0000 + last),
        name: name.to_owned(),
    };
    vec![group(1, "default"), group(2, "web")]
}

fn sighting(seconds: i64, network: IsolatedNetwork, agrees: bool) -> Sighting {
    Sighting {
        at: ago(seconds),
        network,
        what: "boot: DhcpDiscover".to_owned(),
        boot_stage: Some(BootStage::DhcpDiscover),
        agrees,
    }
}

fn proof(
    seconds: i64,
    asked_by: AskedBy,
    wanted: &str,
    observed: Option<&str>,
    error: Option<&str>,
) -> Proof {
    let is_cleaning = wanted == "cleaning";
    Proof {
        at: ago(seconds),
        port: "eth0".to_owned(),
        mac: "52:54:00:00:00:01".to_owned(),
        asked_by,
        wanted: wanted.to_owned(),
        observed: observed.map(str::to_owned),
        holds: observed == Some(wanted),
        error: error.map(str::to_owned),
        took_ms: 41,
        tries: if error.is_some() { 7 } else { 1 },
        confirmed: (asked_by == AskedBy::Gate).then(|| ago(seconds - 1)),
        seen: is_cleaning
            .then(|| sighting(seconds - 5, IsolatedNetwork::Cleaning, true))
            .into_iter()
            .collect(),
    }
}

pub fn proofs() -> Vec<Proof> {
    let away = "the Contrail API at http://127.0.0.1:22030 did not answer: connection refused";
    let contradicted = Proof {
        seen: vec![sighting(190, IsolatedNetwork::Provisioning, false)],
        ..proof(200, AskedBy::Isolate, "cleaning", Some("tenant 3f0e6f0e"), None)
    };
    let mut proofs = vec![
        proof(60, AskedBy::Gate, "cleaning", Some("cleaning"), None),
        contradicted,
        proof(260, AskedBy::Isolate, "cleaning", None, Some(away)),
    ];
    let of_day =
        |day: i64| proof(86_400 * (day + 1), AskedBy::Gate, "provisioning", Some("provisioning"), None);
    proofs.extend((0_i64..12).map(of_day));
    proofs
}

/// A boot whose loader did not run.
pub fn boots() -> Vec<BootAttempt> {
    let mark = |after_ms, what: &str| BootMark { at: ago(300), after_ms, what: what.to_owned() };
    vec![BootAttempt {
        began: ago(300),
        purpose: BootPurpose::Inspect,
        network: IsolatedNetwork::Provisioning,
        finding: BootFinding::LoaderNotRun,
        reason: "a loader was fetched (snponly.efi, 173792 bytes by TFTP) and never ran: Secure Boot?"
            .to_owned(),
        remedies: all(&["if Secure Boot is on, let the rack serve signed loaders"]),
        marks: vec![mark(0, "boot ordered on the provisioning network"), mark(61_200, "DHCP request")],
    }]
}

/// What was asked for: by a member through a page, by Ironic, by nobody known, and by somebody who hung up.
pub fn audit() -> Vec<AuditEntry> {
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
    serde_json::from_value(json!(entries)).unwrap()
}

/// Disks of a server: one as it should be, one that is owed an erase, one that is left out.
pub fn disks() -> Vec<NodeDisk> {
    let disk = |number: u32, standing: &str| {
        json!({
            "number": number, "name": format!("/dev/sd{number}"), "size_bytes": 480_103_981_056_u64, "model": "SAMSUNG MZQL21T9HCJR",
            "serial": format!("S64GNE0R{number}"), "wwn": "eui.36344730", "removable": false, "read_only": false,
            "standing": standing, "first_seen": ago(900_000), "last_seen": ago(7200), "erased": null, "exception": null,
        })
    };
    let mut disks = vec![disk(1, "erased"), disk(2, "to be erased"), disk(3, "left out")];
    disks[0]["erased"] = json!({ "at": ago(7100), "method": "discard", "erased_bytes": 480_103_981_056_u64, "verified_bytes": 1_048_576 });
    disks[1]["firmware"] = json!("GDC5602Q");
    disks[1]["health"] = json!("failing");
    disks[1]["remarks"] = json!(["failing: SMART says that a threshold was passed"]);
    disks[2]["exception"] =
        json!({ "at": ago(7000), "by": "admin", "reason": "it holds the site's own files" });
    serde_json::from_value(json!(disks)).unwrap()
}

/// A server of this project; in use or failed.
pub fn server(project: &str, last: u128, status: &str) -> Server {
    let networks = json!([
        { "network": "blue", "address": "192.0.2.7", "vlan": null, "port": Uuid::nil() },
        { "network": "green", "address": "198.18.7.9", "vlan": 100, "port": Uuid::nil() },
    ]);
    let server = json!({
        "id": Uuid::from_u128(0x5e40_0000_0000_4000_8000_0000_0000_0000 + last), "instance": Uuid::nil(), "name": "web",
        "project_id": project, "flavor": "metal", "image": "demo", "network": "blue", "address": "192.0.2.7", "status": status,
        "state_since": ago(700), "reason": "the image could not be written", "waiting_for": null, "next": "nothing; it is yours",
        "node": null, "networks": networks, "security_groups": ["default", "web"],
    });
    serde_json::from_value(server).unwrap()
}
