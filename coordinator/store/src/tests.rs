//! The inventory's contract: what is stored comes back, sealed secrets stay sealed, each writer changes its own columns.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use domain::{
    audit::{AGE_MAX_US, AuditFilter, NewEntry},
    disks::Exception,
    events::{EventKind, TEXT_CHARS_MAX, Told},
    lifecycle::{Confirmed, Node, ProvisionState, trouble::Trouble},
    records::{TenantReason, TenantReasonKind, Wait},
    rim::{ObservedNetwork, SwitchPort, WantedNetwork},
};
use protocol::{
    bmc_settings::{BmcSettings, KgKey, UserPrivilege},
    boot::BootMode,
    command::{CommandResult, Success},
    hardware::Disk,
    id::{CommandId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use uuid::Uuid;

use super::*;

use crate::clock::TestClock;

fn new_server(name: &str, last: u8) -> NewServer {
    let link =
        SwitchPort { switch: "leaf1".into(), port: format!("xe-0/0/{last}"), switch_id: None, fabric: None };
    NewServer {
        name: name.to_owned(),
        rack: "rack1".parse().unwrap(),
        bmc: BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: Some(3) },
            address: format!("198.51.100.{last}"),
            port: 623,
            username: "admin".to_owned(),
            password: Secret::new("hunter2"),
            settings: Default::default(),
        },
        ports: vec![NewPort {
            name: "eth0".to_owned(),
            mac: format!("52:54:00:00:00:{last:02x}").parse().unwrap(),
            link,
            pxe_enabled: true,
        }],
        boot_mode: BootMode::Uefi,
        resource_class: "gold".to_owned(),
        properties: [("cpu_arch".to_owned(), "x86_64".to_owned())].into(),
    }
}

async fn inventory() -> Inventory {
    Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap()
}

#[tokio::test]
async fn what_a_site_says_of_a_bmc_is_kept_and_its_key_is_sealed() {
    let inventory = inventory().await;
    let settings = BmcSettings {
        privilege: Some(UserPrivilege::Operator),
        k_g: Some(KgKey::from_text("site-key").unwrap()),
        quirks: vec!["suite-3-first".parse().unwrap(), "no-session-not-kept".parse().unwrap()],
        request_gap_ms: Some(250),
        ..BmcSettings::default()
    };
    let mut new = new_server("n1", 11);
    new.bmc.settings = settings.clone();
    let server = inventory.put_server(&new).await.unwrap();
    assert_eq!(server.bmc.settings, settings);
    let (bmc, sealed): (String, String) =
        sqlx::query_as("SELECT bmc, bmc_k_g FROM servers").fetch_one(&inventory.pool).await.unwrap();
    for stored in [&bmc, &sealed] {
        assert!(!stored.contains("736974652d6b6579") && !stored.contains("site-key"), "{stored}");
    }
    // A row of an older version says nothing, and a key that is left out of the file is gone.
    sqlx::query("UPDATE servers SET bmc = replace(bmc, ',\"settings\":', ',\"unused\":')")
        .execute(&inventory.pool)
        .await
        .unwrap();
    let old = inventory.server(server.id).await.unwrap().unwrap();
    assert_eq!(old.bmc.settings, BmcSettings { k_g: settings.k_g, ..BmcSettings::default() });
    let without = inventory.put_server(&new_server("n1", 11)).await.unwrap();
    assert_eq!(without.bmc.settings, BmcSettings::default());
}

#[tokio::test]
async fn a_disk_is_left_out_by_a_word_that_stays_until_it_is_taken_back() {
    let inventory = inventory().await;
    let server = inventory.put_server(&new_server("n1", 11)).await.unwrap().id;
    let disk = |serial: &str| Disk { serial: serial.into(), size_bytes: 8, ..Disk::default() };
    inventory.inspect_disks(server, &[disk("a"), disk("b")]).await.unwrap();
    let word = Exception { at_us: 1, by: "alice".into(), reason: "read-only".into() };
    assert!(inventory.set_disk_exception(server, 2, Some(&word)).await.unwrap());
    assert!(!inventory.set_disk_exception(server, 3, Some(&word)).await.unwrap(), "there is no third");
    inventory.inspect_disks(server, &[disk("b"), disk("a")]).await.unwrap();
    let words = async || {
        let disks = inventory.disks(server).await.unwrap();
        disks.into_iter().map(|known| (known.disk.serial, known.exception)).collect::<Vec<_>>()
    };
    assert_eq!(words().await, [("a".to_owned(), None), ("b".to_owned(), Some(word))]);
    inventory.set_disk_exception(server, 2, None).await.unwrap();
    assert_eq!(words().await[1].1, None);
}

