//! Edges: new firmware is given to a BMC, once, and looked after. Whatever keeps the BMC's word from us, it is never given again from here:
//! an answer that did not come is no refusal.

use std::net::SocketAddr;

use hyper::Uri;
use protocol::{
    bmc_facts::{FIRMWARE_MAX, bounded},
    redfish::read::{
        firmware::{Firmware, TaskStage},
        manager::ManagerFacts,
    },
    update::{BIOS, BMC, FirmwareSeen, UpdateStage},
};
use serde_json::Value;

use super::{
    super::{
        RedfishBmc,
        again::Trouble,
        answer::Answer,
        call::Call,
        fault::{Fault, Refused},
        task,
    },
    facts::item,
};
use crate::bmc::BmcError;

/// What came of an update that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is done, or holds from the next start on: the BMC has nothing more to tell.
    Done,
    /// It goes on; [`RedfishBmc::task`] says how far it is.
    UnderWay {
        /// Where that is told.
        task: String,
    },
    /// It was sent, and no answer came that says whether it was taken: giving it again may do harm.
    NotKnown {
        /// What came instead of an answer.
        reason: String,
    },
}

impl RedfishBmc {
    /// The paths of what an image is for: of one piece of firmware, by its id or name. Empty for "BMC" and "BIOS" where the list has none
    /// that is called so, and for nothing: then the image says.
    ///
    /// # Errors
    /// It has no such firmware, or none of it that can be updated.
    pub async fn targets_of(&self, component: &str) -> Result<Vec<String>, BmcError> {
        if component.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.firmware().await?.items;
        let is_it =
            |it: &&Firmware| it.id.eq_ignore_ascii_case(component) || it.name.eq_ignore_ascii_case(component);
        match known.iter().find(is_it) {
            Some(it) if it.updateable == Some(false) => {
                Err(self.call().await?.refuse(format!("its {component} cannot be updated by it")))
            }
            Some(it) => Ok(vec![it.path.clone()]),
            None if [BMC, BIOS].iter().any(|name| name.eq_ignore_ascii_case(component)) => Ok(Vec::new()),
            None => {
                let names: Vec<_> = known.iter().map(|it| it.id.as_str()).collect();
                let names = names.join(", ");
                Err(self.call().await?.refuse(format!("it has no firmware {component:?}, only {names}")))
            }
        }
    }

    /// Whether it takes files; otherwise it fetches them.
    ///
    /// # Errors
    /// It has no update service, or is not reached.
    pub async fn takes_files(&self) -> Result<bool, BmcError> {
        let service = self.call().await?.update_service().await?;
        Ok(service.multipart.is_some() || service.push.is_some())
    }

    /// Where it is; none: its name leads nowhere.
    pub async fn place(&self) -> Option<SocketAddr> {
        let url: Uri = self.address.parse().ok()?;
        let (host, port) = (url.host()?.trim_matches(['[', ']']), url.port_u16()?);
        tokio::net::lookup_host((host, port)).await.ok()?.next()
    }

    /// How far an update is; unless it goes on, all firmware is read anew.
    ///
    /// # Errors
    /// The BMC is not reached: one that takes new firmware of its own is silent for some minutes.
    pub async fn look_at_update(&self, task: Option<&str>) -> Result<FirmwareSeen, BmcError> {
        let stage = match task {
            None => UpdateStage::NotKnown,
            Some(task) => match self.task(task).await? {
                TaskStage::Running(percent) => {
                    UpdateStage::Running(percent.and_then(|percent| u32::try_from(percent).ok()))
                }
                TaskStage::Paused => UpdateStage::Paused,
                TaskStage::Done => UpdateStage::Ended,
                TaskStage::Failed(reason) => UpdateStage::Failed(bounded(&reason)),
            },
        };
        let seen = FirmwareSeen {
            stage,
            items: Vec::new(),
            manager_version: String::new(),
            bios_version: String::new(),
        };
        match &seen.stage {
            UpdateStage::Running(_) | UpdateStage::Paused => Ok(seen),
            UpdateStage::NotKnown | UpdateStage::Ended | UpdateStage::Failed(_) => self.seen_now(seen).await,
        }
    }

    async fn seen_now(&self, seen: FirmwareSeen) -> Result<FirmwareSeen, BmcError> {
        let mut call = self.call().await?;
        let managers = call.managers().await?;
        let manager = managers.first().map(|(path, manager)| ManagerFacts::of(path, manager.node()));
        let manager_version = bounded(&manager.and_then(|manager| manager.firmware).unwrap_or_default());
        let bios_version = bounded(&call.system().text("BiosVersion").unwrap_or_default());
        // One that lists nothing has told these two.
        let listed = match self.firmware().await {
            Ok(listed) => listed.items,
            Err(BmcError::Refused { .. } | BmcError::NotUnderstood { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let items = listed.into_iter().take(FIRMWARE_MAX).map(item).collect();
        Ok(FirmwareSeen { items, manager_version, bios_version, ..seen })
    }
}

impl Call<'_> {
    /// Asks for an update. It is sent once; again only when the service has refused it for a session that it had forgotten.
    pub(in super::super) async fn give_once(&mut self, link: &str, body: &Value) -> Result<Update, BmcError> {
        let mut has_logged_in = false;
        loop {
            let mut state = self.turn().await?;
            self.system_again(&mut state).await?;
            let path = state.local(link, "the action's target").map_err(|fault| self.error(fault))?;
            let sent = state.http.post(&path, body).await;
            state.last = None;
            let is_forgotten =
                matches!(&sent, Err(Fault::Refused(Refused { trouble: Some(Trouble::SessionLost), .. })));
            if is_forgotten && !has_logged_in {
                has_logged_in = true;
                continue;
            }
            drop(state);
            return self.given(sent).await;
        }
    }

    /// What an answer to an update, or its lack, says.
    pub(in super::super) async fn given(&mut self, sent: Result<Answer, Fault>) -> Result<Update, BmcError> {
        match sent {
            Ok(answer) => Ok(match self.monitor(&answer).await {
                Some(task) => Update::UnderWay { task },
                None => Update::Done,
            }),
            Err(fault) => match not_known(&fault) {
                Some(reason) => Ok(Update::NotKnown { reason }),
                None => Err(self.error(fault)),
            },
        }
    }

    async fn monitor(&mut self, answer: &Answer) -> Option<String> {
        let state = self.state().await;
        task::monitor(&state.http, answer)
    }
}

/// Why it is not known whether an update was taken; none: it was refused.
fn not_known(fault: &Fault) -> Option<String> {
    match fault {
        Fault::Refused(Refused { trouble: Some(Trouble::Faulty | Trouble::Broken), reason, .. })
        | Fault::Unreachable(reason)
        | Fault::Lost(reason)
        | Fault::NotUnderstood(reason) => Some(reason.clone()),
        Fault::Refused(_) | Fault::LogIn { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_says_that_an_update_was_not_taken() {
        let refused =
            |trouble| Fault::Refused(Refused { status: None, reason: "r".to_owned(), trouble, wish: None });
        let check = |fault: Fault, expected: bool| {
            assert_eq!(not_known(&fault).is_some(), expected, "{fault:?}");
        };
        check(refused(None), false);
        check(refused(Some(Trouble::Busy)), false);
        check(refused(Some(Trouble::InUse)), false);
        check(refused(Some(Trouble::SessionLost)), false);
        check(refused(Some(Trouble::Faulty)), true);
        check(Fault::Unreachable("it timed out".to_owned()), true);
        check(Fault::Lost("reset".to_owned()), true);
        check(Fault::NotUnderstood("no HTTP".to_owned()), true);
    }
}
