//! The ramdisk facade over HTTP with a fake Ironic: tokens, heartbeats, commands, and a coordinator that is restarted
//! in the middle of a job.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use domain::{
    disks::{Exception, Thoroughness, inspected},
    rim::{FacadeServer, Hardware, Refusal, RefusalKind},
};
use faces::ramdisk_api::{
    DriveError, DriveSource, ImageLookup, ImageLookupError, IronicRamdisk, IronicRamdiskError, RamdiskApi,
    RamdiskApiConfig, SiteErase, Token,
};
use hyper::Request;
use openstack::ironic::ramdisk::InspectionReport;
use protocol::{
    boot::{BootMode, BootPurpose},
    hardware::{Disk, HardwareReport},
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
    power::PowerReading,
    secret::Secret,
    step::{EraseOrder, ErasedDisk, ImageFormat, ImageRef, Step},
};
use serde_json::{Value, json};
use tests::fake_hardware::{FakeHardware, MemoryStore};
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(10);

/// An Ironic that is locked for the first lookups, and gives the token once.
#[derive(Default)]
struct FakeIronic(Mutex<IronicState>);

#[derive(Default)]
struct IronicState {
    locked: u32,
    given: bool,
    token_wiped: bool,
    heartbeats: u32,
    inspected: Option<InspectionReport>,
}

#[async_trait]
impl IronicRamdisk for FakeIronic {
    async fn lookup(&self, _: ServerId) -> Result<Token, IronicRamdiskError> {
        let mut state = self.0.lock().unwrap();
        if state.locked > 0 {
            state.locked -= 1;
            return Err(IronicRamdiskError::NotNow { reason: "locked".into() });
        }
        match std::mem::replace(&mut state.given, true) {
            true => Ok(Token::GivenAway),
            false => Ok(Token::Clear(Secret::new("agent token"))),
        }
    }

    async fn heartbeat(
        &self,
        server: ServerId,
        token: &Secret,
        url: &str,
        ca: &str,
    ) -> Result<(), IronicRamdiskError> {
        let mut state = self.0.lock().unwrap();
        assert_eq!((token.reveal(), ca), ("agent token", "PEM"));
        assert_eq!(url, format!("https://127.0.0.1:22021/ramdisk/{server}"));
        if state.token_wiped {
            return Err(IronicRamdiskError::Refused { reason: "Invalid or missing agent token".into() });
        }
        state.heartbeats += 1;
        Ok(())
    }

    async fn continue_inspection(
        &self,
        _: ServerId,
        report: &InspectionReport,
    ) -> Result<(), IronicRamdiskError> {
        let mut state = self.0.lock().unwrap();
        if state.locked > 0 {
            state.locked -= 1;
            return Err(IronicRamdiskError::NotNow { reason: "not in inspect wait".into() });
        }
        state.inspected = Some(report.clone());
        Ok(())
    }
}

struct OneImage;

#[async_trait]
impl ImageLookup for OneImage {
    async fn image(&self, id: &str) -> Result<ImageRef, ImageLookupError> {
        match id {
            "image" => Ok(image()),
            _ => Err(ImageLookupError::Unusable { id: id.into(), reason: "Glance does not know it".into() }),
        }
    }
}

/// An object store that is away when it is asked first, and takes drives from one address only.
#[derive(Default)]
struct OneDrive(AtomicUsize);

#[async_trait]
impl DriveSource for OneDrive {
    async fn fetch(&self, url: &str, _: usize) -> Result<Vec<u8>, DriveError> {
        let url = url.to_owned();
        if !url.starts_with("https://store/") {
            return Err(DriveError::NotAllowed { url });
        }
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Err(DriveError::Away { url, reason: "connection refused".into() }),
            _ => Ok(drive()),
        }
    }
}

/// The beginning of an ISO 9660 file system.
fn drive() -> Vec<u8> {
    let mut drive = vec![0; 40_000];
    drive[32_769..32_774].copy_from_slice(b"CD001");
    drive
}

