//! Edges: takes a tenant's interface off its switch port where an unbinding would leave a claim behind: deletes it while it is bound,
//! and makes it again under the same uuid.
//!
//! ```text
//!   note stored -> referrers let go -> deleted while bound -> made again, unbound -> referrers back -> note deleted
//! ```
//!
//! What must stay true: from the first step to the last there is a note of all that is needed, found by the server's port and by the
//! interface. Whoever finds a note finishes it before anything else, so that a kill anywhere loses nothing.

use tracing::{info, warn};
use uuid::Uuid;

use super::{
    Contrail,
    fabric::INTERFACE,
    object::{Interface, RefChange},
    parked::{Keeper, Parked, Referrer, keeper, parked},
    site::parked_id,
    vnc::Created,
};
use domain::rim::{FabricError, ServerPort, WantedNetwork};

/// A network policy without rules that nothing uses keeps the note.
const KEEPER: &str = "network-policy";

impl Contrail {
    /// Takes the interface off its port groups by making it again.
    pub(super) async fn park(&self, port: &ServerPort, interface: &Interface) -> Result<(), FabricError> {
        let Some(whole) = self.vnc.get_whole(INTERFACE, interface.uuid).await? else { return Ok(()) };
        let parked = parked(interface, &whole);
        self.note(port, &parked).await?;
        for referrer in &parked.referrers {
            let from = (referrer.kind.as_str(), referrer.uuid);
            self.vnc.change_ref(RefChange::Delete, from, (INTERFACE, interface.uuid)).await?;
        }
        self.drop_filters(interface).await?;
        self.vnc.delete(INTERFACE, interface.uuid).await?;
        self.finish(&parked).await
    }

    async fn note(&self, port: &ServerPort, parked: &Parked) -> Result<(), FabricError> {
        let body = keeper(&self.config, port, parked);
        let Created::Conflict(_) = self.vnc.create(KEEPER, body.clone()).await? else { return Ok(()) };
        // Whoever can be made again was, before this. What is left is of an interface that is refused for good.
        if let Some(other) = self.vnc.id_of(KEEPER, &self.config.parked_name(port)).await? {
            warn!(port = %port.link, note = %other, "gave up an interface that could not be made again");
            self.vnc.delete(KEEPER, other).await?;
        }
        self.vnc.delete(KEEPER, parked_id(parked.interface)).await?;
        match self.vnc.create(KEEPER, body).await? {
            Created::New(_) => Ok(()),
            Created::Conflict(reason) => Err(FabricError::Refused {
                operation: format!("note interface {}", parked.interface),
                reason,
            }),
        }
    }

    /// Makes the interface again if it is not there, gives it back what referred to it, and forgets the note.
    async fn finish(&self, parked: &Parked) -> Result<(), FabricError> {
        if self.interface(parked.interface).await?.is_none()
            && let Created::Conflict(reason) = self.vnc.create(INTERFACE, parked.body.clone()).await?
            && self.interface(parked.interface).await?.is_none()
        {
            let operation = format!("make interface {} again", parked.interface);
            return Err(FabricError::Refused { operation, reason });
        }
        for referrer in &parked.referrers {
            self.give_back(parked.interface, referrer).await?;
        }
        self.vnc.delete(KEEPER, parked_id(parked.interface)).await
    }

    async fn give_back(&self, interface: Uuid, referrer: &Referrer) -> Result<(), FabricError> {
        let from = (referrer.kind.as_str(), referrer.uuid);
        let given =
            self.vnc.change_ref_with(RefChange::Add, from, (INTERFACE, interface), &referrer.attr).await;
        match given {
            // Somebody has deleted it in between: a floating address, say.
            Err(FabricError::Refused { .. }) if self.vnc.get_whole(from.0, from.1).await?.is_none() => Ok(()),
            given => given,
        }
    }

    /// The interface that was being made again when somebody left off, by the server's port.
    pub(super) async fn parked_at(&self, port: &ServerPort) -> Result<Option<Uuid>, FabricError> {
        Ok(self.noted_at(port).await?.map(|parked| parked.interface))
    }

    async fn noted_at(&self, port: &ServerPort) -> Result<Option<Parked>, FabricError> {
        let Some(id) = self.vnc.id_of(KEEPER, &self.config.parked_name(port)).await? else { return Ok(None) };
        self.read_note(id).await
    }

    async fn read_note(&self, id: Uuid) -> Result<Option<Parked>, FabricError> {
        let Some(keeper) = self.vnc.get::<Keeper>(KEEPER, id, Keeper::FIELDS).await? else { return Ok(None) };
        let parked = keeper.parked();
        if parked.is_none() {
            warn!(note = %id, "a note of an interface cannot be read");
        }
        Ok(parked)
    }

    /// Finishes what was left off at this port. An interface that is refused for good keeps nobody's port from being isolated: its note
    /// stays, and it is tried again with the next move; only a move to that very interface is refused.
    pub(super) async fn finish_at(&self, port: &ServerPort, to: &WantedNetwork) -> Result<(), FabricError> {
        let Some(parked) = self.noted_at(port).await? else { return Ok(()) };
        info!(port = %port.link, interface = %parked.interface, "making an interface again that somebody left off");
        match self.finish(&parked).await {
            Err(error) if !error.is_worth_repeating() && *to != WantedNetwork::Tenant(parked.interface) => {
                warn!(port = %port.link, interface = %parked.interface, %error, "an interface is not made again");
                Ok(())
            }
            finished => finished,
        }
    }

    /// Finishes what was left off with this interface, wherever it was.
    pub(super) async fn finish_interface(&self, interface: Uuid) -> Result<(), FabricError> {
        match self.read_note(parked_id(interface)).await? {
            Some(parked) => self.finish(&parked).await,
            None => Ok(()),
        }
    }

    /// Forgets the note of an interface that is deleted for good.
    pub(super) async fn forget_parked(&self, interface: Uuid) -> Result<(), FabricError> {
        self.vnc.delete(KEEPER, parked_id(interface)).await
    }
}
