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
            let message = format!("has more than {CELLS_MAX} columns, which no table of servers has");
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

/// Splits a table into rows. Inside of quotes everything counts, and two quotes are one.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut cell) = (Rows::default(), String::new());
    let (mut line, mut began, mut quoted, mut was_quoted) = (1, 1, false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => {
                return Err(fault(
                    line,
                    "has a quote inside of a value: put the whole value into quotes and double those inside",
                ));
            }
            _ if quoted => {
                line += usize::from(letter == '\n');
                cell.push(letter);
            }
            ',' => {
                rows.cell(began, value(&mut cell, was_quoted))?;
                was_quoted = false;
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                rows.cell(began, value(&mut cell, was_quoted))?;
                rows.end(began);
                line += 1;
                (began, was_quoted) = (line, false);
            }
            _ if was_quoted => return Err(fault(line, "goes on after a closing quote: put a comma there")),
            other => cell.push(other),
        }
    }
    if quoted {
        return Err(fault(began, "begins a quoted value that never ends"));
    }
    if !cell.is_empty() || !rows.cells.is_empty() || was_quoted {
        rows.cell(began, value(&mut cell, was_quoted))?;
        rows.end(began);
    }
    Ok(rows.rows)
}

/// Spaces around a value are nobody's, unless they are in quotes.
fn value(cell: &mut String, was_quoted: bool) -> String {
    let value = std::mem::take(cell);
    if was_quoted { value } else { value.trim().to_owned() }
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
    if plain { format!("{guard}{text}") } else { format!("\"{guard}{}\"", text.replace('"', "\"\"")) }
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
        for (bad, words) in [("a\"b", "quote inside"), ("\"a\"b", "after a closing"), ("\"a", "never ends")] {
            assert!(rows(bad).unwrap_err().message.contains(words), "{bad:?}");
        }
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
