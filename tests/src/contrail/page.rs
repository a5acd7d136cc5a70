//! Decisions: a long list in pages, as the server gives them.
//!
//! A walk begins with an empty marker (`page_marker=` or `page_marker=none`); a limit alone does nothing. Each answer
//! carries the marker of the next page, null at the end. A full last page may be followed by an empty one.

use uuid::Uuid;

use super::{refusal::Refusal, store::Object, view::Query};

/// Rows on a page whose limit nobody said.
const LIMIT: usize = 256;

/// A page of a list that the query wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it begins: after this; none: at the start.
    after: Option<String>,
    limit: usize,
    /// Whether rows are told apart by uuid alone, as where a parent or uuids are named.
    anchored: bool,
}

impl Page {
    /// Reads the query. None: the whole list in one answer.
    pub fn read(query: &Query) -> Result<Option<Self>, Refusal> {
        let limit = query.get("page_limit").map(|text| limit(text)).transpose()?.unwrap_or(LIMIT);
        let Some(marker) = query.get("page_marker") else { return Ok(None) };
        let after =
            Some(marker.clone()).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("none"));
        if let Some(text) = &after
            && Uuid::parse_str(text.rsplit(':').next().unwrap_or("")).is_err()
        {
            let why = "badly formed hexadecimal UUID string";
            return Err(Refusal::new(400, format!("Invalid page_marker {text}: {why}")));
        }
        let anchors = ["parent_id", "parent_fq_name_str", "back_ref_id", "obj_uuids", "fq_names"];
        let anchored = anchors.iter().any(|anchor| query.contains_key(*anchor));
        Ok(Some(Self { after, limit, anchored }))
    }

    /// Where an object stands in the list.
    fn place(&self, object: &Object) -> String {
        if self.anchored { object.id.to_string() } else { place(object) }
    }

    /// Cuts the page out of a list and says the marker of the next one.
    pub fn cut(&self, list: &mut Vec<&Object>) -> Option<String> {
        list.sort_by_key(|object| self.place(object));
        list.retain(|object| self.after.as_ref().is_none_or(|after| self.place(object) > *after));
        let more = list.len() >= self.limit;
        list.truncate(self.limit);
        list.last().filter(|_| more).map(|last| self.place(last))
    }
}

/// Where an object stands in the list of its kind.
pub fn place(object: &Object) -> String {
    format!("{}:{}", object.fq_name.join(":"), object.id)
}

fn limit(text: &str) -> Result<usize, Refusal> {
    let bad = |why: String| Refusal::new(400, format!("Invalid page_limit {text}: {why}"));
    let number: i64 =
        text.parse().map_err(|_| bad(format!("invalid literal for int() with base 10: '{text}'")))?;
    usize::try_from(number)
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| bad("page_limit has to be greater than zero".to_owned()))
}
