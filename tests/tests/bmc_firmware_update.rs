//! Edges: new firmware on virtual Redfish BMCs by the agent's own hands: given once, followed through a restart to its end, and told as what it
//! is when it fails, waits, or keeps the old version.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent::{
    bmc::{Bmc, BmcOptions, LogIns, RedfishBmc, account::Pace, connect, connect_redfish},
    firmware::{Updater, look},
    image::{Cache, ImageStream, Upstream, UpstreamError},
};
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    bmc_settings::BmcSettings,
    command::{FailureKind, Success},
    hex,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
    update::{FirmwareImage, FirmwareSeen, FirmwareUpdate, UpdateStage},
};
use sha2::{Digest, Sha512};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishBmc as Server, RedfishOptions},
    redfish_manners::Manner,
};
use uuid::Uuid;

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 2, min_gap: Duration::ZERO };
const IMAGE: &[u8] = b"\x00 bmc version=2.0.0 \xff";
const URL: &str = "https://images.example/bmc.bin?version=2.0.0";
const SIMPLE_UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
/// Looks within which every update has come to its end.
const LOOKS_MAX: usize = 2000;

fn serve(manners: &[Manner]) -> (Server, RedfishBmc) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = RedfishOptions { manners: manners.to_vec(), ..RedfishOptions::default() };
    let chassis = Arc::new(FakeChassis::default());
    let server =
        redfish::serve_on(listener, Credentials::new("admin", "correct-horse"), chassis, options).unwrap();
    let log_ins = LogIns { pace: Pace(Duration::from_millis(5)), in_call: true };
    let bmc = connect_redfish(&endpoint(&server), OPTIONS, log_ins).expect("it speaks Redfish");
    (server, bmc)
}

fn endpoint(server: &Server) -> BmcEndpoint {
    BmcEndpoint {
        protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
        address: server.addr.ip().to_string(),
        port: server.addr.port(),
        username: "admin".into(),
        password: Secret::new("correct-horse"),
        settings: BmcSettings::default(),
    }
}

/// The coordinator, with one file.
struct Files(AtomicUsize);

#[async_trait]
impl Upstream for Files {
    async fn fetch(&self, _: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let rest = Bytes::from_static(&IMAGE[offset as usize..]);
        Ok(Box::pin(futures::stream::iter([Ok(rest)])))
    }
}

fn updater(dir: &std::path::Path) -> (Updater, Arc<Files>) {
    let files = Arc::new(Files(AtomicUsize::new(0)));
    (Updater::new(Arc::new(Cache::open(dir, 1 << 20, files.clone()).unwrap())), files)
}

fn file() -> FirmwareImage {
    FirmwareImage::File {
        name: "bmc.bin".into(),
        id: "firmware/ab".into(),
        size_bytes: IMAGE.len() as u64,
        sha512: hex::encode(Sha512::digest(IMAGE)),
    }
}

fn order(component: &str, image: FirmwareImage) -> FirmwareUpdate {
    FirmwareUpdate { order: Uuid::from_u128(1), attempt: 0, component: component.to_owned(), image }
}

