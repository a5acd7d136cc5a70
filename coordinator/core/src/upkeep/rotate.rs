//! Edges: one change of a BMC's password, step by step. Each step is stored before it is done, so it may be cut off anywhere; see
//! [`domain::upkeep::rotation`].

use domain::{
    events::EventKind,
    records::Server,
    rim::AgentError,
    upkeep::rotation::{After, Ended, Rotation, Stage, Step},
};
use protocol::{
    command::{Action, FailureKind, Success},
    id::ServerId,
};
use store::InventoryError;

use super::Upkeep;

impl Upkeep {
    /// Plans the changes for which it is time.
    pub(super) async fn plan(&self, servers: &[Server]) {
        let now_us = self.now_us();
        for server in servers.iter().filter(|server| self.policy.is_due(server, now_us)) {
            let rotation = Rotation::planned("its password is old", now_us, now_us);
            if let Err(error) = self.inventory.set_rotation(server.id, Some(&rotation)).await {
                tracing::warn!(server = %server.id, %error, "change of a BMC's password not planned");
            }
        }
    }

    /// Takes one change as far as it goes now.
    pub(super) async fn advance(&self, id: ServerId) -> Result<(), InventoryError> {
        loop {
            let Some(server) = self.inventory.server(id).await? else { return Ok(()) };
            let Some(rotation) = server.upkeep.rotation.clone() else { return Ok(()) };
            match rotation.step(self.now_us()) {
                Step::Wait => return Ok(()),
                Step::MakeCandidate => match self.policy.admit(&server) {
                    Ok(()) => {
                        let rotation = rotation
                            .clone()
                            .with_candidate(self.inventory.make_bmc_password(rotation.length));
                        self.inventory.set_rotation(id, Some(&rotation)).await?;
                    }
                    Err(why) => {
                        self.inventory.set_rotation(id, None).await?;
                        self.inventory.record(id, EventKind::Upkeep, why).await;
                        return Ok(());
                    }
                },
                Step::Tell => self.tell(&server, rotation).await?,
            }
        }
    }

    async fn tell(&self, server: &Server, rotation: Rotation) -> Result<(), InventoryError> {
        let id = server.id;
        if matches!(rotation.stage, Stage::Candidate(_)) {
            // Still to be tried after the old one. Told again in the other order, the agent would begin with the wrong one.
            self.declarations.declare(server).await;
        }
        let telling = rotation.telling();
        self.inventory.set_rotation(id, Some(&telling)).await?;
        let ended = ended(self.agents.run(&server.rack, id, Action::RenewPassword).await);
        let before = telling.trouble.clone();
        match telling.ended(ended, self.now_us()) {
            After::Done(proved) => {
                let Some(now) = self.inventory.server(id).await? else { return Ok(()) };
                self.inventory.finish_rotation(&now, &proved).await?;
                let text = format!(
                    "the password of user {:?} at the BMC of {} was changed, and proved by a login",
                    now.bmc.username, now.name
                );
                self.inventory.record(id, EventKind::Upkeep, text).await;
                self.declare_again(id).await?;
            }
            After::GoesOn(rotation) => {
                self.inventory.set_rotation(id, Some(&rotation)).await?;
                if rotation.trouble != before {
                    let text = trouble(server, &rotation);
                    self.inventory.record(id, EventKind::Upkeep, text).await;
                }
                if rotation.next_password().is_none() {
                    self.declare_again(id).await?;
                }
            }
        }
        Ok(())
    }

    async fn declare_again(&self, id: ServerId) -> Result<(), InventoryError> {
        if let Some(server) = self.inventory.server(id).await? {
            self.declarations.declare(&server).await;
        }
        Ok(())
    }
}

fn ended(answer: Result<Success, AgentError>) -> Ended {
    match answer {
        Ok(Success::Done) => Ended::New,
        Ok(Success::PasswordKept { reason, length }) => Ended::Kept { reason, length },
        Ok(
            Success::Identity(_)
            | Success::Step(_)
            | Success::Footprint(_)
            | Success::FirmwareTaken { .. }
            | Success::FirmwareSeen(_),
        ) => Ended::NotKnown { reason: "the agent answered something else".to_owned(), is_refused: false },
        Err(error @ (AgentError::Away { .. } | AgentError::NotTaken { .. })) => {
            Ended::NotKnown { reason: error.to_string(), is_refused: false }
        }
        Err(AgentError::Failed(failure)) => {
            let is_refused = failure.kind == FailureKind::BmcCredentials;
            Ended::NotKnown { reason: failure.message, is_refused }
        }
    }
}

fn trouble(server: &Server, rotation: &Rotation) -> String {
    let reason = rotation.trouble.as_deref().unwrap_or_default();
    match &rotation.stage {
        Stage::Planned => format!(
            "the password of {}'s BMC was not changed, and the old one is proved to be good: {reason}; it is tried again by itself, \
             with another password",
            server.name
        ),
        Stage::Candidate(_) | Stage::Told(_) => format!(
            "it is not known yet whether the password of {}'s BMC was changed: {reason}; both are kept, and it is tried again by \
             itself",
            server.name
        ),
    }
}
