//! Decisions: a certificate in words, for a terminal and for paper. One list for both, so that both say the same.

use jiff::Timestamp;
use serde_json::Value;

use super::{Receipt, Statement};
use crate::{hardware::Disk, step::ErasedDisk, text::Shown};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The machine.
    Server,
    /// The disk.
    Disk,
    /// What was done to it.
    Erase,
    /// What was not done.
    Limits,
    /// Who says so, and when.
    Signatures,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Group::Server, Group::Disk, Group::Erase, Group::Limits, Group::Signatures];

    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Group::Server => "Server",
            Group::Disk => "Disk",
            Group::Erase => "Erase",
            Group::Limits => "Not erased or not verified",
            Group::Signatures => "Signatures",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub group: Group,
    /// What it says.
    pub label: String,
    /// What that is.
    pub text: String,
}

/// Fields of [`ErasedDisk`] that have lines of their own; others, of whatever version, are listed by their names.
const KNOWN_FIELDS: [&str; 9] = [
    "name",
    "method",
    "erased_bytes",
    "verified_bytes",
    "disk",
    "failure",
    "statement",
    "began_after_ms",
    "took_ms",
];

/// What a certificate says; of one without a receipt, what its agent says. `agent` is the SHA-256 of the agent's certificate. Names of
/// hardware and of users are shown harmless for a terminal; for HTML they are still to be escaped.
pub fn lines(statement: &Statement, receipt: Option<&Receipt>, agent: &str) -> Vec<Line> {
    let mut lines = Lines::default();
    lines.server(statement, receipt);
    lines.disk(&statement.erased);
    lines.erase(statement);
    lines.limits(statement, receipt);
    lines.signatures(statement, receipt, agent);
    lines.0
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    /// Empty texts have no line.
    fn put(&mut self, group: Group, label: &str, text: impl ToString) {
        let text = Shown(&text.to_string()).to_string();
        if !text.is_empty() {
            self.0.push(Line { group, label: label.to_owned(), text });
        }
    }

    fn server(&mut self, statement: &Statement, receipt: Option<&Receipt>) {
        let server = &statement.server;
        self.put(Group::Server, "Name", &server.name);
        self.put(Group::Server, "Id", server.id);
        self.put(Group::Server, "Rack", &statement.rack);
        self.put(Group::Server, "Manufacturer", &server.manufacturer);
        self.put(Group::Server, "Product", &server.product);
        self.put(Group::Server, "Serial number", &server.serial);
        self.put(Group::Server, "System UUID", &server.system_uuid);
        if let Some(tenancy) = receipt.and_then(|receipt| receipt.tenancy.as_ref()) {
            let text = format!(
                "{} of project {}, asked for at {}",
                tenancy.name,
                tenancy.project_id,
                second(tenancy.asked_at)
            );
            self.put(Group::Server, "Tenancy before", text);
            self.put(
                Group::Server,
                "Instance",
                tenancy.instance.map(|id| id.to_string()).unwrap_or_default(),
            );
        }
    }

    fn disk(&mut self, erased: &ErasedDisk) {
        let Some(disk) = &erased.disk else { return self.put(Group::Disk, "Device", &erased.name) };
        self.put(Group::Disk, "Model", &disk.model);
        self.put(Group::Disk, "Serial number", &disk.serial);
        self.put(Group::Disk, "World-wide name", &disk.wwn);
        self.put(Group::Disk, "Firmware", &disk.firmware);
        self.put(Group::Disk, "Size", format!("{} bytes", disk.size_bytes));
        self.put(Group::Disk, "Connected by", &disk.transport);
        self.put(Group::Disk, "Device", &disk.name);
    }

    fn erase(&mut self, statement: &Statement) {
        let erased = &statement.erased;
        self.put(Group::Erase, "Method", method_text(&erased.method));
        let more = serde_json::to_value(erased).unwrap_or_default();
        for (name, value) in more.as_object().into_iter().flatten() {
            let is_empty = value.is_null() || value.as_str() == Some("") || value.as_u64() == Some(0);
            if !KNOWN_FIELDS.contains(&name.as_str()) && !is_empty {
                self.put(Group::Erase, &label_of(name), text_of(value));
            }
        }
        self.put(Group::Erase, "Erased", format!("{} bytes", erased.erased_bytes));
        self.put(Group::Erase, "Verified", verified_text(erased));
        self.put(Group::Erase, "Began", second(statement.began_at));
        self.put(Group::Erase, "Ended", second(statement.ended_at));
        self.put(Group::Erase, "Took", took(erased.took_ms));
    }

    fn limits(&mut self, statement: &Statement, receipt: Option<&Receipt>) {
        let erased = &statement.erased;
        let size_bytes = erased.disk.as_ref().map_or(erased.erased_bytes, |disk| disk.size_bytes);
        let unread = size_bytes.saturating_sub(erased.verified_bytes);
        if unread > 0 {
            self.put(Group::Limits, "Not read back", format!("{unread} of {size_bytes} bytes"));
        }
        if is_by_address(&erased.method) {
            let text = "what the disk does not give out by address (spare and replaced blocks, areas that are hidden from its host)";
            self.put(Group::Limits, "Out of reach", text);
        }
        match receipt.map(|receipt| receipt.left_out.as_slice()) {
            Some(words) => {
                for word in words {
                    let disk = word.disk.identity();
                    let text =
                        format!("disk {} ({disk}): by the word of {}, {}", word.number, word.by, word.reason);
                    self.put(Group::Limits, "Left out", text);
                }
            }
            None => {
                for disk in &statement.left_out {
                    self.put(Group::Limits, "Left out", disk.identity());
                }
            }
        }
        for other in &statement.not_erased {
            let disk = other.disk.as_ref().map_or_else(|| other.name.clone(), Disk::to_string);
            self.put(Group::Limits, "Another disk, not erased", format!("{disk}: {}", other.why));
        }
    }

    fn signatures(&mut self, statement: &Statement, receipt: Option<&Receipt>, agent: &str) {
        let group = Group::Signatures;
        let signed = format!("agent of rack {}, {}", statement.rack, second(statement.signed_at));
        self.put(group, "Signed", signed);
        self.put(group, "Its certificate", format!("SHA-256 {agent}"));
        match receipt {
            Some(receipt) => {
                let text = format!("the coordinator's authority, {}", second(receipt.received_at));
                self.put(group, "Countersigned", text);
                self.put(group, "Statement", format!("SHA-256 {}", receipt.statement_sha256));
            }
            None => self.put(group, "Countersigned", "by nobody"),
        }
        let coordinator = receipt.map(|receipt| format!(", coordinator {}", receipt.coordinator_version));
        let ramdisk = match statement.ramdisk_version.as_str() {
            "" => "of an unknown version",
            version => version,
        };
        let versions = format!(
            "agent {}, ramdisk {ramdisk}{}",
            statement.agent_version,
            coordinator.unwrap_or_default()
        );
        self.put(group, "Programs", versions);
    }
}

