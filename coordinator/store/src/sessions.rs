//! Edges: what the ramdisk facade keeps of its sessions.

use async_trait::async_trait;
use domain::rim::{SessionStore, StoreError};
use protocol::{
    id::{RamdiskSessionId, ServerId},
    secret::Secret,
};

use crate::{Inventory, InventoryError};

/// The inventory, for the ramdisk facade's sessions.
pub struct StoredSessions(pub Inventory);

fn store_error(operation: &'static str) -> impl FnOnce(InventoryError) -> StoreError {
    move |error| StoreError { operation, reason: error.to_string() }
}

#[async_trait]
impl SessionStore for StoredSessions {
    async fn load(&self, session: RamdiskSessionId) -> Result<Option<Secret>, StoreError> {
        self.0.session_record(session).await.map_err(store_error("load"))
    }

    async fn save(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
        record: Secret,
    ) -> Result<(), StoreError> {
        self.0.set_session_record(server, session, &record).await.map_err(store_error("save"))
    }

    async fn forget(&self, session: RamdiskSessionId) -> Result<(), StoreError> {
        self.0.delete_session_record(session).await.map_err(store_error("forget"))
    }
}
