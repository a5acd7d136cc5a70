//! Edges: the identity service: telling whose token somebody showed us, signing people in, finding projects.

use async_trait::async_trait;
use domain::rim::{Bearer, IdentityService, Project, Service, SignIn, SignedIn};
use http::Method;
use protocol::{hex, secret::Secret};
use serde::Deserialize;

use super::{
    answer::sensitive,
    call::Call,
    credentials::Scope,
    error::Error,
    session::Session,
    token::{WireAnswer, WireNamed, us},
};

/// The identity service.
#[derive(Clone, Debug)]
pub struct Keystone {
    session: Session,
    own: Session,
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
        let header = sensitive(Service::Keystone, &operation, token)?;
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
        let header = sensitive(Service::Keystone, &operation, token)?;
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
