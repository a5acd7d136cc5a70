//! Edges: the core, put together: what the facades and the REST API hold.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    disks::{Account, Erase, Erasure, KnownDisk},
    events::{EventKind, Told},
    firmware::update::{By, Update},
    health::SiteLimits,
    lifecycle::{placement::networks_of_ports, trouble::Trouble},
    media_sources::MediaSources,
    records::Server,
    rim::{
        AgentError, Agents, Fabric, FacadeSensors, FacadeServer, Hardware, ImageNews, PowerRequest, Presence,
        Provisioner, Refusal, RefusalKind, TenantNetworks, WantedNetwork,
    },
    tenancy::network_data::{Link, network_data},
    upkeep::{certificate::SiteRenewals, hold::AfterTenancy, policy::PasswordPolicy},
};
use protocol::{
    bmc_facts::BmcFacts,
    bmc_order::BmcOrder,
    command::{Action, Failure, FailureKind, Success},
    error_chain::chain,
    id::{RamdiskSessionId, ServerId},
    power::PowerReading,
    secret::Secret,
    step::{ErasedDisk, Step, StepOutput},
};
use store::{Inventory, InventoryError};
use tracing::warn;
use uuid::Uuid;

use crate::{
    agents::{AgentHub, Hub},
    enroll::Enroller,
    erase_certificates::{NotKept, Notary},
    firmware::{FirmwareFiles, Updates, Wanted},
    gate::{GATE_WAIT_MAX, Gate},
    mover::Mover,
    orders::Orders,
    parts::Parts,
    reconcile::Reconcile,
    tenancy::TenancyError,
    upkeep::Upkeep,
    visits::{ServerLocks, Wake},
};

/// The core. Everything in it may be used from anywhere; it is made once.
pub struct Core {
    /// The inventory; its `broadcast()` tells events.
    pub inventory: Inventory,
    /// The agents.
    pub agents: Arc<AgentHub>,
    /// The gate.
    pub gate: Arc<Gate>,
    /// Takes servers in and lets them go.
    pub enroll: Arc<Enroller>,
    /// Wakes reconciliation.
    pub wake: Wake,
    /// Ironic, as the core knows it.
    pub provisioner: Arc<dyn Provisioner>,
    /// Moves ports.
    pub fabric: Arc<dyn Fabric>,
    /// Tenants' networks.
    pub networks: Arc<dyn TenantNetworks>,
    /// Reconciliation; `main` runs it.
    pub reconcile: Arc<Reconcile>,
    /// Keeps BMCs right; `main` runs it.
    pub upkeep: Arc<Upkeep>,
    /// Carries updates of firmware on; `main` runs it.
    pub updates: Arc<Updates>,
    /// What BMCs are ordered beside power and boot.
    pub orders: Arc<Orders>,
    notary: Option<Arc<Notary>>,
}

/// What a site says of itself.
#[derive(Clone, Debug)]
pub struct Site {
    /// Our name, for the agents' logs.
    pub name: String,
    /// How often Ironic is asked for its nodes.
    pub poll_ironic_every: Duration,
    /// What is done with the passwords of BMCs.
    pub passwords: PasswordPolicy,
    /// What it wants of servers whose BMC differs after a tenancy.
    pub after_tenancy: AfterTenancy,
    /// By which rules it takes renewed certificates of BMCs.
    pub renewals: SiteRenewals,
    /// What it thinks of sensors' numbers.
    pub limits: Arc<SiteLimits>,
    /// Beginnings of addresses from which BMCs may fetch firmware.
    pub firmware_urls: Vec<String>,
    /// Where files of firmware are kept.
    pub firmware_dir: PathBuf,
    /// From where images may be put into virtual drives.
    pub media: MediaSources,
    /// Who countersigns what agents state of erased disks; none: nobody, so that no erase of every byte counts.
    pub notary: Option<Arc<Notary>>,
}

/// The outside world, as a core needs it.
pub struct Outside {
    /// Ironic.
    pub provisioner: Arc<dyn Provisioner>,
    /// Contrail's ports.
    pub fabric: Arc<dyn Fabric>,
    /// Contrail's networks.
    pub networks: Arc<dyn TenantNetworks>,
}

