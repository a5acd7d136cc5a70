//! Values: logs and what is written in them.

use serde::Serialize;

use super::{Health, hardware::name};
use crate::redfish::node::{Action, Node};

/// A log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// `SEL`, `Event`, …
    pub kind: Option<String>,
    /// Where its entries are.
    pub entries: Option<String>,
    /// How it is cleared; none: it cannot be.
    pub clear: Option<Action>,
    /// Whether old entries make room for new ones; none: not said.
    pub wraps: Option<bool>,
    /// Most entries that it holds.
    pub entries_max: Option<u64>,
}

impl From<Node<'_>> for Log {
    fn from(node: Node<'_>) -> Self {
        let policy = node.text("OverWritePolicy");
        Self {
            name: name(node, &["Name", "Id"]),
            id: name(node, &["Id", "Name"]),
            kind: node.text("LogEntryType"),
            entries: node.link("Entries").map(str::to_owned),
            clear: node.action("LogService.ClearLog", "LogEntriesETag"),
            wraps: policy.map(|policy| policy == "WrapsWhenFull"),
            entries_max: node.count("MaxNumberOfRecords"),
        }
    }
}

impl Log {
    /// Whether it is the log of hardware events: what IPMI calls the SEL.
    pub fn is_event_log(&self) -> bool {
        let is = |text: &str| text.eq_ignore_ascii_case("sel") || text.eq_ignore_ascii_case("event");
        let named = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.contains("sel") || text.contains("eventlog") || text.contains("event log") || text == "iel"
        };
        self.kind.as_deref().is_some_and(is) || named(&self.id) || named(&self.name)
    }
}

/// An entry of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Its id.
    pub id: String,
    /// When it happened, by the BMC's clock, as the BMC writes it.
    pub time: Option<String>,
    /// How bad it is.
    pub severity: Option<Health>,
    /// What happened.
    pub message: String,
    /// The kind of message, such as `IPMI.1.0.…`.
    pub message_id: Option<String>,
    /// The sensor that noticed it.
    pub sensor: Option<String>,
}

impl From<Node<'_>> for LogEntry {
    fn from(node: Node<'_>) -> Self {
        let severity = node.text("Severity").or(node.text("MessageSeverity"));
        Self {
            id: name(node, &["Id", "Name"]),
            time: node.text("EventTimestamp").or(node.text("Created")),
            severity: severity.and_then(|word| Health::read(&word)),
            message: name(node, &["Message", "Name"]),
            message_id: node.text("MessageId"),
            sensor: node.text("SensorType").or(node.text("EntryCode")),
        }
    }
}
