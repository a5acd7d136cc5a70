//! Edges: what the agents hear of network boots: stages, refusals, and boots that arrive on another network than they are
//! permitted on.

use domain::{
    events::EventKind,
    lifecycle::trouble::Trouble,
    records::{BootReached, Port, Server, stored_sighting},
    rim::describe_observed,
};
use protocol::{boot::BootProgress, mac::MacAddr, network::BootNetwork};
use store::InventoryError;

use super::hub::AgentHub;

impl AgentHub {
    /// A boot moved on: its port is where it should be.
    pub(super) async fn boot_moved_on(
        &self,
        server: &Server,
        progress: &BootProgress,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let reached = BootReached { stage: progress.stage, network: progress.network };
        self.inventory.set_boot_stage(server.id, Some(reached)).await?;
        let text = format!("{reached} ({}) {}", progress.mac, progress.detail);
        self.inventory.record(server.id, EventKind::Boot, text.trim_end()).await;
        if server.trouble == Some(Trouble::WrongNetwork) {
            self.inventory.set_reason(server.id, None).await?;
        }
        if let Some(port) = server.ports.iter().find(|port| port.mac == progress.mac) {
            let what = stored_sighting(progress.stage);
            self.sighted(server, &port.name, at_us, progress.network, &what).await?;
        }
        Ok(())
    }

    /// A boot was asked for on a network where it is permitted elsewhere. Contrail showed the port there before the power went
    /// on, so what is wrong is outside of it: the alarm names the place to look at.
    pub(super) async fn boot_on_wrong_network(
        &self,
        server: &Server,
        heard: WrongNetwork,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let port = server.ports.iter().find(|port| Some(port.mac) == heard.mac);
        if let Some(port) = port {
            let what = format!("requested its boot, which is permitted only on {}", heard.planned.as_str());
            self.inventory.note_sighting(server.id, &port.name, at_us, heard.network, &what).await?;
        }
        let text = describe_wrong_network(server, port, &heard);
        // The boot ROM asks again and again.
        if server.reason.as_ref() != Some(&text) {
            self.inventory.set_trouble(server.id, &text, Trouble::WrongNetwork).await?;
            self.inventory.record(server.id, EventKind::Alarm, text).await;
        }
        Ok(())
    }
}

/// A boot that was heard on one network and is permitted on another.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongNetwork {
    /// Which interface asked; none: an older agent does not say.
    pub mac: Option<MacAddr>,
    /// Where it was heard.
    pub network: BootNetwork,
    /// Where it is permitted.
    pub planned: BootNetwork,
}

fn describe_wrong_network(server: &Server, port: Option<&Port>, heard: &WrongNetwork) -> String {
    let WrongNetwork { mac, network, planned } = heard;
    let (place, contrail) = match (port, mac) {
        (Some(port), _) => {
            let seen = port
                .observed
                .as_ref()
                .map_or("nowhere yet".to_owned(), |seen| format!("on {}", describe_observed(seen)));
            let place = format!("port {} ({}), plugged into switch port {}", port.name, port.mac, port.link);
            (place, format!("Contrail shows the port {seen}"))
        }
        (None, Some(mac)) => (format!("interface {mac}"), "the inventory has no port of it".to_owned()),
        (None, None) => ("one of its ports".to_owned(), "the agent does not say which".to_owned()),
    };
    format!(
        "its boot arrived on the wrong network: {place} is heard on the {} network, its boot is permitted only on the {} network, and {contrail}; \
         check that switch port (its VLAN, its cable, whether it is the one in the inventory) and `bmsctl node show {} \
         --proof`, then power the server off and on again",
        network.as_str(),
        planned.as_str(),
        server.name
    )
}