impl Core {
    /// Puts a core together.
    pub fn new(site: Site, inventory: Inventory, outside: Outside) -> Arc<Self> {
        let Outside { provisioner, fabric, networks } = outside;
        let wake = Wake::default();
        let hub = AgentHub::new(inventory.clone(), wake.clone(), site.name, site.limits);
        let hub = Arc::new(hub.with_renewals(site.renewals));
        let agents: Arc<dyn Agents> = Arc::new(Hub(Arc::clone(&hub)));
        let presence: Arc<dyn Presence> = hub.clone();
        let parts = Parts {
            inventory: inventory.clone(),
            provisioner: Arc::clone(&provisioner),
            agents: Arc::clone(&agents),
            presence: Arc::clone(&presence),
            mover: Mover::new(inventory.clone(), Arc::clone(&fabric)),
            locks: ServerLocks::default(),
            wake: wake.clone(),
        };
        let gate = Arc::new(Gate::new(parts.clone(), GATE_WAIT_MAX));
        let enroll = Arc::new(Enroller { parts: parts.clone(), declarations: hub.clone() });
        let upkeep = Upkeep::new(
            inventory.clone(),
            Arc::clone(&agents),
            hub.clone(),
            Arc::clone(&presence),
            Arc::clone(&provisioner),
            site.passwords,
        );
        let upkeep = Arc::new(upkeep.with_after_tenancy(site.after_tenancy));
        let files = Arc::new(FirmwareFiles::new(site.firmware_dir, inventory.clone()));
        let updates = Arc::new(Updates::new(parts.clone(), site.firmware_urls, files));
        let orders = Arc::new(Orders {
            inventory: inventory.clone(),
            provisioner: Arc::clone(&provisioner),
            agents,
            presence,
            sources: site.media,
        });
        let reconcile = Arc::new(Reconcile {
            parts,
            enroll: Arc::clone(&enroll),
            poll_ironic_every: site.poll_ironic_every,
        });
        Arc::new(Self {
            inventory,
            agents: hub,
            gate,
            enroll,
            wake,
            provisioner,
            fabric,
            networks,
            reconcile,
            upkeep,
            updates,
            orders,
            notary: site.notary,
        })
    }

    /// The power of a server as it may be shown: with its agent away nobody knows, which is not "off".
    pub fn power_of(&self, server: &Server) -> Option<PowerReading> {
        match self.agents.connection(&server.rack).reason() {
            Some(reason) => Some(PowerReading::Unreachable { reason }),
            None => server.power.as_ref().map(|seen| seen.reading.clone()),
        }
    }

    /// Keeps why a step failed: on the server for administrators, and, when the image is at fault, on the tenant's server
    /// for its tenant. Ironic and Nova may forget it while they clean up.
    async fn note_failed_step(&self, server: &Server, name: &str, failure: &Failure) {
        let text = format!("{name} failed: {}", failure.message);
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let is_the_images = match failure.kind {
            FailureKind::ImageUnavailable | FailureKind::ImageCorrupt => true,
            FailureKind::UnknownServer
            | FailureKind::BmcUnreachable
            | FailureKind::BmcCredentials
            | FailureKind::BmcRefused
            | FailureKind::NotConfirmed
            | FailureKind::NoRamdisk
            | FailureKind::StepFailed
            | FailureKind::MaybeDone
            | FailureKind::Interrupted => false,
        };
        let trouble = if is_the_images { Trouble::ImageNotWritten } else { Trouble::Machine };
        let noted = async {
            self.inventory.set_trouble(server.id, &text, trouble).await?;
            match instance.filter(|_| is_the_images) {
                Some(instance) => self.inventory.note_tenant_failure(instance, &text).await,
                None => Ok(()),
            }
        };
        if let Err(error) = noted.await {
            warn!(server = %server.id, error = %error, "failed step not stored");
        }
        self.inventory.record_told(server.id, EventKind::Step, text, Some(Told::Trouble(trouble))).await;
    }

