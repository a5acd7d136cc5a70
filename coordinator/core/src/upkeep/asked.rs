//! Edges: what people ask for: a change of a BMC's password, its end, and a look at the password.

use domain::{
    events::EventKind,
    records::Server,
    rim::{Refusal, RefusalKind},
    upkeep::{readings::CHANGED_AFTER_US, rotation::Rotation},
};
use protocol::secret::Secret;
use store::InventoryError;

use super::Upkeep;

/// Why a password is not shown.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// Too many were read lately.
    #[error(transparent)]
    TooMany(#[from] domain::upkeep::readings::TooMany),
    /// It cannot be read, or that it was read cannot be stored.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl Upkeep {
    /// Somebody wants a BMC's password changed, and, if days are given, every so many days from now on. Says in words what was asked.
    pub async fn ask_rotation(
        &self,
        server: &Server,
        who: &str,
        every_days: Option<u32>,
    ) -> Result<String, Refusal> {
        let refuse = |message: String| Refusal { kind: RefusalKind::State, message };
        self.policy.admit(server).map_err(refuse)?;
        let stored = |error: InventoryError| refuse(error.to_string());
        if every_days.is_some() {
            self.inventory.set_rotate_days(server.id, every_days).await.map_err(stored)?;
        }
        let now_us = self.now_us();
        let known = server.upkeep.rotation.as_ref();
        // One that waits because of a refusal goes on waiting: the BMC counts, whoever asks.
        if known.is_none_or(|known| !known.is_under_way() && known.failures == 0) {
            let planned = Rotation::planned(format!("{who} asked for it"), now_us, now_us);
            let next = known.map_or(planned, |known| Rotation { not_before_us: now_us, ..known.clone() });
            self.inventory.set_rotation(server.id, Some(&next)).await.map_err(stored)?;
        }
        self.asked.notify_one();
        let every = every_days.map(|days| format!(", and again every {days} days")).unwrap_or_default();
        Ok(format!("the password of its BMC to be changed{every}"))
    }

    /// Somebody wants a change that was not told yet not to be done.
    pub async fn cancel_rotation(&self, server: &Server) -> Result<(), Refusal> {
        let refuse = |message: String| Refusal { kind: RefusalKind::State, message };
        if server.upkeep.rotation.as_ref().is_some_and(Rotation::is_under_way) {
            return Err(refuse(format!(
                "the BMC of {} may have its new password already, so the change is not given up: it ends by itself once the BMC \
                 answers",
                server.name
            )));
        }
        let stored = |error: InventoryError| refuse(error.to_string());
        self.inventory.set_rotation(server.id, None).await.map_err(stored)?;
        self.inventory.set_rotate_days(server.id, None).await.map_err(stored)
    }

    /// The password of a server's BMC, for a person who gave a reason. That is told as an event before it is shown, and the password is
    /// changed soon after, if its user is ours.
    pub async fn show_password(&self, server: &Server, who: &str, reason: &str) -> Result<Shown, NotShown> {
        let now_us = self.now_us();
        self.readings().take(who, now_us)?;
        self.inventory.set_bmc_shown(server.id, now_us).await?;
        let known = server.upkeep.rotation.as_ref();
        let is_changed = self.policy.admit(server).is_ok();
        if is_changed && known.is_none() {
            let why = format!("{who} has read it");
            let planned = Rotation::planned(why, now_us, now_us.saturating_add(CHANGED_AFTER_US));
            self.inventory.set_rotation(server.id, Some(&planned)).await?;
        }
        let after = if is_changed {
            "it is changed within an hour or so"
        } else {
            "its user is not ours alone, so it is not changed by itself: change it at the BMC and import it"
        };
        let text = format!(
            "{who} has read the password of user {:?} at its BMC: {reason}; {after}",
            server.bmc.username
        );
        self.inventory.record(server.id, EventKind::Upkeep, text).await;
        let next = known.and_then(Rotation::next_password);
        Ok(Shown { password: server.bmc.password.clone(), next: next.map(|next| next.password) })
    }
}

/// A password as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// It.
    pub password: Secret,
    /// The one that the BMC may have instead: it is being changed.
    pub next: Option<Secret>,
}
