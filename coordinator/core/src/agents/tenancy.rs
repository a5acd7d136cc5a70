//! Edges: whose own system runs on each server, told to its agent whenever that has changed: what the server prints is that tenant's to
//! read, and nobody else's.
//!
//! What must stay true: a boot of ours ends a tenant's time, and what was read of the server before that boot never begins it again. So
//! only [`AgentHub::keep_told`] changes what was told, and only if no such boot was given while it looked.

use std::collections::HashMap;

use domain::records::Server;
use protocol::{
    boot::Boot,
    command::Action,
    convert::{Declaration, ToAgent},
    id::{ServerId, TenancyId},
    spec::ServerSpec,
};
use tracing::warn;

use super::hub::AgentHub;

/// What the agents were told last.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<ServerId, Last>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Last {
    /// None: nothing was told yet.
    tenancy: Option<Option<TenancyId>>,
    /// Boots of ours that were given to it.
    boots: u64,
}

impl Told {
    fn of(&self, server: ServerId) -> Last {
        self.0.get(&server).copied().unwrap_or_default()
    }

    fn note(&mut self, server: ServerId, tenancy: Option<TenancyId>) {
        self.0.entry(server).or_default().tenancy = Some(tenancy);
    }

    fn note_boot(&mut self, server: ServerId) {
        let last = self.0.entry(server).or_default();
        *last = Last { tenancy: Some(None), boots: last.boots + 1 };
    }
}

impl AgentHub {
    /// Tells a server's agent anew whose it is, if it was not told so.
    pub(super) async fn keep_told(&self, server: &Server) {
        let id = server.id;
        let before = self.state().told.of(id);
        if before.tenancy == Some(server.tenancy()) || server.forgetting {
            return;
        }
        // What the caller holds may be of before a boot of ours.
        let now = match self.inventory.server(id).await {
            Ok(Some(now)) => now,
            Ok(None) => return,
            Err(error) => return warn!(server = %id, %error, "whose a server is was not told to its agent"),
        };
        let mut state = self.state();
        if state.told.of(id) != before || before.tenancy == Some(now.tenancy()) {
            return;
        }
        let declaration = Declaration { servers: vec![now.spec()], forget: Vec::new(), complete: false };
        let wire = state.roster.wire(&now.rack);
        // One that is away hears of all when it comes; one that takes nothing now is told at the next visit.
        if wire.is_some_and(|wire| wire.outbox.try_send(ToAgent::Declare(declaration)).is_ok()) {
            state.told.note(id, now.tenancy());
        }
    }

    /// What is declared for other reasons says of this what was said before.
    pub(super) fn spec_as_told(&self, server: &Server) -> ServerSpec {
        ServerSpec { tenancy: self.state().told.of(server.id).tenancy.flatten(), ..server.spec() }
    }

    /// A new stream begins with these.
    pub(super) fn note_told(&self, servers: &[ServerSpec]) {
        let mut state = self.state();
        for spec in servers {
            state.told.note(spec.id, spec.tenancy);
        }
    }

    /// The agent takes this out of a command by itself.
    pub(super) fn note_boot(&self, server: ServerId, action: &Action) {
        if let Action::PowerOn { boot: Boot::Network(_) } | Action::Reset { boot: Boot::Network(_) } = action
        {
            self.state().told.note_boot(server);
        }
    }
}
