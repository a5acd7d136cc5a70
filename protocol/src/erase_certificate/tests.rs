//! Every way in which a certificate can fail to hold, each with its own word.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    hardware::Disk,
    id::{CommandId, ServerId},
    step::ErasedDisk,
};

/// An authority that gives certificates for the year 2026.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn key(&self, common_name: &str, name: &str, usage: ExtendedKeyUsagePurpose) -> SigningKey {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        SigningKey::new(&key.serialize_der(), vec![certificate.der().clone()]).unwrap()
    }

    fn agent(&self, rack: &str) -> SigningKey {
        let name = rack_name(&rack.parse().unwrap());
        self.key(&format!("agent of rack {rack}"), &name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn receipts(&self) -> SigningKey {
        let usage = ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec());
        self.key("receipts", RECEIPTS_NAME, usage)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn statement() -> Statement {
    let command = CommandId(Uuid::from_u128(1));
    let disk = Disk {
        name: "/dev/sda".into(),
        size_bytes: 480_103_981_056,
        model: "ST4".into(),
        serial: "Z1".into(),
        wwn: "naa.5".into(),
        transport: "sata".into(),
        firmware: "SN05".into(),
        ..Disk::default()
    };
    Statement {
        version: VERSION,
        id: Statement::id_of(command, "/dev/sda"),
        command,
        rack: "rack1".parse().unwrap(),
        server: StatedServer {
            id: ServerId(Uuid::from_u128(2)),
            name: "rack1-7".into(),
            system_uuid: "6ae0d8a4-6b2f-4a53-9c37-2f6a5c1d0e11".into(),
            manufacturer: "Virtual Servers".into(),
            product: "BM1".into(),
            serial: "SRV0001".into(),
        },
        erased: ErasedDisk {
            name: "/dev/sda".into(),
            method: "zeroes".into(),
            erased_bytes: disk.size_bytes,
            verified_bytes: 128 << 20,
            disk: Some(disk),
            took_ms: 3_540_000,
            ..ErasedDisk::default()
        },
        left_out: vec![],
        not_erased: vec![],
        began_at: time("2026-11-30T10:00:00Z"),
        ended_at: time("2026-11-30T11:00:00Z"),
        signed_at: time("2026-11-30T11:00:01Z"),
        agent_version: "0.1.0".into(),
        ramdisk_version: "0.1.0".into(),
    }
}

fn receipt(statement: &Statement, signed: &str) -> Receipt {
    let disk = Disk { serial: "B2".into(), size_bytes: 1 << 30, ..Disk::default() };
    let at = time("2026-11-29T09:00:00Z");
    Receipt {
        version: VERSION,
        id: statement.id,
        statement_sha256: fingerprint(signed.as_bytes()),
        received_at: time("2026-11-30T11:00:02Z"),
        server: statement.server.id,
        disk_number: 1,
        left_out: vec![LeftOut { number: 2, disk, by: "alice".into(), reason: "went back".into(), at }],
        tenancy: Some(StatedTenancy {
            id: Uuid::from_u128(3),
            instance: Some(Uuid::from_u128(4)),
            project_id: "demo".into(),
            name: "web".into(),
            asked_at: time("2026-10-01T00:00:00Z"),
        }),
        coordinator_version: "0.1.0".into(),
    }
}

/// What is signed, and by whom.
struct Made {
    authority: Authority,
    agent: SigningKey,
    receipts: SigningKey,
}

impl Made {
    fn new() -> Self {
        let authority = Authority::new();
        let (agent, receipts) = (authority.agent("rack1"), authority.receipts());
        Self { authority, agent, receipts }
    }

    fn file(&self, statement: &Statement) -> File {
        let signed = self.agent.sign_statement(statement).unwrap();
        let receipt = self.receipts.sign_receipt(&receipt(statement, &signed)).unwrap();
        File::new(signed, receipt)
    }

    fn check(&self, file: &File, expected: Result<(), &str>) {
        let text = serde_json::to_vec(file).unwrap();
        self.check_text(&text, expected);
    }

    fn check_text(&self, text: &[u8], expected: Result<(), &str>) {
        let authorities = [self.authority.certificate.clone()];
        let is = read(text).and_then(|file| verify(&file, &authorities));
        let is = is.map(|_| ()).map_err(|fault| (fault.kind(), fault.to_string()));
        assert_eq!(is.as_ref().map(|_| ()).map_err(|(kind, _)| *kind), expected, "{is:?}");
    }
}

#[test]
fn a_whole_certificate_holds_by_the_authoritys_certificate_alone() {
    let made = Made::new();
    let file = made.file(&statement());
    made.check(&file, Ok(()));
    let authorities = [Authority::new().certificate, made.authority.certificate.clone()];
    let verified = verify(&file, &authorities).unwrap();
    assert_eq!(verified.statement, statement());
    assert_eq!(verified.receipt.tenancy.unwrap().name, "web");
    // What is signed is canonical.
    let jws = Jws::read(&file.statement).unwrap();
    let value = serde_json::from_slice(&jws.payload).unwrap();
    assert_eq!(canonical(&value).as_bytes(), jws.payload);
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let made = Made::new();
    let text = serde_json::to_string_pretty(&made.file(&statement())).unwrap();
    // One bit of each byte that stands in a signed part, header and signature included.
    let parts = text.find("eyJ").unwrap()..text.rfind('"').unwrap();
    let authorities = [made.authority.certificate.clone()];
    for at in parts.step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let is = read(&bytes).and_then(|file| verify(&file, &authorities));
        assert!(is.is_err(), "byte {at} of {} may be changed", text.len());
    }
    // The payload alone is changed, and is good JSON all the same.
    let file = made.file(&statement());
    let other = made.file(&Statement { rack: "rack2".parse().unwrap(), ..statement() });
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (parts(&file.statement), parts(&other.statement));
    let mixed = File { statement: format!("{}.{}.{}", one[0], two[1], one[2]), ..file.clone() };
    made.check(&mixed, Err("changed"));
    let receipt = format!("{}x", file.receipt.clone().unwrap());
    made.check(&File { receipt: Some(receipt), ..file }, Err("damaged"));
}

#[test]
fn what_is_cut_off_or_not_countersigned_says_so() {
    let made = Made::new();
    let file = made.file(&statement());
    let text = serde_json::to_vec(&file).unwrap();
    for length in [1, 20, 300, text.len() - 1] {
        made.check_text(&text[..length], Err("cut_off"));
    }
    let cut = |text: &str| text[..text.len() - 20].to_owned();
    made.check(&File { statement: cut(&file.statement), ..file.clone() }, Err("cut_off"));
    let receipt = file.receipt.as_deref().map(cut);
    made.check(&File { receipt, ..file.clone() }, Err("cut_off"));
    made.check(&File { receipt: None, ..file.clone() }, Err("no_receipt"));
    made.check_text(b"", Err("no_certificate"));
    made.check_text(b"{\"a\": 1}", Err("no_certificate"));
    made.check(&File { format: "bms-erase-certificate/9".into(), ..file.clone() }, Err("newer"));
    made.check(&File { format: "other".into(), ..file }, Err("no_certificate"));
}

#[test]
fn only_the_racks_own_agent_and_the_authoritys_receipts_count_as_signers() {
    let made = Made::new();
    let file = made.file(&statement());
    let signed = |key: &SigningKey| {
        let signed = key.sign_statement(&statement()).unwrap();
        let receipt = made.receipts.sign_receipt(&receipt(&statement(), &signed)).unwrap();
        File::new(signed, receipt)
    };
    // Another authority, under the same names.
    made.check(&signed(&Authority::new().agent("rack1")), Err("not_of_authority"));
    // Another rack's agent; the receipts' own key; a listener's.
    made.check(&signed(&made.authority.agent("rack2")), Err("other_signer"));
    made.check(&signed(&made.receipts), Err("other_signer"));
    let name = rack_name(&"rack1".parse().unwrap());
    made.check(
        &signed(&made.authority.key("bmc", &name, ExtendedKeyUsagePurpose::ServerAuth)),
        Err("other_signer"),
    );
    // An agent that countersigns for itself, and a stranger.
    let agents = made.agent.sign_receipt(&receipt(&statement(), &file.statement)).unwrap();
    made.check(&File::new(file.statement.clone(), agents), Err("other_signer"));
    let strangers =
        Authority::new().receipts().sign_receipt(&receipt(&statement(), &file.statement)).unwrap();
    made.check(&File::new(file.statement.clone(), strangers), Err("not_of_authority"));
    // A receipt is no statement, whoever signed it.
    let as_receipt = made.agent.sign_receipt(&receipt(&statement(), "")).unwrap();
    made.check(&File { statement: as_receipt, ..file }, Err("foreign"));
}

#[test]
fn a_receipt_is_for_one_statement() {
    let made = Made::new();
    let file = made.file(&statement());
    let other = made.file(&Statement { agent_version: "9".into(), ..statement() });
    made.check(&File { receipt: other.receipt, ..file }, Err("other_statement"));
}

#[test]
fn times_are_judged_by_the_certificate_of_that_time() {
    let made = Made::new();
    let at = |signed: &str| Statement { signed_at: time(signed), ..statement() };
    made.check(&made.file(&at("2025-12-31T23:59:59Z")), Err("outside_validity"));
    made.check(&made.file(&at("2027-01-01T00:00:01Z")), Err("outside_validity"));
    made.check(&made.file(&at("2026-01-01T00:00:00Z")), Ok(()));
    // The agent's clock is ahead by more than clocks may be.
    made.check(&made.file(&at("2026-11-30T12:00:02Z")), Ok(()));
    made.check(&made.file(&at("2026-11-30T12:00:03Z")), Err("received_before"));
    let file = made.file(&statement());
    let late =
        Receipt { received_at: time("2027-01-02T00:00:00Z"), ..receipt(&statement(), &file.statement) };
    let late = made.receipts.sign_receipt(&late).unwrap();
    made.check(&File::new(file.statement, late), Err("outside_validity"));
    made.check(&made.file(&Statement { version: 2, ..statement() }), Err("newer"));
}

/// The algorithm is never the file's to choose.
#[test]
fn no_other_algorithm_is_taken() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let made = Made::new();
    let file = made.file(&statement());
    let (header, rest) = file.statement.split_once('.').unwrap();
    let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    for (name, value) in
        [("alg", json!("none")), ("alg", json!("HS256")), ("x5c", json!([])), ("crit", json!(["exp"]))]
    {
        let mut header = header.clone();
        header[name] = value;
        let statement = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        made.check(&File { statement, ..file.clone() }, Err("foreign"));
    }
}

