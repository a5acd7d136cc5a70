//! Certificates of erased disks, as the fake API shows them. What hardware and people say in one is foreign.

use api_types::{EraseCertificate, EraseCertificateFile};
use jiff::{SignedDuration, Timestamp};
use protocol::{
    erase_certificate::{
        FORMAT, LeftOut, NotErased, Receipt, SigningKey, StatedServer, StatedTenancy, Statement, VERSION,
        fingerprint,
    },
    hardware::Disk,
    id::{CommandId, ServerId},
    step::{ErasedDisk, VERIFIED_BYTES_MIN},
};
use serde_json::json;
use uuid::Uuid;

/// What somebody may have written into his hardware, or as his reason.
const FOREIGN: &str = "<script>window.zebra = 1</script>\u{202e}";

fn minutes_ago(minutes: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(minutes)
}

/// Those of a list.
pub fn certificates() -> Vec<EraseCertificate> {
    let certificate = |last: u128, disk: u32, project: Option<&str>| {
        json!({
            "id": Uuid::from_u128(0x3f2a_0000_0000_4000_8000_0000_0000_0000 + last), "node_id": Uuid::nil(), "node": "srv1",
            "rack": "rack1", "disk_number": disk, "model": "SAMSUNG MZQL21T9HCJR", "serial": format!("S64GNE0R{disk}"),
            "wwn": "eui.36344730", "size_bytes": 480_103_981_056_u64, "method": "discard",
            "ended_at": minutes_ago(i64::from(disk) * 100), "received_at": minutes_ago(i64::from(disk) * 100),
            "tenancy": project.map(|_| Uuid::nil()), "project_id": project,
        })
    };
    let all = [certificate(1, 1, Some("0123456789abcdef0123456789abcdef")), certificate(2, 2, None)];
    serde_json::from_value(json!(all)).unwrap()
}

fn disk(name: &str) -> Disk {
    Disk {
        name: name.into(),
        size_bytes: 480_103_981_056,
        model: format!("SAMSUNG MZQL21T9HCJR {FOREIGN}"),
        serial: "S64GNE0R1".into(),
        wwn: "eui.36344730".into(),
        transport: "nvme".into(),
        ..Disk::default()
    }
}

fn statement() -> Statement {
    let erased = ErasedDisk {
        name: "/dev/nvme0n1".into(),
        method: "discard".into(),
        erased_bytes: 480_103_981_056,
        verified_bytes: VERIFIED_BYTES_MIN,
        disk: Some(disk("/dev/nvme0n1")),
        ..ErasedDisk::default()
    };
    Statement {
        version: VERSION,
        id: Uuid::from_u128(0x3f2a_0000_0000_4000_8000_0000_0000_0001),
        command: CommandId(Uuid::nil()),
        rack: "rack1".parse().unwrap(),
        server: StatedServer {
            id: ServerId(Uuid::nil()),
            name: "srv1".into(),
            system_uuid: "6ae0d8a4-6b2f-4a53-9c37-2f6a5c1d0e11".into(),
            manufacturer: "Virtual Servers".into(),
            product: FOREIGN.into(),
            serial: "SRV0001".into(),
        },
        erased,
        left_out: vec![disk("/dev/sdb")],
        not_erased: vec![NotErased { name: "/dev/sdc".into(), disk: None, why: "it is read-only".into() }],
        began_at: minutes_ago(140),
        ended_at: minutes_ago(100),
        signed_at: minutes_ago(100),
        agent_version: "0.1.0".into(),
        ramdisk_version: "0.1.0".into(),
    }
}

/// One of them. Its signers are nobody's agent and authority: a page only shows.
pub fn file() -> EraseCertificateFile {
    let made = rcgen::generate_simple_self_signed(vec!["rack.invalid".to_owned()]).unwrap();
    let key = SigningKey::new(&made.signing_key.serialize_der(), vec![made.cert.der().clone()]).unwrap();
    let stated = statement();
    let statement = key.sign_statement(&stated).unwrap();
    let left = LeftOut {
        number: 2,
        disk: disk("/dev/sdb"),
        by: "alice".into(),
        reason: format!("went back to its maker {FOREIGN}"),
        at: minutes_ago(9000),
    };
    let receipt = Receipt {
        version: VERSION,
        id: stated.id,
        statement_sha256: fingerprint(statement.as_bytes()),
        received_at: minutes_ago(99),
        server: stated.server.id,
        disk_number: 1,
        left_out: vec![left],
        tenancy: Some(StatedTenancy {
            id: Uuid::nil(),
            instance: Some(Uuid::nil()),
            project_id: "0123456789abcdef0123456789abcdef".into(),
            name: "web".into(),
            asked_at: minutes_ago(90_000),
        }),
        coordinator_version: "0.1.0".into(),
    };
    EraseCertificateFile {
        format: FORMAT.into(),
        statement,
        receipt: Some(key.sign_receipt(&receipt).unwrap()),
    }
}
