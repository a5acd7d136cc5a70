//! Edges: Keystone's part of the conversation: logging in, and telling whose token somebody showed us.

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use protocol::{hex, secret::Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::{self, Error},
    session::{self, Call, Credentials, REQUEST_TIME_MAX, Scope, Service, Session},
};
use domain::rim::{Bearer, Identity, IdentityService, Project, SignIn, SignedIn, TokenScope};

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

/// The identity service.
#[derive(Clone, Debug)]
pub struct Keystone {
    session: Session,
    own: Session,
}

/// A time in microseconds since 1970.
fn us(time: Timestamp) -> u64 {
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

impl Keystone {
    /// Asks with the given session, whose user needs the role `admin` or `service`. `own` is the one in which we work.
    pub fn new(session: Session, own: Session) -> Self {
        Self { session, own }
    }

    async fn project_by_name(&self, name: &str) -> Result<Option<Project>, Error> {
        #[derive(Deserialize)]
        struct Projects {
            projects: Vec<WireNamed>,
        }
        let query = domain::url_text::query(&[("name", name)]);
        let call = get(format!("/v3/projects?{query}"), format!("find project {name}"));
        let answer: Projects = self.session.json(call).await?;
        Ok(answer.projects.into_iter().next().map(WireNamed::project))
    }

    async fn project_by_id(&self, id: &str) -> Result<Project, Error> {
        #[derive(Deserialize)]
        struct Shown {
            project: WireNamed,
        }
        let call = get(format!("/v3/projects/{id}"), format!("find project {id}"));
        Ok(self.session.json::<Shown>(call).await?.project.project())
    }
}

#[async_trait]
impl IdentityService for Keystone {
    async fn whose(&self, token: &Secret) -> Result<Option<Bearer>, Error> {
        let operation = "validate a token".to_owned();
        let header = session::sensitive(Service::Keystone, &operation, token)?;
        let mut call = get("/v3/auth/tokens?nocatalog".to_owned(), operation);
        call.headers.insert("x-subject-token", header);
        match self.session.json::<WireAnswer>(call).await {
            Ok(WireAnswer { token }) => Ok(Some(token.bearer())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// At the same Keystone as our own user.
    async fn sign_in(&self, wanted: &SignIn) -> Result<SignedIn, Error> {
        let scope = match &wanted.project {
            Some(name) => Scope::Project { name: name.clone(), domain: wanted.domain.clone() },
            None => Scope::System,
        };
        let issued = self.session.login_as(&wanted.user, &wanted.domain, &wanted.password, scope).await?;
        let bearer = Bearer { identity: issued.identity, ends_us: us(issued.expires_at) };
        Ok(SignedIn { token: issued.token, bearer })
    }

    async fn revoke(&self, token: &Secret) -> Result<(), Error> {
        let operation = "revoke a token".to_owned();
        let header = session::sensitive(Service::Keystone, &operation, token)?;
        let mut call = Call::new(Service::Keystone, Method::DELETE, "/v3/auth/tokens".to_owned(), operation);
        call.headers.insert("x-subject-token", header);
        match self.session.send(call).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn find_project(&self, name_or_id: &str) -> Result<Project, Error> {
        if let Some(project) = self.project_by_name(name_or_id).await? {
            return Ok(project);
        }
        if hex::is_digits(name_or_id, 32) {
            return self.project_by_id(name_or_id).await;
        }
        Err(Error::NotFound {
            service: Service::Keystone,
            operation: format!("find project {name_or_id}"),
            message: "no project has that name".to_owned(),
        })
    }

    async fn own_project(&self) -> Result<Option<String>, Error> {
        Ok(self.own.issued().await?.identity.project_id().map(str::to_owned))
    }
}

fn get(path: String, operation: String) -> Call<'static> {
    Call::new(Service::Keystone, Method::GET, path, operation)
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

impl WireNamed {
    fn project(self) -> Project {
        Project { id: self.id, name: self.name }
    }
}

impl WireToken {
    fn bearer(&self) -> Bearer {
        Bearer { identity: self.identity(), ends_us: us(self.expires_at) }
    }

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