#[tokio::test]
async fn a_server_comes_back_and_keeps_what_was_reported() {
    let inventory = inventory().await;
    let stored = inventory.put_server(&new_server("n1", 11)).await.unwrap();
    assert_eq!(stored.bmc.password.reveal(), "hunter2");
    let power = PowerUpdate {
        seen: SeenPower { reading: PowerReading::Off, cause: PowerCause::Unasked, at_us: 5 },
        confirmed: Some(Confirmed::Off),
        off_since_us: Some(5),
        untold_off: true,
        isolated_us: None,
    };
    inventory.set_power(stored.id, &power).await.unwrap();
    inventory.set_node(stored.id, Some(&Node::in_state(stored.id, ProvisionState::Active))).await.unwrap();
    let tenant = Uuid::from_u128(9);
    inventory.set_wanted(stored.id, "eth0", Some(WantedNetwork::Tenant(tenant))).await.unwrap();
    let seen = ObservedNetwork::Boot(BootNetwork::Cleaning);
    inventory.set_observed(stored.id, "eth0", Some(&seen)).await.unwrap();

    let mut changed = new_server("n1", 11);
    changed.bmc.password = Secret::new("changed");
    let again = inventory.put_server(&changed).await.unwrap();
    assert_eq!(again.id, stored.id, "a repeated import is the same server");
    assert_eq!(again.facade_password, stored.facade_password);
    assert_eq!(again.bmc.password.reveal(), "changed");
    assert_eq!(again.power, Some(power.seen));
    assert!(again.untold_off);
    assert_eq!(again.ports[0].wanted, Some(WantedNetwork::Tenant(tenant)));
    assert_eq!(again.ports[0].observed, Some(seen));
    assert_eq!(again.node.unwrap().provision_state, ProvisionState::Active);
    assert_eq!(inventory.servers(None).await.unwrap().len(), 1);
    inventory.delete_server(stored.id).await.unwrap();
    assert_eq!(inventory.servers(None).await.unwrap(), vec![]);
}

fn on(name: &str, last: u8, port: &str) -> NewServer {
    let mut new = new_server(name, last);
    new.ports[0].link.port = port.to_owned();
    new
}

