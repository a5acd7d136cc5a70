//! Edges: the statement about each disk that a ramdisk has erased, signed by the key by which the coordinator knows us.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use protocol::{
    command::{Failure, FailureKind},
    erase_certificate::{NotErased, SigningKey, StatedServer, Statement, VERSION},
    error_chain::chain,
    hardware::{Disk, HardwareReport, SystemIdentity},
    id::{CommandId, RackId, ServerId},
    spec::ServerSpec,
    step::{ErasedDisk, METHOD_LEFT_OUT, STATEMENT_BYTES_MAX, Step, StepOutput},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::uplink::papers::Papers;

/// States what ramdisks have erased.
#[derive(Debug)]
pub struct Notary {
    papers: Papers,
    rack: RackId,
    known: Mutex<HashMap<ServerId, Known>>,
}

/// What is known of a server beside its disks.
#[derive(Clone, Debug, Default)]
struct Known {
    name: String,
    system: SystemIdentity,
    ramdisk_version: String,
}

/// An erase of every byte that has begun.
#[derive(Clone, Debug)]
pub struct Erase {
    server: ServerId,
    command: CommandId,
    left_out: Vec<Disk>,
    began_at: Timestamp,
}

impl Erase {
    /// Of a step that is about to begin; none: it is another step. Partition tables and signatures alone are stated by nobody: what was
    /// on the disk is still there.
    pub fn of(server: ServerId, command: CommandId, step: &Step) -> Option<Self> {
        let Step::EraseDisks(order) = step else { return None };
        Some(Self { server, command, left_out: order.left_out.clone(), began_at: Timestamp::now() })
    }
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
enum NotSigned {
    #[error("the certificate or its key cannot be read: {0}")]
    Papers(String),
    #[error(transparent)]
    Key(#[from] protocol::erase_certificate::InvalidKey),
    #[error("the statement about {name} would be longer than {STATEMENT_BYTES_MAX} bytes")]
    TooLong { name: String },
}

impl Notary {
    /// Signs by the newest of these papers, as the agent of this rack.
    pub fn new(papers: Papers, rack: RackId) -> Self {
        Self { papers, rack, known: Mutex::default() }
    }

    /// A server was declared.
    pub fn know(&self, spec: &ServerSpec) {
        self.lock().entry(spec.id).or_default().name.clone_from(&spec.name);
    }

    /// A server is nobody's business any more.
    pub fn forget(&self, server: ServerId) {
        self.lock().remove(&server);
    }

    /// A ramdisk has come, or come back.
    pub fn ready(&self, server: ServerId, hardware: &HardwareReport) {
        let mut all = self.lock();
        let known = all.entry(server).or_default();
        known.system.clone_from(&hardware.system);
        known.ramdisk_version.clone_from(&hardware.ramdisk_version);
    }

    /// Puts a signed statement to each disk that was erased. An erase that we cannot state has failed.
    pub async fn state(&self, erase: Erase, output: StepOutput) -> Result<StepOutput, Failure> {
        let StepOutput::Erased { disks } = output else { return Ok(output) };
        let stated = self.state_all(&erase, disks).await;
        stated.map(|disks| StepOutput::Erased { disks }).map_err(|error| Failure {
            kind: FailureKind::StepFailed,
            message: format!("the disks are erased, and the agent cannot certify it: {}", chain(&error)),
        })
    }

