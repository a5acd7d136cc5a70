//! Decisions: the cells of a table (CSV, RFC 4180), taken apart and written.
//!
//! Whoever opens a table in a spreadsheet runs what it takes for formulas, and names in it can come from a switch or a machine that
//! somebody else controls. So a value that begins one is written behind a `'`, which is taken off when it is read.

use super::{bounds::ENTRIES_MAX, fields::Fault};

/// One row with the line where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// Most cells of a row: the columns that there are, and some that are empty.
const CELLS_MAX: usize = 64;

/// Rows as they are read, without those that are empty.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    cells: Vec<String>,
    /// How many cells of all rows are not empty.
    values: usize,
}

impl Rows {
    /// A value of the row that begins in this line.
    fn cell(&mut self, line: usize, cell: String) -> Result<(), Fault> {
        self.values += usize::from(!cell.trim().is_empty());
        if self.cells.len() == CELLS_MAX {
            let message = format!("has more than {CELLS_MAX} columns; a table of servers has fewer");
            return Err(fault(line, message));
        }
        if self.values > ENTRIES_MAX {
            return Err(fault(line, format!("the file has more than {ENTRIES_MAX} values: split it")));
        }
        self.cells.push(cell);
        Ok(())
    }

    fn end(&mut self, line: usize) {
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            self.rows.push(Row { line, cells });
        }
    }
}

/// A fault of the row in this line.
pub(super) fn fault(line: usize, message: impl Into<String>) -> Fault {
    Fault { line, path: String::new(), message: message.into() }
}

/// Splits a table into rows.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, Fault> {
    // The last line ends as all others do.
    let text = format!("{}\n", text.strip_prefix('\u{feff}').unwrap_or(text));
    let (mut values, mut rows) = (Values::new(&text), Rows::default());
    let mut began = None;
    while let Some(value) = values.next()? {
        let line = *began.get_or_insert(value.line);
        rows.cell(line, value.text)?;
        if value.ends_row {
            rows.end(line);
            began = None;
        }
    }
    Ok(rows.rows)
}

/// A value, and the line where it begins.
struct Value {
    line: usize,
    text: String,
    ends_row: bool,
}

/// The values of a table one after the other. The crate finds where each ends and what it means. It takes every text whatever, so
/// what each value means is compared with how it is written, and what a person cannot have meant is refused.
struct Values<'a> {
    reader: csv_core::Reader,
    rest: &'a [u8],
    meant: Vec<u8>,
    line: usize,
    begins_row: bool,
}

impl<'a> Values<'a> {
    fn new(text: &'a str) -> Self {
        let reader = csv_core::ReaderBuilder::new().terminator(csv_core::Terminator::Any(b'\n')).build();
        // No value is longer than the text.
        let meant = vec![0; text.len() + 1];
        Self { reader, rest: text.as_bytes(), meant, line: 1, begins_row: true }
    }

    fn next(&mut self) -> Result<Option<Value>, Fault> {
        let (result, taken, length) = self.reader.read_field(self.rest, &mut self.meant);
        let (mut written, rest) = self.rest.split_at(taken);
        self.rest = rest;
        if self.begins_row {
            // Lines in which there is nothing were passed over.
            let empty = written.iter().take_while(|byte| **byte == b'\n').count();
            (self.line, written) = (self.line + empty, &written[empty..]);
        }
        let line = self.line;
        self.line += lines(written);
        let csv_core::ReadFieldResult::Field { record_end: ends_row } = result else {
            let never_ends = "begins a quoted value without a closing quote";
            return if written.is_empty() { Ok(None) } else { Err(fault(line, never_ends)) };
        };
        self.begins_row = ends_row;
        // What ends a value is a comma, or the end of its line, which may be of two bytes.
        let (mut written, mut meant) = (&written[..written.len() - 1], &self.meant[..length]);
        if ends_row && let Some(shorter) = written.strip_suffix(b"\r") {
            (written, meant) = (shorter, meant.strip_suffix(b"\r").unwrap_or(meant));
        }
        let text = meaning(written, &String::from_utf8_lossy(meant), line)?;
        Ok(Some(Value { line, text, ends_row }))
    }
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// What a value means. Spaces around it are nobody's, unless they are in quotes.
fn meaning(written: &[u8], meant: &str, line: usize) -> Result<String, Fault> {
    if !written.contains(&b'"') {
        return Ok(meant.trim().to_owned());
    }
    if written == quoted(meant).as_bytes() {
        return Ok(meant.to_owned());
    }
    if written.starts_with(b"\"") {
        return Err(fault(line + lines(written), "continues after a closing quote: put a comma there"));
    }
    Err(fault(line, "has a quote inside a value: quote the whole value and double the quotes inside it"))
}

/// In quotes, where two quotes are one.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Before a value that a spreadsheet would take for a formula: there it means "a text", and is not shown.
const GUARD: char = '\'';
/// What a formula begins with; spreadsheets pass over some of them to find the others.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Whether a text begins a formula, behind whatever guards.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches(GUARD).starts_with(FORMULA)
}

