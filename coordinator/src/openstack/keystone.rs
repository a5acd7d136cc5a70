//! Edges: Keystone's part of the conversation: logging in, and telling whose token somebody showed us.

use std::sync::{Arc, Mutex, MutexGuard};

use http::Method;
use jiff::Timestamp;
use protocol::{hex, secret::Secret};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    belief::{Bearer, Beliefs, Key, Use, Word},
    error::{self, Error},
    session::{self, Call, Credentials, REQUEST_TIME_MAX, Scope, Service, Session},
};
use crate::clock::{Clock, SystemClock};

/// Who somebody is, according to Keystone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User's id.
    pub user_id: String,
    /// User's name.
    pub user_name: String,
    /// What the token is good for.
    pub scope: TokenScope,
    /// Names of the roles in that scope. They mean nothing outside it.
    pub roles: Vec<String>,
}

impl Identity {
    /// Id of the project that the token is good for.
    pub fn project_id(&self) -> Option<&str> {
        match &self.scope {
            TokenScope::Project { id, .. } => Some(id),
            TokenScope::System | TokenScope::Domain { .. } | TokenScope::Nothing => None,
        }
    }

    /// That project's name.
    pub fn project_name(&self) -> Option<&str> {
        match &self.scope {
            TokenScope::Project { name, .. } => Some(name),
            TokenScope::System | TokenScope::Domain { .. } | TokenScope::Nothing => None,
        }
    }
}

/// What a token is good for (Keystone's API v3, "Authentication and token management").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// The whole cloud.
    System,
    /// One project.
    Project {
        /// Its id, 32 hex digits.
        id: String,
        /// Its name, which other domains may use, too.
        name: String,
    },
    /// A domain, that is, its users and projects.
    Domain {
        /// Its name.
        name: String,
    },
    /// Nothing: an unscoped token.
    Nothing,
}

/// A token as Keystone issued it.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token itself.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub identity: Identity,
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    service_type: String,
    interface: String,
    region: String,
    url: String,
}

impl IssuedToken {
    /// URL of a service in the catalogue.
    pub fn endpoint(&self, service_type: &str, interface: &str, region: Option<&str>) -> Option<String> {
        self.endpoints
            .iter()
            .find(|e| {
                e.service_type == service_type
                    && e.interface == interface
                    && region.is_none_or(|region| e.region == region)
            })
            .map(|e| e.url.clone())
    }
}

/// Logs in with a password.
pub async fn login(http: &reqwest::Client, credentials: &Credentials) -> Result<IssuedToken, Error> {
    let operation = format!("log {} in", credentials.username);
    let service = Service::Keystone;
    let base = credentials.auth_url.trim_end_matches('/');
    let url = format!("{}/v3/auth/tokens", base.strip_suffix("/v3").unwrap_or(base));
    let response = http
        .post(url)
        .timeout(REQUEST_TIME_MAX)
        .json(&login_request(credentials))
        .send()
        .await
        .map_err(|e| session::unavailable(service, &operation, &e))?;
    let status = response.status();
    let token = response.headers().get("X-Subject-Token").and_then(|v| v.to_str().ok()).map(Secret::new);
    let body = session::read_body(service, &operation, response).await?;
    if !status.is_success() {
        return Err(error::from_answer(service, &operation, status.as_u16(), &body));
    }
    let senseless =
        |message: String| Error::Unintelligible { service, operation: operation.clone(), message };
    let answer: WireAnswer = serde_json::from_slice(&body).map_err(|e| senseless(e.to_string()))?;
    let token = token.ok_or_else(|| senseless("it has no X-Subject-Token header".to_owned()))?;
    let endpoints = answer
        .token
        .catalog
        .iter()
        .flat_map(|service| {
            service.endpoints.iter().map(|endpoint| Endpoint {
                service_type: service.service_type.clone(),
                interface: endpoint.interface.clone(),
                region: endpoint.region_id.clone().unwrap_or_default(),
                url: endpoint.url.clone(),
            })
        })
        .collect();
    Ok(IssuedToken {
        token,
        expires_at: answer.token.expires_at,
        identity: answer.token.identity(),
        endpoints,
    })
}

