//! Edges: the lines of a program's log: one record is one line, whatever the texts in it are.
//!
//! This stands between whatever formats a record and where it goes, so that no field, message or name of a span has to be
//! remembered.

use std::io::{self, Write};

use crate::text::{Shown, bounded, shown_json};

/// Longest record, in characters before anything is escaped.
pub const RECORD_CHARS_MAX: usize = 8192;

/// What a record looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Words for people.
    Text,
    /// One JSON object.
    Json,
}

/// Takes whole records, each by one `write`, and passes on one line for each.
#[derive(Debug)]
pub struct LogLines<W> {
    to: W,
    format: Format,
}

impl<W: Write> LogLines<W> {
    /// Passes lines on to this one.
    pub fn new(to: W, format: Format) -> Self {
        Self { to, format }
    }
}

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let mut line = line(text.strip_suffix('\n').unwrap_or(&text), self.format);
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn line(record: &str, format: Format) -> String {
    let kept = bounded(record, RECORD_CHARS_MAX);
    match format {
        Format::Text => Shown(kept).to_string(),
        Format::Json if kept == record => shown_json(record),
        // A cut object is no JSON any more.
        Format::Json => {
            let cut = serde_json::json!({ "message": "a record of the log was too long", "begins": kept });
            shown_json(&cut.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(format: Format, record: &str) -> String {
        let mut to = Vec::new();
        LogLines::new(&mut to, format).write_all(record.as_bytes()).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn a_record_is_one_line() {
        let check = |record: &str, expected: &str| assert_eq!(lines(Format::Text, record), expected);
        check("INFO x: a\n", "INFO x: a\n");
        check("INFO x: a\n\u{9b}31m\u{202e}\n", "INFO x: a\\n\\u{9b}31m\\u{202e}\n");
        assert_eq!(lines(Format::Json, "{\"a\":\"\u{202e}\"}\n"), "{\"a\":\"\\u202e\"}\n");
    }

    #[test]
    fn a_record_is_bounded_in_both_formats() {
        let long = "\u{1b}".repeat(3 * RECORD_CHARS_MAX);
        let text = lines(Format::Text, &long);
        assert!(text.len() < 8 * RECORD_CHARS_MAX && text.contains("characters more"));
        let json = lines(Format::Json, &serde_json::json!({ "a": long }).to_string());
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(read["message"].as_str().unwrap().contains("too long") && json.matches('\n').count() == 1);
    }
}
