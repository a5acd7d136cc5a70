//! Edges: what is neither agent nor coordinator: the virtual BMCs and the stand-in of the VNC API, on threads of their own.

use anyhow::Context;
use protocol::spec::BmcEndpoint;
use tokio::{runtime::Runtime, sync::mpsc};

use super::super::{farm, jobs::CIPHER_SUITE};
use crate::{
    contrail::{Config, Standin, api::Heard},
    farm::{Farm, Running, VirtualBmc, server::Behind},
};

/// The switch into which all servers are plugged.
pub(super) const SWITCH: &str = "leaf1";

/// They end when this is dropped.
pub(super) struct Outside {
    farm: Running,
    standin: Standin,
    /// Taken when it ends: a runtime must not be dropped where others wait.
    runtime: Option<Runtime>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The switch port of the server with this number.
pub(super) fn port_name(number: usize) -> String {
    format!("xe-0/0/{number}")
}

impl Outside {
    /// So many servers that are on, each in a switch port.
    pub(super) async fn start(servers: usize) -> anyhow::Result<Self> {
        let names: Vec<String> = (0..servers).map(port_name).collect();
        let ports: Vec<_> = names.iter().map(|name| (SWITCH, name.as_str())).collect();
        let config = Config::api_only(&ports);
        let farm = Farm::parse(&farm("ipmi", servers, "power = { on = true }"))?;
        let runtime = Runtime::new()?;
        let started = runtime
            .spawn(async move { anyhow::Ok((Running::start(&farm).await?, Standin::start(config).await?)) });
        let (farm, standin) = started.await??;
        Ok(Self { farm, standin, runtime: Some(runtime) })
    }

    /// How each server's BMC is reached.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = BmcEndpoint> {
        self.farm.bmcs().iter().map(|bmc| BmcEndpoint {
            protocol: protocol::spec::BmcProtocol::Ipmi { cipher_suite: Some(CIPHER_SUITE) },
            ..bmc.endpoint()
        })
    }

    /// Base URL of the VNC API.
    pub(super) fn url(&self) -> String {
        self.standin.url()
    }

    /// What the VNC API is asked from now on.
    pub(super) fn calls(&self) -> mpsc::Receiver<Heard> {
        self.standin.shared.tell_calls()
    }

    /// The server with this number goes off.
    pub(super) async fn switch_off(&self, number: usize) -> anyhow::Result<()> {
        let bmc: &VirtualBmc = self.farm.bmcs().get(number).context("there is no such server")?;
        match &bmc.server {
            Behind::Machine(server) => crate::bmc::chassis::Chassis::power_off(&**server).await,
            Behind::Given(server) => crate::bmc::chassis::Chassis::power_off(&**server).await,
        }
    }
}
