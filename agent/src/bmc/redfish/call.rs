//! Edges: one verb's way through a service: within one deadline and so many requests, each through the one retry table. Between two of
//! them others may ask for the power.
//!
//! What must stay true: the system is read and judged before anything is asked of another machine by mistake, and again before a write
//! when the session is another one; what cannot be read is told as missing, and never left out silently.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use protocol::redfish::{
    ComputerSystem, dirty,
    node::{Action, Node, Resource},
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::MutexGuard;

use super::{
    RedfishBmc, State,
    again::Trouble,
    answer::Answer,
    boot::etags,
    fault::{Fault, Refused},
    http::Found,
    task::{self, Stage},
};
use crate::bmc::BmcError;

/// A verb has so long in all. A whole inventory is a few hundred requests.
pub const VERB_MAX: Duration = Duration::from_secs(120);
/// So many requests are made for one verb.
pub const REQUESTS_MAX: u32 = 1024;
/// So many members of a collection are read.
pub const MEMBERS_MAX: usize = 1024;
/// So many things that could not be read are told one by one.
const MISSING_MAX: usize = 16;

/// What was read, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listed<T> {
    /// What was read.
    pub items: Vec<T>,
    /// What is there and could not be read, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// What came of something that was asked for.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// It is done; what was answered.
    Done(Resource),
    /// It goes on.
    Begun,
    /// It is refused.
    Refused(Refused),
}

/// One verb under way.
pub(super) struct Call<'a> {
    bmc: &'a RedfishBmc,
    until: Instant,
    requests_left: u32,
    missing: Vec<String>,
    /// The system as it was found at the beginning.
    pub(super) system: Found<Resource>,
    /// Where it is.
    pub(super) system_path: String,
}

impl RedfishBmc {
    /// A verb begins: the system is read, and it is who is expected.
    pub(super) async fn call(&self) -> Result<Call<'_>, BmcError> {
        let mut state = self.begin_for(VERB_MAX).await;
        let until = Instant::now() + VERB_MAX;
        let path = self.path(&mut state).await.map_err(|fault| self.error(fault))?;
        let system: Found<Resource> = state.http.get(&path).await.map_err(|fault| self.error(fault))?;
        let typed: ComputerSystem = serde_json::from_value(system.body.value().clone()).unwrap_or_default();
        self.meet(&mut state, Found { body: typed, etag: system.etag.clone() }).await?;
        let (requests_left, missing) = (REQUESTS_MAX, Vec::new());
        Ok(Call { bmc: self, until, requests_left, missing, system, system_path: path })
    }
}

