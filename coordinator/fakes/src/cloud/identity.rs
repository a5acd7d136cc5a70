//! Edges: a Keystone in memory that knows every kind of caller by name: `token-<name>`, or `token-<name>.<number>` after a sign-in.

use async_trait::async_trait;
use domain::rim::{
    Bearer, Caller, Identity, IdentityService, Project, Service, ServiceError, SignIn, SignedIn, TokenScope,
};
use protocol::secret::Secret;

use super::{Cloud, Held, not_found};

/// Id of the project whose admins are administrators.
pub const ADMIN_PROJECT: &str = "0123456789abcdef0123456789abcdef";
/// A password that is nobody's.
pub const WRONG_PASSWORD: &str = "wrong";
/// The year 2200: no test lasts so long.
const FAR_US: u64 = 7_258_118_400_000_000;

/// Who a person with this name is; none: nobody has it.
pub fn identity_of(name: &str) -> Option<Identity> {
    let all = ["admin", "member", "reader"];
    let project = |id: &str, name: &str| TokenScope::Project { id: id.to_owned(), name: name.to_owned() };
    let (scope, roles): (TokenScope, &[&str]) = match name {
        "reader" => (project("demo", "demo"), &all[2..]),
        "member" => (project("demo", "demo"), &all[1..]),
        "other-member" => (project("other", "other"), &all[1..]),
        // Somebody made it admin of a project of its own, called like the administrators' one.
        "other-admin" => (project("other", "admin"), &all),
        // As many more members of a project as somebody likes to make.
        _ if name.starts_with("member-") => (project("demo", "demo"), &all[1..]),
        "domain-admin" => (TokenScope::Domain { name: "d1".to_owned() }, &all),
        "unscoped-admin" => (TokenScope::Nothing, &all),
        "roleless" => (project("demo", "demo"), &["heat_stack_owner"]),
        "system-reader" => (TokenScope::System, &all[2..]),
        "system-member" => (TokenScope::System, &all[1..]),
        "administrator" => (project(ADMIN_PROJECT, "admin"), &all),
        "system-admin" => (TokenScope::System, &all),
        _ => return None,
    };
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Some(Identity { user_id: name.to_owned(), user_name: name.to_owned(), scope, roles })
}

/// Whose name stands in a token.
fn name_in(token: &Secret) -> &str {
    let name = token.reveal().trim_start_matches("token-");
    name.split_once('.').map_or(name, |(name, _)| name)
}

/// The project in whose name somebody asks; our own user is an administrator of the administrators' one.
pub(super) fn project_of(caller: Caller<'_>) -> String {
    let identity = match caller {
        Caller::Service => return ADMIN_PROJECT.to_owned(),
        Caller::Tenant(token) => identity_of(name_in(token)),
    };
    let project = identity.as_ref().and_then(Identity::project_id);
    project.unwrap_or("p").to_owned()
}

fn bearer(held: &Held, name: &str) -> Option<Bearer> {
    let mut identity = identity_of(name).filter(|_| !held.gone.contains(name))?;
    if held.roleless.contains(name) {
        identity.roles.clear();
    }
    Some(Bearer { identity, ends_us: held.ends_us.unwrap_or(FAR_US) })
}

#[async_trait]
impl IdentityService for Cloud {
    async fn whose(&self, token: &Secret) -> Result<Option<Bearer>, ServiceError> {
        self.ask(Service::Keystone, "whose", |held| Ok(bearer(held, name_in(token)))).await
    }

    async fn sign_in(&self, wanted: &SignIn) -> Result<SignedIn, ServiceError> {
        // Each sign-in has a token of its own.
        let number = self.count("sign in") + 1;
        let act = |held: &mut Held| {
            let known = bearer(held, &wanted.user).filter(|_| wanted.password.reveal() != WRONG_PASSWORD);
            let bearer = known.ok_or_else(|| ServiceError::Unauthorized {
                service: Service::Keystone,
                operation: format!("log {} in", wanted.user),
                message: "The request you have made requires authentication.".to_owned(),
            })?;
            Ok(SignedIn { token: Secret::new(format!("token-{}.{number}", wanted.user)), bearer })
        };
        self.ask(Service::Keystone, "sign in", act).await
    }

    /// It says that it has done so, and goes on knowing it: the worst case.
    async fn revoke(&self, _: &Secret) -> Result<(), ServiceError> {
        self.ask(Service::Keystone, "revoke", |_| Ok(())).await
    }

    async fn find_project(&self, name: &str) -> Result<Project, ServiceError> {
        let act = |_: &mut Held| match name {
            "demo" | "other" => Ok(Project { id: name.to_owned(), name: name.to_owned() }),
            _ => Err(not_found(Service::Keystone, "find the project")),
        };
        self.ask(Service::Keystone, "find the project", act).await
    }

    async fn own_project(&self) -> Result<Option<String>, ServiceError> {
        let act = |held: &mut Held| {
            let own = held.own.as_deref().and_then(identity_of);
            Ok(own.as_ref().and_then(Identity::project_id).map(str::to_owned))
        };
        self.ask(Service::Keystone, "find our own project", act).await
    }
}
