//! Edges: for every tenant network a namespace that holds the gateway's address, and the DHCP server there.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use dhcproto::v4::Opcode;
use pxe::dhcp::packet::{MAX_LEN, Packet};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, task::JoinHandle};
use uuid::Uuid;

use super::{
    address::subnets,
    api::Shared,
    config::{FixedNetwork, Switch, short, tenant_bridge},
    dhcp,
    mover::tenant_networks,
    store::Store,
};
use crate::netns::Netns;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const INTERFACE: &str = "gw0";

/// The gateways that are up.
pub struct Gateways {
    fabric: Netns,
    prefix: String,
    fixed: Vec<FixedNetwork>,
    shared: Arc<Shared>,
    up: BTreeMap<Uuid, Gateway>,
}

struct Gateway {
    ns: Netns,
    server: JoinHandle<()>,
}

impl Gateways {
    /// None is up yet.
    pub fn new(switch: &Switch, shared: Arc<Shared>) -> Self {
        Self {
            fabric: Netns(switch.namespace.clone()),
            prefix: switch.gateway_prefix.clone(),
            fixed: switch.networks.clone(),
            shared,
            up: BTreeMap::new(),
        }
    }

    /// Gives every tenant network its gateway and takes away those of deleted networks. The bridges exist.
    pub async fn apply(&mut self, store: &Store) -> anyhow::Result<()> {
        let mut wanted = BTreeMap::new();
        for network in tenant_networks(store, &self.fixed) {
            let first = subnets(network).into_iter().next();
            if let Some((gateway, length)) = first.and_then(|subnet| Some((subnet.gateway?, subnet.length))) {
                wanted.insert(network.id, (gateway, length));
            }
        }
        let gone: Vec<Uuid> = self.up.keys().filter(|id| !wanted.contains_key(id)).copied().collect();
        for id in gone {
            self.take_down(id).await?;
        }
        for (id, (gateway, length)) in wanted {
            if !self.up.contains_key(&id) {
                let made = self.bring_up(id, gateway, length).await;
                self.up.insert(id, made.with_context(|| format!("making the gateway of network {id}"))?);
            }
        }
        Ok(())
    }

    /// Takes all away.
    pub async fn clean_up(&mut self) {
        for id in self.up.keys().copied().collect::<Vec<_>>() {
            if let Err(error) = self.take_down(id).await {
                tracing::warn!(network = %id, error = format!("{error:#}"), "gateway not deleted");
            }
        }
    }

    async fn take_down(&mut self, id: Uuid) -> anyhow::Result<()> {
        let Some(gateway) = self.up.remove(&id) else { return Ok(()) };
        gateway.server.abort();
        let _ = gateway.server.await;
        gateway.ns.delete().await
    }

    /// Makes a network's gateway, whole or not at all.
    async fn bring_up(&self, id: Uuid, address: Ipv4Addr, length: u8) -> anyhow::Result<Gateway> {
        let ns = Netns::create(&format!("{}-gw-{}", self.prefix, short(id))).await?;
        match self.furnish(&ns, id, address, length).await {
            Ok(server) => Ok(Gateway { ns, server }),
            Err(error) => {
                ns.delete().await?;
                Err(error)
            }
        }
    }

    async fn furnish(
        &self,
        ns: &Netns,
        id: Uuid,
        address: Ipv4Addr,
        length: u8,
    ) -> anyhow::Result<JoinHandle<()>> {
        let outer = format!("gw-{}", short(id));
        let lines = format!(
            "link add {INTERFACE} type veth peer name {outer} netns {fabric}\n\
             address add {address}/{length} dev {INTERFACE}\nlink set {INTERFACE} up\n",
            fabric = self.fabric.0
        );
        ns.ip_batch(&lines).await?;
        let bridge = tenant_bridge(id);
        self.fabric.ip_batch(&format!("link set {outer} master {bridge}\nlink set {outer} up\n")).await?;
        let socket = UdpSocket::from_std(ns.within(dhcp_socket)?)?;
        Ok(tokio::spawn(serve(socket, id, self.shared.clone())))
    }
}

fn dhcp_socket() -> anyhow::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(INTERFACE.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).into())?;
    Ok(socket.into())
}

async fn serve(socket: UdpSocket, network: Uuid, shared: Arc<Shared>) {
    let mut bytes = [0; MAX_LEN];
    // The socket fails only when its interface is gone, and then the gateway is too.
    while let Ok((length, _)) = socket.recv_from(&mut bytes).await {
        let Some(Ok(request)) = bytes.get(..length).map(Packet::parse) else { continue };
        if request.fixed.opcode() != Opcode::BootRequest {
            continue;
        }
        let Some(reply) = dhcp::answer(&shared.store(), network, &request) else { continue };
        tracing::info!(%network, mac = %request.mac, address = %reply.yiaddr, "answered a tenant's dhcp request");
        if let Err(error) = socket.send_to(&reply.build(), (Ipv4Addr::BROADCAST, CLIENT_PORT)).await {
            tracing::warn!(%network, %error, "dhcp answer not sent");
        }
    }
}
