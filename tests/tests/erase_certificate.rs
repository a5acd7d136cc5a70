//! A certificate of an erased disk from the agent's signature to the auditor's desk: stated by an agent, countersigned and kept by a
//! coordinator, checked by `bmsctl` without either of them, and by libraries that nobody here wrote.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use agent::{erase_statement, uplink::papers::Papers};
use coordinator_core::{
    erase_certificates::Notary,
    pki::{Authority, Term},
};
use domain::{
    disks::{Erase, Exception, Thoroughness, account, order},
    records::{AgentCertificate, EraseCertificateFilter, Origin},
};
use protocol::{
    hardware::{Disk, HardwareReport, SystemIdentity},
    id::{CommandId, RackId},
    step::{ErasedDisk, METHOD_LEFT_OUT, Step, StepOutput, VERIFIED_BYTES_MIN},
};
use serde_json::Value;
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};
use tests::bmc::judges;

const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bmc/judges/erase_certificate_judge.py");
/// Longest that the judge may take.
const JUDGE_MAX: Duration = Duration::from_secs(120);

fn disk(serial: &str) -> Disk {
    let name = format!("/dev/{serial}");
    Disk { name, serial: serial.into(), wwn: format!("naa.{serial}"), size_bytes: 1 << 30, ..Disk::default() }
}

fn erased(disk: Disk) -> ErasedDisk {
    ErasedDisk {
        name: disk.name.clone(),
        method: "zeroes".into(),
        erased_bytes: disk.size_bytes,
        verified_bytes: VERIFIED_BYTES_MIN,
        disk: Some(disk),
        ..ErasedDisk::default()
    }
}

/// An authority and its agent below this directory, and the certificate of a disk that they made, as it is kept.
async fn made(dir: &Path) -> (PathBuf, String) {
    let now_us = SystemClock.now_us();
    let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap();
    let authority = Arc::new(Authority::open_or_create(dir, now_us).unwrap());
    let server = inventory.put_server(&fakes::new_server()).await.unwrap();
    inventory.inspect_disks(server.id, &[disk("a1"), disk("b2")]).await.unwrap();
    let word = Exception { at_us: now_us, by: "alice".into(), reason: "went back to its maker".into() };
    inventory.set_disk_exception(server.id, 2, Some(&word)).await.unwrap();

    let term = Term { now_us, lasts: Duration::from_secs(86_400) };
    let (certificate, key) = authority.agent_certificate(&server.rack, term).unwrap();
    let given = AgentCertificate::given(&server.rack, &certificate, Origin::Issued, None, now_us);
    inventory.put_certificate(&given).await.unwrap();
    let own = dir.join("agent");
    fs::create_dir(&own).unwrap();
    authority.write_agent(&certificate, &key, &own).unwrap();
    let papers = Papers {
        cert: own.join("agent.pem"),
        key: own.join("agent.key"),
        renewed: own.join("certificate.pem"),
    };
    let agent = erase_statement::Notary::new(papers, server.rack.clone());
    agent.know(&server.spec());
    let system = SystemIdentity { serial: "SRV7".into(), ..SystemIdentity::default() };
    agent.ready(server.id, &HardwareReport { system, ..HardwareReport::default() });

    let known = inventory.disks(server.id).await.unwrap();
    let step = Step::EraseDisks(order(&known, Thoroughness::default()).unwrap());
    let erase = erase_statement::Erase::of(server.id, CommandId::random(), &step).unwrap();
    let left = ErasedDisk { method: METHOD_LEFT_OUT.into(), erased_bytes: 0, ..erased(disk("b2")) };
    let output = StepOutput::Erased { disks: vec![erased(disk("a1")), left] };
    let StepOutput::Erased { disks } = agent.state(erase, output).await.unwrap() else { panic!() };
    let account = account(Erase::Disks, Thoroughness::default(), &known, &disks);
    let [(number, disk)] = &account.erased[..] else { panic!("{account:?}") };
    Notary::new(authority).keep(&inventory, &server, &account, (*number, disk)).await.unwrap();
    let kept = inventory.erase_certificates(&EraseCertificateFilter::default()).await.unwrap();
    (dir.join("ca.pem"), kept[0].file.clone())
}

