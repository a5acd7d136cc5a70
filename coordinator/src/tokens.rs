//! Edges: our own Keystone token, for a VNC API that wants one.

use async_trait::async_trait;
use contrail::Tokens;
use domain::rim::FabricError;
use openstack::Session;
use protocol::secret::Secret;

/// Our own Keystone token, for a VNC API that wants one.
pub struct KeystoneTokens(pub Session);

#[async_trait]
impl Tokens for KeystoneTokens {
    async fn token(&self, rejected: Option<&Secret>) -> Result<Secret, FabricError> {
        if let Some(rejected) = rejected {
            self.0.forget(rejected).await;
        }
        let issued = self.0.issued().await;
        issued.map(|issued| issued.token.clone()).map_err(|error| FabricError::Unavailable {
            url: "Keystone".to_owned(),
            reason: error.to_string(),
        })
    }
}
