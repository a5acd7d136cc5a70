//! Values: what was recorded of a serial console, line by line.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A line of what was recorded of a serial console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ConsoleLine {
    /// The server printed this; what drives a terminal is taken out.
    Printed {
        /// When its first character came.
        at: String,
        /// The line.
        text: String,
    },
    /// Something between the characters.
    Note {
        /// When.
        at: String,
        /// In words.
        text: String,
    },
    /// The console was lost for a while.
    Lost {
        /// When.
        at: String,
        /// Why; for administrators only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// From here on the server is this tenancy's.
    TenancyBegan {
        /// When.
        at: String,
        /// The `instance_uuid` of its node.
        tenancy: Uuid,
    },
    /// It is not any more.
    TenancyEnded {
        /// When.
        at: String,
        /// The `instance_uuid` that its node had.
        tenancy: Uuid,
    },
    /// The last word of a record that is not told to its end.
    Cut {
        /// Why.
        why: String,
    },
    /// A word of a newer coordinator.
    #[serde(other)]
    Other,
}

/// As a person reads it: the time, and what it says; behind two dashes what the server did not print.
impl fmt::Display for ConsoleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConsoleLine::Printed { at, text } => write!(f, "{at} {text}"),
            ConsoleLine::Note { at, text } => write!(f, "{at} -- {text}"),
            ConsoleLine::Lost { at, why: Some(why) } => write!(f, "{at} -- console lost: {why}"),
            ConsoleLine::Lost { at, why: None } => write!(f, "{at} -- console lost"),
            ConsoleLine::TenancyBegan { at, tenancy } => write!(f, "{at} -- tenancy {tenancy} begins"),
            ConsoleLine::TenancyEnded { at, tenancy } => write!(f, "{at} -- tenancy {tenancy} ends"),
            ConsoleLine::Cut { why } => write!(f, "-- cut off here: {why}"),
            ConsoleLine::Other => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_so() {
        let at = || "2026-11-30T08:00:00.000Z".to_owned();
        let check = |line: ConsoleLine, json: &str, text: &str| {
            assert_eq!(serde_json::to_string(&line).unwrap(), json);
            assert_eq!(serde_json::from_str::<ConsoleLine>(json).unwrap(), line);
            assert_eq!(line.to_string(), text);
        };
        check(
            ConsoleLine::Printed { at: at(), text: "login:".into() },
            r#"{"kind":"printed","at":"2026-11-30T08:00:00.000Z","text":"login:"}"#,
            "2026-11-30T08:00:00.000Z login:",
        );
        check(
            ConsoleLine::Lost { at: at(), why: None },
            r#"{"kind":"lost","at":"2026-11-30T08:00:00.000Z"}"#,
            "2026-11-30T08:00:00.000Z -- console lost",
        );
        check(
            ConsoleLine::TenancyBegan { at: at(), tenancy: Uuid::nil() },
            r#"{"kind":"tenancy-began","at":"2026-11-30T08:00:00.000Z","tenancy":"00000000-0000-0000-0000-000000000000"}"#,
            "2026-11-30T08:00:00.000Z -- tenancy 00000000-0000-0000-0000-000000000000 begins",
        );
        check(
            ConsoleLine::Cut { why: "gone".into() },
            r#"{"kind":"cut","why":"gone"}"#,
            "-- cut off here: gone",
        );
    }
}
