//! Edges: one question to a BMC: in the session that is kept or in a new one, of the BMC that is expected and of no other.

use std::time::{Duration, Instant};

use protocol::{
    error_chain::chain,
    hardware::BmcIdentity,
    ipmi::{
        app::DeviceId,
        client::{EndReason, RequestError},
        command::{Request, Response},
        message::{Again, CompletionCode},
    },
    quirk::Quirk,
};
use tracing::debug;

use super::{IpmiBmc, State, session::Asked};
use crate::bmc::{
    BmcError,
    quirks::{Deviations, Maker},
};

/// A session that rested longer is not used again: BMCs drop theirs after 60 s, and finding that out costs every try.
const REST_MAX: Duration = Duration::from_secs(50);
/// For so long another machine is not asked again who it is.
const OTHER_REST: Duration = Duration::from_secs(10);
/// Pause between two requests to a BMC that cannot bear them one upon the other.
const GAP: Duration = Duration::from_millis(250);

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Refused(RequestError);

impl Refused {
    /// Its completion code; none: the answer cannot be read.
    pub(super) fn code(&self) -> Option<CompletionCode> {
        match &self.0 {
            RequestError::Refused { code, .. } => Some(*code),
            RequestError::Malformed { .. } => None,
        }
    }
}

impl From<Refused> for RequestError {
    fn from(refused: Refused) -> Self {
        refused.0
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&chain(&self.0))
    }
}

/// Why a session is not used for what was to be asked in it.
enum NotKnown {
    /// Another machine answers.
    Other(BmcError),
    /// It went silent over the question for its GUID, which is not put again.
    HidesGuid,
    /// The session is over.
    Ended(EndReason),
}

impl IpmiBmc {
    /// The answer to a request; a refusal is an error.
    pub(super) async fn ask(&self, request: Request) -> Result<Response, BmcError> {
        self.ask_or_refused(request).await?.map_err(|refused| self.refused(refused.to_string()))
    }

    /// The quirks of the BMC that answers; it is asked who it is, if that is not known yet.
    pub(super) async fn quirks(&self) -> Result<Deviations, BmcError> {
        {
            let state = self.state.lock().await;
            if state.is_known {
                return Ok(state.quirks.clone());
            }
        }
        // Any question makes it say who it is first.
        self.ask(Request::ChassisStatus).await?;
        Ok(self.state.lock().await.quirks.clone())
    }

    /// The answer to a request, or its refusal by the BMC.
    pub(super) async fn ask_or_refused(
        &self,
        request: Request,
    ) -> Result<Result<Response, Refused>, BmcError> {
        let mut state = self.state.lock().await;
        let answer = self.ask_in(&mut state, request).await?;
        if state.quirks.has(Quirk::SessionNotKept) {
            state.session = None;
        }
        Ok(answer.map_err(Refused))
    }