/// One value as a cell. What begins a formula is guarded, and so is what looks as if it were guarded.
pub(super) fn cell(text: &str) -> String {
    let guard = if is_formula(text) { "'" } else { "" };
    let plain = !text.contains(['"', ',', '\n', '\r']) && text.trim() == text;
    let guarded = format!("{guard}{text}");
    if plain { guarded } else { quoted(&guarded) }
}

/// A cell without the guard that [`cell`] gave it, or a person.
pub(super) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix(GUARD) {
        Some(text) if is_formula(text) => text,
        Some(_) | None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_as_the_rfc_says() {
        let check = |text: &str, expected: &[(usize, &[&str])]| {
            let read: Vec<_> = rows(text).unwrap().into_iter().map(|row| (row.line, row.cells)).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()))
                .collect();
            assert_eq!(read, expected, "{text:?}");
        };
        check("a,b\r\n1,2\r\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,\"b,c\"\n\n,\"d \"\"e\"\"\"", &[(1, &["a", "b,c"]), (3, &["", "d \"e\""])]);
        check("\u{feff}a,\"1\n2\"\nb,", &[(1, &["a", "1\n2"]), (3, &["b", ""])]);
        check("", &[]);
        check("\n\n\na , b\r\n\r\n\n\"c\"\r\n", &[(4, &["a", "b"]), (7, &["c"])]);
        check("\"a\r\nb\r\",\" c \"\r\n\"\"\"\"", &[(1, &["a\r\nb\r", " c "]), (3, &["\""])]);
    }

    #[test]
    fn what_nobody_can_have_meant_is_refused_with_its_line() {
        let check = |text: &str, line: usize, words: &str| {
            let fault = rows(text).unwrap_err();
            assert!(fault.line == line && fault.message.contains(words), "{text:?}: {fault}");
        };
        check("a\"b", 1, "quote inside");
        check("a,b\n\n1, \"2\"", 3, "quote inside");
        check("a\n\"1\n2\"b\n3", 3, "after a closing");
        check("\"a\" ,b", 1, "after a closing");
        check("\"a\"b\"c\"", 1, "after a closing");
        check("a,b\n1,\"2\n3\n", 2, "without a closing quote");
        check("a\n\"", 2, "without a closing quote");
        check("\"a\"\"", 1, "without a closing quote");
    }

    /// A spreadsheet takes what begins so for a formula, and some run programs.
    #[test]
    fn no_cell_begins_a_formula() {
        let check = |text: &str, expected: &str| {
            assert_eq!(cell(text), expected);
            assert_eq!(tree_cell(expected), text);
        };
        check("leaf1", "leaf1");
        check("=1+1", "'=1+1");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "\"'\t=1\"");
        check("\r=1", "\"'\r=1\"");
        check("=a,\"b\"", "\"'=a,\"\"b\"\"\"");
        // What looks like a guard of ours gets another, so that it stays.
        check("'=1", "''=1");
        check("'name'", "'name'");
        check("'", "'");
    }

    /// A written cell as the reader takes it.
    fn tree_cell(written: &str) -> String {
        unguarded(&rows(written).unwrap()[0].cells[0]).to_owned()
    }

    proptest::proptest! {
        #[test]
        fn any_cells_come_back(cells in proptest::collection::vec("['=+@\t\r -~\n]{0,9}", 1..5)) {
            let written = cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",");
            let read = rows(&written).unwrap();
            // A row without a value is nothing; a guard is one.
            let empty = cells.iter().all(|cell| cell.trim().is_empty() && !is_formula(cell));
            proptest::prop_assert_eq!(read.is_empty(), empty);
            if let Some(row) = read.first() {
                let read: Vec<_> = row.cells.iter().map(|cell| unguarded(cell)).collect();
                proptest::prop_assert_eq!(read, cells);
            }
        }
    }
}
