//! Edges: what a server does when its mains power comes back, by Redfish (`ComputerSystem.PowerRestorePolicy`, DSP0268).

use serde::Deserialize;
use serde_json::json;

use super::{RedfishBmc, State, boot::Place, fault::Fault};
use crate::bmc::BmcError;

const ALWAYS_OFF: &str = "AlwaysOff";

/// A system, as far as this goes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(default)]
    power_restore_policy: Option<String>,
}

impl RedfishBmc {
    /// Has the server stay off when its mains power comes back; read before and after.
    pub(super) async fn ensure_kept_off(&self) -> Result<(), BmcError> {
        let mut state = self.begin().await;
        // It must be who is expected.
        self.system(&mut state).await?;
        let Some(before) = self.restore_policy(&mut state).await? else {
            let reason = "its system shows no PowerRestorePolicy".to_owned();
            return Err(self.error(Fault::refused(reason)));
        };
        if before.eq_ignore_ascii_case(ALWAYS_OFF) {
            return Ok(());
        }
        let body = json!({ "PowerRestorePolicy": ALWAYS_OFF });
        if let Some(reason) = self.write_body(&mut state, Place::System, &body).await? {
            return Err(self.error(Fault::refused(reason)));
        }
        match self.restore_policy(&mut state).await? {
            Some(after) if !after.eq_ignore_ascii_case(ALWAYS_OFF) => {
                let reason = format!("it accepted the PowerRestorePolicy {ALWAYS_OFF}, and shows {after:?}");
                Err(self.error(Fault::refused(reason)))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn restore_policy(&self, state: &mut State) -> Result<Option<String>, BmcError> {
        let read = async {
            let path = self.path(state).await?;
            state.http.get::<Policy>(&path).await
        };
        let found = read.await.map_err(|fault| self.error(fault))?;
        Ok(found.body.power_restore_policy)
    }
}
