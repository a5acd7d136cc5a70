//! Edges: what everybody in the core works with who does something with a server.

use std::sync::Arc;

use domain::rim::{Agents, Presence, Provisioner};
use store::Inventory;

use crate::{
    mover::Mover,
    visits::{ServerLocks, Wake},
};

/// The same for all of them. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The inventory.
    pub inventory: Inventory,
    /// Ironic.
    pub provisioner: Arc<dyn Provisioner>,
    /// The agents, for commands.
    pub agents: Arc<dyn Agents>,
    /// Which of them are here.
    pub presence: Arc<dyn Presence>,
    /// Moves ports.
    pub mover: Mover,
    /// One hand per server.
    pub locks: ServerLocks,
    /// Who should be looked at.
    pub wake: Wake,
}
