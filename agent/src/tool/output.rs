//! Edges: what `bms-agent bmc` prints.
//!
//! What must stay true: nothing that a BMC says reaches a terminal as it is. Everything that is printed passes here.

use std::io::{ErrorKind, Write};

use protocol::text::{Shown, shown_json};
use serde_json::Value;

/// What a verb has to say of one BMC.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names of the columns.
    pub header: &'static [&'static str],
    /// Rows of a table for people.
    pub rows: Vec<Vec<String>>,
    /// The same for programs.
    pub json: Value,
}

impl Answer {
    /// One fact.
    pub fn fact(header: &'static [&'static str; 1], text: impl Into<String>, json: Value) -> Self {
        Self { header, rows: vec![vec![text.into()]], json }
    }

    /// Fields with their values; those without a value are left out.
    pub fn fields(fields: Vec<(&str, String)>) -> Self {
        let there = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let rows: Vec<Vec<String>> = there.map(|(name, value)| vec![name.to_owned(), value]).collect();
        let json = rows.iter().map(|row| (row[0].replace(' ', "_"), Value::from(row[1].as_str()))).collect();
        Self { header: &["field", "value"], rows, json: Value::Object(json) }
    }
}

/// Columns as wide as their longest cell.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| name.to_uppercase()).collect();
    let shown: Vec<Vec<String>> = std::iter::once(header)
        .chain(rows.iter().map(|row| row.iter().map(|cell| Shown(cell).to_string()).collect()))
        .collect();
    let width = |column: usize| {
        shown.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = shown.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    shown.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Prints JSON.
pub fn json(value: &Value) {
    line(shown_json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Prints what is shown already. Whoever reads it may be gone, as in `... | head -1`: that ends us as SIGPIPE would.
pub fn line(text: impl std::fmt::Display) {
    const SIGPIPE_STATUS: i32 = 128 + 13;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(SIGPIPE_STATUS),
        // Nobody can be told of a full disk on standard output, but by the status.
        Err(_) => std::process::exit(1),
        Ok(()) => {}
    }
}

/// Prints a failure.
#[allow(clippy::print_stderr, reason = "this is a command line's answer")]
pub fn error(text: impl std::fmt::Display) {
    eprintln!("bms-agent bmc: {}", Shown(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_drives_no_terminal() {
        let rows = vec![vec!["a".into(), "1".into()], vec!["long\u{1b}[2J\nname".into(), "22".into()]];
        let expected = "NAME                 VALUE\na                    1\nlong\\u{1b}[2J\\nname  22";
        assert_eq!(table(&["name", "value"], &rows), expected);
    }
}
