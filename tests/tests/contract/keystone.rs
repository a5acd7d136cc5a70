//! Keystone tells who somebody is.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::rim::{Identity, IdentityService};
use faces::access::{AdminProject, Authenticator, RoleNames, Standing, Use};
use openstack::{Error, client::http_client, keystone::Keystone, login::login};
use protocol::secret::Secret;
use serde_json::{Value, json};
use store::clock::SystemClock;
use tests::openstack::{PASSWORD, Who};

use super::{Cloud, refused};

async fn whose(cloud: &Cloud, token: &Secret) -> Result<Identity> {
    Ok(cloud.keystone.whose(token).await?.context("Keystone does not know the token")?.identity)
}

pub async fn identities(cloud: &Cloud) -> Result<()> {
    let demo = whose(cloud, &cloud.demo).await?;
    ensure!(demo.roles.contains(&"member".to_owned()), "{demo:?}");
    ensure!(demo.user_name == "demo" && demo.project_name() == Some("demo"), "{demo:?}");
    let project = cloud.keystone.find_project("demo").await?;
    ensure!(demo.project_id() == Some(&project.id), "{demo:?} {project:?}");
    let other = whose(cloud, &cloud.other).await?;
    ensure!(other.project_id() != demo.project_id(), "{other:?}");
    for (who, has_project) in [(Who::System, false), (Who::Admin, true)] {
        let token = cloud.openstack.session(who)?.issued().await?.token.clone();
        let admin = whose(cloud, &token).await?;
        ensure!(admin.roles.contains(&"admin".to_owned()), "{admin:?}");
        ensure!(admin.project_id().is_some() == has_project, "{admin:?}");
    }
    let error = refused(cloud.keystone.find_project("nobody's").await)?;
    ensure!(error.is_not_found(), "{error:?}");
    Ok(())
}

pub async fn bad_credentials(cloud: &Cloud) -> Result<()> {
    for token in ["no such token", "gAAAAAB", "line\nfeed", ""] {
        let said = cloud.keystone.whose(&Secret::new(token)).await;
        ensure!(
            matches!(said, Ok(None) | Err(Error::Unauthorized { .. } | Error::Refused { code: 400, .. })),
            "{token:?}: {said:?}"
        );
    }
    let mut credentials = cloud.openstack.credentials(Who::Demo);
    credentials.password = Secret::new("wrong");
    let error = refused(login(&http_client(None)?, &credentials).await)?;
    ensure!(
        matches!(&error, Error::Unauthorized { message, .. } if message.contains("authentication")),
        "{error:?}"
    );
    credentials.auth_url = "http://127.0.0.1:1/v3".into();
    let error = refused(login(&http_client(None)?, &credentials).await)?;
    ensure!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    Ok(())
}

/// Keystone as an administrator of it uses it.
struct Admin<'a> {
    cloud: &'a Cloud,
    http: reqwest::Client,
    token: Secret,
}

impl Admin<'_> {
    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}{path}", self.cloud.openstack.endpoints.keystone);
        let request = self.http.request(method, url).header("X-Auth-Token", self.token.reveal());
        // Keystone takes the body "null" for no object, also where it wants none.
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?).unwrap_or_default())
    }

    /// Makes something; gives its id.
    async fn make(&self, what: &str, mut body: Value) -> Result<String> {
        body["name"] = json!(format!("authenticator-{}", body["name"].as_str().unwrap_or_default()));
        let made = self.call(reqwest::Method::POST, &format!("/{what}s"), json!({ what: body })).await?;
        Ok(made[what]["id"].as_str().context("it has no id")?.to_owned())
    }

    /// A user with a role at a place, and its token with that scope.
    async fn token_of(&self, name: &str, role: &str, place: &str, scope: Value) -> Result<Secret> {
        let user =
            self.make("user", json!({ "name": name, "password": PASSWORD, "domain_id": "default" })).await?;
        if !place.is_empty() {
            let roles = self.call(reqwest::Method::GET, &format!("/roles?name={role}"), Value::Null).await?;
            let role = roles["roles"][0]["id"].as_str().context("no such role")?;
            let path = format!("{place}/users/{user}/roles/{role}");
            self.call(reqwest::Method::PUT, &path, Value::Null).await?;
        }
        let who =
            json!({ "methods": ["password"], "password": { "user": { "id": user, "password": PASSWORD } } });
        let mut auth = json!({ "identity": who });
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        let url = format!("{}/auth/tokens", self.cloud.openstack.endpoints.keystone);
        let answer = self.http.post(url).json(&json!({ "auth": auth })).send().await?.error_for_status()?;
        let token = answer.headers().get("x-subject-token").context("no token")?.to_str()?;
        Ok(Secret::new(token))
    }
}

/// What each kind of token of the real Keystone gives: a role counts where it was given.
pub async fn standings(cloud: &Cloud) -> Result<()> {
    let session = cloud.openstack.session(Who::System)?;
    let token = session.issued().await?.token.clone();
    let admin = Admin { cloud, http: http_client(None)?, token };
    let keystone = Arc::new(Keystone::new(session, cloud.openstack.session(Who::Admin)?));
    let authenticator =
        Authenticator::new(keystone, Arc::new(SystemClock), RoleNames::default(), AdminProject::Ours);
    let domain = admin.make("domain", json!({ "name": "domain" })).await?;
    let own = admin.make("project", json!({ "name": "own", "domain_id": domain })).await?;
    // Another domain may have a project called like the administrators'.
    let body = json!({ "project": { "name": "admin", "domain_id": domain } });
    let twin = admin.call(reqwest::Method::POST, "/projects", body).await?;
    let twin = twin["project"]["id"].as_str().context("it has no id")?.to_owned();
    let ours = cloud.keystone.find_project("demo").await?.id;
    let at = |project: &str| (format!("/projects/{project}"), json!({ "project": { "id": project } }));
    let system = || ("/system".to_owned(), json!({ "system": { "all": true } }));
    let in_domain = (format!("/domains/{domain}"), json!({ "domain": { "id": domain } }));
    let check =
        async |name: &str, role: &str, (place, scope): (String, Value), expected: Result<Standing, &str>| {
            let token = admin.token_of(name, role, &place, scope).await.with_context(|| name.to_owned())?;
            match (authenticator.know(&token, Use::Change).await, expected) {
                (Ok(known), Ok(expected)) => ensure!(known.standing == expected, "{name}: {known:?}"),
                (Err(problem), Err(words)) => ensure!(problem.detail.contains(words), "{name}: {problem:?}"),
                (found, expected) => anyhow::bail!("{name}: {found:?}, expected {expected:?}"),
            }
            anyhow::Ok(())
        };
    check("own-admin", "admin", at(&own), Ok(Standing::Member)).await?;
    check("twin-admin", "admin", at(&twin), Ok(Standing::Member)).await?;
    check("member", "member", at(&ours), Ok(Standing::Member)).await?;
    check("reader", "reader", at(&ours), Ok(Standing::Reader)).await?;
    check("domain-admin", "admin", in_domain, Err("which gives no rights here")).await?;
    check("unscoped", "", (String::new(), Value::Null), Err("is unscoped")).await?;
    check("system-reader", "reader", system(), Ok(Standing::Auditor)).await?;
    check("system-admin", "admin", system(), Ok(Standing::Administrator)).await?;
    for who in [Who::System, Who::Admin] {
        let token = cloud.openstack.session(who)?.issued().await?.token.clone();
        ensure!(
            authenticator
                .know(&token, Use::Look)
                .await
                .is_ok_and(|known| known.standing == Standing::Administrator),
            "{who:?}"
        );
    }
    Ok(())
}
