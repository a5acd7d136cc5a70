//! Values: how BMCs answer, in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::word::words;

words! {
    /// How a server's BMC answers.
    BmcAnswers {
        /// It answered when it was asked last.
        Yes = "yes",
        /// It did not answer when it was asked last, or refused.
        No = "no",
        /// Nobody has said: its rack's agent is not connected here, or has not asked it yet.
        Unknown = "unknown"
    }
}

words! {
    /// Whether a BMC is asked in its turn.
    BmcBreaker {
        /// It is.
        Closed = "closed",
        /// It failed and is left in peace for a while. Orders are tried all the same.
        Open = "open",
        /// It failed and is being asked once, to see.
        HalfOpen = "half_open";
        /// A state that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

/// How a server's BMC answers its rack's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BmcHealth {
    /// The node's id.
    pub id: Uuid,
    /// The node's name.
    pub node: String,
    /// Its rack.
    pub rack: String,
    /// Where its BMC is asked, such as `ipmi://192.0.2.5:623`.
    pub bmc: String,
    /// Whether it answers.
    pub answers: BmcAnswers,
    /// Why that is unknown, as a sentence. Absent: it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The figures. Absent: nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<BmcFigures>,
}

/// Figures of how a BMC has answered of late: of the last 128 questions for the power, four minutes of a healthy BMC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BmcFigures {
    /// When its agent said so (RFC 3339).
    pub at: String,
    /// Number of these questions.
    pub asked: u32,
    /// How many of them it did not answer, or refused.
    pub failed: u32,
    /// Half of its answers took no longer, in milliseconds. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_ms: Option<u64>,
    /// 95 of 100 answers took no longer, in milliseconds. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// Sessions that the agent has open at it for polling and commands.
    pub sessions: u32,
    /// Whether it is asked in its turn.
    pub breaker: BmcBreaker,
    /// Until when it is left in peace (RFC 3339). Absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_until: Option<String>,
    /// What went wrong last, with what to do about it. Absent: nothing has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    /// When the newest reading of the server's power was made (RFC 3339). Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_at: Option<String>,
}
