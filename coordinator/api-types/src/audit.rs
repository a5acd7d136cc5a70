//! Values: changes that were asked for, in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request that was to change something, and how it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Id of the entry, which rises with time.
    pub id: u64,
    /// When it was answered (RFC 3339).
    pub at: String,
    /// `req-` and a uuid, also in `X-Request-Id` of the answer and in the log.
    pub request_id: String,
    /// IP address from which it was requested. Absent: not known.
    pub source: Option<String>,
    /// Keystone's id of the user. Absent: the user was not known, or it was Ironic.
    pub user_id: Option<String>,
    /// Name of the user: the claimed one if the user was not known; `ironic` for Ironic.
    pub user: Option<String>,
    /// Keystone's id of the token's project. Absent: the token was not scoped to a project.
    pub project_id: Option<String>,
    /// Name of that project. Absent: no project, or the entry is older than such names.
    #[serde(default)]
    pub project: Option<String>,
    /// What the user may do: `administrator`, `auditor`, `member`, `reader`; `ironic` for Ironic.
    pub standing: Option<String>,
    /// HTTP method: POST, DELETE or PATCH; GET for what was done at a console.
    pub method: String,
    /// Path of the route, with the names of its parameters.
    pub route: String,
    /// The web page whose form caused the request. Absent: it came by the REST API.
    pub via: Option<String>,
    /// The action, of a route that has several. Absent: it has not.
    pub action: Option<String>,
    /// Id of what was changed or created; its name where it was named so in the request.
    pub object: Option<String>,
    /// HTTP status of the answer. Absent: the caller hung up before the answer, and what was begun may have been done.
    pub status: Option<u16>,
}