fn image() -> ImageRef {
    ImageRef { id: "image".into(), format: ImageFormat::Qcow2, size_bytes: 4096, sha512: "ab".repeat(64) }
}

struct Bench {
    hardware: Arc<FakeHardware>,
    ironic: Arc<FakeIronic>,
    store: Arc<MemoryStore>,
    api: RamdiskApi,
    id: ServerId,
    session: RamdiskSessionId,
}

impl Bench {
    fn new() -> Self {
        let (id, session) = (ServerId::random(), RamdiskSessionId::random());
        let hardware = Arc::new(FakeHardware::default());
        let disk = Disk { name: "/dev/vda".into(), size_bytes: 8 << 30, ..Disk::default() };
        let server = FacadeServer {
            id,
            name: "rack1-7".into(),
            power: Some(PowerReading::On),
            boot_mode: BootMode::Bios,
            macs: vec![],
            hardware: Some(HardwareReport { disks: vec![disk], ..HardwareReport::default() }),
            ramdisk: Some(session),
            root_device: Default::default(),
        };
        hardware.add(server, &id.to_string(), "secret");
        let (ironic, store) = (Arc::new(FakeIronic::default()), Arc::new(MemoryStore::default()));
        ironic.0.lock().unwrap().locked = 2;
        let api = api(&hardware, &ironic, &store);
        Self { hardware, ironic, store, api, id, session }
    }

    fn disk(&self) -> Disk {
        Disk { name: "/dev/vda".into(), size_bytes: 8 << 30, ..Disk::default() }
    }

    fn ready(&self, purpose: BootPurpose) {
        let hardware = HardwareReport::default();
        self.api.ramdisk_ready(self.id, self.session, purpose, BootNetwork::Cleaning, hardware);
    }

    fn gone(&self, session: RamdiskSessionId) {
        self.api.ramdisk_gone(self.id, session, "it did not come back".to_owned());
    }

    /// The coordinator dies and comes back.
    async fn restart(&mut self) {
        self.api.shutdown().await;
        self.api = api(&self.hardware, &self.ironic, &self.store);
    }

    async fn ask(&self, method: &str, query: &str, body: impl Into<Body>) -> (u16, Value) {
        let uri = format!("/ramdisk/{}/v1/commands/?{query}", self.id);
        let request = Request::builder().method(method).uri(uri).body(body.into()).unwrap();
        let response = self.api.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn post(&self, name: &str, params: Value) -> (u16, Value) {
        let body = json!({"name": name, "params": params}).to_string();
        self.ask("POST", "wait=false&agent_token=agent%20token", body).await
    }

    async fn commands(&self) -> Vec<Value> {
        let (status, body) = self.ask("GET", "agent_token=agent%20token", "").await;
        assert_eq!(status, 200, "{body}");
        body["commands"].as_array().unwrap().clone()
    }

    /// The last command, when it has ended.
    async fn ended(&self) -> Value {
        until("the command ends", async || {
            let last = self.commands().await.pop()?;
            (last["command_status"] != "RUNNING").then_some(last)
        })
        .await
    }

    async fn has_token(&self) {
        let token = async || (self.ask("GET", "agent_token=agent%20token", "").await.0 == 200).then_some(());
        until("the token is looked up", token).await
    }

    fn heartbeats(&self) -> u32 {
        self.ironic.0.lock().unwrap().heartbeats
    }
}

fn api(hardware: &Arc<FakeHardware>, ironic: &Arc<FakeIronic>, store: &Arc<MemoryStore>) -> RamdiskApi {
    let config = RamdiskApiConfig {
        url: "https://127.0.0.1:22021".into(),
        ca_pem: "PEM".into(),
        erase: SiteErase { is_full: true, least: Thoroughness::default() },
    };
    let drives = Arc::<OneDrive>::default();
    RamdiskApi::with_drives(
        hardware.clone(),
        ironic.clone(),
        Arc::new(OneImage),
        drives,
        store.clone(),
        config,
    )
}

async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let start = tokio::time::Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn clean_step(step: &str) -> Value {
    json!({"step": {"interface": "deploy", "step": step, "priority": 10}, "node": {}, "ports": []})
}

fn write_image(id: &str) -> Value {
    json!({"step": {"interface": "deploy", "step": "write_image", "args": {"image_info": {"id": id}}}})
}

#[tokio::test]
async fn inspection_is_delivered_when_ironic_is_ready() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Inspect);
    let report = until("the report arrives", async || bench.ironic.0.lock().unwrap().inspected.clone()).await;
    assert_eq!(report.inventory["hostname"], "rack1-7");
}

