//! Edges: logging in by IPMI, as often as the account may be tried.

use std::time::Instant;

use protocol::{
    ipmi::client::{Client, ClientConfig, EndReason, Retry},
    quirk::Quirk,
};
use tracing::{debug, warn};

use super::{
    IpmiBmc, State,
    session::Session,
    socket::{self, Full, Place},
    verdict,
};
use crate::bmc::BmcError;

impl IpmiBmc {
    /// A session, or why there is none. A refusal is tried again within the call when its pause is short.
    pub(super) async fn log_in(&self, state: &mut State) -> Result<Session, BmcError> {
        loop {
            if let Some(next) = state.account.next(Instant::now()) {
                if next.saturating_duration_since(Instant::now()) > self.log_ins.call_wait(&state.account) {
                    return Err(self.paused(state));
                }
                tokio::time::sleep_until(next.into()).await;
            }
            let reason = match self.log_in_once(state).await? {
                Ok(session) => {
                    debug!(bmc = %self.endpoint.address, suite = session.suite().id(), "IPMI session opened");
                    state.account.accepted();
                    state.ladder.granted();
                    state.suite = Some(session.suite());
                    return Ok(session);
                }
                Err(reason) => reason,
            };
            let Some(refusal) = verdict::refusal(&reason) else { return Err(self.ended(&reason)) };
            warn!(bmc = %self.endpoint.address, %reason, ?refusal, "IPMI log-in refused");
            state.ladder.ended(&reason);
            state.account.refused(refusal, Instant::now());
            let silent = matches!(reason, EndReason::NoAnswer { .. }).then(|| self.ended(&reason));
            state.refused = Some(reason);
            if let Some(error) = silent {
                return Err(error);
            }
        }
    }

    async fn log_in_once(&self, state: &State) -> Result<Result<Session, EndReason>, BmcError> {
        let suites = verdict::suites(self.only_suite, state.suite, state.quirks.has(Quirk::SuiteThreeFirst));
        if suites.is_empty() {
            return Err(self.refused("only the cipher suites 3 and 17 are supported".to_owned()));
        }
        let target = (self.endpoint.address.as_str(), self.endpoint.port);
        let peer = tokio::net::lookup_host(target)
            .await
            .map_err(|error| self.unreachable(format!("its name cannot be resolved: {error}")))?
            .next()
            .ok_or_else(|| self.unreachable("its name has no address".to_owned()))?;
        let socket =
            socket::shared(peer).map_err(|error| self.unreachable(format!("no UDP socket: {error}")))?;
        let config = ClientConfig {
            username: self.endpoint.username.clone(),
            password: self.endpoint.password.clone(),
            suites,
            privilege: state.ladder.privilege(),
            k_g: self.endpoint.settings.k_g.clone(),
            proof_role: state.ladder.proof_role(),
            pads_name: state.quirks.has(Quirk::UserNamePadded),
            retry: Retry { first: self.options.first_wait, tries: self.options.tries.max(1) },
            seed: rand::random(),
        };
        let client = Client::new(config, Instant::now());
        let place = Place::take(socket, peer, client.console_id(), self.budget.sessions).map_err(|Full| {
            self.refused(format!(
                "this agent has {} sessions open at it, which is as many as it may (bmc_sessions_max in the server's entry); \
                 close a console",
                self.budget.sessions
            ))
        })?;
        Ok(Session::open(client, place).await)
    }

    /// The last refusal, and when it is tried again.
    fn paused(&self, state: &State) -> BmcError {
        let pause = state.account.pause(Instant::now());
        match (&state.refused, pause) {
            (Some(reason), Some(pause)) => {
                BmcError::paused(self.address(), &self.endpoint.username, &reason.to_string(), pause)
            }
            // Its pause has just ended.
            (Some(reason), None) => self.refused(reason.to_string()),
            (None, _) => self.refused("it was refused just now".to_owned()),
        }
    }
}
