//! Edges: logging in at a Redfish service, as often as the account may be tried: a session where there are sessions, otherwise
//! basic authentication.

use std::time::Instant;

use hyper::{
    Method, StatusCode,
    header::{HeaderName, LOCATION},
};
use protocol::{
    redfish::{
        Link, ROOT, ServiceRoot, Session, SessionService, dirty, node::Resource, resource::local_path,
    },
    secret::Secret,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::{debug, info, warn};

use super::{
    answer::Answer,
    fault::{self, Fault},
    http::Http,
};
use crate::bmc::account::Refusal;

/// The header of a session's token (DSP0266, section 13.3.4).
pub(super) const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// How requests say who we are.
pub(super) enum Login {
    /// Not yet.
    No,
    /// By a session.
    Token {
        token: Secret,
        /// The session's own path, to delete it.
        path: Option<String>,
    },
    /// By user and password.
    Basic {
        /// Why there is no session though the service seems to have some: then a refusal says little.
        instead: Option<String>,
    },
}

/// How one attempt to log in went.
enum Attempt {
    In(Login),
    Refused(Refusal, String),
}

impl Http {
    /// Makes sure that there is a log-in. A refusal is tried again within the call when its pause is short.
    pub(super) async fn ensure_login(&mut self) -> Result<(), Fault> {
        while matches!(self.login, Login::No) {
            if let Some(next) = self.account.next(Instant::now()) {
                if next.saturating_duration_since(Instant::now()) > self.log_ins.call_wait(&self.account) {
                    return Err(self.paused());
                }
                tokio::time::sleep_until(next.into()).await;
            }
            match self.log_in().await? {
                Attempt::Refused(refusal, reason) => self.refused(refusal, reason),
                Attempt::In(login) => {
                    // By user and password nobody has looked at us yet.
                    if matches!(login, Login::Token { .. }) {
                        self.let_in();
                    }
                    self.login = login;
                    self.take_stock().await;
                }
            }
        }
        Ok(())
    }

    /// Writes down which session is open, and closes what an earlier run has left open. What cannot be closed now is left for the next
    /// log-in.
    async fn take_stock(&mut self) {
        let own = match &self.login {
            Login::Token { path, .. } => path.clone(),
            Login::Basic { .. } | Login::No => None,
        };
        let left = match self.left.take() {
            Some(left) => left,
            None => self.kept.left().await,
        };
        let mut still_left = Vec::new();
        if own.is_some() {
            self.kept.write(own.iter().chain(&left).cloned().collect()).await;
        }
        for path in left.into_iter().filter(|path| Some(path) != own.as_ref()) {
            match self.close_left(&path).await {
                Ok(()) => {
                    info!(service = self.base, session = path, "Redfish session of an earlier run closed");
                    self.kept.closed(&path).await;
                }
                Err(fault) => {
                    debug!(
                        service = self.base,
                        session = path,
                        ?fault,
                        "Redfish session of an earlier run not closed"
                    );
                    still_left.push(path);
                }
            }
        }
        self.left = Some(still_left);
    }

    /// Closes a session if it is still this account's: a service that has restarted may have given its path to somebody else's.
    async fn close_left(&mut self, path: &str) -> Result<(), Fault> {
        let answer = self.send_once(Method::GET, path, None, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(()),
            _ => {}
        }
        let session: Session = answer.good(&Method::GET, path)?.resource(path)?;
        if session.user_name.as_ref() != Some(&self.username) {
            return Ok(());
        }
        let answer = self.send_once(Method::DELETE, path, None, None).await?;
        answer.good(&Method::DELETE, path).map(drop)
    }

    /// A request with a fresh log-in was answered 401: what that says.
    pub(super) fn refused_by_request(&mut self, method: &Method, path: &str) {
        let answer = format!("{method} {path}: HTTP 401");
        let (refusal, reason) = match std::mem::replace(&mut self.login, Login::No) {
            Login::Basic { instead: None } => (Refusal::SaysWrong, answer),
            Login::Basic { instead: Some(why) } => (Refusal::MayCount, format!("{answer}, and {why}")),
            // The password was right a moment ago.
            Login::Token { .. } | Login::No => {
                (Refusal::Passes, format!("{answer}, though it has just given us a session"))
            }
        };
        self.refused(refusal, reason);
    }

    pub(super) fn refused(&mut self, refusal: Refusal, reason: String) {
        warn!(service = self.base, reason, ?refusal, "Redfish log-in refused");
        if !self.keys.refused(refusal) {
            self.account.refused(refusal, Instant::now());
        }
        self.last_refusal = reason;
    }

    /// What stands while the account waits for its next try.
    fn paused(&self) -> Fault {
        match self.account.pause(Instant::now()) {
            Some(pause) => Fault::LogIn { reason: self.last_refusal.clone(), pause },
            None => Fault::refused(self.last_refusal.clone()),
        }
    }

    /// A session where the service has them. The root is readable by anybody (DSP0266, section 13.2).
    async fn log_in(&mut self) -> Result<Attempt, Fault> {
        if self.without_session {
            return Ok(Attempt::In(Login::Basic { instead: None }));
        }
        let root: ServiceRoot = match self.get_plain(ROOT).await? {
            Plain::Found(root) => root,
            Plain::Guarded => return Ok(Attempt::In(Login::Basic { instead: None })),
            Plain::Other(status, reason) if is_overloaded(status) => {
                return Ok(Attempt::Refused(Refusal::Passes, reason));
            }
            Plain::Other(_, reason) => return Ok(Attempt::In(Login::Basic { instead: Some(reason) })),
        };
        let path = match (root.sessions(), root.session_service.as_ref().and_then(Link::path)) {
            (Some(path), _) => path.to_owned(),
            (None, None) => return Ok(Attempt::In(Login::Basic { instead: None })),
            (None, Some(service)) => match self.get_plain::<SessionService>(service).await? {
                Plain::Found(found) => match found.sessions.as_ref().and_then(Link::path) {
                    Some(path) => path.to_owned(),
                    None => return Ok(Attempt::In(Login::Basic { instead: None })),
                },
                Plain::Guarded => {
                    let why = format!("{service} is behind a log-in");
                    return Ok(Attempt::In(Login::Basic { instead: Some(why) }));
                }
                Plain::Other(_, reason) => return Ok(Attempt::In(Login::Basic { instead: Some(reason) })),
            },
        };
        self.open_session(&path).await
    }

    async fn open_session(&mut self, path: &str) -> Result<Attempt, Fault> {
        let body = json!({ "UserName": self.username, "Password": self.keys.current().reveal() });
        let answer = self.deliver(Method::POST, path, |_, request| request.json(&body)).await?;
        let status = answer.status;
        if status.is_success() {
            return Ok(Attempt::In(session_of(path, &answer)));
        }
        let reason = fault::reason(&Method::POST, path, status, &answer.error_body(), answer.wish());
        Ok(match status {
            StatusCode::UNAUTHORIZED => Attempt::Refused(Refusal::SaysWrong, reason),
            // Locked, or not allowed to have sessions: a BMC may count it.
            StatusCode::FORBIDDEN => Attempt::Refused(Refusal::MayCount, reason),
            // No slot free, or a service whose sessions do not work: basic authentication needs none.
            _ => Attempt::In(Login::Basic { instead: Some(reason) }),
        })
    }

    /// A GET without credentials.
    async fn get_plain<T: DeserializeOwned>(&mut self, path: &str) -> Result<Plain<T>, Fault> {
        let answer = self.deliver(Method::GET, path, |_, request| request).await?;
        let status = answer.status;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(Plain::Guarded),
            _ if !status.is_success() => {
                return Ok(Plain::Other(status, format!("GET {path}: HTTP {status}")));
            }
            _ => {}
        }
        answer.resource(path).map(Plain::Found)
    }
}