#[tokio::test]
async fn cleaning_shows_what_was_erased() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    let (status, answer) = bench.post("clean.get_clean_steps", json!({"node": {}, "ports": []})).await;
    assert_eq!((status, &answer["command_name"]), (200, &json!("get_clean_steps")));
    assert_eq!(answer["command_result"]["clean_steps"]["BmsRamdisk"][0]["step"], "erase_devices_metadata");
    let before = bench.heartbeats();
    let (status, answer) = bench.post("clean.execute_clean_step", clean_step("erase_devices")).await;
    assert_eq!((status, answer["command_status"].is_string()), (200, true), "{answer}");
    until("the end is told", async || (bench.heartbeats() > before).then_some(())).await;
    let ended = bench.ended().await;
    assert_eq!(ended["command_result"]["clean_step"]["step"], "erase_devices");
    assert_eq!(ended["command_result"]["clean_result"]["disks"][0]["erased_bytes"], 8_u64 << 30);
    let order = EraseOrder { expected: vec![bench.disk()], ..EraseOrder::default() };
    assert_eq!(bench.hardware.take_steps(bench.id), vec![Step::EraseDisks(order)]);
}

/// What Ironic hears of a clean: done with this evidence, or failed with these words.
#[tokio::test]
async fn a_clean_that_misses_a_disk_fails_with_the_disks_name() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    let check = async |step: &str, known: &[Disk], erased: Option<Vec<ErasedDisk>>, refusals: &[&str]| {
        bench.hardware.set_disks(bench.id, inspected(vec![], known, 1).disks);
        bench.hardware.answer_erases(erased);
        bench.post("clean.execute_clean_step", clean_step(step)).await;
        let ended = bench.ended().await;
        let expected = if refusals.is_empty() { "SUCCEEDED" } else { "FAILED" };
        assert_eq!(ended["command_status"], expected, "{step}: {ended}");
        let details = ended["command_error"]["details"].as_str().unwrap_or_default();
        for part in refusals {
            assert!(details.contains(part), "{step}: no {part:?} in {details}");
        }
    };
    let here = bench.disk();
    let other = Disk { name: "/dev/sdb".into(), serial: "B2".into(), ..here.clone() };
    let done = |disk: &Disk| ErasedDisk {
        name: disk.name.clone(),
        method: "zeroes".into(),
        erased_bytes: disk.size_bytes,
        verified_bytes: disk.size_bytes,
        disk: Some(disk.clone()),
        ..ErasedDisk::default()
    };
    let failing = ErasedDisk { erased_bytes: 0, failure: "it is read-only".into(), ..done(&other) };
    let old = ErasedDisk { disk: None, ..done(&here) };
    for step in ["erase_devices_metadata", "erase_devices"] {
        let both = [here.clone(), other.clone()];
        check(step, &both, Some(vec![done(&here), done(&other)]), &[]).await;
        check(step, &both, Some(vec![]), &["rack1-7 is not clean", "disk 1", "disk 2 (serial B2"]).await;
        check(step, &both, Some(vec![done(&here)]), &["disk 2 (serial B2", "node disk except rack1-7 2"])
            .await;
        check(step, &both, Some(vec![done(&here), failing.clone()]), &["/dev/sdb (serial B2", "read-only"])
            .await;
        check(step, &both[..1], Some(vec![done(&here), done(&other)]), &["was never inspected"]).await;
        check(step, &both[..1], Some(vec![old.clone()]), &["update the agent"]).await;
    }
    bench.hardware.take_steps(bench.id);
    bench.hardware.take_accounts();
    check("erase_devices", &[], None, &["rack1-7 is not cleaned", "bmsctl node inspect rack1-7"]).await;
    assert!(bench.hardware.take_steps(bench.id).is_empty(), "who knows no disk begins no erase");
    assert!(bench.hardware.take_accounts().is_empty());
}

