//! Edges: a 'virtual machine' on a tenant's network: a namespace with a veth, and an address from the API's IPAM.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use super::config::{short, tenant_bridge};
use crate::netns::Netns;

/// Longest wait for one answer of the API.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const INTERFACE: &str = "eth0";
/// Longest wait for the switch to make a new network's bridge.
const BRIDGE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause between two looks for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A virtual machine that is plugged in.
pub struct VirtualMachine {
    /// Its namespace: run programs in it.
    pub ns: Netns,
    /// Its address.
    pub address: Ipv4Addr,
    /// The network's gateway.
    pub gateway: Ipv4Addr,
    api: Api,
    interface: Uuid,
    instance_ip: Uuid,
}

struct Api {
    http: Client,
    url: String,
}

impl VirtualMachine {
    /// Makes port and address by the API at `url`, and plugs a namespace called `name` into the network's bridge.
    pub async fn attach(url: &str, fabric: &Netns, network: Uuid, name: &str) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // an error means: there is one already
        let http = Client::builder().timeout(CALL_TIMEOUT).build()?;
        let api = Api { http, url: url.to_owned() };
        let found = api.read("virtual-network", network).await?;
        let network_name: Vec<String> = serde_json::from_value(found["fq_name"].clone())?;
        let entry = &found["network_ipam_refs"][0]["attr"]["ipam_subnets"][0];
        let length = entry["subnet"]["ip_prefix_len"].as_u64().context("the network has no subnet")?;
        let gateway: Ipv4Addr =
            entry["default_gateway"].as_str().unwrap_or("").parse().context("no gateway")?;
        let mut full = network_name.clone();
        full.pop();
        full.push(format!("{name}-{}", Uuid::new_v4()));
        let networks = json!([{ "to": network_name }]);
        let body = json!({ "fq_name": full, "parent_type": "project", "virtual_network_refs": networks });
        let interface = api.create("virtual-machine-interface", body).await?;
        let body = json!({
            "fq_name": [format!("{interface}-address")], "virtual_network_refs": networks,
            "virtual_machine_interface_refs": [{ "to": full }],
        });
        let instance_ip = api.create("instance-ip", body).await?;
        let mac = api.read("virtual-machine-interface", interface).await?
            ["virtual_machine_interface_mac_addresses"]["mac_address"][0]
            .as_str()
            .context("the port has no MAC address")?
            .to_owned();
        let address = api.read("instance-ip", instance_ip).await?["instance_ip_address"].clone();
        let address: Ipv4Addr = address.as_str().unwrap_or("").parse().context("the port has no address")?;
        let ns = Netns::create(name).await?;
        let outer = format!("vm-{}", short(interface));
        let lines = format!(
            "link add {INTERFACE} address {mac} type veth peer name {outer} netns {fabric}\n\
             address add {address}/{length} dev {INTERFACE}\nlink set {INTERFACE} up\n\
             route add default via {gateway}\n",
            fabric = fabric.0
        );
        ns.ip_batch(&lines).await?;
        let bridge = tenant_bridge(network);
        wait_for_bridge(fabric, &bridge).await?;
        fabric.ip_batch(&format!("link set {outer} master {bridge}\nlink set {outer} up\n")).await?;
        Ok(Self { ns, address, gateway, api, interface, instance_ip })
    }

    /// Takes it away: namespace, address, port.
    pub async fn detach(self) -> anyhow::Result<()> {
        self.ns.delete().await?;
        self.api.delete("instance-ip", self.instance_ip).await?;
        self.api.delete("virtual-machine-interface", self.interface).await
    }
}

/// The switch follows the API, and a network that was made just now has no bridge yet.
async fn wait_for_bridge(fabric: &Netns, bridge: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while let Err(error) = fabric.run("ip", &["link", "show", bridge]).await {
        if began.elapsed() > BRIDGE_WAIT_MAX {
            return Err(error.context(format!("waiting for the switch to make {bridge}")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

impl Api {
    async fn read(&self, kind: &str, id: Uuid) -> anyhow::Result<Value> {
        let response = self.http.get(format!("{}/{kind}/{id}", self.url)).send().await?;
        let mut value: Value = checked(response).await?.json().await?;
        Ok(value[kind].take())
    }

    async fn create(&self, kind: &str, body: Value) -> anyhow::Result<Uuid> {
        let request = self.http.post(format!("{}/{kind}s", self.url)).json(&json!({ kind: body }));
        let made: Value = checked(request.send().await?).await?.json().await?;
        Ok(serde_json::from_value(made[kind]["uuid"].clone())?)
    }

    async fn delete(&self, kind: &str, id: Uuid) -> anyhow::Result<()> {
        let response = self.http.delete(format!("{}/{kind}/{id}", self.url)).send().await?;
        checked(response).await.map(|_| ())
    }
}

async fn checked(response: reqwest::Response) -> anyhow::Result<reqwest::Response> {
    let (status, url) = (response.status(), response.url().clone());
    if status.is_success() {
        return Ok(response);
    }
    anyhow::bail!("{url}: {status}: {}", response.text().await.unwrap_or_default())
}