/// `bmsctl certificate verify`, with nothing in its environment by which it could ask anybody.
fn verify(file: &Path, ca: &Path, more: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bmsctl");
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    let mut command = Command::new(program);
    command.args(["certificate", "verify"]).arg(file).arg("--ca").arg(ca).args(more);
    command.env_clear().stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_auditor_checks_a_certificate_without_us() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, certificate) = made(dir.path()).await;
    let file = dir.path().join("certificate.json");
    fs::write(&file, &certificate).unwrap();
    let output = verify(&file, &ca, &[]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for part in [
        "both signatures hold",
        "serial a1",
        "SRV7",
        "134217728 bytes, samples of the whole disk",
        "by the word of alice, went back to its maker",
    ] {
        assert!(
            said.contains(part) || said.contains(&part.replace("serial ", "")),
            "no {part:?} in:\n{said}"
        );
    }
    let output = verify(&file, &ca, &["-o", "json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (said["valid"].as_bool(), said["statement"]["erased"]["disk"]["serial"].as_str()),
        (Some(true), Some("a1"))
    );

    // Another authority of the same name; and every way of tampering that has a sentence of its own.
    let elsewhere = tempfile::tempdir().unwrap();
    let (other_ca, other) = made(elsewhere.path()).await;
    let whole: Value = serde_json::from_str(&certificate).unwrap();
    let other: Value = serde_json::from_str(&other).unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = whole.clone();
        changed[field] = value;
        changed.to_string()
    };
    let statement = whole["statement"].as_str().unwrap();
    let middle = statement.len() - 60;
    let letter = if &statement[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{letter}{}", &statement[..middle], &statement[middle + 1..]);
    let mut without = whole.clone();
    without.as_object_mut().unwrap().remove("receipt");
    let cases: [(&Path, String, &str, &str); 6] = [
        (&other_ca, certificate.clone(), "not_of_authority", "was not issued by the given authority"),
        (&ca, with("statement", changed.into()), "changed", "was changed after it was signed"),
        (
            &ca,
            with("statement", other["statement"].clone()),
            "not_of_authority",
            "agent of rack rack1, whose certificate",
        ),
        (&ca, certificate[..certificate.len() / 2].to_owned(), "cut_off", "it is cut off"),
        (&ca, without.to_string(), "no_receipt", "the countersignature is missing"),
        (
            &ca,
            with("receipt", other["receipt"].clone()),
            "not_of_authority",
            "the authority's receipt is signed by",
        ),
    ];
    for (ca, certificate, fault, sentence) in cases {
        fs::write(&file, certificate).unwrap();
        let output = verify(&file, ca, &["-o", "json"]);
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{fault}: {said}");
        let json: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((json["valid"].as_bool(), json["fault"].as_str()), (Some(false), Some(fault)), "{said}");
        assert!(told.contains(sentence) && json["reason"].as_str().unwrap().contains(sentence), "{told}");
    }
}

#[tokio::test]
async fn libraries_that_nobody_here_wrote_come_to_the_same_verdict() {
    let programs = judges::programs().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (ca, certificate) = made(dir.path()).await;
    let file = dir.path().join("certificate.json");
    let rack: RackId = fakes::new_server().rack;
    let judge = async |certificate: &str| {
        fs::write(&file, certificate).unwrap();
        let mut judge = tokio::process::Command::new(programs.join("python"));
        judge
            .arg(JUDGE)
            .arg(&file)
            .arg(&ca)
            .arg(rack.as_str())
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(JUDGE_MAX, judge.output()).await.expect("it ends").unwrap();
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    let (is_content, said) = judge(&certificate).await;
    assert!(is_content && said.contains("jwcrypto is content with a1 of SRV7"), "{said}");
    // It does look: one character of the payload.
    let mut changed: Value = serde_json::from_str(&certificate).unwrap();
    let statement = changed["statement"].as_str().unwrap().to_owned();
    let (start, _) = statement.rsplit_once('.').unwrap();
    let last = if start.ends_with('Q') { 'g' } else { 'Q' };
    changed["statement"] = format!("{}{last}{}", &start[..start.len() - 1], &statement[start.len()..]).into();
    let (is_content, said) = judge(&changed.to_string()).await;
    assert!(!is_content, "{said}");
}