    async fn state_all(&self, erase: &Erase, disks: Vec<ErasedDisk>) -> Result<Vec<ErasedDisk>, NotSigned> {
        let key = self.key().await?;
        let known = self.lock().get(&erase.server).cloned().unwrap_or_default();
        // Whatever a ramdisk wrote there is not ours.
        let disks: Vec<_> =
            disks.into_iter().map(|disk| ErasedDisk { statement: String::new(), ..disk }).collect();
        let step = Span { began_at: erase.began_at, ended_at: Timestamp::now() }.of_disks(&disks);
        let draft = Statement {
            version: VERSION,
            id: erase.command.0,
            command: erase.command,
            rack: self.rack.clone(),
            server: stated_server(erase.server, known.clone()),
            erased: ErasedDisk::default(),
            left_out: erase.left_out.clone(),
            not_erased: not_erased(&disks),
            began_at: step.began_at,
            ended_at: step.ended_at,
            signed_at: Timestamp::now(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            ramdisk_version: known.ramdisk_version,
        };
        disks
            .into_iter()
            .map(|disk| if is_erased(&disk) { sign(&key, &draft, disk) } else { Ok(disk) })
            .collect()
    }

    async fn key(&self) -> Result<SigningKey, NotSigned> {
        let paper = self.papers.read().await.map_err(|error| NotSigned::Papers(chain(&error)))?;
        let unreadable = |error: rustls_pki_types::pem::Error| NotSigned::Papers(error.to_string());
        let certificate = CertificateDer::from_pem_slice(&paper.cert).map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(&paper.key).map_err(unreadable)?;
        Ok(SigningKey::new(key.secret_der(), vec![certificate])?)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stated_server(id: ServerId, known: Known) -> StatedServer {
    let SystemIdentity { manufacturer, product, serial, uuid } = known.system;
    StatedServer { id, name: known.name, system_uuid: uuid, manufacturer, product, serial }
}

fn is_erased(disk: &ErasedDisk) -> bool {
    disk.failure.is_empty() && disk.method != METHOD_LEFT_OUT
}

fn not_erased(disks: &[ErasedDisk]) -> Vec<NotErased> {
    let failed = disks.iter().filter(|disk| !disk.failure.is_empty());
    let told = |disk: &ErasedDisk| NotErased {
        name: disk.name.clone(),
        disk: disk.disk.clone(),
        why: disk.failure.clone(),
    };
    failed.map(told).collect()
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    began_at: Timestamp,
    ended_at: Timestamp,
}

impl Span {
    /// When the ramdisk worked, by its own count of how long it took: after a restart of the agent we know only when we took the step up
    /// again, which is later.
    fn of_disks(self, disks: &[ErasedDisk]) -> Self {
        let took_ms = disks.iter().map(|disk| disk.began_after_ms.saturating_add(disk.took_ms)).max();
        let earliest = before(self.ended_at, took_ms.unwrap_or(0));
        Self { began_at: self.began_at.min(earliest.unwrap_or(self.began_at)), ..self }
    }

    /// When the disk was worked on; of one that does not say, the whole.
    fn of_disk(self, disk: &ErasedDisk) -> Self {
        if disk.took_ms == 0 {
            return self;
        }
        let began_at = after(self.began_at, disk.began_after_ms).unwrap_or(self.ended_at).min(self.ended_at);
        let ended_at = after(began_at, disk.took_ms).unwrap_or(self.ended_at).min(self.ended_at);
        Self { began_at, ended_at }
    }
}

/// None: there is no such time, so the number is none of an erase.
fn after(at: Timestamp, milliseconds: u64) -> Option<Timestamp> {
    at.checked_add(SignedDuration::from_millis(i64::try_from(milliseconds).ok()?)).ok()
}

fn before(at: Timestamp, milliseconds: u64) -> Option<Timestamp> {
    at.checked_sub(SignedDuration::from_millis(i64::try_from(milliseconds).ok()?)).ok()
}

fn sign(key: &SigningKey, draft: &Statement, disk: ErasedDisk) -> Result<ErasedDisk, NotSigned> {
    let id = Statement::id_of(draft.command, &disk.name);
    let step = Span { began_at: draft.began_at, ended_at: draft.ended_at };
    let Span { began_at, ended_at } = step.of_disk(&disk);
    let erased = disk.clone();
    let statement = key.sign_statement(&Statement { id, erased, began_at, ended_at, ..draft.clone() })?;
    if statement.len() > STATEMENT_BYTES_MAX {
        return Err(NotSigned::TooLong { name: disk.name });
    }
    Ok(ErasedDisk { statement, ..disk })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use protocol::{
        erase_certificate::{Fault, rack_name, verify_statement},
        step::EraseOrder,
    };
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    };
    use uuid::Uuid;

    use super::*;

    const SERVER: ServerId = ServerId(Uuid::from_u128(7));

    /// Writes papers for a rack, and gives them with the certificate of their authority.
    fn papers(dir: &Path, rack: &RackId) -> (Papers, CertificateDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec![rack_name(rack)]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let own = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&own, &issuer).unwrap();
        let path = |name: &str| dir.join(name);
        std::fs::write(path("agent.pem"), certificate.pem()).unwrap();
        std::fs::write(path("agent.key"), own.serialize_pem()).unwrap();
        let papers =
            Papers { cert: path("agent.pem"), key: path("agent.key"), renewed: path("certificate.pem") };
        (papers, authority)
    }

    fn erased(name: &str, method: &str, failure: &str) -> ErasedDisk {
        let disk = Disk { name: name.into(), serial: name.into(), size_bytes: 4096, ..Disk::default() };
        ErasedDisk {
            name: name.into(),
            method: method.into(),
            erased_bytes: 4096,
            verified_bytes: 4096,
            disk: Some(disk),
            failure: failure.into(),
            statement: "written by a ramdisk".into(),
            ..ErasedDisk::default()
        }
    }

    #[test]
    fn each_disk_has_its_own_times_also_after_a_restart_of_ours() {
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        let disk = |began_after_ms: u64, took_ms: u64| ErasedDisk {
            began_after_ms,
            took_ms,
            ..erased("a", "discard", "")
        };
        let disks = [disk(0, 20_000), disk(20_000, 70_000)];
        let check = |began: i64, ended: i64, disk: &ErasedDisk, expected: (i64, i64)| {
            let step = Span { began_at: at(began), ended_at: at(ended) }.of_disks(&disks);
            let expected = Span { began_at: at(expected.0), ended_at: at(expected.1) };
            assert_eq!(step.of_disk(disk), expected, "{disk:?}");
        };
        check(0, 100, &disks[0], (0, 20));
        check(0, 100, &disks[1], (20, 90));
        // Taken up again after 50 s of it.
        check(60, 100, &disks[0], (10, 30));
        check(60, 100, &disks[1], (30, 100));
        check(0, 100, &disk(0, 0), (0, 100));
        check(0, 100, &disk(u64::MAX, u64::MAX), (100, 100));
    }

    #[tokio::test]
    async fn each_erased_disk_has_a_statement_and_no_other_has() {
        let dir = tempfile::tempdir().unwrap();
        let rack: RackId = "rack1".parse().unwrap();
        let (papers, authority) = papers(dir.path(), &rack);
        let notary = Notary::new(papers, rack.clone());
        let system = SystemIdentity { serial: "S7".into(), ..SystemIdentity::default() };
        let hardware = HardwareReport { system, ramdisk_version: "0.9".into(), ..HardwareReport::default() };
        notary.ready(SERVER, &hardware);
        let left = Disk { serial: "left".into(), ..Disk::default() };
        let order = EraseOrder { left_out: vec![left.clone()], ..EraseOrder::default() };
        assert!(Erase::of(SERVER, CommandId::random(), &Step::EraseMetadata(order.clone())).is_none());
        let command = CommandId::random();
        let erase = Erase::of(SERVER, command, &Step::EraseDisks(order)).unwrap();
        let disks = vec![
            erased("/dev/sda", "zeroes", ""),
            erased("/dev/sdb", "", "it is read-only"),
            erased("/dev/sdc", METHOD_LEFT_OUT, ""),
        ];
        let StepOutput::Erased { disks } = notary.state(erase, StepOutput::Erased { disks }).await.unwrap()
        else {
            panic!("another output")
        };
        assert_eq!((disks[1].statement.as_str(), disks[2].statement.as_str()), ("", ""));
        let said = verify_statement(&disks[0].statement, &[authority]).unwrap().statement;
        assert_eq!(
            (said.rack, said.command, said.id),
            (rack, command, Statement::id_of(command, "/dev/sda"))
        );
        assert_eq!((said.server.serial.as_str(), said.ramdisk_version.as_str()), ("S7", "0.9"));
        assert_eq!(said.erased, ErasedDisk { statement: String::new(), ..disks[0].clone() });
        assert_eq!((said.left_out, said.not_erased[0].why.as_str()), (vec![left], "it is read-only"));
        assert!(said.began_at <= said.ended_at && said.ended_at <= said.signed_at);
    }

    #[tokio::test]
    async fn an_erase_that_cannot_be_signed_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let rack: RackId = "rack1".parse().unwrap();
        let (papers, authority) = papers(dir.path(), &rack);
        let step = Step::EraseDisks(EraseOrder::default());
        let erase = || Erase::of(SERVER, CommandId::random(), &step).unwrap();
        let output = || StepOutput::Erased { disks: vec![erased("/dev/sda", "zeroes", "")] };
        // What it signs for another rack is believed by nobody.
        let other = Notary::new(papers.clone(), "rack2".parse().unwrap());
        let StepOutput::Erased { disks } = other.state(erase(), output()).await.unwrap() else { panic!() };
        let fault = verify_statement(&disks[0].statement, &[authority]).unwrap_err();
        assert!(matches!(fault, Fault::OtherSigner { .. }), "{fault}");
        std::fs::remove_file(&papers.key).unwrap();
        let failure = Notary::new(papers, rack).state(erase(), output()).await.unwrap_err();
        assert!(failure.message.contains("agent.key"), "{}", failure.message);
    }
}
