//! Edges: the coordinator's core with its inventory on disk, the listener for its agents, and a cloud in which every server is a tenant's.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use contrail::{Config, Contrail};
use coordinator_core::{
    agents::{self, CERTIFICATE_DAYS, Issuer, Older, issue_agent},
    core::{Core, Outside as OutsideOfCore, Site as SiteOfCore},
    pki::{Authority, Clients, OwnCertificate, listener_tls},
};
use domain::{
    lifecycle::{Confirmed, Node, NodePower, ProvisionState},
    records::{NewPort, NewServer, Server, TenantPortRecord, TenantServer, TenantServerState},
    rim::{
        Fabric, ImageError, ImageSource, ImageStream, NewTenantPort, SwitchPort, TenantNetworks,
        WantedNetwork,
    },
};
use fakes::{Fake, World};
use futures::{StreamExt, TryStreamExt, stream};
use listen::Terms;
use protocol::{
    boot::BootMode,
    hardware::BmcIdentity,
    id::{RackId, ServerId},
    mac::MacAddr,
    spec::BmcEndpoint,
};
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::{Sealer, random_bytes},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    LOOK_EVERY,
    outside::{Outside, SWITCH, port_name},
};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
/// Room for the addresses of all tenants' servers.
const SUBNET: &str = "198.18.0.0/15";
/// So many servers are given to their tenants at the same time.
const GIVEN_AT_ONCE: usize = 16;
/// How often Ironic is asked, as coordinators do by default.
const POLL_IRONIC: Duration = Duration::from_secs(3);
/// The name that the listener's certificate bears.
const NAME: &str = "localhost";

/// Where the agent finds the coordinator, and who it is.
pub(super) struct Link {
    pub(super) rack: RackId,
    pub(super) address: SocketAddr,
    pub(super) name: String,
    /// Directory of its certificate.
    pub(super) papers: PathBuf,
}

/// The running core.
pub(super) struct Site {
    inventory: Inventory,
    pub(super) link: Link,
    /// The tenant's interface of each server.
    pub(super) interfaces: HashMap<ServerId, Uuid>,
}

struct NoImages;

#[async_trait]
impl ImageSource for NoImages {
    async fn open(&self, id: &str, _: u64) -> Result<ImageStream, ImageError> {
        Err(ImageError { id: id.to_owned(), reason: "no images here".to_owned(), is_away: false })
    }
}

impl Site {
    /// Starts it, with what it keeps below this directory. Every server is deployed, and on its tenant's network.
    pub(super) async fn start(
        dir: &Path,
        outside: &Outside,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let rack: RackId = "rack1".parse()?;
        let state = dir.join("coordinator");
        store::state_dir::make_private_dir(&state)?;
        let sealer = Sealer::new(&random_bytes());
        let inventory = Inventory::open(&state.join("inventory.db"), sealer, Arc::new(SystemClock)).await?;
        let contrail = Arc::new(Contrail::new(Config::with_default_names(outside.url()), None)?);
        let world = Arc::new(World::default());
        let interfaces = deploy_all(&inventory, &contrail, &world, &rack, outside.endpoints()).await?;

        let outside = OutsideOfCore {
            provisioner: Arc::new(Fake(world)),
            fabric: contrail.clone(),
            networks: contrail,
        };
        let core = Core::new(site_of_core(&state), inventory.clone(), outside);
        tokio::spawn(Arc::clone(&core.reconcile).run(stop.clone()));
        let link = serve_agents(&core, &state, rack, stop).await?;
        Ok(Self { inventory, link, interfaces })
    }

