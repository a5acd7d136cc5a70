//! Values: the passwords of BMCs, in the API.

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

/// What is known of a BMC's password, without the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BmcPassword {
    /// When it was last changed by a rotation (RFC 3339). Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<String>,
    /// Every how many days it is changed. Absent: as the coordinator's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_days: Option<u32>,
    /// When somebody last read it (RFC 3339). Absent: nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The change that is under way. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<PasswordRotation>,
}

/// A change of a BMC's password that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasswordRotation {
    /// How far it has come.
    pub stage: RotationStage,
    /// Why it is done, as a sentence.
    pub why: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// When it goes on (RFC 3339). Absent: now.
    pub not_before: Option<String>,
    /// Number of tries that came to nothing.
    pub failures: u32,
    /// Why the last try came to nothing, as a sentence. Absent: there was none.
    pub trouble: Option<String>,
}

words! {
    /// How far the change of a BMC's password has come.
    RotationStage {
        /// The new password is not made yet.
        Planned = "planned",
        /// The new password is stored, and the BMC was not told.
        Candidate = "candidate",
        /// The BMC was told, and a login is to prove which password it has.
        Told = "told";
        /// A word that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

/// A request for a change of a BMC's password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordRotation {
    /// Change it again every so many days, 1 to 3650, instead of as the coordinator's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_days: Option<u32>,
}

/// A request to read a BMC's password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordReading {
    /// Why it is needed, in 1 to 255 characters. It is kept in the audit record and told as an event.
    pub reason: String,
}

/// A BMC's password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasswordReading {
    /// Where the BMC is, such as `ipmi://192.0.2.5:623`.
    pub place: String,
    /// Its user.
    pub username: String,
    /// The user's password.
    #[schema(value_type = String)]
    pub password: Secret,
    /// The password that the BMC may have instead, because it is being changed. Absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next_password: Option<Secret>,
}