/// The session that was made: its path is in `Location`, or in the body, or nowhere.
fn session_of(path: &str, answer: &Answer) -> Login {
    let Some(token) = answer.header(TOKEN) else {
        return Login::Basic { instead: Some(format!("POST {path} gave no token")) };
    };
    let in_body = || {
        let session: Resource = dirty::resource(&answer.body).ok()?;
        let session = session.node();
        let named = || {
            // Members of a collection lie below it (DSP0266, section 6.4).
            let is_good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
            let id = session.text("Id").filter(|id| id.chars().all(is_good))?;
            Some(format!("{}/{id}", path.trim_end_matches('/')))
        };
        session.text("@odata.id").as_deref().and_then(session_path).or_else(named)
    };
    let own = answer.header(LOCATION).and_then(session_path).or_else(in_body);
    Login::Token { token: Secret::new(token), path: own }
}

/// What a GET without credentials finds.
enum Plain<T> {
    Found(T),
    /// Not without a log-in.
    Guarded,
    Other(StatusCode, String),
}

/// The service cannot answer anybody now.
pub(super) fn is_overloaded(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The session's path, whatever host a `Location` names: some BMCs name one that only they know.
fn session_path(location: &str) -> Option<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => location,
    };
    let path = if path.starts_with("redfish/") { format!("/{path}") } else { path.to_owned() };
    local_path(&path).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_path_is_found_whatever_host_is_named() {
        let check = |location: &str, expected: Option<&str>| {
            assert_eq!(session_path(location).as_deref(), expected, "{location}");
        };
        check("/redfish/v1/SessionService/Sessions/7", Some("/redfish/v1/SessionService/Sessions/7"));
        check(
            "https://bmc.example/redfish/v1/SessionService/Sessions/7",
            Some("/redfish/v1/SessionService/Sessions/7"),
        );
        check("redfish/v1/SessionService/Sessions/7", Some("/redfish/v1/SessionService/Sessions/7"));
        check("https://bmc.example", None);
        check("", None);
    }
}