impl<'a> Call<'a> {
    /// The system.
    pub(super) fn system(&self) -> Node<'_> {
        self.system.body.node()
    }

    /// What was read, with what could not be.
    pub(super) fn listed<T>(self, items: Vec<T>) -> Listed<T> {
        Listed { items, missing: self.missing }
    }

    /// Why it cannot be.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> BmcError {
        self.bmc.error(Fault::refused(reason))
    }

    /// The refusal of a service.
    pub(super) fn refused(&self, refused: Refused) -> BmcError {
        self.bmc.error(Fault::Refused(refused))
    }

    /// A fault of this service.
    pub(super) fn error(&self, fault: Fault) -> BmcError {
        self.bmc.error(fault)
    }

    /// What is known of the service, between two requests.
    pub(super) async fn state(&self) -> MutexGuard<'a, State> {
        self.bmc.state.lock().await
    }

    /// The system once more, unless it was read a moment ago in the same session: nothing is written to another machine by mistake.
    pub(super) async fn system_again(&self, state: &mut State) -> Result<(), BmcError> {
        self.bmc.system_lately(state).await.map(drop)
    }

    /// A length of time in the pace of this BMC's pauses.
    pub(super) async fn pause(&mut self, units: u32) -> Result<(), BmcError> {
        let pause = self.turn().await?.http.left().pace.units(units);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// It goes on behind something long, and has its time again.
    pub(super) fn renew(&mut self) {
        self.until = Instant::now() + VERB_MAX;
    }

    /// The next request's turn.
    pub(super) async fn turn(&mut self) -> Result<MutexGuard<'a, State>, BmcError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let reason =
                format!("it was not done within {} s: the BMC is slow; try again later", VERB_MAX.as_secs());
            return Err(self.refuse(reason));
        }
        let Some(requests) = self.requests_left.checked_sub(1) else {
            return Err(
                self.refuse(format!("it needs more than {REQUESTS_MAX} requests: the BMC shows too much"))
            );
        };
        self.requests_left = requests;
        Ok(self.bmc.begin_for(left).await)
    }

    /// The resource at this link, which must be there.
    pub(super) async fn get(&mut self, link: &str, what: &str) -> Result<Found<Resource>, BmcError> {
        let mut state = self.turn().await?;
        let path = state.local(link, what).map_err(|fault| self.bmc.error(fault))?;
        state.http.get(&path).await.map_err(|fault| self.bmc.error(fault))
    }

    /// The same of one that need not be there. One that is, and cannot be read, is noted as missing.
    pub(super) async fn look(&mut self, link: &str, what: &str) -> Result<Option<Resource>, BmcError> {
        let mut state = self.turn().await?;
        let read = match state.local(link, what) {
            Ok(path) => state.http.get::<Resource>(&path).await,
            Err(fault) => Err(fault),
        };
        drop(state);
        match read {
            Ok(found) => Ok(Some(found.body)),
            Err(fault) if is_not_there(fault.status()) => Ok(None),
            Err(Fault::Refused(Refused { reason, .. }) | Fault::NotUnderstood(reason)) => {
                self.miss(reason);
                Ok(None)
            }
            Err(fault @ (Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. })) => {
                Err(self.bmc.error(fault))
            }
        }
    }

    /// Something that is there was not read.
    pub(super) fn miss(&mut self, reason: String) {
        if self.missing.len() < MISSING_MAX && !self.missing.contains(&reason) {
            self.missing.push(reason);
        }
    }

    /// The resource that this property of another one leads to, if there is one.
    pub(super) async fn follow(
        &mut self,
        node: Node<'_>,
        property: &str,
    ) -> Result<Option<Resource>, BmcError> {
        match node.link(property) {
            Some(link) => self.look(link, property).await,
            None => Ok(None),
        }
    }

    /// The resources that a list of links leads to.
    pub(super) async fn linked(
        &mut self,
        links: &[String],
        what: &str,
    ) -> Result<Vec<(String, Resource)>, BmcError> {
        let mut found = Vec::new();
        for link in links.iter().take(MEMBERS_MAX) {
            if let Some(resource) = self.look(link, what).await? {
                found.push((link.clone(), resource));
            }
        }
        Ok(found)
    }

    /// Writes properties, in each form of an ETag until one is taken, and follows the task that it becomes.
    pub(super) async fn patch(&mut self, link: &str, body: &Value) -> Result<Said, BmcError> {
        let (mut form, mut is_fresh, mut logged_in) = (None, false, false);
        loop {
            let mut state = self.turn().await?;
            self.bmc.system_lately(&mut state).await?;
            let path = state.local(link, "what is to be changed").map_err(|fault| self.bmc.error(fault))?;
            let found = state.http.get::<Resource>(&path).await;
            let (header, of_body) = match found {
                Ok(found) => (found.etag, found.body.node().etag()),
                // One that cannot be read may be written all the same.
                Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => (None, None),
                Err(fault) => return Err(self.bmc.error(fault)),
            };
            let forms = etags(header.as_deref(), of_body.as_deref());
            let at = *form.get_or_insert(state.etag_form);
            let etag = forms.get(at).or(forms.last()).cloned().flatten();
            let written = state.http.patch(&path, body, etag.as_deref()).await;
            state.last = None;
            let refused = match written {
                Ok(answer) => {
                    state.etag_form = at;
                    drop(state);
                    return self.answered(&answer).await;
                }
                Err(Fault::Refused(refused)) => refused,
                Err(fault) => return Err(self.bmc.error(fault)),
            };
            if refused.trouble == Some(Trouble::SessionLost) && !logged_in {
                logged_in = true;
            } else if is_about_the_etag(refused.status) && at < forms.len() {
                form = Some(at + usize::from(is_fresh));
                is_fresh = true;
            } else {
                return Ok(Said::Refused(refused));
            }
        }
    }

    /// Asks for an action, and follows the task that it becomes. It is asked for again only while nothing can have been done.
    pub(super) async fn post(&mut self, link: &str, body: &Value) -> Result<Said, BmcError> {
        self.send(Method::POST, link, Some(body)).await
    }

    /// Removes a resource. One that is gone already is removed.
    pub(super) async fn delete(&mut self, link: &str) -> Result<Said, BmcError> {
        match self.send(Method::DELETE, link, None).await? {
            Said::Refused(refused) if is_gone(refused.status) => Ok(Said::Done(Resource::default())),
            said => Ok(said),
        }
    }

    async fn send(&mut self, method: Method, link: &str, body: Option<&Value>) -> Result<Said, BmcError> {
        let mut repeats = 0;
        loop {
            let mut state = self.turn().await?;
            self.bmc.system_lately(&mut state).await?;
            let path = state.local(link, "the action's target").map_err(|fault| self.bmc.error(fault))?;
            let sent = state.http.send(method.clone(), &path, body, None).await;
            state.last = None;
            let refused = match sent {
                Ok(answer) => {
                    drop(state);
                    return self.answered(&answer).await;
                }
                Err(Fault::Refused(refused)) => refused,
                Err(fault) => return Err(self.bmc.error(fault)),
            };
            let trouble = refused.trouble.filter(|trouble| trouble.has_not_begun());
            let Some(pause) =
                trouble.and_then(|trouble| state.http.left().pause(trouble, repeats, refused.wish))
            else {
                return Ok(Said::Refused(refused));
            };
            drop(state);
            repeats += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// What a good answer says; a task that it tells of is followed to its reason, as long as this verb has time.
    pub(super) async fn answered(&mut self, answer: &Answer) -> Result<Said, BmcError> {
        let body = dirty::resource(&answer.body).unwrap_or_default();
        let monitor = task::monitor(&self.bmc.state.lock().await.http, answer);
        let Some(monitor) = monitor else { return Ok(Said::Done(body)) };
        for _ in 0..task::LOOKS_MAX {
            self.pause(1).await?;
            match self.stage(&monitor).await? {
                Stage::Running(_) | Stage::Paused => {}
                Stage::Ended => return Ok(Said::Done(body)),
                Stage::Failed(reason) => {
                    let Fault::Refused(refused) = Fault::refused(reason) else { break };
                    return Ok(Said::Refused(refused));
                }
            }
        }
        Ok(Said::Begun)
    }

    /// How far a task is.
    pub(super) async fn stage(&mut self, monitor: &str) -> Result<Stage, BmcError> {
        let mut state = self.turn().await?;
        let path = state.local(monitor, "the task's link").map_err(|fault| self.bmc.error(fault))?;
        let told = state.http.ask(&path).await;
        task::told(told).map_err(|fault| self.bmc.error(fault))
    }

    /// That it is done, or its refusal as an error.
    pub(super) fn must(&self, said: Said) -> Result<(), BmcError> {
        match said {
            Said::Done(_) | Said::Begun => Ok(()),
            Said::Refused(refused) => Err(self.refused(refused)),
        }
    }

    /// The words that an action takes, from where it tells them.
    pub(super) async fn complete(&mut self, mut action: Action, parameter: &str) -> Result<Action, BmcError> {
        if let (true, Some(info)) = (action.allowable.is_empty(), action.info.clone()) {
            let info = self.look(&info, "the action's information").await?;
            let parameters = info.iter().flat_map(|info| info.node().list("Parameters"));
            let words = parameters.filter(|found| found.text("Name").as_deref() == Some(parameter));
            action.allowable = words.flat_map(|found| found.words("AllowableValues")).collect();
        }
        Ok(action)
    }
}

/// A service that has no such thing, and says so.
fn is_not_there(status: Option<StatusCode>) -> bool {
    matches!(
        status,
        Some(
            StatusCode::NOT_FOUND
                | StatusCode::GONE
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_IMPLEMENTED
        )
    )
}

fn is_gone(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

/// Whether a write was refused for the state that it says it is based on.
pub(super) fn is_about_the_etag(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::PRECONDITION_FAILED | StatusCode::PRECONDITION_REQUIRED))
}