#[test]
fn a_certificate_is_told_in_words_that_hide_nothing() {
    let stated = Statement {
        not_erased: vec![NotErased { name: "/dev/sdc".into(), disk: None, why: "it is read-only".into() }],
        ..statement()
    };
    let said = |receipt: Option<&Receipt>| {
        let lines = lines(&stated, receipt, "abc");
        lines.iter().map(|line| format!("{}: {}\n", line.label, line.text)).collect::<String>()
    };
    let check = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    };
    check(
        &said(Some(&receipt(&stated, ""))),
        &[
            "Name: rack1-7",
            "Serial number: SRV0001",
            "System UUID: 6ae0d8a4",
            "World-wide name: naa.5",
            "Firmware: SN05",
            "Began: 2026-11-30T10:00:00Z",
            "Took: 0 h 59 min",
            "Tenancy before: web of project demo",
            "Verified: 134217728 bytes, samples of the whole disk",
            "Not read back: 479969763328 of 480103981056 bytes",
            "Out of reach: what the disk does not give out by address",
            "Left out: disk 2 (serial B2, 1.0 GB): by the word of alice, went back",
            "Another disk, not erased: /dev/sdc: it is read-only",
            "Countersigned: the coordinator's authority, 2026-11-30T11:00:02Z",
            "Programs: agent 0.1.0, ramdisk 0.1.0, coordinator 0.1.0",
        ],
    );
    check(&said(None), &["Countersigned: by nobody"]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(text in ".{0,200}", bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = Jws::read(&text);
        let _ = read(&bytes);
        let _ = authorities(&bytes);
        let file = File { format: FORMAT.into(), statement: text.clone(), receipt: Some(text) };
        let _ = verify(&file, &[]);
    }
}