#[tokio::test]
async fn a_clean_names_what_was_left_out_and_by_whose_word() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    let pulled = Disk { serial: "B2".into(), ..bench.disk() };
    let mut known = inspected(vec![], &[bench.disk(), pulled.clone()], 1).disks;
    known[1].exception = Some(Exception { at_us: 5, by: "alice".into(), reason: "replaced".into() });
    bench.hardware.set_disks(bench.id, known);
    bench.post("clean.execute_clean_step", clean_step("erase_devices")).await;
    let ended = bench.ended().await;
    assert_eq!(ended["command_status"], "SUCCEEDED", "{ended}");
    let left_out = &ended["command_result"]["clean_result"]["left_out"][0];
    assert_eq!((&left_out["by"], &left_out["disk"]["serial"]), (&json!("alice"), &json!("B2")), "{ended}");
    let order = EraseOrder { expected: vec![bench.disk()], left_out: vec![pulled], ..EraseOrder::default() };
    assert_eq!(bench.hardware.take_steps(bench.id), vec![Step::EraseDisks(order)]);
    assert!(bench.hardware.take_accounts()[0].evidence().contains("excluded by alice: replaced"));
}

#[tokio::test]
async fn a_failure_carries_its_reason() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    let check = async |params: Value, reason: &str| {
        bench.post("deploy.execute_deploy_step", params).await;
        let ended = bench.ended().await;
        assert_eq!(ended["command_status"], "FAILED");
        let details = ended["command_error"]["details"].as_str().unwrap();
        assert!(details.contains(reason), "{ended}");
    };
    check(write_image("nothing"), "Glance does not know it").await;
    let mut broken = write_image("image");
    broken["step"]["args"]["configdrive"] = json!("***");
    check(broken, "not base64").await;
    assert!(bench.hardware.take_steps(bench.id).is_empty(), "nothing is written before all is known");
    let message = "the image's SHA-512 is not what Glance promised".to_owned();
    bench.hardware.fail_steps(Some(Refusal { kind: RefusalKind::Hardware, message }));
    check(write_image("image"), "SHA-512").await;
}

#[tokio::test]
async fn a_configuration_drive_at_an_address_is_fetched_before_a_byte_is_written() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    let mut step = write_image("image");
    step["step"]["args"]["configdrive"] = json!("http://192.0.2.1/drive");
    bench.post("deploy.execute_deploy_step", step.clone()).await;
    let ended = bench.ended().await;
    let details = ended["command_error"]["details"].as_str().unwrap();
    assert!(details.contains("add the beginning of its address to facade.config_drives_from"), "{ended}");
    assert!(bench.hardware.take_steps(bench.id).is_empty(), "nothing is written before all is known");
    step["step"]["args"]["configdrive"] = json!("https://store/drive?temp_url_sig=1");
    bench.post("deploy.execute_deploy_step", step).await;
    assert_eq!(bench.ended().await["command_status"], "SUCCEEDED");
    let expected = [Step::write_image(image()), Step::WriteConfigDrive { content: drive() }];
    assert_eq!(bench.hardware.take_steps(bench.id), expected);
}

