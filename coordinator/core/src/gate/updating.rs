//! Edges: while a BMC writes new firmware the power of its server is left as it is, on or off.

use domain::{
    firmware::rules::holds_power,
    records::Server,
    rim::{Refusal, RefusalKind},
};

use super::{Gate, inventory_failed, refuse};

impl Gate {
    /// Looked at when a change is asked for, and once more under the server's lock: an update begins under the same lock.
    pub(super) async fn refuse_while_updated(&self, server: &Server) -> Result<(), Refusal> {
        let open =
            self.parts.inventory.open_update(server.id).await.map_err(|error| inventory_failed(&error))?;
        match open.and_then(|update| holds_power(server, &update)) {
            None => Ok(()),
            Some(why) => Err(refuse(RefusalKind::State, why)),
        }
    }
}
