//! Edges: logging in at Keystone with a password.

use domain::rim::{Identity, Service};
use jiff::Timestamp;
use protocol::secret::Secret;
use serde_json::{Value, json};

use super::{
    answer::{read_body, unavailable},
    client::REQUEST_TIME_MAX,
    credentials::{Credentials, Scope},
    error::{self, Error},
    token::WireAnswer,
};

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
        .map_err(|e| unavailable(service, &operation, &e))?;
    let status = response.status();
    let token = response.headers().get("X-Subject-Token").and_then(|v| v.to_str().ok()).map(Secret::new);
    let body = read_body(service, &operation, response).await?;
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
