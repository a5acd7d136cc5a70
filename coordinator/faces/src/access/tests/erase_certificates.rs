//! Edges: certificates of erased disks by the REST API and on pages: found, given away as they were signed, printed; and no tenant's to see.

use axum::{body::Body, http::Request};
use domain::{disks::Erasure, records::EraseCertificate};
use jiff::Timestamp;
use protocol::{
    erase_certificate::{File, Receipt, SigningKey, StatedServer, Statement, VERSION, fingerprint},
    hardware::Disk,
    id::{CommandId, ServerId},
    step::ErasedDisk,
};
use serde_json::Value;
use uuid::Uuid;

use super::world::World;

const ADMIN: &str = "token-administrator";

fn disk(serial: &str) -> Disk {
    Disk { name: "/dev/sda".into(), serial: serial.into(), size_bytes: 1 << 30, ..Disk::default() }
}

/// One that nobody's agent has signed: the API gives away what is kept.
fn file(number: u128, serial: &str) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["rack.invalid".to_owned()]).unwrap();
    let key = SigningKey::new(&made.signing_key.serialize_der(), vec![made.cert.der().clone()]).unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let server = StatedServer {
        id: ServerId(Uuid::nil()),
        name: "n1 <b>".into(),
        system_uuid: String::new(),
        manufacturer: String::new(),
        product: String::new(),
        serial: "SRV7".into(),
    };
    let statement = Statement {
        version: VERSION,
        id: Uuid::from_u128(number),
        command: CommandId(Uuid::nil()),
        rack: "rack1".parse().unwrap(),
        server,
        erased: ErasedDisk { name: "/dev/sda".into(), disk: Some(disk(serial)), ..ErasedDisk::default() },
        left_out: vec![],
        not_erased: vec![],
        began_at: at,
        ended_at: at,
        signed_at: at,
        agent_version: "0.1.0".into(),
        ramdisk_version: String::new(),
    };
    let signed = key.sign_statement(&statement).unwrap();
    let receipt = Receipt {
        version: VERSION,
        id: statement.id,
        statement_sha256: fingerprint(signed.as_bytes()),
        received_at: at,
        server: statement.server.id,
        disk_number: 1,
        left_out: vec![],
        tenancy: None,
        coordinator_version: "0.1.0".into(),
    };
    let file = File::new(signed, key.sign_receipt(&receipt).unwrap());
    serde_json::to_string_pretty(&file).unwrap()
}

async fn keep(world: &World, number: u128, serial: &str) -> String {
    let file = file(number, serial);
    let certificate = EraseCertificate {
        number: 0,
        id: Uuid::from_u128(number),
        server: ServerId(Uuid::from_u128(77)),
        server_name: "gone".into(),
        rack: "rack1".parse().unwrap(),
        disk_number: 1,
        disk: disk(serial),
        method: "zeroes".into(),
        ended_us: 1,
        received_us: u64::try_from(number).unwrap() * 1_000_000,
        tenancy: None,
        project_id: Some("demo".into()),
        file: file.clone(),
    };
    let erasure = Erasure { at_us: 1, method: "zeroes".into(), erased_bytes: 1, verified_bytes: 1 };
    world.inventory.note_certified_erasure(&erasure, &certificate).await.unwrap();
    file
}

async fn get(world: &World, token: &str, path: &str, accept: &str) -> (u16, String) {
    let request = Request::get(path).header("x-auth-token", token).header("accept", accept);
    let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
    (status.as_u16(), said)
}

#[tokio::test]
async fn certificates_are_found_page_by_page_and_given_away_as_they_were_signed() {
    let world = World::start().await;
    let mut files = Vec::new();
    for (number, serial) in [(1, "a"), (2, "b"), (3, "a")] {
        files.push(keep(&world, number, serial).await);
    }
    let list = async |query: &str| {
        let (status, said) = get(&world, ADMIN, &format!("/v1/erase-certificates{query}"), "*/*").await;
        assert_eq!(status, 200, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        let items = said["items"].as_array().unwrap().iter();
        let ids: Vec<_> =
            items.map(|item| item["id"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128()).collect();
        (ids, said["next"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await, (vec![3, 2, 1], None));
    let (ids, next) = list("?limit=2").await;
    assert_eq!(ids, [3, 2]);
    assert_eq!(list(&format!("?limit=2&marker={}", next.unwrap())).await, (vec![1], None));
    assert_eq!(list("?serial=a&node=gone").await.0, [3, 1]);
    assert_eq!(list("?since=1970-01-01T00:00:02Z&until=1970-01-01T00:00:03Z").await.0, [2]);
    let (status, said) = get(&world, ADMIN, "/v1/erase-certificates?since=yesterday", "*/*").await;
    assert!(status == 400 && said.contains("since"), "{said}");

    let path = format!("/v1/erase-certificates/{}", Uuid::from_u128(2));
    let (_, said) = get(&world, ADMIN, &path, "application/json").await;
    assert_eq!(said, files[1], "byte for byte");
    let (status, said) = get(&world, ADMIN, &path, "text/html,*/*;q=0.8").await;
    assert_eq!(status, 200);
    for part in
        ["<h1>Erase certificate</h1>", "SRV7", "n1 &#60;b&#62;", "Countersigned", "nothing was read back"]
    {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!said.contains("http") && !said.contains("<script"), "a sheet loads nothing: {said}");
    for nothing in ["nonsense".to_owned(), Uuid::from_u128(9).to_string()] {
        let (status, _) = get(&world, ADMIN, &format!("/v1/erase-certificates/{nothing}"), "*/*").await;
        assert_eq!(status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn no_tenant_sees_certificates_his_own_neither() {
    let world = World::start().await;
    keep(&world, 1, "a").await;
    for path in
        ["/v1/erase-certificates".to_owned(), format!("/v1/erase-certificates/{}", Uuid::from_u128(1))]
    {
        let (status, said) = get(&world, "token-member", &path, "*/*").await;
        assert!(status == 403 && !said.contains("zeroes"), "{status} {said}");
    }
}
