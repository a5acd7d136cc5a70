//! Edges: switching off. It needs no proof, but it needs that the server is ours to switch off.

use domain::{
    lifecycle::permitted_off,
    records::Server,
    rim::{Refusal, RefusalKind},
};
use protocol::{command::Action, id::ServerId, power::PowerOffHow, power_budget};
use tokio::time::{Instant, timeout};

use super::{Gate, refuse};

impl Gate {
    /// Off needs no proof: a server without power is on nobody's network for long. It needs that the server was given to us.
    pub(super) async fn off(&self, id: ServerId, how: PowerOffHow, began: Instant) -> Result<(), Refusal> {
        let server = self.server(id).await?;
        if !server.ports_given {
            let looked = timeout(power_budget::LOOK_MAX, self.may_be_switched_off(&server)).await;
            looked.unwrap_or_else(|_| {
                let message = format!(
                    "cannot change the power of {}: Ironic and Contrail did not confirm within {} s that it is managed \
                     here; try again",
                    server.name,
                    power_budget::LOOK_MAX.as_secs()
                );
                Err(refuse(RefusalKind::State, message))
            })?;
        }
        self.run(&server, Action::PowerOff { how }, began).await
    }

    /// A server whose ports were never given to us may be somebody's server in use, whatever was asked of Ironic: an inspection begins
    /// with a power-off. What its ports carry tells.
    async fn may_be_switched_off(&self, server: &Server) -> Result<(), Refusal> {
        permitted_off(&server.name, &self.read_node(server).await?, server.ports_given)?;
        self.parts.mover.check(server).await.map_err(|error| {
            refuse(
                RefusalKind::Gate,
                format!("{} was not powered off, it may be in use: {error}", server.name),
            )
        })
    }
}