    async fn note_image_of(&self, server: &Server, news: ImageNews) {
        let awaited = match news {
            ImageNews::Waits(text) => Some(text),
            ImageNews::Found => None,
            ImageNews::Failed(message) => {
                let failure = Failure { kind: FailureKind::ImageUnavailable, message };
                return self.note_failed_step(server, "write image", &failure).await;
            }
        };
        let stored = match &awaited {
            Some(text) => self.inventory.set_trouble(server.id, text, Trouble::ImageAwaited).await,
            None => self.inventory.set_reason(server.id, None).await,
        };
        if let Err(error) = stored {
            warn!(server = %server.id, %error, "wait for an image not stored");
        }
        if let Some(text) = awaited {
            let told = Some(Told::Trouble(Trouble::ImageAwaited));
            self.inventory.record_told(server.id, EventKind::Waiting, text, told).await;
        }
    }

    async fn note_metadata_erased(&self, id: ServerId, account: &Account) -> Result<(), Refusal> {
        let at_us = self.inventory.clock().now_us();
        for (number, erased) in &account.erased {
            let ErasedDisk { method, erased_bytes, verified_bytes, .. } = erased.clone();
            let erasure = Erasure { at_us, method, erased_bytes, verified_bytes };
            self.inventory.note_erasure(id, *number, &erasure, false).await.map_err(not_stored)?;
        }
        Ok(())
    }

