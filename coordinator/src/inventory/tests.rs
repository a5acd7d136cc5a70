//! The inventory's contract: what is stored comes back, sealed secrets stay sealed, each writer changes its own columns.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use protocol::{
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
use crate::{
    clock::TestClock,
    disks::Exception,
    events::EventKind,
    lifecycle::{Confirmed, Node, ProvisionState},
    port::{ObservedNetwork, SwitchPort, WantedNetwork},
};

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
        kind: "power_on".to_owned(),
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
        inventory.record_event(None, None, Some("p1".into()), EventKind::Power, text).await;
    }
    assert_eq!(listener.recv().await.unwrap().text, "event 0");
    inventory.trim_events(4).await.unwrap();
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
