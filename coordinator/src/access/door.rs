//! Edges: at the door: whose token it is, by Keystone's word, and what that makes of its bearer.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use protocol::secret::Secret;
use tokio::sync::OnceCell;

use super::{
    held::LOOK_AGAIN_EVERY,
    places::Shares,
    standing::{Least, RoleNames, Standing, refusal, standing},
};
use crate::{
    api::types::Problem,
    openstack::{
        Bearer, Session, Use,
        error::Error as OpenStackError,
        keystone::{Identity, IssuedToken, Keystone, us},
    },
};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8192;

/// Which project's admins are administrators.
#[derive(Debug)]
pub enum AdminProject {
    /// The one with this id.
    Given(String),
    /// The one that this session of ours is in, whose id Keystone tells when it is first asked.
    Ours {
        /// The session.
        session: Session,
        /// Its project's id, once known.
        id: OnceCell<String>,
    },
}

/// Somebody whose token is good and gives something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who it is.
    pub identity: Identity,
    /// What that makes of it.
    pub standing: Standing,
    /// When the token ends, in microseconds since 1970.
    pub ends_us: u64,
}

impl Known {
    /// Whether it is the same one with the same rights.
    pub fn is_as(&self, other: &Known) -> bool {
        (&self.identity, self.standing) == (&other.identity, other.standing)
    }

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
    Problem::bad("the token belongs to no project; ask Keystone for one with a project")
}

/// The door of REST API and pages.
#[derive(Debug)]
pub struct Door {
    /// Knows the tokens.
    pub keystone: Arc<Keystone>,
    /// What the site calls its roles.
    pub names: RoleNames,
    /// Whose admins are administrators.
    pub admin_project: AdminProject,
    /// Everybody's places.
    pub shares: Shares,
    /// How often whoever keeps something open is asked for again.
    pub look_again_every: Duration,
}

impl Door {
    /// A door before which nobody holds anything.
    pub fn new(keystone: Arc<Keystone>, names: RoleNames, admin_project: AdminProject) -> Self {
        let (shares, look_again_every) = (Shares::default(), LOOK_AGAIN_EVERY);
        Self { keystone, names, admin_project, shares, look_again_every }
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
        match self.keystone.validate_token(token, wanted).await {
            Ok(bearer) => Ok(bearer),
            Err(OpenStackError::NotFound { .. } | OpenStackError::Unauthorized { .. }) => {
                Err(unknown("Keystone does not accept the token (any more); log in again"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same of a token that Keystone has just issued.
    pub async fn know_issued(&self, issued: &IssuedToken) -> Result<Known, Problem> {
        self.stand(Bearer { identity: issued.identity.clone(), ends_us: us(issued.expires_at) }).await
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
        let (session, id) = match &self.admin_project {
            AdminProject::Given(id) => return Ok(id),
            AdminProject::Ours { session, id } => (session, id),
        };
        let known = id.get_or_try_init(async || {
            let issued = session.issued().await?;
            // A session in no project has no project's admins: no id is empty.
            Ok::<_, OpenStackError>(issued.identity.project_id().unwrap_or_default().to_owned())
        });
        Ok(known.await?)
    }
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}