fn second(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// How long the disk itself took; empty: its ramdisk does not say.
fn took(milliseconds: u64) -> String {
    match milliseconds {
        0 => String::new(),
        short @ ..60_000 => format!("{}.{} s", short / 1000, short % 1000 / 100),
        long => format!("{} h {} min", long / 3_600_000, long / 60_000 % 60),
    }
}

/// A method in words; one that is not known stays as it is.
fn method_text(method: &str) -> String {
    match method {
        "discard" => "discard: every block was given back to the disk".to_owned(),
        "zeroes" | "write_zeroes" => {
            "zeroes: written to every block, by the disk itself where it can".to_owned()
        }
        "overwrite" => "overwrite: every block was written".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Whether a method reaches what has an address, and nothing else.
fn is_by_address(method: &str) -> bool {
    matches!(method, "discard" | "zeroes" | "write_zeroes" | "overwrite")
}

fn verified_text(erased: &ErasedDisk) -> String {
    let size_bytes = erased.disk.as_ref().map_or(erased.erased_bytes, |disk| disk.size_bytes);
    match erased.verified_bytes {
        0 => "nothing was read back".to_owned(),
        all if all >= size_bytes => format!("all {all} bytes were read back and were empty"),
        part => format!("{part} bytes, samples of the whole disk, were read back and were empty"),
    }
}

/// `took_ms` is "Took ms".
fn label_of(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", label_of(name), text_of(value)))
                .collect();
            fields.join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