#[tokio::test]
async fn power_off_is_answered_when_it_is_off() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    let (status, answer) = bench.post("standby.power_off", json!({})).await;
    assert_eq!((status, &answer["command_status"]), (200, &json!("SUCCEEDED")), "{answer}");
    assert_eq!(bench.hardware.server(bench.id).await.unwrap().power, Some(PowerReading::Off));
    assert_eq!(bench.hardware.take_steps(bench.id), vec![Step::PowerOff]);
}

#[tokio::test]
async fn a_rescue_is_answered_when_the_ramdisk_has_let_go() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Rescue);
    bench.has_token().await;
    // Ironic falls back to this where it is told to: a password in clear is not taken.
    let (status, answer) = bench.post("rescue.finalize_rescue", json!({"rescue_password": "hunter2"})).await;
    assert_eq!(status, 400, "{answer}");
    assert!(bench.hardware.take_steps(bench.id).is_empty());
    let hashed = json!({"rescue_password": "$5$salt$hash", "hashed": true});
    let message = "this ramdisk has no rescue tools".to_owned();
    bench.hardware.fail_steps(Some(Refusal { kind: RefusalKind::Hardware, message }));
    let (_, answer) = bench.post("rescue.finalize_rescue", hashed.clone()).await;
    assert_eq!(answer["command_status"], "FAILED", "{answer}");
    assert!(answer["command_error"]["details"].as_str().unwrap().contains("no rescue tools"), "{answer}");
    bench.hardware.fail_steps(None);
    bench.hardware.take_steps(bench.id);
    // The ramdisk goes with its answer, and may be known to be gone before the answer is.
    bench.hardware.hold(true);
    let (reply, ()) = tokio::join!(bench.post("rescue.finalize_rescue", hashed), async {
        until("it is begun", async || (bench.hardware.steps_begun(bench.id) == 1).then_some(())).await;
        bench.gone(bench.session);
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.hardware.hold(false);
    });
    assert_eq!((reply.0, &reply.1["command_status"]), (200, &json!("SUCCEEDED")), "{}", reply.1);
    assert!(!reply.1.to_string().contains("$5$"), "{}", reply.1);
    let password_hash = Secret::new("$5$salt$hash");
    assert_eq!(bench.hardware.take_steps(bench.id), vec![Step::HandOver { password_hash }]);
}

