//! Edges: a server that stays off when its mains power comes back, by Redfish (`ComputerSystem.PowerRestorePolicy`, DSP0268).

use protocol::power::RestorePolicy;

use super::{RedfishBmc, fault::Fault};
use crate::bmc::BmcError;

impl RedfishBmc {
    /// Has the server stay off when its mains power comes back; read before and after.
    pub(super) async fn ensure_kept_off(&self) -> Result<(), BmcError> {
        match self.restore_policy().await? {
            Some(RestorePolicy::AlwaysOff) => Ok(()),
            Some(_) => self.set_restore_policy(RestorePolicy::AlwaysOff).await,
            None => {
                let reason = "its system shows no PowerRestorePolicy".to_owned();
                Err(self.error(Fault::refused(reason)))
            }
        }
    }
}
