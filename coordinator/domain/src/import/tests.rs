//! Values: import files, good and bad, and what an import would change.

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};
use protocol::{
    bmc_settings::{ANSWER_WAIT_MS, BmcSettings, KgKey, POLL_INTERVAL_MS, REQUEST_GAP_MS, UserPrivilege},
    id::ServerId,
    quirk::{Quirk, SaidQuirk},
};

use super::*;
use crate::{
    lifecycle::{Node, ProvisionState},
    records::{NewServer, Port, Server},
};

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

/// A channelised port is called so by its switch; Contrail's name for it is our business.
#[test]
fn a_new_name_has_no_colon_but_for_the_switchs_own_name_of_a_port() {
    let check = |from: &str, to: &str, path: &str| {
        let read = parse(&GOOD.replacen(from, to, 1)).unwrap();
        let faults = plan(read, &[], &defaults(), ServersInUse::KeepBmc).err().unwrap_or_default();
        let found = |fault: &&Fault| fault.path == path && fault.message.contains("use - or _ instead");
        assert_eq!(faults.iter().filter(found).count(), usize::from(!path.is_empty()), "{faults:?}");
    };
    check("", "", "");
    check("xe-0/0/1", "xe-0/0/1:2", "");
    check("name: srv1", "name: \"srv:1\"", "nodes[0].name");
    check("- name: srv1", "- hostname: \"srv:1\"", "nodes[0].name");
    check("name: eth0", "name: \"eth0:1\"", "nodes[0].ports[0].name");
    check("switch_name: qfx1", "switch_name: \"00:11:22\"", "nodes[0].ports[0].switch_name");
    check("fabric: rack1", "fabric: \"rack:1\"", "nodes[1].ports[0].fabric");
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
    check(
        "http://192.0.2.6:8000",
        "http://192.0.2.5:6230",
        "nodes[1].driver_info",
        "is also used in nodes[0]",
    );
    check(
        "52-54-00-AB-CD-EF",
        "52:54:00:00:00:01",
        "nodes[1].ports[0].mac_address",
        "MAC address 52:54:00:00:00:01 is also used in nodes[0]",
    );
    check("xe-0/0/1", "xe-0/0/0", "nodes[1].ports[0].port_name", "switch port qfx1:xe-0/0/0");
    check("type: baremetal", "colour: red", "nodes[0].colour", "is not a known field");
    check("type: baremetal", "type: esxi", "nodes[0].type", "only baremetal");
    check("cpus: \"16\"", "cpus: many", "nodes[0].properties.cpus", "whole number");
    check("boot_mode:uefi", "boot_mode:openfirmware", "nodes[1].properties.capabilities", "boot_mode");
    check(
        "boot_mode:uefi",
        "boot_loader:lilo",
        "nodes[1].properties.capabilities",
        "boot_loader:ipxe or boot_loader:shim",
    );
    check("ipmi_password: secret", "ipmi_user: x", "nodes[0].driver_info.ipmi_password", "is missing");
    check("pxe_enabled: true", "pxe_enabled: maybe", "nodes[0].ports[0].pxe_enabled", "true or false");
    check("pxe_enabled: true", "pxe_enabled: false", "nodes[0].ports", "at least one port");
    check("driver: redfish", "driver: telepathy", "nodes[1].driver", "not known");
    check("nodes:", "servers:", "servers", "is not a known field");
    check("nodes:", "nodes: [", "", "is not YAML");
}

#[test]
fn all_faults_are_named_at_once_with_their_lines() {
    let bad = GOOD.replace("52:54:00:00:00:01", "x").replace("driver: redfish", "driver: telepathy");
    let lines: Vec<_> = parse(&bad).unwrap_err().iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [8, 9]);
}