    async fn ask_in(
        &self,
        state: &mut State,
        request: Request,
    ) -> Result<Result<Response, RequestError>, BmcError> {
        let rested = state.last_request.is_some_and(|last| last.elapsed() > REST_MAX);
        if rested {
            state.session = None;
        }
        if let Some((at, error)) = &state.other
            && at.elapsed() < OTHER_REST
            && !asks_who(&request)
        {
            return Err(error.clone());
        }
        let mut was_refused_for_the_session = false;
        // A kept session may have been lost by the BMC; then one fresh one is tried.
        loop {
            let fresh = state.session.is_none();
            if fresh {
                let session = self.log_in(state).await?;
                state.session = Some(session);
                state.is_known = false;
            }
            let asked = match self.ask_who(state, &request).await {
                Ok(()) => self.put(state, request).await,
                Err(NotKnown::Other(error)) => {
                    state.other = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
                Err(NotKnown::HidesGuid) => {
                    state.session = None;
                    continue;
                }
                Err(NotKnown::Ended(reason)) if fresh => Asked::Ended(reason),
                // Nothing was asked of it yet.
                Err(NotKnown::Ended(_)) => {
                    state.session = None;
                    continue;
                }
            };
            match asked {
                Asked::Answered(Err(RequestError::Refused { code, .. }))
                    if code.again() == Some(Again::NewSession) && !was_refused_for_the_session =>
                {
                    debug!(bmc = %self.endpoint.address, code = code.0, "IPMI session has lost its privilege, logging in again");
                    was_refused_for_the_session = true;
                    state.session = None;
                }
                Asked::Answered(answer) => return Ok(answer),
                Asked::Ended(reason) => {
                    state.session = None;
                    if fresh {
                        return Err(self.ended(&reason));
                    }
                    if !request.is_repeatable() {
                        let what = format!(
                            "{}: the session was lost; it is not known whether it was done",
                            request.name()
                        );
                        return Err(self.unreachable(what));
                    }
                    debug!(bmc = %self.endpoint.address, %reason, "IPMI session lost, logging in again");
                }
            }
        }
    }

    /// Begins a session with the BMC that is expected; an error when somebody else answers.
    pub(super) async fn begin_session(&self, state: &mut State) -> Result<(), BmcError> {
        loop {
            state.session = Some(self.log_in(state).await?);
            state.is_known = false;
            match self.ask_who(state, &Request::ChassisStatus).await {
                Ok(()) => return Ok(()),
                Err(NotKnown::Other(error)) => return Err(error),
                // It will not be asked that again.
                Err(NotKnown::HidesGuid) => {}
                Err(NotKnown::Ended(reason)) => return Err(self.ended(&reason)),
            }
        }
    }

    /// Asks who answers in this session, once, before anything else is asked or told.
    async fn ask_who(&self, state: &mut State, request: &Request) -> Result<(), NotKnown> {
        if state.is_known || asks_who(request) {
            return Ok(());
        }
        let device = match self.put(state, Request::DeviceId).await {
            Asked::Answered(Ok(Response::DeviceId(id))) => Some(id),
            // Not every BMC says; it is no reason to fail.
            Asked::Answered(_) => None,
            Asked::Ended(reason) => return Err(NotKnown::Ended(reason)),
        };
        let guid = match state.hides_guid {
            true => None,
            false => match self.put(state, Request::SystemGuid).await {
                Asked::Answered(Ok(Response::SystemGuid(bytes))) => Some(bytes),
                Asked::Answered(_) => None,
                // One that has told it before would have lost its tongue.
                Asked::Ended(reason) if state.who.is_known_by_guid() => return Err(NotKnown::Ended(reason)),
                Asked::Ended(_) => {
                    state.hides_guid = true;
                    return Err(NotKnown::HidesGuid);
                }
            },
        };
        let identity = identity_of(device, guid);
        let maker = Maker::from(&identity);
        state.who.judge(&self.address(), identity).map_err(NotKnown::Other)?;
        self.heed(state, &maker);
        state.is_known = true;
        state.other = None;
        Ok(())
    }

    /// From now on it is talked to as its make needs it.
    fn heed(&self, state: &mut State, maker: &Maker) {
        let quirks = Deviations::of(maker, &self.endpoint.settings.quirks);
        if quirks != state.quirks {
            debug!(bmc = %self.endpoint.address, %quirks, "quirks of a BMC are known");
            state.quirks = quirks;
        }
    }

    /// Puts a question in the open session. What starts, and says so by "unspecified error", is asked again.
    async fn put(&self, state: &mut State, request: Request) -> Asked {
        let mut tries = 1;
        loop {
            self.pause(state).await;
            let Some(session) = state.session.as_mut() else { return Asked::Ended(EndReason::Closed) };
            let asked = session.ask(request).await;
            state.last_request = Some(Instant::now());
            let starts = matches!(
                asked,
                Asked::Answered(Err(RequestError::Refused { code: CompletionCode::UNSPECIFIED, .. }))
            );
            let asks_again = starts && request.is_look() && state.quirks.has(Quirk::UnspecifiedPasses);
            if !asks_again || tries >= self.options.tries {
                return asked;
            }
            tries += 1;
            tokio::time::sleep(self.options.first_wait).await;
        }
    }

    async fn pause(&self, state: &mut State) {
        let wait = state.meter.wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let by_quirk = state.quirks.has(Quirk::PauseBetweenRequests).then_some(GAP);
        let gap = by_quirk.unwrap_or_default().max(self.options.min_gap);
        if let Some(last) = state.last_request.filter(|_| !gap.is_zero()) {
            tokio::time::sleep_until((last + gap).into()).await;
        }
    }
}

/// Whether it asks only who the BMC is, which any may be asked.
fn asks_who(request: &Request) -> bool {
    matches!(request, Request::DeviceId | Request::SystemGuid)
}

/// Who a BMC says it is.
pub(in crate::bmc) fn identity_of(device: Option<DeviceId>, guid: Option<[u8; 16]>) -> BmcIdentity {
    BmcIdentity {
        manufacturer: device
            .filter(|id| id.manufacturer != 0)
            .map_or_else(String::new, |id| format!("IANA enterprise {}", id.manufacturer)),
        product: device.map_or_else(String::new, |id| format!("{:#06x}", id.product)),
        firmware: device.map_or_else(String::new, |id| id.firmware()),
        guid: guid.map_or_else(String::new, |bytes| uuid::Uuid::from_bytes_le(bytes).to_string()),
        serial: String::new(),
    }
}