#[tokio::test]
async fn a_switch_port_is_one_servers_and_both_are_named() {
    let inventory = inventory().await;
    let first = inventory.put_server(&on("n1", 11, "xe-0/0/2:0")).await.unwrap();
    let refused = |error: InventoryError, parts: &[&str]| {
        assert!(matches!(error, InventoryError::Taken { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is not in: {error}");
        }
    };
    // Contrail has one object for both spellings, and tells large letters from small ones.
    for port in ["xe-0/0/2:0", "xe-0/0/2_0"] {
        let error = inventory.put_server(&on("n2", 12, port)).await.unwrap_err();
        refused(error, &["leaf1", port, "n1", "n2"]);
    }
    let second = inventory.put_server(&on("n2", 12, "XE-0/0/2:0")).await.unwrap();
    let twice = || {
        let mut new = on("n3", 13, "xe-0/0/3");
        let mut other = new.ports[0].clone();
        (other.name, other.mac) = ("eth1".to_owned(), "52:54:00:00:01:0d".parse().unwrap());
        new.ports.push(other);
        new
    };
    refused(inventory.put_server(&twice()).await.unwrap_err(), &["n3", "twice"]);
    // Those of one change may exchange theirs.
    let (a, b) = (on("n1", 11, "XE-0/0/2:0"), on("n2", 12, "xe-0/0/2:0"));
    inventory.put_servers(&[(Some(first.id), &a), (Some(second.id), &b)]).await.unwrap();
    inventory.delete_server(first.id).await.unwrap();
    inventory.put_server(&on("n4", 14, "XE-0/0/2:0")).await.unwrap();
}

#[tokio::test]
async fn two_imports_at_once_do_not_give_one_switch_port_to_two_servers() {
    let dir = tempfile::tempdir().unwrap();
    let open = async || {
        let clock = Arc::new(TestClock::default());
        Inventory::open(&dir.path().join("inventory.db"), Sealer::new(&[1; 32]), clock).await.unwrap()
    };
    let inventory = open().await;
    for round in 0..20_u8 {
        let port = format!("xe-0/1/{round}");
        let (a, b) =
            (on(&format!("a{round}"), 20 + round, &port), on(&format!("b{round}"), 120 + round, &port));
        let (one, two) = tokio::join!(inventory.put_server(&a), inventory.put_server(&b));
        let error = match (one, two) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error.to_string(),
            (one, two) => panic!("round {round}: {one:?} {two:?}"),
        };
        assert!(error.contains(&a.name) && error.contains(&b.name) && error.contains(&port), "{error}");
    }
    // Rows that an older version wrote get their names when the inventory is opened; of two alike one stays without.
    let before = inventory.put_server(&on("n1", 11, "xe-0/2/1")).await.unwrap();
    sqlx::query("UPDATE ports SET link_key = NULL").execute(&inventory.pool).await.unwrap();
    let twin = inventory.put_server(&on("n2", 12, "xe-0/2/2")).await.unwrap();
    sqlx::query("UPDATE ports SET link_key = NULL, link = (SELECT link FROM ports WHERE server = $1) WHERE server = $2")
        .bind(before.id.to_string())
        .bind(twin.id.to_string())
        .execute(&inventory.pool)
        .await
        .unwrap();
    inventory.close().await;
    let inventory = open().await;
    let error = inventory.put_server(&on("n5", 15, "xe-0/1/0")).await.unwrap_err().to_string();
    assert!(error.contains("n5") && (error.contains("a0") || error.contains("b0")), "{error}");
    let error = inventory.put_server(&on("n5", 15, "xe-0/2/1")).await.unwrap_err().to_string();
    assert!(error.contains("n1") || error.contains("n2"), "{error}");
}

#[tokio::test]
async fn two_servers_never_share_a_bmc_or_an_address() {
    let inventory = inventory().await;
    inventory.put_server(&new_server("n1", 11)).await.unwrap();
    let mut same_bmc = new_server("n2", 12);
    same_bmc.bmc.address = "198.51.100.11".to_owned();
    let mut same_mac = new_server("n2", 12);
    same_mac.ports[0].mac = "52:54:00:00:00:0b".parse().unwrap();
    for bad in [same_bmc, same_mac] {
        let error = inventory.put_server(&bad).await.unwrap_err();
        assert!(matches!(&error, InventoryError::Taken { what } if what.contains("n1")), "{error}");
    }
    assert_eq!(inventory.servers(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn passwords_are_sealed_in_the_file_and_it_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let open = || Inventory::open(&path, Sealer::new(&[1; 32]), Arc::new(TestClock::default()));
    let inventory = open().await.unwrap();
    inventory.put_server(&new_server("n1", 11)).await.unwrap();
    inventory.close().await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "and nobody else reads the rest");
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    }
    let inventory = open().await.unwrap();
    assert_eq!(inventory.servers(None).await.unwrap()[0].bmc.password.reveal(), "hunter2");
    let other_key =
        Inventory::open(&path, Sealer::new(&[2; 32]), Arc::new(TestClock::default())).await.unwrap();
    assert!(matches!(other_key.servers(None).await, Err(InventoryError::Secret(_))));
}

#[tokio::test]
async fn a_repeated_command_is_found_until_it_was_answered() {
    let inventory = inventory().await;
    let server = ServerId::random();
    let command = StoredCommand {
        id: CommandId::random(),
        rack: "rack1".parse().unwrap(),
        server,
        kind: CommandKind::PowerOn,
        digest: "d".to_owned(),
        created_us: 1,
        outcome: None,
        answered: false,
    };
    inventory.put_command(&command).await.unwrap();
    assert_eq!(inventory.open_command(server, "d").await.unwrap().unwrap().id, command.id);
    assert!(inventory.open_command(server, "e").await.unwrap().is_none());
    let result = CommandResult { command: command.id, outcome: Ok(Success::Done) };
    assert!(inventory.end_command(&result).await.unwrap());
    assert!(!inventory.end_command(&result).await.unwrap(), "the first end counts");
    assert_eq!(inventory.open_command(server, "d").await.unwrap().unwrap().outcome, Some(result));
    inventory.answer_command(command.id).await.unwrap();
    assert!(inventory.open_command(server, "d").await.unwrap().is_none());
}

#[tokio::test]
async fn events_are_told_stored_and_bounded() {
    let inventory = inventory().await;
    let mut listener = inventory.broadcast().listen();
    for number in 0..10 {
        let text = format!("event {number}");
        let server = TenantServer {
            project_id: "p1".to_owned(),
            ..domain::samples::tenant_server(Uuid::from_u128(1))
        };
        inventory.record_of_tenant(&server, EventKind::Power, &text, Told::PowerOn).await;
    }
    assert_eq!(listener.recv().await.unwrap().text, "event 0");
    let room = share::Room { trail: 2, site: 2, projects: 4 };
    inventory.trim_events(room).await.unwrap();
    let left = inventory.events(&EventFilter::default()).await.unwrap();
    assert_eq!(
        left.iter().map(|event| event.text.as_str()).collect::<Vec<_>>(),
        ["event 6", "event 7", "event 8", "event 9"]
    );
    let after = EventFilter { after: Some(left[2].id), ..EventFilter::default() };
    assert_eq!(inventory.events(&after).await.unwrap().len(), 1);
    let other = EventFilter { project_id: Some("p2".into()), ..EventFilter::default() };
    assert_eq!(inventory.events(&other).await.unwrap(), vec![]);
}

#[tokio::test]
async fn an_event_of_a_kind_that_nobody_knows_any_more_is_read_with_its_word() {
    let inventory = inventory().await;
    let kinds = EventKind::ALL.iter().copied();
    for kind in kinds.clone() {
        inventory.record_event(None, None, kind, "x".to_owned()).await;
    }
    let read = inventory.events(&EventFilter::default()).await.unwrap();
    assert!(read.iter().map(|event| event.kind).eq(kinds), "every kind comes back as it was: {read:?}");
    sqlx::query("UPDATE events SET kind = 'bmc_reset' WHERE kind = 'power'")
        .execute(&inventory.pool)
        .await
        .unwrap();
    let read = inventory.events(&EventFilter::default()).await.unwrap();
    let others: Vec<_> = read.iter().filter(|event| event.kind == EventKind::Other).collect();
    assert_eq!((read.len(), others.len()), (EventKind::ALL.len(), 1));
    assert_eq!((others[0].other_kind.as_deref(), others[0].text.as_str()), (Some("bmc_reset"), "x"));
}

#[tokio::test]
async fn reasons_of_before_get_the_kind_by_which_they_end() {
    let inventory = inventory().await;
    let id = inventory.put_server(&new_server("n1", 11)).await.unwrap().id;
    let check = async |reason: &str, expected: Option<Trouble>| {
        inventory.set_reason(id, Some(reason)).await.unwrap();
        let old = include_str!("../migrations/0036_kinds_of_reasons.sql");
        sqlx::raw_sql(old).execute(&inventory.pool).await.unwrap();
        assert_eq!(inventory.server(id).await.unwrap().unwrap().trouble, expected, "{reason}");
    };
    check("its boot arrived on the wrong network: port eth0", Some(Trouble::WrongNetwork)).await;
    check("not registered in Contrail: it is away", Some(Trouble::NotRegistered)).await;
    check("power-on refused: its boot arrived on the wrong network", None).await;
}

#[tokio::test]
async fn a_busy_tenant_pushes_nobody_elses_events_out() {
    let inventory = inventory().await;
    let record = async |project: Option<&str>, kind, text: &str| match project {
        None => inventory.record_event(None, None, kind, text.to_owned()).await,
        Some(project) => {
            let server = TenantServer {
                project_id: project.to_owned(),
                ..domain::samples::tenant_server(Uuid::from_u128(1))
            };
            inventory.record_of_tenant(&server, kind, text, Told::PowerOn).await;
        }
    };
    record(None, EventKind::Asked, "asked 1").await;
    record(None, EventKind::Power, "site 1").await;
    record(Some("quiet"), EventKind::Asked, "quiet 1").await;
    record(Some("quiet"), EventKind::TenantServer, "quiet 2").await;
    for number in 0..50 {
        record(Some("busy"), EventKind::Asked, &format!("busy {number}")).await;
        record(None, EventKind::Agent, &format!("site {number}")).await;
    }
    inventory.trim_events(share::Room { trail: 2, site: 3, projects: 6 }).await.unwrap();
    let left = inventory.events(&EventFilter::default()).await.unwrap();
    let left: Vec<_> = left.iter().map(|event| event.text.as_str()).collect();
    let newest = ["busy 46", "busy 47", "site 47", "busy 48", "site 48", "busy 49", "site 49"];
    assert_eq!(left, ["asked 1", "quiet 1", "quiet 2"].into_iter().chain(newest).collect::<Vec<_>>());
}

#[tokio::test]
async fn tenants_are_told_apart() {
    let inventory = inventory().await;
    let tenant = |id: u128, project: &str, instance: Option<u128>| TenantServer {
        id: Uuid::from_u128(id),
        instance: instance.map(Uuid::from_u128),
        project_id: project.to_owned(),
        name: "web".to_owned(),
        flavor: "f".to_owned(),
        image: "i".to_owned(),
        network: Uuid::from_u128(77),
        port: Some(Uuid::from_u128(id + 100)),
        address: Some("192.0.2.5".parse().unwrap()),
        node: None,
        state: TenantServerState::Building,
        reason: None,
        created_us: 3,
    };
    let first = tenant(1, "a", Some(11));
    inventory.put_tenant_server(&first).await.unwrap();
    inventory.put_tenant_server(&tenant(2, "b", None)).await.unwrap();
    assert_eq!(inventory.tenant_servers(Some("a")).await.unwrap(), vec![first.clone()]);
    assert_eq!(inventory.tenant_server(Uuid::from_u128(11)).await.unwrap(), Some(first.clone()));
    let of = inventory.tenant_of(Some(Uuid::from_u128(11)), ServerId::random()).await.unwrap();
    assert_eq!(of, Some(first));
    assert_eq!(inventory.tenant_of(Some(Uuid::from_u128(99)), ServerId::random()).await.unwrap(), None);
    inventory.delete_tenant_server(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(inventory.tenant_servers(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tenants_reasons_keep_their_kind_and_those_of_before_get_one() {
    let inventory = inventory().await;
    let id = Uuid::from_u128(1);
    let server = TenantServer { reason: None, ..domain::samples::tenant_server(id) };
    let kinds = Wait::ALL.map(TenantReasonKind::Waits).into_iter();
    for kind in kinds.chain(Trouble::ALL.iter().copied().map(TenantReasonKind::Trouble)) {
        let reason = Some(TenantReason { kind, text: "because".to_owned() });
        let server = TenantServer { reason, ..server.clone() };
        inventory.put_tenant_server(&server).await.unwrap();
        assert_eq!(inventory.tenant_server(id).await.unwrap().unwrap(), server);
        assert!(inventory.change_tenant_server(server.state, &server).await.unwrap());
        assert_eq!(inventory.tenant_server(id).await.unwrap().unwrap(), server);
    }
    let check = async |state, failure: Option<&str>, text: &str, expected| {
        inventory.put_tenant_server(&TenantServer { state, ..server.clone() }).await.unwrap();
        sqlx::query("UPDATE tenant_servers SET reason = $1, failure = $2")
            .bind(text)
            .bind(failure)
            .execute(&inventory.pool)
            .await
            .unwrap();
        let (_, update) = include_str!("../migrations/0037_kinds_of_tenants_reasons.sql")
            .split_once("reason_kind TEXT;")
            .unwrap();
        sqlx::raw_sql(sqlx::SqlSafeStr::into_sql_str(update)).execute(&inventory.pool).await.unwrap();
        let read = inventory.tenant_server(id).await.unwrap().unwrap().reason.unwrap();
        assert_eq!(read, TenantReason { kind: expected, text: text.to_owned() });
    };
    use TenantServerState::{Active, Building, Deleting, Error};
    let trouble = TenantReasonKind::Trouble;
    let forgotten =
        "Nova does not know this server any more, and nobody is seen to have deleted it there; it is left";
    check(Active, None, forgotten, trouble(Trouble::UnknownToNova)).await;
    check(Error, Some("checksum"), forgotten, trouble(Trouble::UnknownToNova)).await;
    for wait in Wait::ALL {
        check(Deleting, None, wait.words(), TenantReasonKind::Waits(wait)).await;
    }
    check(Error, Some("checksum"), "checksum", trouble(Trouble::ImageNotWritten)).await;
    check(Error, None, "No valid host was found.", trouble(Trouble::NoServerFree)).await;
    check(Error, None, "eth0 is elsewhere", trouble(Trouble::NotInstalled)).await;
    check(Building, None, "nova did not answer", trouble(Trouble::Service)).await;
    check(Active, None, "eth0 is elsewhere", trouble(Trouble::Machine)).await;
}

/// What one project's members are shown of all events, and of whose server.
async fn told(inventory: &Inventory, project: &str) -> Vec<(String, String)> {
    let filter = EventFilter { project_id: Some(project.to_owned()), ..EventFilter::default() };
    let events = inventory.events(&filter).await.unwrap();
    assert_eq!(inventory.events_from(&filter).await.unwrap(), events, "page by page the same");
    events.into_iter().map(|event| (event.tenant_name.unwrap(), event.told.unwrap())).collect()
}

#[tokio::test]
async fn a_tenant_is_told_of_its_server_from_the_request_to_its_return_and_of_nobody_elses() {
    let inventory = inventory().await;
    let node = inventory.put_server(&new_server("n1", 11)).await.unwrap().id;
    let carry = async |state: &str, instance: Option<u128>| {
        let mut shown = Node::in_state(node, ProvisionState::from(state));
        shown.instance_id = instance.map(Uuid::from_u128);
        inventory.set_node(node, Some(&shown)).await.unwrap();
    };
    let tenancy = |id: u128, project: &str, state| TenantServer {
        project_id: project.to_owned(),
        name: format!("web-{project}"),
        instance: Some(Uuid::from_u128(id + 10)),
        node: Some(node),
        state,
        ..domain::samples::tenant_server(Uuid::from_u128(id))
    };
    let power =
        async |told| inventory.record_told(node, EventKind::Power, "n1 at 198.51.100.11", Some(told)).await;
    use TenantServerState::{Active, Building, Deleting, Error};

    power(Told::PowerOff).await;
    carry("available", None).await;
    let first = TenantServer { node: None, ..tenancy(1, "a", Building) };
    inventory.put_tenant_server(&first).await.unwrap();
    inventory.record_of_tenant(&first, EventKind::TenantServer, "web-a: asked for", Told::AskedFor).await;
    power(Told::PowerOn).await;
    carry("deploying", Some(11)).await;
    carry("active", Some(11)).await;
    inventory.put_tenant_server(&tenancy(1, "a", Active)).await.unwrap();
    inventory.record(node, EventKind::Step, "write image: 40 %").await;
    power(Told::PowerOff).await;
    inventory.put_tenant_server(&tenancy(1, "a", Deleting)).await.unwrap();
    carry("cleaning", None).await;
    // The next one is on its way while the first one's record is still there: nobody can tell whose an event is.
    inventory.put_tenant_server(&tenancy(2, "b", Building)).await.unwrap();
    power(Told::PowerOn).await;
    carry("deploying", Some(12)).await;
    inventory.delete_tenant_server(Uuid::from_u128(1)).await.unwrap();
    power(Told::PowerOn).await;
    // A tenant's server that has failed is on its machine no more.
    inventory.put_tenant_server(&tenancy(2, "b", Error)).await.unwrap();
    carry("manageable", None).await;
    power(Told::PowerOff).await;

    let words = |project: &str, all: &[Told]| -> Vec<(String, String)> {
        all.iter().map(|told| (format!("web-{project}"), told.words().to_owned())).collect()
    };
    let first = [Told::AskedFor, Told::Installing, Told::InUse, Told::PowerOff, Told::Erasing];
    assert_eq!(told(&inventory, "a").await, words("a", &first));
    assert_eq!(told(&inventory, "b").await, words("b", &[Told::Installing, Told::PowerOn]));
    assert_eq!(told(&inventory, "c").await, []);
    let all = inventory.events(&EventFilter::default()).await.unwrap();
    let of = |project: &str| all.iter().filter(|event| event.project_id.as_deref() == Some(project)).count();
    assert_eq!(
        (of("a"), of("b")),
        (6, 2),
        "administrators see whose server it was, also of what tenants are not told"
    );
    let of_first = EventFilter { tenant: Some(Uuid::from_u128(1)), ..EventFilter::default() };
    assert_eq!(inventory.events(&of_first).await.unwrap().len(), 6, "also when it is given back");
}

#[tokio::test]
async fn what_an_event_says_is_bounded_and_one_line() {
    let inventory = inventory().await;
    let node = inventory.put_server(&new_server("n1", 11)).await.unwrap().id;
    inventory.record(node, EventKind::Alarm, format!("\u{1b}[31m\n\u{202e}{}", "x".repeat(1 << 20))).await;
    let event = inventory.events(&EventFilter::default()).await.unwrap().pop().unwrap();
    assert!(protocol::text::is_plain(&event.text), "{:?}", &event.text[..40]);
    assert!(event.text.chars().count() < TEXT_CHARS_MAX + 100, "{}", event.text.len());
}

#[tokio::test]
async fn no_tenant_pushes_another_ones_changes_out() {
    let clock = Arc::new(TestClock::default());
    clock.advance_us(2 * AGE_MAX_US);
    let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
    let by = async |project: Option<&str>, standing: Option<&str>, user: &str| {
        let what = NewEntry {
            user_name: Some(user.to_owned()),
            project_id: project.map(str::to_owned),
            standing: standing.map(str::to_owned),
            ..NewEntry::default()
        };
        inventory.put_audit(&what).await.unwrap();
        what.bucket().to_owned()
    };
    by(None, Some("administrator"), "root").await;
    by(None, None, "stranger").await;
    by(Some("a"), Some("member"), "ann").await;
    let mut bucket = String::new();
    for number in 0..10 {
        bucket = by(Some("b"), Some("member"), &format!("bob{number}")).await;
    }
    inventory.trim_audit(&bucket, 3).await.unwrap();
    let left = inventory.audit(&AuditFilter::default()).await.unwrap();
    let names: Vec<_> = left.iter().filter_map(|entry| entry.what.user_name.as_deref()).collect();
    assert_eq!(names, ["root", "stranger", "ann", "bob7", "bob8", "bob9"]);
    let only = |filter: AuditFilter| {
        let inventory = inventory.clone();
        async move { inventory.audit(&filter).await.unwrap().len() }
    };
    assert_eq!(only(AuditFilter { user: Some("bob9".into()), ..AuditFilter::default() }).await, 1);
    assert_eq!(only(AuditFilter { project: Some("b".into()), ..AuditFilter::default() }).await, 3);
    assert_eq!(only(AuditFilter { limit: Some(2), ..AuditFilter::default() }).await, 2);
    assert_eq!(only(AuditFilter { since_us: Some(3 * AGE_MAX_US), ..AuditFilter::default() }).await, 0);
    clock.advance_us(2 * AGE_MAX_US);
    inventory.trim_audit("nobody", 3).await.unwrap();
    assert_eq!(only(AuditFilter::default()).await, 0, "they are kept for so long and no longer");
}
