//! Values: what Keystone says of a token.

use domain::rim::{Bearer, Identity, Project, TokenScope};
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct WireAnswer {
    pub token: WireToken,
}

#[derive(Deserialize)]
pub(crate) struct WireToken {
    pub expires_at: Timestamp,
    user: WireNamed,
    project: Option<WireNamed>,
    domain: Option<WireNamed>,
    system: Option<WireSystem>,
    #[serde(default)]
    roles: Vec<WireNamed>,
    #[serde(default)]
    pub catalog: Vec<WireService>,
}

#[derive(Deserialize)]
pub(crate) struct WireNamed {
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
pub(crate) struct WireService {
    #[serde(rename = "type")]
    pub service_type: String,
    #[serde(default)]
    pub endpoints: Vec<WireEndpoint>,
}

#[derive(Deserialize)]
pub(crate) struct WireEndpoint {
    pub interface: String,
    pub region_id: Option<String>,
    pub url: String,
}

impl WireNamed {
    pub fn project(self) -> Project {
        Project { id: self.id, name: self.name }
    }
}

impl WireToken {
    pub fn bearer(&self) -> Bearer {
        Bearer { identity: self.identity(), ends_us: us(self.expires_at) }
    }

    pub fn identity(&self) -> Identity {
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

/// A time in microseconds since 1970.
pub(crate) fn us(time: Timestamp) -> u64 {
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
