//! Both facades against the real Ironic, Glance and Keystone: a server goes from enrolled to deployed and back while
//! everything behind the facades is faked and takes no time. What is left is what Ironic itself needs, phase by phase.

mod ironic_verbs;

use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    disks::{Account, Erase, KnownDisk, Thoroughness},
    firmware::update::{Given, Update},
    lifecycle::orders::{Ordered, permitted_order},
    media_sources::MediaSources,
    rim::{FacadeSensors, FacadeServer, Hardware, PowerRequest, Refusal, RefusalKind},
};
use faces::{
    facade,
    ramdisk_api::{RamdiskApi, RamdiskApiConfig, SiteErase},
    redfish::RedfishFacade,
};
use flate2::{Compression, write::GzEncoder};
use ironic_verbs::behind::Behind;
use listen::Terms;
use openstack::{
    Caller,
    client::http_client,
    drives::HttpDrives,
    glance::{Glance, NewImage},
    ironic::{
        InstanceSpec, Ironic, IronicNode, NodeProperties, NodeSpec, PortSpec, PowerTarget, ProvisionTarget,
        RedfishAccess,
    },
    ironic_node,
};
use protocol::{
    bmc_facts::BmcFacts,
    bmc_order::BmcOrder,
    boot::{BootMode, BootPurpose},
    hardware::{Cpu, Disk, HardwareReport, Nic},
    hex,
    id::{RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::PowerReading,
    secret::Secret,
    step::{ImageFormat, ImageRef, Step, StepOutput},
    update::UpdateStage,
};
use sha2::{Digest, Sha512};
use tests::{
    fake_hardware::{FakeHardware, MemoryStore, sensors},
    openstack::{OpenStack, Options, Who, ensure_venv},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest wait for a provision state; on failure the node is shown.
const PHASE_MAX: Duration = Duration::from_secs(120);
/// Between two looks at a node. A look costs Ironic some 40 ms of processor time, which its own work then lacks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const BASE_PORT: u16 = 24_100;

/// Between two looks at a BMC that takes firmware.
const FIRMWARE_LOOK_EVERY: Duration = Duration::from_millis(200);

/// The core with a fake behind it: it asks Ironic what a boot is for, as the real one does, and the ramdisk is there at once. Behind some
/// servers there is a virtual BMC.
struct Core {
    fake: FakeHardware,
    ironic: Ironic,
    front: std::sync::Mutex<Option<RamdiskApi>>,
    behind: std::sync::Mutex<HashMap<ServerId, Arc<Behind>>>,
    /// From where images may come; from nowhere at first.
    sources: std::sync::Mutex<MediaSources>,
    /// Itself, for what goes on by itself.
    me: Weak<Core>,
}

impl Core {
    fn behind(&self, id: ServerId) -> Option<Arc<Behind>> {
        self.behind.lock().unwrap().get(&id).cloned()
    }

    fn allow_images(&self, source: &str) -> Result<()> {
        *self.sources.lock().unwrap() = MediaSources::new([source]).map_err(anyhow::Error::msg)?;
        Ok(())
    }

    /// What the BMC says, read anew.
    async fn read_anew(&self, id: ServerId, behind: &Behind) -> Result<(), Refusal> {
        let facts = behind.facts().await;
        let facts =
            facts.map_err(|error| Refusal { kind: RefusalKind::Hardware, message: format!("{error:#}") })?;
        self.fake.set_facts(id, facts);
        Ok(())
    }

    async fn node(&self, id: ServerId) -> Result<domain::lifecycle::Node, Refusal> {
        let node = self.ironic.get_node(id).await;
        let node = node.map_err(|error| Refusal { kind: RefusalKind::State, message: error.to_string() })?;
        Ok(ironic_node(&node))
    }

    /// Looks at a BMC that takes firmware until that is over.
    async fn follow_firmware(&self, id: ServerId, behind: Arc<Behind>, task: String) {
        for now_us in 3.. {
            tokio::time::sleep(FIRMWARE_LOOK_EVERY).await;
            let Ok(seen) = behind.look(&task).await else { continue };
            let is_over = matches!(seen.stage, UpdateStage::Ended | UpdateStage::Failed(_));
            if is_over && let Err(refusal) = self.read_anew(id, &behind).await {
                tracing::warn!(%refusal, "the facts were not read anew");
            }
            self.fake.carry_on(id, |update| update.looked(&seen, now_us));
            if is_over {
                return;
            }
        }
    }

    fn ramdisk_ready(&self, id: ServerId, session: RamdiskSessionId, purpose: BootPurpose) {
        let network = match purpose {
            BootPurpose::Clean => BootNetwork::Cleaning,
            BootPurpose::Inspect | BootPurpose::Deploy | BootPurpose::Rescue => BootNetwork::Provisioning,
        };
        if let Some(api) = self.front.lock().unwrap().clone() {
            api.ramdisk_ready(id, session, purpose, network, hardware(mac_of(id)));
        }
    }

    fn ramdisk_gone(&self, id: ServerId) {
        let mut gone = None;
        self.fake.change(id, |server| gone = server.ramdisk.take());
        if let (Some(session), Some(api)) = (gone, self.front.lock().unwrap().clone()) {
            api.ramdisk_gone(id, session, "switched off".to_owned());
        }
    }
}

#[async_trait]
impl Hardware for Core {
    async fn server(&self, id: ServerId) -> Option<FacadeServer> {
        self.fake.server(id).await
    }

    async fn facade_credentials(&self, id: ServerId) -> Option<(String, Secret)> {
        self.fake.facade_credentials(id).await
    }

    async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal> {
        let failed = |message: String| Refusal { kind: RefusalKind::State, message };
        let node = self.ironic.get_node(id).await.map_err(|error| failed(error.to_string()))?;
        self.fake.power(id, request).await?;
        if let Some(behind) = self.behind(id) {
            behind.power(request).await?;
        }
        self.ramdisk_gone(id);
        let purpose = match (request, node.provision_state.as_str()) {
            (PowerRequest::Off(_), _) => None,
            (PowerRequest::On | PowerRequest::Restart, "inspecting" | "inspect wait") => {
                Some(BootPurpose::Inspect)
            }
            (PowerRequest::On | PowerRequest::Restart, "cleaning" | "clean wait") => Some(BootPurpose::Clean),
            (PowerRequest::On | PowerRequest::Restart, "rescuing") => Some(BootPurpose::Rescue),
            (PowerRequest::On | PowerRequest::Restart, "deploying") if !node.is_booting_instance() => {
                Some(BootPurpose::Deploy)
            }
            (PowerRequest::On | PowerRequest::Restart, _) => None,
        };
        if let Some(purpose) = purpose {
            let session = RamdiskSessionId::random();
            self.fake.change(id, |server| server.ramdisk = Some(session));
            self.ramdisk_ready(id, session, purpose);
        }
        Ok(())
    }

    async fn run_step(
        &self,
        id: ServerId,
        session: RamdiskSessionId,
        step: Step,
    ) -> Result<StepOutput, Refusal> {
        let hands_over = matches!(step, Step::HandOver { .. });
        let output = self.fake.run_step(id, session, step).await?;
        if hands_over {
            self.ramdisk_gone(id);
        }
        Ok(output)
    }

    async fn disks(&self, id: ServerId) -> Result<Vec<KnownDisk>, Refusal> {
        self.fake.disks(id).await
    }

    async fn note_erase(&self, id: ServerId, depth: Erase, account: &Account) -> Result<(), Refusal> {
        self.fake.note_erase(id, depth, account).await
    }

    async fn facts(&self, id: ServerId) -> BmcFacts {
        self.fake.facts(id).await
    }

    async fn sensors(&self, id: ServerId) -> FacadeSensors {
        self.fake.sensors(id).await
    }

    /// Permitted by Ironic's node of this moment, as the real one does it.
    async fn order(&self, id: ServerId, order: BmcOrder) -> Result<(), Refusal> {
        let Some(behind) = self.behind(id) else { return self.fake.order(id, order).await };
        let (node, server) = (self.node(id).await?, self.server(id).await);
        let power = server.as_ref().and_then(|server| server.power.as_ref());
        let of = Ordered { name: "the server", node: &node, power, ports_given: true };
        let sources = self.sources.lock().unwrap().clone();
        permitted_order(&order, of, &sources)?;
        behind.obey(&order).await?;
        self.read_anew(id, &behind).await
    }

    async fn update_firmware(&self, id: ServerId, component: String, url: String) -> Result<Uuid, Refusal> {
        let Some(behind) = self.behind(id) else {
            return self.fake.update_firmware(id, component, url).await;
        };
        let state = self.node(id).await?.provision_state;
        if !matches!(state.as_str(), "cleaning" | "clean wait" | "servicing" | "service wait") {
            let message = format!("the server is {state}: no firmware is updated there");
            return Err(Refusal { kind: RefusalKind::State, message });
        }
        let update = self.fake.update_firmware(id, component, url.clone()).await?;
        let task = behind.update(&url).await?;
        let before = self.fake.facts(id).await.firmware;
        let taken = Given::Taken { task: Some(task.clone()) };
        self.fake.carry_on(id, |update| update.giving(before, 1).given(taken, 2));
        let me = self.me.upgrade().expect("it is asked");
        tokio::spawn(async move { me.follow_firmware(id, behind, task).await });
        Ok(update)
    }

    async fn firmware_updates(&self, id: ServerId) -> Vec<Update> {
        self.fake.firmware_updates(id).await
    }
}

fn mac_of(id: ServerId) -> MacAddr {
    let bytes = id.0.as_bytes();
    MacAddr([0x52, 0x54, bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn hardware(mac: MacAddr) -> HardwareReport {
    HardwareReport {
        boot_mode: BootMode::Uefi,
        cpu: Cpu { count: 4, architecture: "x86_64".into(), model: "fake".into(), flags: vec![] },
        memory_mib: 4096,
        disks: vec![Disk { name: "/dev/vda".into(), size_bytes: 8 << 30, ..Disk::default() }],
        nics: vec![Nic {
            name: "eth0".into(),
            mac,
            ipv4: "198.18.1.20".into(),
            carrier: true,
            speed_mbps: 1000,
            driver: "virtio_net".into(),
            vendor: "0x1af4".into(),
            product: "0x1000".into(),
            booted: true,
            neighbour: None,
        }],
        ..HardwareReport::default()
    }
}

/// The certificate authority and the facade's certificate.
struct Pki {
    ca_pem: String,
    tls: Arc<rustls::ServerConfig>,
}

fn pki() -> Result<Pki> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::new(vec![])?;
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(rcgen::DnType::CommonName, "facade test CA");
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    Ok(Pki { ca_pem, tls: Arc::new(tls) })
}

/// The coordinator's facades: they can be killed and started again on the same port.
struct Front {
    api: RamdiskApi,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

struct Rig {
    core: Arc<Core>,
    ironic: Ironic,
    glance: Glance,
    store: Arc<MemoryStore>,
    pki: Pki,
    ca_file: PathBuf,
    venv: PathBuf,
    address: std::net::SocketAddr,
    front: tokio::sync::Mutex<Option<Front>>,
    times: std::sync::Mutex<Vec<(String, Duration)>>,
    /// Where configuration drives lie that Ironic is given by their address.
    object_store: String,
    cloud: OpenStack,
}

impl Rig {
    async fn start() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout")?;
        let mut options = Options::in_lab(&root.join(".lab"), "facade-ironic", BASE_PORT);
        let venv = options.venv.clone();
        tokio::task::spawn_blocking(move || ensure_venv(&venv)).await??;
        options.nova = false;
        let pki = pki()?;
        std::fs::create_dir_all(&options.dir)?;
        let ca_file = options.dir.join("facade-ca.pem");
        std::fs::write(&ca_file, &pki.ca_pem)?;
        let venv = options.venv.clone();
        let cloud = OpenStack::start(options).await?;
        let ironic = Ironic::new(cloud.session(Who::System)?);
        let glance = Glance::new(cloud.session(Who::Admin)?);
        let core = Arc::new_cyclic(|me| Core {
            fake: FakeHardware::default(),
            ironic: ironic.clone(),
            front: Default::default(),
            behind: Default::default(),
            sources: Default::default(),
            me: me.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        drop(listener);
        let rig = Rig {
            core,
            ironic,
            glance,
            store: Arc::default(),
            pki,
            ca_file,
            venv,
            address,
            front: Default::default(),
            times: Default::default(),
            object_store: object_store().await?,
            cloud,
        };
        rig.start_front().await?;
        Ok(rig)
    }

    async fn start_front(&self) -> Result<()> {
        let config = RamdiskApiConfig {
            url: format!("https://{}", self.address),
            ca_pem: self.pki.ca_pem.clone(),
            erase: SiteErase { is_full: true, least: Thoroughness::default() },
        };
        let (ironic, glance) = (Arc::new(self.ironic.clone()), Arc::new(self.glance.clone()));
        let sources = MediaSources::new([format!("{}/", self.object_store)]).map_err(anyhow::Error::msg)?;
        let drives = Arc::new(HttpDrives::new(http_client(None)?, sources));
        let (core, store) = (self.core.clone(), self.store.clone());
        let api = RamdiskApi::with_drives(core, ironic, glance, drives, store, config);
        let redfish = RedfishFacade::new(self.core.clone());
        let listener = TcpListener::bind(self.address).await?;
        let stop = CancellationToken::new();
        let router = facade::router(&redfish, &api);
        let tls = Some(self.pki.tls.clone());
        let server = tokio::spawn(listen::serve(listener, tls, router, Terms::facade(), stop.clone()));
        *self.core.front.lock().unwrap() = Some(api.clone());
        *self.front.lock().await = Some(Front { api, stop, server });
        Ok(())
    }

    async fn kill_front(&self) -> Result<()> {
        let front = self.front.lock().await.take().context("no front")?;
        *self.core.front.lock().unwrap() = None;
        front.stop.cancel();
        front.api.shutdown().await;
        front.server.await?;
        Ok(())
    }

    async fn enroll(&self, mode: BootMode, password_for_ironic: &str) -> Result<ServerId> {
        self.enroll_with(mode, password_for_ironic, None).await
    }

    /// The same with a machine behind it.
    async fn enroll_with(
        &self,
        mode: BootMode,
        password_for_ironic: &str,
        behind: Option<Behind>,
    ) -> Result<ServerId> {
        let id = ServerId::random();
        let mac = mac_of(id);
        let server = FacadeServer {
            id,
            name: format!("server-{}", &id.to_string()[..8]),
            power: Some(PowerReading::Off),
            boot_mode: mode,
            macs: vec![mac],
            hardware: Some(hardware(mac)),
            ramdisk: None,
            root_device: Default::default(),
        };
        let name = server.name.clone();
        self.core.fake.add(server, &format!("bms-{id}"), "the right one");
        if let Some(behind) = behind {
            self.core.read_anew(id, &behind).await?;
            self.core.fake.set_sensors(id, sensors());
            self.core.behind.lock().unwrap().insert(id, Arc::new(behind));
        }
        let spec = NodeSpec {
            id,
            name,
            redfish: RedfishAccess {
                address: format!("https://{}", self.address),
                system_path: format!("/redfish/v1/Systems/{id}"),
                username: format!("bms-{id}"),
                password: Secret::new(password_for_ironic),
                ca_file: Some(self.ca_file.display().to_string()),
            },
            console: None,
            ramdisk: None,
            resource_class: "fake".into(),
            properties: NodeProperties::default(),
            traits: BTreeSet::new(),
            conductor_group: String::new(),
        };
        self.ironic.ensure_node(&spec).await?;
        self.ironic.ensure_port(&PortSpec { node: id, mac, pxe_enabled: true, link: None }).await?;
        Ok(id)
    }

    fn note(&self, name: &str, time: Duration) {
        self.times.lock().unwrap().push((name.to_owned(), time));
    }

    /// Asks for a state and waits for it; the time it took is kept.
    async fn phase(
        &self,
        name: &str,
        id: ServerId,
        target: ProvisionTarget,
        until: &str,
    ) -> Result<IronicNode> {
        let start = Instant::now();
        self.ironic.set_provision_state(id, &target).await?;
        let node = self.settle(id, until).await.with_context(|| format!("phase {name}"))?;
        self.note(name, start.elapsed());
        Ok(node)
    }

    /// Waits until the node rests in this state.
    async fn settle(&self, id: ServerId, until: &str) -> Result<IronicNode> {
        let start = Instant::now();
        loop {
            let node = self.ironic.get_node(id).await?;
            let at_rest = node.target_provision_state.is_none() || node.provision_state.ends_with("failed");
            if node.provision_state == until && node.reservation.is_none() {
                return Ok(node);
            }
            if at_rest && node.reservation.is_none() && start.elapsed() > Duration::from_secs(2) {
                bail!("{id} is in {} and not in {until}: {:?}", node.provision_state, node.last_error);
            }
            let ramdisk = self.core.front.lock().unwrap().as_ref().and_then(|api| api.state(id));
            ensure!(
                start.elapsed() < PHASE_MAX,
                "{id} is still {}; ramdisk: {ramdisk:?}",
                node.provision_state
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn image(&self) -> Result<ImageRef> {
        let content: Vec<u8> =
            (0..1_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let new = NewImage {
            name: "facade".into(),
            format: ImageFormat::Raw,
            public: true,
            id: None,
            min_disk_gb: 1,
            boot_mode: None,
            properties: Default::default(),
        };
        let image = self.glance.create_image(Caller::Service, &new).await?;
        let sha512 = hex::encode(Sha512::digest(&content));
        let size_bytes = content.len() as u64;
        let chunk = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(content))]);
        self.glance.upload(Caller::Service, &image.id, chunk).await?;
        Ok(ImageRef { id: image.id, format: ImageFormat::Raw, size_bytes, sha512 })
    }

    async fn prepare_instance(&self, id: ServerId, image: &ImageRef) -> Result<()> {
        let instance = InstanceSpec {
            id: Uuid::new_v4(),
            display_name: "web".into(),
            image_id: image.id.clone(),
            project_id: "demo".into(),
        };
        Ok(self.ironic.set_instance(id, &instance).await?)
    }
}

/// An object store with one drive in it, as Ironic keeps them: base64 of gzip.
async fn object_store() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = axum::Router::new().route("/drive", axum::routing::get(async || config_drive().1));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

fn config_drive() -> (Vec<u8>, String) {
    let content = b"config-2 file system".repeat(100);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content).expect("memory");
    (content, STANDARD.encode(gzip.finish().expect("memory")))
}

/// One rig for all stories: starting the services costs more than any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_ironic_drives_a_server_through_the_facades() -> Result<()> {
    static LOG: OnceLock<()> = OnceLock::new();
    LOG.get_or_init(|| {
        let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().init();
    });
    let rig = Rig::start().await?;
    let image = rig.image().await?;
    let story = async {
        ironic_verbs::story(&rig, &image).await.context("Ironic's own verbs")?;
        the_whole_life(&rig, &image).await.context("the whole life")?;
        a_refusal_is_shown(&rig).await.context("a refusal")?;
        a_wrong_password_is_refused(&rig).await.context("a wrong password")?;
        a_failed_step_is_shown(&rig, &image).await.context("a failed step")?;
        a_missed_disk_is_shown(&rig).await.context("a missed disk")?;
        a_restart_loses_nothing(&rig, &image).await.context("a restart")
    };
    let outcome = story.await;
    for (name, time) in rig.times.lock().unwrap().iter() {
        eprintln!("{name:<28} {:6.1} s", time.as_secs_f64());
    }
    rig.kill_front().await?;
    rig.cloud.stop();
    outcome
}

async fn the_whole_life(rig: &Rig, image: &ImageRef) -> Result<()> {
    let fake = &rig.core.fake;
    let id = rig.enroll(BootMode::Uefi, "the right one").await?;
    rig.phase("manage", id, ProvisionTarget::Manage, "manageable").await?;
    let node = rig.phase("inspect", id, ProvisionTarget::Inspect, "manageable").await?;
    ensure!(node.properties.cpu_arch.as_deref() == Some("x86_64"), "{:?}", node.properties);
    rig.phase("provide (clean)", id, ProvisionTarget::Provide, "available").await?;
    let steps = fake.take_steps(id);
    ensure!(matches!(steps[..], [Step::EraseMetadata(_), Step::EraseDisks(_)]), "{steps:?}");
    let (content, packed) = config_drive();
    let url = format!("{}/drive?temp_url_sig=1", rig.object_store);
    for (round, given) in [("deploy", packed), ("deploy again", url)] {
        rig.prepare_instance(id, image).await?;
        let target = ProvisionTarget::Active { config_drive: Some(given) };
        rig.phase(round, id, target, "active").await?;
        let steps = fake.take_steps(id);
        let expected = [
            Step::write_image(image.clone()),
            Step::WriteConfigDrive { content: content.clone() },
            Step::InstallBootEntry,
            Step::PowerOff,
        ];
        ensure!(steps == expected, "{steps:?}");
        ensure!(
            fake.server(id).await.context("server")?.power == Some(PowerReading::On),
            "the tenant's server is on"
        );
        if round == "deploy again" {
            rescue(rig, id).await.context("a rescue")?;
        }
        rig.phase("delete to available", id, ProvisionTarget::Deleted, "available").await?;
        let steps = fake.take_steps(id);
        ensure!(matches!(steps[..], [Step::EraseMetadata(_), Step::EraseDisks(_)]), "{steps:?}");
        ensure!(
            fake.server(id).await.context("server")?.power == Some(PowerReading::Off),
            "parked means off"
        );
    }
    Ok(())
}

/// A rescue that fails for its ramdisk, one that succeeds, and the way back. Ironic hashes the password.
async fn rescue(rig: &Rig, id: ServerId) -> Result<()> {
    let fake = &rig.core.fake;
    let target = || ProvisionTarget::Rescue { password: Secret::new("correct horse battery") };
    let message = "this ramdisk has no rescue tools".to_owned();
    fake.fail_steps(Some(Refusal { kind: RefusalKind::Hardware, message: message.clone() }));
    let node = rig.phase("rescue that fails", id, target(), "rescue failed").await?;
    fake.fail_steps(None);
    ensure!(fake.server(id).await.context("server")?.power == Some(PowerReading::Off), "it is left on");
    ensure!(node.last_error.as_deref().is_some_and(|error| !error.is_empty()), "no reason is shown");
    fake.take_steps(id);
    rig.phase("rescue", id, target(), "rescue").await?;
    let steps = fake.take_steps(id);
    let [Step::HandOver { password_hash }] = &steps[..] else { bail!("{steps:?}") };
    ensure!(password_hash.reveal().starts_with("$5$"), "the password came in clear");
    ensure!(fake.server(id).await.context("server")?.power == Some(PowerReading::On), "it went off");
    rig.phase("unrescue", id, ProvisionTarget::Unrescue, "active").await?;
    ensure!(fake.server(id).await.context("server")?.power == Some(PowerReading::On), "it stays off");
    ensure!(fake.take_steps(id).is_empty(), "a ramdisk was booted");
    Ok(())
}

async fn a_refusal_is_shown(rig: &Rig) -> Result<()> {
    let id = rig.enroll(BootMode::Bios, "the right one").await?;
    rig.phase("manage", id, ProvisionTarget::Manage, "manageable").await?;
    let message = "port leaf1:xe-0/0/7 is on no network, and must be on cleaning".to_owned();
    rig.core.fake.refuse_power_on(Some(Refusal { kind: RefusalKind::Gate, message: message.clone() }));
    rig.ironic.set_power_state(id, PowerTarget::On).await?;
    let start = Instant::now();
    loop {
        let node = rig.ironic.get_node(id).await?;
        if node.last_error.as_ref().is_some_and(|error| error.contains(&message)) {
            break;
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "last_error is {:?}", node.last_error);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let node = rig.phase("refused clean", id, ProvisionTarget::Provide, "clean failed").await?;
    let error = node.last_error.unwrap_or_default();
    ensure!(error.contains(&message), "last_error is {error:?}");
    rig.core.fake.refuse_power_on(None);
    Ok(())
}

async fn a_wrong_password_is_refused(rig: &Rig) -> Result<()> {
    let id = rig.enroll(BootMode::Bios, "a wrong one").await?;
    let node = rig.phase("wrong password", id, ProvisionTarget::Manage, "enroll").await;
    let node = match node {
        Ok(node) => node,
        Err(_) => rig.ironic.get_node(id).await?,
    };
    let error = node.last_error.unwrap_or_default();
    ensure!(node.provision_state == "enroll", "{}", node.provision_state);
    ensure!(error.contains("compare the node's driver_info with the inventory"), "last_error is {error:?}");
    Ok(())
}

async fn a_failed_step_is_shown(rig: &Rig, image: &ImageRef) -> Result<()> {
    let id = rig.enroll(BootMode::Bios, "the right one").await?;
    rig.phase("manage", id, ProvisionTarget::Manage, "manageable").await?;
    rig.phase("provide (clean)", id, ProvisionTarget::Provide, "available").await?;
    rig.prepare_instance(id, image).await?;
    let message = "the image's SHA-512 is not what Glance promised".to_owned();
    rig.core.fake.fail_steps(Some(Refusal { kind: RefusalKind::Hardware, message: message.clone() }));
    let target = ProvisionTarget::Active { config_drive: None };
    let node = rig.phase("failed deploy", id, target, "deploy failed").await?;
    let error = node.last_error.unwrap_or_default();
    ensure!(error.contains(&message), "last_error is {error:?}");
    rig.core.fake.fail_steps(None);
    rig.phase("delete to available", id, ProvisionTarget::Deleted, "available").await?;
    Ok(())
}

/// A clean that misses a disk fails with its name, and the server is not available.
async fn a_missed_disk_is_shown(rig: &Rig) -> Result<()> {
    let id = rig.enroll(BootMode::Bios, "the right one").await?;
    rig.phase("manage", id, ProvisionTarget::Manage, "manageable").await?;
    rig.core.fake.answer_erases(Some(vec![]));
    let node = rig.phase("clean without its disk", id, ProvisionTarget::Provide, "clean failed").await?;
    rig.core.fake.answer_erases(None);
    let error = node.last_error.unwrap_or_default();
    ensure!(error.contains("is not clean: disk 1 ("), "last_error is {error:?}");
    Ok(())
}

async fn a_restart_loses_nothing(rig: &Rig, image: &ImageRef) -> Result<()> {
    let id = rig.enroll(BootMode::Bios, "the right one").await?;
    rig.phase("manage", id, ProvisionTarget::Manage, "manageable").await?;
    rig.phase("provide (clean)", id, ProvisionTarget::Provide, "available").await?;
    rig.core.fake.take_steps(id);
    rig.prepare_instance(id, image).await?;
    let start = Instant::now();
    rig.ironic.set_provision_state(id, &ProvisionTarget::Active { config_drive: None }).await?;
    // Held from the write on: a held power-on would be too early.
    while rig.core.fake.server(id).await.and_then(|server| server.ramdisk).is_none() {
        ensure!(start.elapsed() < PHASE_MAX, "no ramdisk was booted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.core.fake.hold(true);
    while rig.core.fake.steps_begun(id) == 0 {
        ensure!(start.elapsed() < PHASE_MAX, "no step was begun");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.kill_front().await?;
    rig.start_front().await?;
    let session =
        rig.core.fake.server(id).await.and_then(|server| server.ramdisk).context("the ramdisk is there")?;
    rig.core.ramdisk_ready(id, session, BootPurpose::Deploy);
    rig.core.fake.hold(false);
    rig.settle(id, "active").await?;
    rig.note("deploy with a restart", start.elapsed());
    let steps = rig.core.fake.take_steps(id);
    let writes = steps.iter().filter(|step| matches!(step, Step::WriteImage { .. })).count();
    ensure!(writes == 2, "the write was taken up again: {steps:?}");
    Ok(())
}