#[tokio::test]
async fn only_the_holder_of_the_token_commands() {
    let bench = Bench::new();
    let check = async |query: &str, expected: u16| {
        let body = json!({"name": "standby.power_off", "params": {}}).to_string();
        let (status, answer) = bench.ask("POST", query, body).await;
        assert_eq!(status, expected, "{query}: {answer}");
        assert!(answer["faultstring"].is_string());
    };
    check("agent_token=agent%20token", 401).await;
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    check("agent_token=wrong", 401).await;
    check("", 401).await;
    assert!(bench.hardware.take_steps(bench.id).is_empty());
    for body in ["", "[", "{\"name\":1}", "{\"name\":\"a\"}"] {
        let (status, _) = bench.ask("POST", "agent_token=agent%20token", body).await;
        assert_eq!(status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_second_command_has_to_wait() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    bench.hardware.hold(true);
    assert_eq!(bench.post("deploy.execute_deploy_step", write_image("image")).await.0, 200);
    let (status, answer) = bench.post("standby.sync", json!({})).await;
    assert_eq!(status, 409);
    assert_eq!(answer["faultstring"], "Agent is busy with command execute_deploy_step");
    bench.hardware.hold(false);
    assert_eq!(bench.ended().await["command_status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_job_survives_a_restart_of_the_coordinator() {
    let mut bench = Bench::new();
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    bench.post("deploy.get_deploy_steps", json!({"node": {"deploy_interface": "direct"}})).await;
    bench.hardware.hold(true);
    bench.post("deploy.execute_deploy_step", write_image("image")).await;
    until("the write begins", async || (bench.hardware.steps_begun(bench.id) == 1).then_some(())).await;
    bench.restart().await;
    assert_eq!(bench.ask("GET", "agent_token=agent%20token", "").await.0, 401, "not known yet");
    bench.ready(BootPurpose::Deploy);
    bench.has_token().await;
    let commands = bench.commands().await;
    assert_eq!(commands.len(), 2, "an empty list would make ironic skip the write: {commands:?}");
    assert_eq!(commands[1]["command_status"], "RUNNING");
    bench.hardware.hold(false);
    let ended = bench.ended().await;
    assert_eq!(ended["command_result"]["deploy_step"]["step"], "write_image", "{ended}");
    let steps = bench.hardware.take_steps(bench.id);
    assert_eq!(steps, vec![Step::write_image(image()), Step::write_image(image())]);
}

#[tokio::test]
async fn a_job_fails_with_its_ramdisk_and_ironic_is_told_why() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    bench.hardware.hold(true);
    bench.post("clean.execute_clean_step", clean_step("erase_devices")).await;
    until("the erase begins", async || (bench.hardware.steps_begun(bench.id) == 1).then_some(())).await;
    let before = bench.heartbeats();
    bench.gone(bench.session);
    until("ironic is told", async || (bench.heartbeats() > before).then_some(())).await;
    let (status, body) = bench.ask("GET", "agent_token=agent%20token", "").await;
    let last = body["commands"].as_array().unwrap().last().unwrap();
    assert_eq!((status, &last["command_status"]), (200, &json!("FAILED")), "{body}");
    assert_eq!(last["command_error"]["details"], "it did not come back");
    until("the session ends once ironic has looked", async || {
        bench.api.state(bench.id).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_step_is_done_again() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    let interrupted = |message: &str| {
        let (kind, message) = (RefusalKind::Interrupted, message.to_owned());
        Some(Refusal { kind, message })
    };
    bench.hardware.fail_steps(interrupted("the agent was stopped"));
    bench.post("clean.execute_clean_step", clean_step("erase_devices")).await;
    until("it is begun again", async || (bench.hardware.steps_begun(bench.id) == 2).then_some(())).await;
    bench.hardware.fail_steps(None);
    assert_eq!(bench.ended().await["command_status"], "SUCCEEDED");
    // But not for ever, and a power-off is not: what it leaves has no ramdisk to repeat it.
    bench.hardware.take_steps(bench.id);
    bench.hardware.fail_steps(interrupted("once more"));
    bench.post("clean.execute_clean_step", clean_step("erase_devices")).await;
    let ended = bench.ended().await;
    assert_eq!((ended["command_status"].as_str(), bench.hardware.steps_begun(bench.id)), (Some("FAILED"), 3));
    bench.hardware.take_steps(bench.id);
    bench.post("standby.power_off", json!({})).await;
    assert_eq!(bench.hardware.take_steps(bench.id), vec![Step::PowerOff]);
}

#[tokio::test]
async fn a_ramdisk_whose_token_is_lost_says_so() {
    let bench = Bench::new();
    bench.ironic.0.lock().unwrap().given = true;
    bench.ready(BootPurpose::Deploy);
    until("the driver gives up", async || {
        bench.api.state(bench.id).filter(|state| state.contains("power the server off"))
    })
    .await;
    assert_eq!(bench.heartbeats(), 0);
}

#[tokio::test]
async fn heartbeats_end_with_the_token_and_with_the_ramdisk() {
    let bench = Bench::new();
    bench.ready(BootPurpose::Clean);
    bench.has_token().await;
    until("a heartbeat arrives", async || (bench.heartbeats() > 0).then_some(())).await;
    bench.ironic.0.lock().unwrap().token_wiped = true;
    until("the driver ends", async || {
        bench.api.state(bench.id).filter(|state| state.contains("no more heartbeats"))
    })
    .await;
    bench.gone(RamdiskSessionId::random());
    assert!(bench.api.state(bench.id).is_some(), "another ramdisk has gone");
    bench.gone(bench.session);
    assert_eq!(bench.api.state(bench.id), None);
}
