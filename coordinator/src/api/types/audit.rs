//! Values: changes that were asked for, in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change that somebody asked for, and what was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Rises with time.
    pub id: u64,
    /// When it was answered (RFC 3339).
    pub at: String,
    /// `req-` and a uuid, also in `X-Request-Id` of the answer and in the log.
    pub request_id: String,
    /// Address of whoever asked.
    pub source: Option<String>,
    /// Keystone's id of the user; none: nobody known, or Ironic.
    pub user_id: Option<String>,
    /// The user's name; of nobody known the one that was claimed; `ironic` for Ironic.
    pub user: Option<String>,
    /// The project of the token.
    pub project_id: Option<String>,
    /// That project's name as the token had it; none in entries of before names were kept.
    #[serde(default)]
    pub project: Option<String>,
    /// What the user may do: `administrator`, `auditor`, `member`, `reader`; `ironic` for Ironic.
    pub standing: Option<String>,
    /// POST, DELETE or PATCH.
    pub method: String,
    /// The route, with its parameters' names.
    pub route: String,
    /// The page whose form caused it.
    pub via: Option<String>,
    /// Which of a route's actions.
    pub action: Option<String>,
    /// Id of what it was done to, or of what was made; its name where that was asked for.
    pub object: Option<String>,
    /// HTTP status of the answer; none: whoever asked hung up before, and what was begun may have been done.
    pub status: Option<u16>,
}