    /// Waits until every server was seen on.
    pub(super) async fn until_all_are_on(&self, within: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let servers = self.inventory.servers(None).await?;
            let off = servers.iter().filter(|server| server.confirmed != Some(Confirmed::On)).count();
            if off == 0 {
                return Ok(());
            }
            ensure!(began.elapsed() < within, "{off} servers were not seen on within {within:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn site_of_core(state: &Path) -> SiteOfCore {
    SiteOfCore {
        name: "bench".to_owned(),
        poll_ironic_every: POLL_IRONIC,
        passwords: Default::default(),
        after_tenancy: Default::default(),
        renewals: Default::default(),
        limits: Arc::default(),
        firmware_urls: Vec::new(),
        firmware_dir: state.join("firmware"),
        media: Default::default(),
        notary: None,
    }
}

/// The listener for agents, and a certificate for the one of this rack.
async fn serve_agents(
    core: &Arc<Core>,
    state: &Path,
    rack: RackId,
    stop: CancellationToken,
) -> anyhow::Result<Link> {
    let now_us = SystemClock.now_us();
    let authority = Arc::new(Authority::open_or_create(&state.join("pki"), now_us)?);
    let own = OwnCertificate::open(Arc::clone(&authority), &[NAME.to_owned()], now_us)?;
    let tls = listener_tls(&authority, own, Clients::Certified)?;
    let issuer = Arc::new(Issuer { authority, days: CERTIFICATE_DAYS });
    let papers = state.join("agent");
    issue_agent(&core.inventory, &issuer, &rack, &papers, Older::Keep).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let hub = Arc::clone(&core.agents);
    let until = Some(agents::until_void(Arc::clone(&hub)));
    let service = agents::Service { hub, images: Arc::new(NoImages), issuer, stop: stop.clone() };
    let links = agents::router(service);
    tokio::spawn(listen::serve_until(listener, Some(tls), links, Terms::agents(), until, stop));
    Ok(Link { rack, address, name: NAME.to_owned(), papers })
}

/// Enrols and deploys a server for each BMC; says which interface each tenant has.
async fn deploy_all(
    inventory: &Inventory,
    contrail: &Contrail,
    world: &World,
    rack: &RackId,
    bmcs: impl Iterator<Item = BmcEndpoint>,
) -> anyhow::Result<HashMap<ServerId, Uuid>> {
    contrail.ensure_site().await?;
    let network = contrail.ensure_network(PROJECT, "acme", "web", SUBNET).await?.id;
    let new: Vec<_> = bmcs.enumerate().map(|(number, bmc)| new_server(rack, number, bmc)).collect();
    let wanted: Vec<_> = new.iter().map(|new| (None, new)).collect();
    let servers = inventory.put_servers(&wanted).await?;
    let given = servers.iter().map(|server| give(inventory, contrail, world, network, server));
    stream::iter(given.collect::<Vec<_>>()).buffer_unordered(GIVEN_AT_ONCE).try_collect().await
}

fn new_server(rack: &RackId, number: usize, bmc: BmcEndpoint) -> NewServer {
    let [.., high, low] = number.to_be_bytes();
    NewServer {
        name: format!("node-{number}"),
        rack: rack.clone(),
        bmc,
        ports: vec![NewPort {
            name: "eth0".to_owned(),
            mac: MacAddr([0x52, 0x54, 0, 0, high, low]),
            link: SwitchPort {
                switch: SWITCH.to_owned(),
                port: port_name(number),
                switch_id: None,
                fabric: None,
            },
            pxe_enabled: true,
        }],
        boot_mode: BootMode::Bios,
        resource_class: "metal".to_owned(),
        properties: Default::default(),
    }
}

/// Gives a server to a tenant of its own name, as it is after a deployment.
async fn give(
    inventory: &Inventory,
    contrail: &Contrail,
    world: &World,
    network: Uuid,
    server: &Server,
) -> anyhow::Result<(ServerId, Uuid)> {
    let (instance, interface) = (Uuid::new_v4(), Uuid::new_v4());
    let tenant = TenantServer {
        id: Uuid::new_v4(),
        instance: Some(instance),
        project_id: PROJECT.to_owned(),
        name: server.name.clone(),
        flavor: "metal".to_owned(),
        image: "image".to_owned(),
        network,
        port: Some(interface),
        address: None,
        node: Some(server.id),
        state: TenantServerState::Active,
        reason: None,
        created_us: 1,
    };
    inventory.put_tenant_server(&tenant).await?;
    let port = contrail.ensure_tenant_port(&NewTenantPort::plain(interface, network, &server.name)).await?;
    let record = TenantPortRecord {
        id: interface,
        network,
        asked_address: None,
        address: Some(port.address),
        vlan: None,
        security_groups: Vec::new(),
    };
    inventory.put_tenant_ports(tenant.id, &[record]).await?;
    let mut node = Node::in_state(server.id, ProvisionState::Active);
    (node.instance_id, node.power_state) = (Some(instance), Some(NodePower::On));
    inventory.set_node(server.id, Some(&node)).await?;
    inventory.set_identity(server.id, &BmcIdentity::default()).await?;
    inventory.set_ports_given(server.id).await?;
    world.nodes.lock().map_err(|_| anyhow::anyhow!("a fake has panicked"))?.insert(server.id, node);
    let own = server.ports.first().context("the server has no port")?;
    let wanted = WantedNetwork::Tenant(interface);
    let seen = contrail.move_port(&server.fabric_port(own, vec![interface]), &wanted).await?;
    inventory.set_wanted(server.id, &own.name, Some(wanted)).await?;
    inventory.set_observed(server.id, &own.name, Some(&seen)).await?;
    Ok((server.id, interface))
}
