//! What an agent states of an erase is kept, with a receipt that anybody can check, or the disk counts as not erased.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::{
    disks::{Account, Erase, Exception, Thoroughness, account},
    records::{AgentCertificate, EraseCertificateFilter, Origin, TenantServer, TenantServerState},
    rim::{Hardware, Refusal},
    samples,
};
use jiff::{SignedDuration, Timestamp};
use protocol::{
    erase_certificate::{File, SigningKey, StatedServer, Statement, VERSION, verify},
    hardware::Disk,
    id::{CommandId, RackId},
    step::{ErasedDisk, VERIFIED_BYTES_MIN},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use store::{Inventory, clock::TestClock, secret::Sealer};
use uuid::Uuid;

use super::Notary;
use crate::{
    core::{Core, Outside, Site},
    pki::{Authority, Term},
};

const NOW_US: u64 = 1_800_000_000_000_000;

/// A coordinator with one server, two of whose disks were seen, and that server's agent's key.
struct Bench {
    core: Arc<Core>,
    inventory: Inventory,
    server: domain::records::Server,
    authority: Arc<Authority>,
    key: SigningKey,
    /// By which the agent's certificate is known.
    certificate: AgentCertificate,
    _dir: tempfile::TempDir,
}

fn disk(serial: &str) -> Disk {
    Disk { name: format!("/dev/{serial}"), serial: serial.into(), size_bytes: 1 << 30, ..Disk::default() }
}

fn now() -> Timestamp {
    Timestamp::from_microsecond(i64::try_from(NOW_US).unwrap()).unwrap()
}

/// A key of the agent of this rack, with a certificate that the inventory knows.
async fn agent(
    inventory: &Inventory,
    authority: &Authority,
    rack: &RackId,
) -> (SigningKey, AgentCertificate) {
    let term = Term { now_us: NOW_US, lasts: Duration::from_secs(86_400) };
    let (made, key) = authority.agent_certificate(rack, term).unwrap();
    let given = AgentCertificate::given(rack, &made, Origin::Issued, None, NOW_US);
    inventory.put_certificate(&given).await.unwrap();
    let der = CertificateDer::from_pem_slice(made.pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    (SigningKey::new(key.secret_der(), vec![der]).unwrap(), given)
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        clock.advance_us(NOW_US);
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let server = inventory.put_server(&samples::new_server()).await.unwrap();
        inventory.inspect_disks(server.id, &[disk("a"), disk("b")]).await.unwrap();
        let authority = Arc::new(Authority::open_or_create(dir.path(), NOW_US).unwrap());
        let (key, certificate) = agent(&inventory, &authority, &server.rack).await;
        let core = core_of(&inventory, Some(Arc::new(Notary::new(Arc::clone(&authority)))));
        Self { core, inventory, server, authority, key, certificate, _dir: dir }
    }

    fn statement(&self, disk: &Disk) -> Statement {
        let command = CommandId::random();
        let minutes = |minutes| now().saturating_sub(SignedDuration::from_mins(minutes)).unwrap();
        Statement {
            version: VERSION,
            id: Statement::id_of(command, &disk.name),
            command,
            rack: self.server.rack.clone(),
            server: StatedServer {
                id: self.server.id,
                name: self.server.name.clone(),
                system_uuid: String::new(),
                manufacturer: String::new(),
                product: String::new(),
                serial: "S1".into(),
            },
            erased: erased(disk),
            left_out: vec![],
            not_erased: vec![],
            began_at: minutes(3),
            ended_at: minutes(2),
            signed_at: minutes(1),
            agent_version: "0.1.0".into(),
            ramdisk_version: "0.1.0".into(),
        }
    }

    /// What an agent reports of a disk, with this statement.
    fn said(&self, key: &SigningKey, statement: &Statement) -> ErasedDisk {
        let signed = key.sign_statement(statement).unwrap();
        ErasedDisk { statement: signed, ..statement.erased.clone() }
    }

    async fn account(&self, done: &[ErasedDisk]) -> Account {
        account(
            Erase::Disks,
            Thoroughness::default(),
            &self.inventory.disks(self.server.id).await.unwrap(),
            done,
        )
    }

    async fn note(&self, done: &[ErasedDisk]) -> Result<(), Refusal> {
        let account = self.account(done).await;
        self.core.note_erase(self.server.id, Erase::Disks, &account).await
    }

    async fn settled(&self) -> Vec<bool> {
        let disks = self.inventory.disks(self.server.id).await.unwrap();
        disks.into_iter().map(|known| known.settled).collect()
    }

    async fn kept(&self) -> usize {
        self.inventory.erase_certificates(&EraseCertificateFilter::default()).await.unwrap().len()
    }

    /// One disk is stated rightly, the other as given: it counts as not erased, with this reason, and the first one all the same.
    async fn check(&self, other: ErasedDisk, why: &str) {
        let before = self.kept().await;
        self.inventory.give_disks(self.server.id).await.unwrap();
        let good = self.said(&self.key, &self.statement(&disk("a")));
        let refusal = self.note(&[good, other]).await.expect_err(why);
        assert!(refusal.message.contains(why), "no {why:?} in: {}", refusal.message);
        assert!(refusal.message.contains("n1 is not clean: there is no certificate of the erase of /dev/b"));
        assert_eq!(self.settled().await, [true, false], "{why}");
        assert_eq!(self.kept().await, before + 1, "{why}");
        let server = self.inventory.server(self.server.id).await.unwrap().unwrap();
        assert_eq!(server.reason, Some(refusal.message), "an administrator reads it too");
    }
}

fn erased(disk: &Disk) -> ErasedDisk {
    ErasedDisk {
        name: disk.name.clone(),
        method: "zeroes".into(),
        erased_bytes: disk.size_bytes,
        verified_bytes: VERIFIED_BYTES_MIN,
        disk: Some(disk.clone()),
        ..ErasedDisk::default()
    }
}

fn core_of(inventory: &Inventory, notary: Option<Arc<Notary>>) -> Arc<Core> {
    let rim = Arc::new(fakes::Fake(Arc::new(fakes::World::default())));
    let cloud = Arc::new(fakes::cloud::Cloud::default());
    let outside = Outside { provisioner: rim.clone(), fabric: rim, networks: cloud };
    let site = Site {
        name: "test".to_owned(),
        poll_ironic_every: Duration::from_secs(2),
        passwords: Default::default(),
        renewals: Default::default(),
        after_tenancy: Default::default(),
        limits: Default::default(),
        firmware_urls: Vec::new(),
        firmware_dir: PathBuf::new(),
        media: Default::default(),
        notary,
    };
    Core::new(site, inventory.clone(), outside)
}

fn tenant(bench: &Bench) -> TenantServer {
    TenantServer {
        id: Uuid::from_u128(3),
        instance: Some(samples::INSTANCE),
        project_id: "demo".into(),
        name: "web".into(),
        flavor: "f".into(),
        image: "i".into(),
        network: Uuid::from_u128(4),
        port: None,
        address: None,
        node: Some(bench.server.id),
        state: TenantServerState::Deleting,
        reason: None,
        created_us: 7,
    }
}

#[tokio::test]
async fn every_erased_disk_has_a_certificate_that_holds_offline() {
    let bench = Bench::new().await;
    bench.inventory.put_tenant_server(&tenant(&bench)).await.unwrap();
    let word = Exception { at_us: NOW_US, by: "alice".into(), reason: "went back".into() };
    bench.inventory.set_disk_exception(bench.server.id, 2, Some(&word)).await.unwrap();
    let statement = Statement { left_out: vec![disk("b")], ..bench.statement(&disk("a")) };
    bench.note(&[bench.said(&bench.key, &statement)]).await.unwrap();
    assert_eq!(bench.settled().await, [true, false]);
    let kept = bench.inventory.erase_certificate(statement.id).await.unwrap().unwrap();
    assert_eq!((kept.tenancy, kept.project_id.as_deref()), (Some(Uuid::from_u128(3)), Some("demo")));
    assert_eq!((kept.disk_number, kept.received_us, kept.disk.serial.as_str()), (1, NOW_US, "a"));
    let file: File = serde_json::from_str(&kept.file).unwrap();
    let verified = verify(&file, &[bench.authority.certificate().unwrap()]).unwrap();
    assert_eq!(verified.statement, statement);
    assert_eq!(verified.agent, bench.certificate.fingerprint.to_string());
    let receipt = verified.receipt;
    assert_eq!((receipt.received_at, receipt.tenancy.unwrap().name.as_str()), (now(), "web"));
    assert_eq!(
        (receipt.left_out[0].by.as_str(), receipt.left_out[0].reason.as_str()),
        ("alice", "went back")
    );
}

#[tokio::test]
async fn a_disk_without_a_certificate_that_can_be_kept_is_not_erased() {
    let bench = Bench::new().await;
    let good = bench.statement(&disk("b"));
    bench.check(erased(&disk("b")), "update the agent of rack rack1").await;
    let mut changed = bench.said(&bench.key, &good);
    changed.statement.replace_range(400..401, if &changed.statement[400..401] == "A" { "B" } else { "A" });
    bench.check(changed, "the agent's statement").await;
    // Another authority's agent, another rack's, and one whose certificate is on no record.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::open_or_create(elsewhere.path(), NOW_US).unwrap();
    let (stranger, _) = agent(&bench.inventory, &other, &bench.server.rack).await;
    bench.check(bench.said(&stranger, &good), "was not issued by the given authority").await;
    let rack2: RackId = "rack2".parse().unwrap();
    let (neighbour, _) = agent(&bench.inventory, &bench.authority, &rack2).await;
    bench.check(bench.said(&neighbour, &good), "and not by the agent of rack rack1").await;
    let as_its_own = Statement { rack: rack2, ..good.clone() };
    bench.check(bench.said(&neighbour, &as_its_own), "is another rack's").await;
    let unknown = Inventory::in_memory(Sealer::new(&[1; 32]), bench.inventory.clock().clone()).await.unwrap();
    let (unknown, _) = agent(&unknown, &bench.authority, &bench.server.rack).await;
    bench.check(bench.said(&unknown, &good), "is not on record").await;
    // It says something else than what was ordered and reported.
    let says = |statement: Statement| ErasedDisk {
        statement: bench.said(&bench.key, &statement).statement,
        ..erased(&disk("b"))
    };
    let mut elsewhere = good.clone();
    elsewhere.server.id = protocol::id::ServerId(Uuid::from_u128(9));
    bench.check(says(elsewhere), "it is about another server").await;
    bench.check(says(bench.statement(&disk("c"))), "it names another disk, method or number of bytes").await;
    bench
        .check(says(Statement { left_out: vec![disk("d")], ..good.clone() }), "disks that were left out")
        .await;
    bench.check(says(Statement { ended_at: now(), ..good.clone() }), "its times are not in order").await;
    let ahead = now().saturating_add(SignedDuration::from_mins(61)).unwrap();
    bench
        .check(says(Statement { signed_at: ahead, ..good.clone() }), "one of the two clocks was wrong")
        .await;
    // An erase of before, stated again.
    bench.inventory.give_disks(bench.server.id).await.unwrap();
    let both = [bench.said(&bench.key, &bench.statement(&disk("a"))), says(good.clone())];
    bench.note(&both).await.unwrap();
    assert_eq!(bench.settled().await, [true, true]);
    bench.check(says(good), "kept at an earlier erase").await;
    bench.inventory.revoke_certificates(&bench.server.rack, None).await.unwrap();
    let refusal = bench.note(&[says(bench.statement(&disk("b")))]).await.unwrap_err();
    assert!(refusal.message.contains("was revoked"), "{}", refusal.message);
}

#[tokio::test]
async fn without_an_authority_no_erase_counts() {
    let bench = Bench::new().await;
    let core = core_of(&bench.inventory, None);
    let account = bench.account(&[bench.said(&bench.key, &bench.statement(&disk("a")))]).await;
    let refusal = core.note_erase(bench.server.id, Erase::Disks, &account).await.unwrap_err();
    assert!(refusal.message.contains("no authority"), "{}", refusal.message);
    assert_eq!(bench.settled().await, [false, false]);
}