    /// Notes what was erased wholly, each disk with its certificate; says which disks have none, and why. One that has none hides no
    /// other.
    async fn certify(&self, id: ServerId, account: &Account) -> Option<String> {
        let server = self.read(id).await;
        let mut faults = Vec::new();
        for (number, erased) in &account.erased {
            let kept = match (&server, &self.notary) {
                (Some(server), Some(notary)) => {
                    notary.keep(&self.inventory, server, account, (*number, erased)).await
                }
                (None, _) | (_, None) => Err(NotKept::NoAuthority),
            };
            if let Err(error) = kept {
                let disk = erased.disk.as_ref().map_or_else(|| erased.name.clone(), ToString::to_string);
                faults.push(format!("there is no certificate of the erase of {disk}: {}", chain(&error)));
            }
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// The networks of the server's tenant, each with the interface that it is on; none: we made no ports for it.
    async fn links(&self, id: ServerId) -> Result<Option<Vec<Link>>, TenancyError> {
        let Some(server) = self.inventory.server(id).await? else { return Ok(None) };
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let Some(tenant) = self.inventory.tenant_of(instance, id).await? else { return Ok(None) };
        let ports = self.inventory.tenant_ports(tenant.id).await?;
        let ids: Vec<Uuid> = ports.iter().map(|port| port.id).collect();
        let Some(first) = ids.first() else { return Ok(None) };
        let places = networks_of_ports(WantedNetwork::Tenant(*first), &server.port_uses(), &ids);
        let places = places.unwrap_or_default();
        let networks = self.networks.list_networks(Some(&tenant.project_id)).await?;
        let mut links = Vec::new();
        for port in &ports {
            let place = places.iter().position(|place| *place == WantedNetwork::Tenant(port.id));
            let interface = place.and_then(|index| server.ports.get(index));
            let network = networks.iter().find(|network| network.id == port.network);
            if let (Some(interface), Some(network), Some(address)) = (interface, network, port.address) {
                links.push(Link {
                    mac: interface.mac,
                    port: port.id,
                    network: port.network,
                    address,
                    subnet: network.subnet.clone(),
                    gateway: network.gateway.clone(),
                    name_servers: network.name_servers.clone(),
                    vlan: port.vlan,
                });
            }
        }
        Ok(Some(links))
    }

    /// What a server's sensors said last. Old words of sensors that cannot be read any more are none.
    async fn sensors_of(&self, id: ServerId) -> Result<FacadeSensors, InventoryError> {
        let Some(hardware) = self.inventory.hardware(id).await?.filter(|known| known.unread.is_none()) else {
            return Ok(FacadeSensors::default());
        };
        let known = self.inventory.sensors(id).await?.into_values().collect();
        Ok(FacadeSensors { known, draw_w: hardware.draw_w })
    }

    async fn read(&self, id: ServerId) -> Option<Server> {
        match self.inventory.server(id).await {
            Ok(server) => server,
            Err(error) => {
                warn!(server = %id, error = %error, "server not read");
                None
            }
        }
    }
}

#[async_trait]
impl Hardware for Core {
    async fn server(&self, id: ServerId) -> Option<FacadeServer> {
        let server = self.read(id).await?;
        Some(FacadeServer {
            id,
            power: self.power_of(&server),
            boot_mode: server.boot_mode,
            macs: server.ports.iter().map(|port| port.mac).collect(),
            hardware: server.hardware,
            ramdisk: server.ramdisk,
            name: server.name,
            root_device: server.node.map(|node| node.root_device).unwrap_or_default(),
        })
    }

    async fn facts(&self, id: ServerId) -> BmcFacts {
        self.inventory.facts(id).await.map(|known| known.facts).unwrap_or_else(|error| {
            warn!(server = %id, %error, "what its bmc says was not read");
            BmcFacts::default()
        })
    }

    async fn update_firmware(&self, id: ServerId, component: String, url: String) -> Result<Uuid, Refusal> {
        let server = self.read(id).await.ok_or_else(|| Refusal {
            kind: RefusalKind::UnknownServer,
            message: format!("there is no server {id}"),
        })?;
        // Ironic's step is under way now, whatever was read of its node a moment ago.
        let node = self.provisioner.get_node(id).await;
        if let Ok(node) = &node {
            self.inventory.set_node(id, node.as_ref()).await.map_err(not_stored)?;
        }
        let server = self.read(id).await.unwrap_or(server);
        let asked = self.updates.ask(&server, component, Wanted::Url(url), None, By::Ironic).await;
        if let Ok(update) = &asked {
            let text = format!("Ironic asked for an update of its firmware ({})", update.id);
            self.inventory.record(id, EventKind::Asked, text).await;
        }
        asked.map(|update| update.id)
    }

    async fn firmware_updates(&self, id: ServerId) -> Vec<Update> {
        self.inventory.updates_of(id).await.unwrap_or_else(|error| {
            warn!(server = %id, %error, "updates of its firmware were not read");
            Vec::new()
        })
    }

    async fn sensors(&self, id: ServerId) -> FacadeSensors {
        self.sensors_of(id).await.unwrap_or_else(|error| {
            warn!(server = %id, %error, "what its sensors say was not read");
            FacadeSensors::default()
        })
    }

    async fn note_image(&self, id: ServerId, news: ImageNews) {
        if let Some(server) = self.read(id).await {
            self.note_image_of(&server, news).await;
        }
    }

    async fn await_agent(&self, id: ServerId) {
        if let Some(server) = self.read(id).await {
            self.agents.await_back(&server.rack).await;
        }
    }

    async fn facade_credentials(&self, id: ServerId) -> Option<(String, Secret)> {
        let server = self.read(id).await?;
        Some((server.facade_user(), server.facade_password))
    }

    async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal> {
        // In a task of its own: a client that hangs up must not stop a power-on between two of its steps.
        let (gate, orders) = (Arc::clone(&self.gate), Arc::clone(&self.orders));
        let done = tokio::spawn(async move {
            match request {
                PowerRequest::On | PowerRequest::Restart => orders.empty_drives(id).await?,
                PowerRequest::Off(_) => {}
            }
            gate.power(id, request).await
        })
        .await;
        done.unwrap_or_else(|error| {
            let message = format!("the gate stopped unexpectedly: {error}; check the coordinator's log");
            Err(Refusal { kind: RefusalKind::Gate, message })
        })
    }

    async fn order(&self, id: ServerId, order: BmcOrder) -> Result<(), Refusal> {
        // In a task of its own, as a change of the power.
        let orders = Arc::clone(&self.orders);
        let done = tokio::spawn(async move { orders.order(id, &order).await }).await;
        done.unwrap_or_else(|error| {
            let message = format!("the order ended unexpectedly: {error}; check the coordinator's log");
            Err(Refusal { kind: RefusalKind::Hardware, message })
        })
    }

    async fn run_step(
        &self,
        id: ServerId,
        session: RamdiskSessionId,
        step: Step,
    ) -> Result<StepOutput, Refusal> {
        let refuse = |kind, message| Refusal { kind, message };
        let server = self.read(id).await;
        let server =
            server.ok_or_else(|| refuse(RefusalKind::UnknownServer, format!("there is no server {id}")))?;
        let hub = Hub(Arc::clone(&self.agents));
        let name = step_name(&step);
        if matches!(step, Step::WriteImage { .. }) {
            self.inventory.give_disks(id).await.map_err(not_stored)?;
        }
        let done = hub.run(&server.rack, id, Action::RunStep { session, step }).await;
        if let Err(AgentError::Failed(failure)) = &done {
            self.note_failed_step(&server, name, failure).await;
        }
        match done {
            Ok(Success::Step(output)) => Ok(output),
            Ok(Success::Done) => Ok(StepOutput::Done),
            Ok(
                Success::Identity(_)
                | Success::PasswordKept { .. }
                | Success::Footprint(_)
                | Success::FirmwareTaken { .. }
                | Success::FirmwareSeen(_),
            ) => Err(refuse(
                RefusalKind::Hardware,
                format!("the agent of rack {} answered a step with news of a BMC", server.rack),
            )),
            Err(error @ (AgentError::Away { .. } | AgentError::NotTaken { .. })) => {
                Err(refuse(RefusalKind::AgentAway, error.to_string()))
            }
            Err(AgentError::Failed(failure)) if failure.kind == FailureKind::Interrupted => {
                Err(refuse(RefusalKind::Interrupted, failure.message))
            }
            Err(AgentError::Failed(failure)) => Err(refuse(RefusalKind::Hardware, failure.message)),
        }
    }

    async fn disks(&self, id: ServerId) -> Result<Vec<KnownDisk>, Refusal> {
        self.inventory.disks(id).await.map_err(not_stored)
    }

    async fn note_erase(&self, id: ServerId, depth: Erase, account: &Account) -> Result<(), Refusal> {
        let name = match self.read(id).await {
            Some(server) => server.name,
            None => id.to_string(),
        };
        let not_certified = match depth {
            Erase::Metadata => self.note_metadata_erased(id, account).await.map(|()| None)?,
            Erase::Disks => self.certify(id, account).await,
        };
        let not_certified = not_certified.map(|why| format!("{name} is not clean: {why}"));
        let refusal = account.refusal(&name).or_else(|| not_certified.clone());
        let stored = match &refusal {
            Some(refusal) => self.inventory.set_trouble(id, refusal, Trouble::NotErased).await,
            None => self.inventory.set_reason(id, None).await,
        };
        stored.map_err(not_stored)?;
        let what = match depth {
            Erase::Metadata => "partition tables and signatures",
            Erase::Disks => "every byte",
        };
        let text = format!("erase of {what}: {}", account.evidence());
        self.inventory.record(id, EventKind::Step, text).await;
        if let Some(refusal) = refusal {
            let told = Some(Told::Trouble(Trouble::NotErased));
            self.inventory.record_told(id, EventKind::Alarm, refusal, told).await;
        }
        match not_certified {
            Some(message) => Err(Refusal { kind: RefusalKind::State, message }),
            None => Ok(()),
        }
    }

    async fn network_data(&self, id: ServerId) -> Result<Option<serde_json::Value>, Refusal> {
        self.links(id).await.map(|links| links.map(|links| network_data(&links))).map_err(|error| Refusal {
            kind: RefusalKind::State,
            message: format!("the tenant's networks cannot be described: {error}"),
        })
    }
}

fn not_stored(error: InventoryError) -> Refusal {
    Refusal { kind: RefusalKind::State, message: error.to_string() }
}

/// A step in words.
fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Inventory => "looking at the hardware",
        Step::WriteImage { .. } => "writing the image",
        Step::WriteConfigDrive { .. } => "writing the configuration drive",
        Step::InstallBootEntry => "installing the boot entry",
        Step::EraseMetadata(_) => "erasing partition tables and signatures",
        Step::EraseDisks(_) => "erasing the disks",
        Step::Sync => "flushing the disks",
        Step::PowerOff => "switching off",
        Step::HandOver { .. } => "handing itself over to its tenant",
    }
}
