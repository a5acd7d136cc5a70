//! Edges: the authenticator: whose token it is, by Keystone's word, and what that makes of its bearer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use domain::rim::{Bearer, IdentityService, ServiceError, SignedIn};
use protocol::secret::Secret;
use sha2::{Digest, Sha256};
use store::clock::Clock;
use tokio::sync::OnceCell;

use super::{
    belief::{Beliefs, Key, Use, Word},
    held::LOOK_AGAIN_EVERY,
    known::Known,
    places::Shares,
    standing::{Least, RoleNames, refusal, standing},
};
use crate::problem::Problem;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8192;

/// Which project's admins are administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminProject {
    /// The one with this id.
    Given(String),
    /// The one in which our own user works, whose id Keystone tells when it is first asked.
    Ours,
}

impl Known {
    /// The project whose things this one sees; none: everybody's. A refusal when there is neither.
    pub fn sees(&self) -> Result<Option<&str>, Problem> {
        match (self.identity.project_id(), self.standing.sees_all()) {
            (_, true) => Ok(None),
            (Some(project), false) => Ok(Some(project)),
            (None, false) => Err(no_project()),
        }
    }
}

/// A refusal for who needs a project and has none.
pub fn no_project() -> Problem {
    Problem::bad("the token is not scoped to a project; request a project-scoped one from Keystone")
}

/// The authenticator of REST API and pages.
pub struct Authenticator {
    /// Knows the tokens.
    pub identity: Arc<dyn IdentityService>,
    /// By which tokens end and are believed.
    pub clock: Arc<dyn Clock>,
    /// What the site calls its roles.
    pub names: RoleNames,
    /// Whose admins are administrators.
    pub admin_project: AdminProject,
    /// Everybody's places.
    pub shares: Shares,
    /// How often whoever keeps something open is asked for again.
    pub look_again_every: Duration,
    beliefs: Mutex<Beliefs>,
    own_project: OnceCell<String>,
}

impl Authenticator {
    /// An authenticator before which nobody holds anything.
    pub fn new(
        identity: Arc<dyn IdentityService>,
        clock: Arc<dyn Clock>,
        names: RoleNames,
        admin_project: AdminProject,
    ) -> Self {
        Self {
            identity,
            clock,
            names,
            admin_project,
            shares: Shares::default(),
            look_again_every: LOOK_AGAIN_EVERY,
            beliefs: Mutex::default(),
            own_project: OnceCell::new(),
        }
    }

    /// Whose token this is, and what that gives. [`StatusCode::UNAUTHORIZED`]: nobody's; [`StatusCode::FORBIDDEN`]: it gives
    /// nothing here.
    pub async fn know(&self, token: &Secret, wanted: Use) -> Result<Known, Problem> {
        let bearer = self.identify(token, wanted).await?;
        self.stand(bearer).await
    }

    /// Whose token this is. [`StatusCode::UNAUTHORIZED`]: nobody's.
    pub async fn identify(&self, token: &Secret, wanted: Use) -> Result<Bearer, Problem> {
        let unknown = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        if token.reveal().is_empty() || token.reveal().len() > TOKEN_BYTES_MAX {
            return Err(unknown("the token is empty or too long"));
        }
        match self.word(token, wanted).await {
            Ok(Word::Good(bearer)) => Ok(bearer),
            Ok(Word::Nobody) | Err(ServiceError::NotFound { .. } | ServiceError::Unauthorized { .. }) => {
                Err(unknown("Keystone does not accept the token, or no longer does; log in again"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keystone's word on a token: the one that is still believed, or a new one.
    async fn word(&self, token: &Secret, wanted: Use) -> Result<Word, ServiceError> {
        let (key, asked_us) = (key(token), self.clock.now_us());
        let known = self.beliefs().word(&key, wanted, asked_us);
        if let Some(word) = known {
            return Ok(word);
        }
        let said = self.identity.whose(token).await?.map_or(Word::Nobody, Word::Good);
        Ok(self.beliefs().learn(key, said, asked_us, self.clock.now_us()))
    }

    /// Ends a token before its time. It is not believed here any more, whatever Keystone answers.
    pub async fn sign_out(&self, token: &Secret) -> Result<(), ServiceError> {
        self.beliefs().end(key(token), self.clock.now_us());
        self.identity.revoke(token).await
    }

    fn beliefs(&self) -> MutexGuard<'_, Beliefs> {
        self.beliefs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same of a token that Keystone has just issued.
    pub async fn know_signed_in(&self, signed_in: &SignedIn) -> Result<Known, Problem> {
        self.stand(signed_in.bearer.clone()).await
    }

    /// Refuses somebody whose standing does not suffice, and says who may.
    pub fn check(&self, known: &Known, least: Least) -> Result<(), Problem> {
        if known.standing.may(least) {
            return Ok(());
        }
        Err(forbidden(refusal(&known.identity, &self.names, least)))
    }

    /// What somebody is here. [`StatusCode::FORBIDDEN`]: nothing.
    pub async fn stand(&self, Bearer { identity, ends_us }: Bearer) -> Result<Known, Problem> {
        let standing = standing(&identity, &self.names, self.admin_project().await?)
            .map_err(|nothing| forbidden(nothing.to_string()))?;
        Ok(Known { identity, standing, ends_us })
    }

    async fn admin_project(&self) -> Result<&str, Problem> {
        match &self.admin_project {
            AdminProject::Given(id) => Ok(id),
            // Who works in no project has no project's admins: no id is empty.
            AdminProject::Ours => {
                let ours =
                    async || Ok::<_, ServiceError>(self.identity.own_project().await?.unwrap_or_default());
                Ok(self.own_project.get_or_try_init(ours).await?)
            }
        }
    }
}

/// No token is kept to recognise it by.
fn key(token: &Secret) -> Key {
    Sha256::digest(token.reveal()).into()
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}
