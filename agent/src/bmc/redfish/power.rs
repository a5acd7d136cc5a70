//! Edges: switches the power. A refusal, a broken connection and a task that fails are settled by reading the power before anything is
//! posted again.

use protocol::redfish::ComputerSystem;
use serde_json::json;
use tracing::debug;

use super::{
    RedfishBmc, State,
    again::Trouble,
    fault::Fault,
    power_of,
    task::{self, LOOKS_MAX, Stage},
};
use crate::bmc::{Bmc, BmcError, Power};

impl RedfishBmc {
    /// POSTs the first of these reset types that the system takes, until it is taken or the power is as wanted.
    pub(super) async fn reset_by(&self, wanted: &[&str], done_when: Option<Power>) -> Result<(), BmcError> {
        let mut state = self.begin().await;
        let mut system = self.system_lately(&mut state).await?.body;
        // That nothing need be done is not concluded from an older reading.
        if done_when.is_some() && power_of(&system) == done_when {
            system = self.system(&mut state).await?.body;
        }
        let mut repeats = 0;
        loop {
            if done_when.is_some() && power_of(&system) == done_when {
                return Ok(());
            }
            let posted = state.post_reset(&system, wanted).await;
            let fault = match posted {
                Ok(None) => return Ok(()),
                Ok(Some(monitor)) => match self.await_task(&mut state, &monitor, done_when).await? {
                    None => return Ok(()),
                    Some(fault) => fault,
                },
                Err(fault) => fault,
            };
            let (trouble, wish) = match &fault {
                Fault::Lost(_) => (Some(Trouble::Broken), None),
                Fault::Refused(refused) => (refused.trouble, refused.wish),
                Fault::Unreachable(_) | Fault::LogIn { .. } | Fault::NotUnderstood(_) => {
                    return Err(self.error(fault));
                }
            };
            let trouble = trouble.filter(|trouble| done_when.is_some() || trouble.has_not_begun());
            let pause = trouble.and_then(|trouble| state.http.left().pause(trouble, repeats, wish));
            tokio::time::sleep(pause.unwrap_or_default()).await;
            // Refused because it is so already, or done in spite of it.
            if done_when.is_some() || pause.is_some() {
                system = self.system(&mut state).await?.body;
            }
            let is_done = done_when.is_some() && power_of(&system) == done_when;
            if pause.is_none() && !is_done {
                return Err(self.error(fault));
            }
            repeats += 1;
            debug!(bmc = self.address, repeats, "Redfish power command not taken yet");
        }
    }

    /// Restarts it by switching it off and, once it is off, on.
    pub(super) async fn off_and_on(&self) -> Result<(), BmcError> {
        self.power_off().await?;
        for _ in 0..LOOKS_MAX {
            if self.power_status().await? == Power::Off {
                break;
            }
            let unit = self.begin().await.http.left().pace.units(1);
            tokio::time::sleep(unit).await;
        }
        self.power_on().await
    }

    /// Waits for a task's end, or until the power is as wanted. Its failure, if it fails.
    async fn await_task(
        &self,
        state: &mut State,
        monitor: &str,
        done_when: Option<Power>,
    ) -> Result<Option<Fault>, BmcError> {
        for _ in 0..LOOKS_MAX {
            let stage = task::look(&mut state.http, monitor).await.map_err(|fault| self.error(fault))?;
            match stage {
                Some(Stage::Ended) | None => break,
                Some(Stage::Failed(reason)) => return Ok(Some(Fault::refused(reason))),
                Some(Stage::Running(_) | Stage::Paused) if done_when.is_none() => {}
                Some(Stage::Running(_) | Stage::Paused) => {
                    if power_of(&self.system(state).await?.body) == done_when {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }
}

impl State {
    /// Posts the first of these reset types that the system takes; gives the monitor of the task that it has begun, if it has.
    async fn post_reset(
        &mut self,
        system: &ComputerSystem,
        wanted: &[&str],
    ) -> Result<Option<String>, Fault> {
        let action = system.actions.as_ref().and_then(|actions| actions.reset.as_ref());
        let action = action.ok_or_else(|| Fault::refused("the system has no reset action"))?;
        let target = self.local(&action.target, "the reset action's target")?;
        let allowed = |kind: &&&str| {
            action.allowable.is_empty() || action.allowable.iter().any(|word| word.eq_ignore_ascii_case(kind))
        };
        let reset_type = wanted.iter().find(allowed).ok_or_else(|| {
            Fault::refused(format!(
                "it supports none of the reset types {}, only {}",
                wanted.join(", "),
                action.allowable.join(", ")
            ))
        })?;
        self.last = None;
        let answer = self.http.post(&target, &json!({ "ResetType": reset_type })).await?;
        Ok(task::monitor(&self.http, &answer))
    }
}