fn login_request(credentials: &Credentials) -> Value {
    let scope = match &credentials.scope {
        Scope::System => json!({"system": {"all": true}}),
        Scope::Project { name, domain } => json!({"project": {"name": name, "domain": {"name": domain}}}),
    };
    let user = json!({
        "name": credentials.username,
        "domain": {"name": credentials.user_domain},
        "password": credentials.password.reveal(),
    });
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
}

/// Somebody who signs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// Project; none: the whole system.
    pub project: Option<String>,
    /// Domain of user and project.
    pub domain: String,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The identity service.
pub struct Keystone {
    session: Session,
    clock: Arc<dyn Clock>,
    beliefs: Mutex<Beliefs>,
}

impl std::fmt::Debug for Keystone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystone").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A time in microseconds since 1970.
pub(crate) fn us(time: Timestamp) -> u64 {
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

impl Keystone {
    /// Asks with the given session, whose user needs the role `admin` or `service`.
    pub fn new(session: Session) -> Self {
        Self::with_clock(session, Arc::new(SystemClock))
    }

    /// The same, by another clock than the machine's.
    pub fn with_clock(session: Session, clock: Arc<dyn Clock>) -> Self {
        Self { session, clock, beliefs: Mutex::default() }
    }

    /// The time by which tokens end, in microseconds since 1970.
    pub fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Tells whose token this is. [`Error::Unauthorized`]: nobody's, or not any more.
    pub async fn validate_token(&self, subject: &Secret, wanted: Use) -> Result<Bearer, Error> {
        let key = key(subject);
        let asked_us = self.now_us();
        let known = self.beliefs().word(&key, wanted, asked_us);
        let word = match known {
            Some(word) => word,
            None => {
                let said = self.ask_whose(subject).await?;
                self.beliefs().learn(key, said, asked_us, self.now_us())
            }
        };
        match word {
            Word::Good(bearer) => Ok(bearer),
            Word::Nobody => Err(Error::Unauthorized {
                service: Service::Keystone,
                operation: "validate a token".to_owned(),
                message: "the token is unknown, expired or revoked; log in again".to_owned(),
            }),
        }
    }

    async fn ask_whose(&self, subject: &Secret) -> Result<Word, Error> {
        let operation = "validate a token".to_owned();
        let header = session::sensitive(Service::Keystone, &operation, subject)?;
        let path = "/v3/auth/tokens?nocatalog".to_owned();
        let mut call = Call::new(Service::Keystone, Method::GET, path, operation);
        call.headers.insert("x-subject-token", header);
        match self.session.json::<WireAnswer>(call).await {
            Ok(WireAnswer { token }) => {
                Ok(Word::Good(Bearer { identity: token.identity(), ends_us: us(token.expires_at) }))
            }
            Err(Error::NotFound { .. }) => Ok(Word::Nobody),
            Err(error) => Err(error),
        }
    }

    /// Logs somebody else in, at the same Keystone. [`Error::Unauthorized`]: not with these.
    pub async fn sign_in(&self, wanted: &SignIn) -> Result<IssuedToken, Error> {
        let scope = match &wanted.project {
            Some(name) => Scope::Project { name: name.clone(), domain: wanted.domain.clone() },
            None => Scope::System,
        };
        self.session.login_as(&wanted.user, &wanted.domain, &wanted.password, scope).await
    }

    /// Ends a token before its time. It is not believed here any more, whatever Keystone answers.
    pub async fn revoke(&self, subject: &Secret) -> Result<(), Error> {
        self.beliefs().end(key(subject), self.now_us());
        let operation = "revoke a token".to_owned();
        let header = session::sensitive(Service::Keystone, &operation, subject)?;
        let mut call = Call::new(Service::Keystone, Method::DELETE, "/v3/auth/tokens".to_owned(), operation);
        call.headers.insert("x-subject-token", header);
        match self.session.send(call).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Finds a project by its name.
    pub async fn find_project(&self, name: &str) -> Result<Project, Error> {
        #[derive(Deserialize)]
        struct Answer {
            projects: Vec<Project>,
        }
        let operation = format!("find project {name}");
        let query = crate::url_text::query(&[("name", name)]);
        let path = format!("/v3/projects?{query}");
        let call = Call::new(Service::Keystone, Method::GET, path, operation.clone());
        let answer: Answer = self.session.json(call).await?;
        answer.projects.into_iter().next().ok_or_else(|| Error::NotFound {
            service: Service::Keystone,
            operation,
            message: "no project has that name".to_owned(),
        })
    }

    /// Finds a project by its name or its id.
    pub async fn find_project_of(&self, name: &str) -> Result<Project, Error> {
        #[derive(Deserialize)]
        struct Answer {
            project: Project,
        }
        match self.find_project(name).await {
            Err(Error::NotFound { .. }) if hex::is_digits(name, 32) => {
                let call = Call::new(
                    Service::Keystone,
                    Method::GET,
                    format!("/v3/projects/{name}"),
                    format!("find project {name}"),
                );
                Ok(self.session.json::<Answer>(call).await?.project)
            }
            found => found,
        }
    }

    fn beliefs(&self) -> MutexGuard<'_, Beliefs> {
        self.beliefs.lock().expect("no code that holds this lock can panic")
    }
}

fn key(token: &Secret) -> Key {
    Sha256::digest(token.reveal()).into()
}

#[derive(Deserialize)]
struct WireAnswer {
    token: WireToken,
}

#[derive(Deserialize)]
struct WireToken {
    expires_at: Timestamp,
    user: WireNamed,
    project: Option<WireNamed>,
    domain: Option<WireNamed>,
    system: Option<WireSystem>,
    #[serde(default)]
    roles: Vec<WireNamed>,
    #[serde(default)]
    catalog: Vec<WireService>,
}

#[derive(Deserialize)]
struct WireNamed {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct WireSystem {
    /// The only scope that there is in the system.
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct WireService {
    #[serde(rename = "type")]
    service_type: String,
    #[serde(default)]
    endpoints: Vec<WireEndpoint>,
}

#[derive(Deserialize)]
struct WireEndpoint {
    interface: String,
    region_id: Option<String>,
    url: String,
}

impl WireToken {
    fn identity(&self) -> Identity {
        Identity {
            user_id: self.user.id.clone(),
            user_name: self.user.name.clone(),
            scope: self.scope(),
            roles: self.roles.iter().map(|r| r.name.clone()).collect(),
        }
    }

    /// Keystone gives one scope at most. Were there several, the narrowest would count.
    fn scope(&self) -> TokenScope {
        match (&self.project, &self.domain, &self.system) {
            (Some(project), ..) => TokenScope::Project { id: project.id.clone(), name: project.name.clone() },
            (None, Some(domain), _) => TokenScope::Domain { name: domain.name.clone() },
            (None, None, Some(system)) if system.all => TokenScope::System,
            (None, None, _) => TokenScope::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_scope() {
        let check = |scope: Value, expected: TokenScope| {
            let mut token = json!({ "expires_at": "2026-11-29T00:00:00Z", "user": { "id": "u", "name": "eve" },
                "roles": [{ "id": "r", "name": "admin" }] });
            token.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
            let read: WireToken = serde_json::from_value(token).unwrap();
            assert_eq!(read.identity().scope, expected, "{scope}");
        };
        let named = |id: &str| json!({ "id": id, "name": format!("named {id}") });
        let project = TokenScope::Project { id: "p".into(), name: "named p".into() };
        check(json!({ "project": named("p") }), project.clone());
        check(json!({ "domain": named("d") }), TokenScope::Domain { name: "named d".into() });
        check(json!({ "system": { "all": true } }), TokenScope::System);
        check(json!({ "system": {} }), TokenScope::Nothing);
        check(json!({}), TokenScope::Nothing);
        check(json!({ "project": named("p"), "system": { "all": true } }), project);
        let both = json!({ "domain": named("d"), "system": { "all": true } });
        check(both, TokenScope::Domain { name: "named d".into() });
    }
}
