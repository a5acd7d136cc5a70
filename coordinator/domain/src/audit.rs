//! Values: one change that was asked for.

use std::net::IpAddr;

/// Rows that are kept of each project, of administrators, of auditors, of Ironic and of nobody known.
pub const BUCKET_ROWS_MAX: u64 = 20_000;
/// Rows are kept for so long, in microseconds: 400 days.
pub const AGE_MAX_US: u64 = 400 * 24 * 3600 * 1_000_000;

/// A change that was asked for, before it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEntry {
    /// `req-` and a uuid: by it the lines of our log and those of other services belong together.
    pub request_id: String,
    /// Address of whoever asked.
    pub source: Option<IpAddr>,
    /// Keystone's id of the user; none: nobody known.
    pub user_id: Option<String>,
    /// The user's name; of nobody known the one that was claimed.
    pub user_name: Option<String>,
    /// The project of the token.
    pub project_id: Option<String>,
    /// That project's name as the token had it; none in rows of before names were kept.
    pub project_name: Option<String>,
    /// What the user may do, in a word.
    pub standing: Option<String>,
    /// What was done: POST, DELETE, PATCH.
    pub method: String,
    /// The route, as the router spells it.
    pub route: String,
    /// The page whose form caused it; none: no page did.
    pub via: Option<String>,
    /// Which of a route's actions: `stop`, `rebuild`.
    pub action: Option<String>,
    /// Why, where a route asks for a reason that is to be kept: nothing else of a request's body is.
    pub reason: Option<String>,
    /// Id of what it was done to, or of what was made; its name where the request names it so and the answer no id.
    pub object: Option<String>,
    /// What was answered; none: whoever asked hung up before.
    pub status: Option<u16>,
}

impl NewEntry {
    /// Whose rows it is counted with when old ones are deleted.
    pub fn bucket(&self) -> &str {
        match (&self.project_id, &self.standing, &self.user_id) {
            (Some(project), ..) => project,
            (None, Some(standing), _) => standing,
            (None, None, Some(user)) => user,
            (None, None, None) => "nobody",
        }
    }

    /// Whether anybody at all can cause it, as often as one likes: nothing was done, or nobody is known to have asked.
    pub fn is_anybodys(&self) -> bool {
        self.standing.is_none() || matches!(self.status, Some(401 | 403))
    }
}

/// A change as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Rises with time.
    pub id: u64,
    /// When it was answered, in microseconds since 1970.
    pub at_us: u64,
    /// What was asked.
    pub what: NewEntry,
}

/// Which changes to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this user, by id or name.
    pub user: Option<String>,
    /// With a token of this project, by id or name.
    pub project: Option<String>,
    /// To this object.
    pub object: Option<String>,
    /// Not before, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Before the one with this id.
    pub before: Option<u64>,
    /// At most so many of the newest; none: as many as an answer holds.
    pub limit: Option<u32>,
}