proptest! {
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

const TABLE: &str = "\
name,rack,driver,ipmi_address,ipmi_username,ipmi_password,capabilities,interface,mac_address,switch_name,port_name,pxe_enabled
srv1,rack1,ipmi,192.0.2.5,admin,\"a,b\",\"boot_mode:uefi,x:1\",eth0,52:54:00:00:00:01,qfx1,xe-0/0/0,true
,,,,,,,eth1,52:54:00:00:00:02,qfx1,xe-0/0/1,false
srv2,rack1,ipmi,192.0.2.6,admin,x,,eth0,52:54:00:00:00:03,qfx1,xe-0/0/2,true
";

#[test]
fn a_table_is_taken_too() {
    let nodes = parse_as(TABLE, Format::Csv).unwrap();
    let ports: Vec<_> = nodes.iter().map(|node| node.ports.len()).collect();
    assert_eq!((ports, nodes[0].line, nodes[1].line), (vec![2, 1], 2, 4));
    assert_eq!((nodes[0].bmc.password.reveal(), nodes[0].boot_mode), ("a,b", BootMode::Uefi));
    assert!(!nodes[0].ports[1].pxe_enabled);
    let check = |from: &str, to: &str, line: usize, words: &str| {
        assert!(TABLE.contains(from), "{from:?} is not in the table");
        let faults = parse_as(&TABLE.replacen(from, to, 1), Format::Csv).expect_err(to);
        let found = faults.iter().any(|fault| fault.line == line && fault.to_string().contains(words));
        assert!(found, "{to:?}: {faults:?} has nothing in line {line} about {words:?}");
    };
    check("interface", "colour", 1, "colour: is not a known column");
    check("rack,", "name,", 1, "name: appears twice");
    check("xe-0/0/1,false", "xe-0/0/1,maybe", 3, "nodes[0].ports[1].pxe_enabled: must be true or false");
    check("xe-0/0/1,false", "xe-0/0/1,false,more", 3, "has 13 values for 12 columns");
    check(",,,,,,,eth1", "srv1,rack9,,,,,,eth1", 3, "nodes[0].rack: differs");
    check(",,,,,,,eth1", ",,,,,,,eth0", 2, "two are named \"eth0\"");
    check("192.0.2.6", "192.0.2.5", 4, "is also used in nodes[0]");
    check("\"a,b\"", "\"a\"b", 2, "closing quote");
}

fn defaults() -> Defaults {
    Defaults { rack: "rack1".parse().unwrap(), resource_class: "baremetal".to_owned() }
}

/// The server as the inventory would hold it.
fn stored(number: u128, new: NewServer) -> Server {
    Server {
        id: ServerId(uuid::Uuid::from_u128(number)),
        name: new.name,
        rack: new.rack,
        bmc: new.bmc,
        facade_password: Secret::new("facade"),
        boot_mode: new.boot_mode,
        secure_boot: None,
        resource_class: new.resource_class,
        properties: new.properties,
        created_us: 1,
        ports: new
            .ports
            .into_iter()
            .map(|port| Port {
                name: port.name,
                mac: port.mac,
                link: port.link,
                pxe_enabled: port.pxe_enabled,
                wanted: None,
                observed: None,
                observed_us: None,
            })
            .collect(),
        identity: None,
        hardware: None,
        power: None,
        confirmed: None,
        off_since_us: None,
        untold_off: false,
        boot_stage: None,
        ramdisk: None,
        node: None,
        ports_given: false,
        adopted: None,
        isolated_us: None,
        intent: None,
        boot_given: None,
        waiting: None,
        reason: None,
        trouble: None,
        forgetting: false,
        pool: None,
        pool_class: None,
        pool_facts: None,
        pool_untold: false,
        upkeep: Default::default(),
        unwatched: None,
        bmc_doubt: None,
        bmc_proved_us: None,
    }
}

/// What the good file gives, stored.
fn known() -> Vec<Server> {
    let planned = plan(parse(GOOD).unwrap(), &[], &defaults(), ServersInUse::KeepBmc).unwrap();
    (1..).zip(planned).map(|(number, planned)| stored(number, planned.server)).collect()
}

/// Changes the good file, and tells what its import would change: `server field: old -> new`.
fn differences(from: &str, to: &str) -> Result<Vec<String>, Vec<String>> {
    assert!(GOOD.contains(from), "{from:?} is not in the file");
    let planned =
        plan(parse(&GOOD.replacen(from, to, 1)).unwrap(), &known(), &defaults(), ServersInUse::KeepBmc);
    let planned = planned.map_err(|faults| faults.iter().map(Fault::to_string).collect::<Vec<_>>())?;
    let of = |planned: &Planned| {
        let name = planned.server.name.clone();
        let new = planned.id.is_none().then(|| format!("{name} is new"));
        let changes = planned
            .changes
            .iter()
            .map(|change| format!("{name} {}: {} -> {}", change.field, change.old, change.new));
        new.into_iter().chain(changes).collect::<Vec<_>>()
    };
    Ok(planned.iter().flat_map(of).collect())
}

#[test]
fn a_diff_tells_old_and_new() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert_eq!(differences(from, to).unwrap(), expected, "{to:?}")
    };
    check("nodes:", "nodes:", &[]);
    check("cpus: \"16\"", "cpus: 32", &["srv1 properties.cpus: 16 -> 32"]);
    check("name: srv1", "name: web", &["web name: srv1 -> web"]);
    check("192.0.2.5", "192.0.2.7", &["srv1 bmc.address: 192.0.2.5 -> 192.0.2.7"]);
    check("secret", "changed", &["srv1 bmc.password: (the stored one) -> (another one)"]);
    check("ipmi_password: secret", "ipmi_password: <keep>", &[]);
    check("rack: rack7", "rack: rack8", &["auto-abcdef rack: rack7 -> rack8"]);
    check(
        "port_name: \"xe-0/0/0\"",
        "port_name: \"xe-0/0/9\"",
        &[
            "srv1 ports.eth0: 52:54:00:00:00:01 on qfx1:xe-0/0/0, boots -> 52:54:00:00:00:01 on qfx1:xe-0/0/9, boots",
        ],
    );
    // What the file does not say stays.
    check(", capabilities: \"boot_option:local\"", "", &[]);
    check("  rack: rack7\n", "", &[]);
    check("  properties: {capabilities: \"boot_mode:uefi\"}\n", "", &[]);
    check("boot_mode:uefi", "boot_mode:bios", &["auto-abcdef boot_mode: uefi -> bios"]);
}

