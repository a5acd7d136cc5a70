//! Values: what adoption and survey need of Ironic and Contrail, as traits.

use async_trait::async_trait;
use protocol::id::ServerId;
use uuid::Uuid;

use super::{FabricError, ProvisionerError};
use crate::adoption::FoundInterface;

/// What runs on a node, for Ironic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `instance_uuid`.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Glance's image.
    pub image: String,
    /// Keystone project.
    pub project_id: String,
}

/// Ironic's verbs for a server that is in use. Success means that Ironic has accepted them.
#[async_trait]
pub trait Adopter: Send + Sync {
    /// Lets Ironic check the credentials and read the power.
    async fn manage(&self, id: ServerId) -> Result<(), ProvisionerError>;
    /// Writes what runs on the node. Repeating it changes nothing.
    async fn set_instance(&self, id: ServerId, instance: &Instance) -> Result<(), ProvisionerError>;
    /// Takes that back. Done already is done.
    async fn clear_instance(&self, id: ServerId) -> Result<(), ProvisionerError>;
    /// Takes the node as it is.
    async fn adopt(&self, id: ServerId) -> Result<(), ProvisionerError>;
}

/// Contrail's interfaces, everybody's.
#[async_trait]
pub trait Interfaces: Send + Sync {
    /// All of them, as they are now. Reads only.
    async fn all_interfaces(&self) -> Result<Vec<FoundInterface>, FabricError>;
}
