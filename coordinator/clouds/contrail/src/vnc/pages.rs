//! Decisions: a list that is read page by page: which page is asked for next, and when all rows are there.
//!
//! A page is a number of rows and a marker from which the next one goes on; no marker means that it was the last. A server
//! that pays no heed to pages says everything at once, without a marker. One whose marker stays where it was (an API
//! server on a database of its own memory does that below a parent) is asked for everything at once instead.

use std::collections::HashSet;

use serde_json::Value;

/// Rows of one page: a long row (a port group, a security group) has some kilobytes, and an answer 16 MiB at most.
pub const PAGE_ROWS: usize = 500;
/// Most pages of one list: half a million rows.
pub const PAGES_MAX: usize = 1000;
/// The marker before the first row, whatever rows are called.
const START: &str = "none";

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one.
    Page,
    /// Nothing: all rows are there.
    Done,
}

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// An answer without rows.
    #[error("it has no list of {kind}s")]
    NoRows {
        /// Of what.
        kind: String,
    },
    /// There is no end.
    #[error("the list of {kind}s does not end within {PAGES_MAX} pages of {PAGE_ROWS}")]
    Endless {
        /// Of what.
        kind: String,
    },
}

/// How a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// From this marker on.
    From(String),
    /// All at once.
    Whole,
}

/// A list on its way.
#[derive(Clone, Debug)]
pub struct Pages {
    kind: String,
    asked: Asked,
    pages: usize,
    /// An object that was changed meanwhile may be on two pages.
    seen: HashSet<String>,
    rows: Vec<Value>,
}

impl Pages {
    /// A list of objects of this kind, from its beginning.
    pub fn new(kind: &str) -> Self {
        let asked = Asked::From(START.to_owned());
        Self { kind: kind.to_owned(), asked, pages: 0, seen: HashSet::new(), rows: Vec::new() }
    }

    /// The parameters of the next page.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        match &self.asked {
            Asked::From(marker) => {
                vec![("page_limit", PAGE_ROWS.to_string()), ("page_marker", marker.clone())]
            }
            Asked::Whole => Vec::new(),
        }
    }

    /// Takes the answer to the last query.
    pub fn take(&mut self, mut answer: Value) -> Result<Next, PageError> {
        let Value::Array(rows) = answer[format!("{}s", self.kind)].take() else {
            return Err(PageError::NoRows { kind: self.kind.clone() });
        };
        self.pages += 1;
        for mut row in rows {
            let row = row[&self.kind].take();
            let new = row["uuid"].as_str().is_none_or(|id| self.seen.insert(id.to_owned()));
            if new {
                self.rows.push(row);
            }
        }
        let Some(marker) = answer["marker"].as_str() else { return Ok(Next::Done) };
        match &self.asked {
            Asked::Whole => return Ok(Next::Done),
            Asked::From(before) if before == marker => {
                self.asked = Asked::Whole;
                self.rows.clear();
                self.seen.clear();
            }
            Asked::From(_) => self.asked = Asked::From(marker.to_owned()),
        }
        if self.pages >= PAGES_MAX {
            return Err(PageError::Endless { kind: self.kind.clone() });
        }
        Ok(Next::Page)
    }

    /// All rows, in the order in which they came.
    pub fn rows(self) -> Vec<Value> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: std::ops::Range<usize>, marker: Value) -> Value {
        let rows: Vec<_> = ids.map(|id| json!({ "node": { "uuid": id.to_string() } })).collect();
        json!({ "nodes": rows, "marker": marker })
    }

    /// Reads a list from this server; how many rows, and how many pages were asked for.
    fn read(server: impl Fn(&[(&str, String)]) -> Value) -> Result<(usize, usize), PageError> {
        let mut pages = Pages::new("node");
        for asked in 1.. {
            if pages.take(server(&pages.query()))? == Next::Done {
                return Ok((pages.rows().len(), asked));
            }
        }
        unreachable!()
    }

    fn marker(query: &[(&str, String)]) -> Option<String> {
        query.iter().find(|(name, _)| *name == "page_marker").map(|(_, value)| value.clone())
    }

    #[test]
    fn every_row_comes_once_and_in_bounded_pages() {
        let turning = |total: usize| {
            move |query: &[(&str, String)]| {
                let from = marker(query).and_then(|text| text.parse().ok()).unwrap_or(0);
                let to = (from + PAGE_ROWS).min(total);
                page(from..to, if to < total { json!(to.to_string()) } else { Value::Null })
            }
        };
        assert_eq!(read(turning(0)), Ok((0, 1)));
        assert_eq!(read(turning(499)), Ok((499, 1)));
        assert_eq!(read(turning(30_000)), Ok((30_000, 60)));
        assert_eq!(read(turning(PAGE_ROWS * PAGES_MAX)), Ok((500_000, PAGES_MAX)));
        let endless = PageError::Endless { kind: "node".into() };
        assert_eq!(read(turning(PAGE_ROWS * PAGES_MAX + 1)), Err(endless));

        // Knows no pages.
        assert_eq!(read(|_| json!({ "nodes": page(0..900, Value::Null)["nodes"] })), Ok((900, 1)));
        // Stays at its marker: asked for everything at once.
        let stays = |query: &[(&str, String)]| match marker(query) {
            Some(_) => page(0..500, json!("d:p:499")),
            None => page(0..900, Value::Null),
        };
        assert_eq!(read(stays), Ok((900, 3)));
        // One object on two pages.
        let moved = |query: &[(&str, String)]| match marker(query).as_deref() {
            Some(START) => page(0..500, json!("m")),
            _ => page(490..600, Value::Null),
        };
        assert_eq!(read(moved), Ok((600, 2)));
        assert_eq!(read(|_| json!({})), Err(PageError::NoRows { kind: "node".into() }));
    }
}