/// Looks until the task has ended; how often the BMC could not be looked at meanwhile.
async fn followed(bmc: &RedfishBmc, task: Option<String>) -> (FirmwareSeen, usize) {
    let mut silences = 0;
    for _ in 0..LOOKS_MAX {
        match look(bmc, task.as_deref()).await {
            Ok(Success::FirmwareSeen(FirmwareSeen { stage: UpdateStage::Running(_), .. })) => {}
            Ok(Success::FirmwareSeen(seen)) => return (seen, silences),
            Ok(other) => panic!("{other:?}"),
            Err(_) => silences += 1,
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn an_update_is_given_once_and_followed_to_its_end_whatever_the_bmc_does() {
    let check = async |manners: &[Manner], image: FirmwareImage, stage: UpdateStage, version: &str| {
        let dir = tempfile::tempdir().unwrap();
        let ((updater, _), (server, bmc)) = (updater(dir.path()), serve(manners));
        let taken = updater.give(&bmc, &order("BMC", image)).await;
        let Ok(Success::FirmwareTaken { task }) = taken else { panic!("{manners:?}: {taken:?}") };
        let (seen, silences) = followed(&bmc, task).await;
        assert_eq!(seen.stage, stage, "{manners:?}");
        assert_eq!(seen.manager_version, version, "{manners:?}");
        let listed = seen.items.iter().find(|item| item.id == "BMC").unwrap();
        assert_eq!(listed.version, version, "{manners:?}");
        assert_eq!(silences > 0, manners.contains(&Manner::UpdateRestarts), "{manners:?}");
        assert_eq!(server.told().updates.len(), 1, "{manners:?}");
    };
    let url = || FirmwareImage::Url(URL.into());
    check(&[], url(), UpdateStage::Ended, "2.0.0").await;
    check(&[], file(), UpdateStage::Ended, "2.0.0").await;
    check(&[Manner::UpdateRestarts], file(), UpdateStage::Ended, "2.0.0").await;
    check(&[Manner::UpdateKeeps], url(), UpdateStage::Ended, "1.2.3").await;
    let failed = UpdateStage::Failed("its task ended as Exception: The image is for another board.".into());
    check(&[Manner::UpdateFails], url(), failed, "1.2.3").await;
}

#[tokio::test]
async fn an_update_that_waits_for_a_restart_of_the_server_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let ((updater, _), (_server, bmc)) = (updater(dir.path()), serve(&[Manner::UpdateWaits]));
    let image = FirmwareImage::Url("https://images.example/bios?version=5.0".into());
    let taken = updater.give(&bmc, &order("BIOS", image)).await.unwrap();
    let Success::FirmwareTaken { task } = taken else { panic!("{taken:?}") };
    let (seen, _) = followed(&bmc, task.clone()).await;
    assert_eq!(seen.stage, UpdateStage::Paused);
    bmc.power_on().await.unwrap();
    let (seen, _) = followed(&bmc, task).await;
    assert_eq!((seen.stage, seen.bios_version.as_str()), (UpdateStage::Ended, "5.0"));
}

#[tokio::test]
async fn a_bmc_that_only_fetches_images_finds_the_file_at_its_agent() {
    let dir = tempfile::tempdir().unwrap();
    let ((updater, _), (server, bmc)) = (updater(dir.path()), serve(&[Manner::FetchesOnly]));
    updater.give(&bmc, &order("BMC", file())).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(&server.told().updates[0]).unwrap();
    assert_eq!(told["TransferProtocol"], "HTTP", "{told}");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetched = reqwest::get(told["ImageURI"].as_str().unwrap()).await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), IMAGE);
}

#[tokio::test]
async fn only_what_the_bmc_has_refused_was_not_given() {
    let check = async |manners: &[Manner], component: &str, image, kind: FailureKind, words: &str| {
        let dir = tempfile::tempdir().unwrap();
        let ((updater, files), (server, bmc)) = (updater(dir.path()), serve(manners));
        let failure = updater.give(&bmc, &order(component, image)).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(words), "no {words:?} in {failure}");
        assert_eq!(server.told().updates.len(), 0, "{words}");
        assert!(files.0.load(Ordering::SeqCst) <= 1, "{words}");
    };
    let url = || FirmwareImage::Url(URL.into());
    check(&[], "NIC", url(), FailureKind::BmcRefused, "it has no firmware \"NIC\", only BIOS, BMC").await;
    let nfs = FirmwareImage::Url("nfs://images.example/bmc.bin".into());
    check(&[], "BMC", nfs, FailureKind::BmcRefused, "by NFS, only by HTTP, HTTPS").await;
    check(&[Manner::PushesBare], "", url(), FailureKind::BmcRefused, "send it the file").await;
    // A fault of its own may have come before or after: nobody knows, and it is not sent again.
    check(&[Manner::Broken(SIMPLE_UPDATE)], "BMC", url(), FailureKind::MaybeDone, "It is broken").await;
    let wrong = FirmwareImage::File {
        name: "bmc.bin".into(),
        id: "firmware/ab".into(),
        size_bytes: IMAGE.len() as u64,
        sha512: "0".repeat(128),
    };
    check(&[], "BMC", wrong, FailureKind::ImageCorrupt, "SHA-512").await;
}

#[tokio::test]
async fn a_bmc_by_ipmi_is_told_apart() {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: "127.0.0.1".into(),
        port: 9,
        username: "admin".into(),
        password: Secret::new("x"),
        settings: BmcSettings::default(),
    };
    let bmc = connect(&endpoint);
    let failure = look(&*bmc, None).await.unwrap_err();
    assert!(failure.message.contains("its maker's tool"), "{failure}");
}