#[test]
fn what_cannot_be_imported_is_told() {
    let check = |from: &str, to: &str, words: &str| {
        let faults = differences(from, to).expect_err(to);
        assert!(faults.iter().any(|fault| fault.contains(words)), "{to:?}: {faults:?} has no {words:?}");
    };
    // A stored password is never sent elsewhere.
    check(
        "192.0.2.5, ipmi_port: \"6230\", ipmi_username: admin, ipmi_password: secret",
        "192.0.2.9, ipmi_port: \"6230\", ipmi_username: admin, ipmi_password: <keep>",
        "its password must be given",
    );
    let one = GOOD
        .split("- driver: redfish")
        .next()
        .unwrap()
        .replace("ipmi_password: secret", "ipmi_password: <keep>");
    let faults = plan(parse(&one).unwrap(), &[], &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(faults[0].message.contains("a new server has none"), "{faults:?}");
    // Two servers of the file are one known server: by its name, and by its address.
    let both = one.replace("<keep>", "secret")
        + &GOOD[GOOD.find("- name: srv1").unwrap()..]
            .split("- driver")
            .next()
            .unwrap()
            .replace("srv1", "srv9")
            .replace("00:00:01", "00:00:09")
            .replace("xe-0/0/0", "xe-0/0/9")
            .replace("192.0.2.5", "192.0.2.9");
    assert_eq!(
        plan(parse(&both).unwrap(), &known(), &defaults(), ServersInUse::KeepBmc).unwrap()[1].id,
        None
    );
    let mut other = known();
    other[1].bmc.address = "192.0.2.9".to_owned();
    (other[1].bmc.port, other[1].name) = (6230, "held".to_owned());
    let faults = plan(parse(&both).unwrap(), &other, &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(
        faults[0].to_string().contains("nodes[1].driver_info: BMC 192.0.2.9:6230 belongs to held"),
        "{faults:?}"
    );
    // A deployed server keeps its ports.
    let mut deployed = known();
    deployed[0].node = Some(Node::in_state(deployed[0].id, ProvisionState::Active));
    let moved = parse(&GOOD.replace("xe-0/0/0", "xe-0/0/9")).unwrap();
    let faults = plan(moved, &deployed, &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(faults[0].message.contains("srv1 is deployed"), "{faults:?}");
    deployed[1].forgetting = true;
    let faults = plan(parse(GOOD).unwrap(), &deployed, &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(faults[0].message.contains("is being deleted"), "{faults:?}");
}

/// Two servers, written in a format, with this done to the text.
fn edited(servers: &[Server], format: Format, edit: impl Fn(String) -> String) -> Vec<ImportedNode> {
    let described: Vec<_> = servers.iter().map(described).collect();
    let text = edit(write(&described, format).replace(KEEP_PASSWORD, "another"));
    parse_as(&text, format).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"))
}

#[test]
fn the_bmc_of_a_server_in_use_changes_only_when_it_is_meant() {
    let free: Vec<Server> = (1..)
        .zip(parse_as(TABLE, Format::Csv).unwrap())
        .map(|(number, node)| {
            let planned = plan(vec![node], &[], &defaults(), ServersInUse::KeepBmc).unwrap().remove(0);
            stored(number, planned.server)
        })
        .collect();
    let mut used = free.clone();
    let instance = uuid::Uuid::from_u128(0x15);
    let node = Node::in_state(used[1].id, ProvisionState::Active);
    used[1].node = Some(Node { instance_id: Some(instance), ..node });
    let swap = |text: String| {
        text.replace("192.0.2.5", "there").replace("192.0.2.6", "192.0.2.5").replace("there", "192.0.2.6")
    };
    for format in [Format::Yaml, Format::Json, Format::Csv] {
        let read = |servers: &[Server], edit: &dyn Fn(String) -> String| edited(servers, format, edit);
        let faults = plan(read(&used, &swap), &used, &defaults(), ServersInUse::KeepBmc).unwrap_err();
        assert_eq!(faults.len(), 1, "{format:?}: {faults:?}");
        let (old, new) = ("ipmi://192.0.2.6:623", "ipmi://192.0.2.5:623");
        let words = [
            format!("the BMC of srv2 changes from {old} to {new}"),
            "currently belongs to srv1: the BMCs of the two are exchanged".to_owned(),
            format!("srv2 is active with the tenant's server {instance}"),
            "--bmc-of-servers-in-use".to_owned(),
        ];
        assert_eq!(faults[0].path, "nodes[1].driver_info");
        for words in words {
            assert!(faults[0].message.contains(&words), "{words:?} is not in {:?}", faults[0].message);
        }
        // Said to be meant, or of servers that nobody uses, it is done, and said.
        let meant = plan(read(&used, &swap), &used, &defaults(), ServersInUse::ChangeBmc).unwrap();
        let unused = plan(read(&free, &swap), &free, &defaults(), ServersInUse::KeepBmc).unwrap();
        for planned in [meant, unused] {
            assert!(
                planned.iter().all(|planned| {
                    planned.note.as_ref().is_some_and(|note| note.contains("are exchanged"))
                })
            );
        }
        // Moved elsewhere, by another port, in another language: each is another BMC.
        let elsewhere = |text: String| text.replace("192.0.2.6", "192.0.2.66");
        let faults = plan(read(&used, &elsewhere), &used, &defaults(), ServersInUse::KeepBmc).unwrap_err();
        assert!(faults[0].message.contains("to ipmi://192.0.2.66:623, but srv2 is active"), "{faults:?}");
        // Another user and password are the same BMC's.
        let user = |text: String| text.replace("admin", "operator");
        let planned = plan(read(&used, &user), &used, &defaults(), ServersInUse::KeepBmc).unwrap();
        assert!(planned.iter().all(|planned| planned.note.is_none() && !planned.changes.is_empty()));
    }
}

#[test]
fn what_a_file_says_of_a_bmc_is_read_told_and_kept() {
    let with =
        |more: &str| GOOD.replacen("ipmi_password: secret", &format!("ipmi_password: secret, {more}"), 1);
    let read = parse(&with(
        "ipmi_priv_level: operator, ipmi_hex_kg_key: 0x736974652D6B6579, bmc_request_gap_ms: 250, \
         bmc_quirks: \"efi-disk-is-remote, no-suite-3-first\"",
    ))
    .unwrap();
    let settings = BmcSettings {
        privilege: Some(UserPrivilege::Operator),
        k_g: Some(KgKey::from_text("site-key").unwrap()),
        quirks: vec![SaidQuirk::Has(Quirk::EfiDiskIsRemote), SaidQuirk::HasNot(Quirk::SuiteThreeFirst)],
        request_gap_ms: Some(250),
        ..BmcSettings::default()
    };
    assert_eq!(read[0].bmc.settings, settings);
    // Each change is told, and a key is not shown.
    let planned = plan(read, &known(), &defaults(), ServersInUse::KeepBmc).unwrap();
    let told: Vec<_> =
        planned[0].changes.iter().map(|change| (change.field.as_str(), change.new.as_str())).collect();
    assert_eq!(
        told,
        [
            ("bmc.quirks", "efi-disk-is-remote, no-suite-3-first"),
            ("bmc.request_gap_ms", "250"),
            ("bmc.ipmi_hex_kg_key", "(another one)"),
            ("bmc.ipmi_priv_level", "OPERATOR"),
        ]
    );
    let bmc = BmcEndpoint { settings: settings.clone(), ..known()[0].bmc.clone() };
    assert_eq!(
        said_of_bmc(&bmc),
        [
            "ipmi_priv_level OPERATOR",
            "ipmi_hex_kg_key (the stored one)",
            "bmc_quirks efi-disk-is-remote, no-suite-3-first",
            "bmc_request_gap_ms 250",
        ]
    );
    // Exported, the key is a word that means the stored one, at the same BMC only.
    let mut stored = known();
    stored[0].bmc.settings = settings.clone();
    let text = write(&stored.iter().map(described).collect::<Vec<_>>(), Format::Yaml);
    assert!(text.contains("ipmi_hex_kg_key: \"<keep>\"") && !text.contains("7369"), "{text}");
    let planned = plan(parse(&text).unwrap(), &stored, &defaults(), ServersInUse::KeepBmc).unwrap();
    assert!(planned[0].changes.is_empty() && planned[0].server.bmc.settings == settings, "{:?}", planned[0]);
    let elsewhere =
        text.replace("192.0.2.5", "192.0.2.77").replace("ipmi_password: \"<keep>\"", "ipmi_password: x");
    let faults = plan(parse(&elsewhere).unwrap(), &stored, &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(faults.iter().any(|fault| fault.path.ends_with("driver_info.ipmi_hex_kg_key")), "{faults:?}");
    let faults = plan(parse(&text).unwrap(), &[], &defaults(), ServersInUse::KeepBmc).unwrap_err();
    assert!(faults.iter().any(|fault| fault.message.contains("this server has none")), "{faults:?}");

    for (more, words) in [
        ("ipmi_priv_level: USER", "ADMINISTRATOR or OPERATOR"),
        ("ipmi_hex_kg_key: site-key", "hexadecimal"),
        ("bmc_quirks: \"efi-disk-is-remote slow\"", "known are efi-disk-is-remote"),
        ("bmc_request_gap_ms: 6000", "from 0 to 5000"),
        ("bmc_answer_wait_ms: 0", "from 100 to 10000"),
        ("bmc_poll_interval_ms: 1", "from 1000 to 20000"),
        ("bmc_requests_per_second: 0", "from 1 to 1000"),
        ("bmc_sessions_max: 9", "from 1 to 8"),
    ] {
        let faults = parse(&with(more)).unwrap_err();
        assert!(faults.len() == 1 && faults[0].message.contains(words), "{more}: {faults:?}");
    }
}

#[test]
fn two_servers_may_swap_what_they_have() {
    let swapped =
        GOOD.replace("xe-0/0/0", "x").replace("xe-0/0/1", "xe-0/0/0").replace("\"x\"", "\"xe-0/0/1\"");
    let planned = plan(parse(&swapped).unwrap(), &known(), &defaults(), ServersInUse::KeepBmc).unwrap();
    assert!(planned.iter().all(|planned| planned.changes.len() == 1), "{planned:?}");
}

prop_compose! {
    fn any_text()(text in "[ -~äß€\u{2028}\u{1F600}]{1,12}") -> String { text }
}

fn any_settings() -> impl Strategy<Value = BmcSettings> {
    let quirk = (select(Quirk::ALL.to_vec()), any::<bool>())
        .prop_map(|(quirk, has)| if has { SaidQuirk::Has(quirk) } else { SaidQuirk::HasNot(quirk) });
    let limits = (option::of(ANSWER_WAIT_MS), option::of(REQUEST_GAP_MS), option::of(POLL_INTERVAL_MS));
    (vec(quirk, 0..3), limits).prop_map(|(quirks, (answer_wait_ms, request_gap_ms, poll_interval_ms))| {
        BmcSettings { quirks, answer_wait_ms, request_gap_ms, poll_interval_ms, ..BmcSettings::default() }
    })
}

fn any_bmc() -> impl Strategy<Value = BmcEndpoint> {
    let pin = option::of("[0-9a-f]{64}");
    let protocol = prop_oneof![
        option::of(select(vec![3_u8, 17])).prop_map(|cipher_suite| BmcProtocol::Ipmi { cipher_suite }),
        (option::of(any_text()), pin, any::<bool>()).prop_map(|(system, certificate_sha256, http)| {
            BmcProtocol::Redfish { system, certificate_sha256, http }
        }),
    ];
    let privilege = select(vec![None, Some(UserPrivilege::Operator), Some(UserPrivilege::Administrator)]);
    let key = option::of("[0-9a-f]{2}").prop_map(|digits| digits.map(|hex| KgKey::from_hex(&hex).unwrap()));
    (protocol, 1_u16.., any_text(), any_text(), any_settings(), privilege, key).prop_map(
        |(protocol, port, username, password, settings, privilege, k_g)| {
            // A file says the last two of a BMC by IPMI only.
            let settings = match protocol {
                BmcProtocol::Ipmi { .. } => BmcSettings { privilege, k_g, ..settings },
                BmcProtocol::Redfish { .. } => settings,
            };
            BmcEndpoint {
                protocol,
                address: String::new(),
                port,
                username,
                password: Secret::new(format!("p{password}")),
                settings,
            }
        },
    )
}

fn any_server() -> impl Strategy<Value = Server> {
    let port = (any_text(), any_text(), option::of(any_text()), option::of(any_text()), any::<bool>());
    let properties = proptest::collection::btree_map(
        select(vec!["cpus", "memory_mb", "local_gb"]),
        (1_u32..65536).prop_map(|number| number.to_string()),
        0..4,
    );
    let capabilities = option::of(select(vec!["", "boot_mode:uefi", "a:b,boot_mode:bios, c:d", "x:1"]));
    (
        any_text(),
        any_bmc(),
        vec(port, 1..4),
        any::<bool>(),
        any_text(),
        properties,
        option::of(any_text()),
        capabilities,
    )
        .prop_map(|(name, bmc, ports, uefi, class, properties, arch, capabilities)| {
            let mut properties: std::collections::BTreeMap<_, _> =
                properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            properties.extend(arch.map(|arch| ("cpu_arch".to_owned(), arch)));
            properties.extend(capabilities.map(|text| ("capabilities".to_owned(), text.to_owned())));
            let ports = (0..).zip(ports).map(|(index, (name, switch, switch_id, fabric, boots))| NewPort {
                name: format!("{index}{name}"),
                mac: MacAddr([2, 0, 0, 0, 0, index]),
                link: SwitchPort { switch, port: format!("p{index}"), switch_id, fabric },
                pxe_enabled: boots || index == 0,
            });
            stored(
                0,
                NewServer {
                    name,
                    bmc,
                    ports: ports.collect(),
                    properties,
                    resource_class: class,
                    rack: "rack3".parse().unwrap(),
                    boot_mode: if uefi { BootMode::Uefi } else { BootMode::Bios },
                },
            )
        })
}

/// Servers that differ in everything that must differ.
fn any_servers() -> impl Strategy<Value = Vec<Server>> {
    (vec(any_server(), 1..4), btree_set(1_u8..200, 4)).prop_map(|(mut servers, numbers)| {
        for (server, number) in servers.iter_mut().zip(numbers) {
            server.id = ServerId(uuid::Uuid::from_u128(number.into()));
            server.name = format!("{}{number}", server.name);
            server.bmc.address = format!("192.0.2.{number}");
            for port in &mut server.ports {
                port.mac.0[4] = number;
                port.link.port.push_str(&format!("-{number}"));
            }
        }
        servers
    })
}

proptest! {
    /// The promise of export: whatever the inventory holds, its file changes nothing, in any format, and tells no password.
    #[test]
    fn importing_an_export_changes_nothing(servers in any_servers(), format in select(vec![Format::Yaml, Format::Json, Format::Csv])) {
        let described: Vec<_> = servers.iter().map(described).collect();
        let text = write(&described, format);
        let read = parse_as(&text, format);
        prop_assert!(read.is_ok(), "{:?}\n{text}", read.unwrap_err());
        let planned = plan(read.unwrap(), &servers, &defaults(), ServersInUse::KeepBmc);
        prop_assert!(planned.is_ok(), "{:?}\n{text}", planned.unwrap_err());
        for (planned, server) in planned.unwrap().iter().zip(&servers) {
            prop_assert_eq!(planned.id, Some(server.id));
            prop_assert_eq!(&planned.changes, &[]);
            prop_assert_eq!(&planned.server.bmc, &server.bmc);
        }
        if format == Format::Json {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
        for server in &servers {
            let told = write(&[super::described(server)], format);
            prop_assert!(told.contains(KEEP_PASSWORD));
        }
    }
}
