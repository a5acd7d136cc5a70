//! Decisions: what a query asks beside the resource that its path names (DSP0266, section 7.3): that links are opened, and how deep, that
//! a part is shown, or that the only member is shown in place of its collection.
//!
//! What is not done and begins with `$` is refused, so that nobody takes everything for a selection; any other word is passed over.

use serde_json::Value;

use super::select::{NAMED_MAX, Select};

/// Links are opened so deep at most.
pub const LEVELS_MAX: u32 = 3;
/// So many links are opened for one request; what is left stays a link.
pub const OPENED_MAX: usize = 256;

/// What a query asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Links that are opened.
    pub expand: Option<Expand>,
    /// The part that is shown, of all that was opened.
    pub select: Option<Select>,
    /// The only member in place of its collection.
    pub only: bool,
}

/// Links that are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expand {
    /// Which.
    pub which: Which,
    /// How deep; 1: those of the resource itself.
    pub levels: u32,
}

/// Which links are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `*`: all.
    All,
    /// `.`: those that are not below `Links`.
    Subordinate,
    /// `~`: those below `Links`.
    Related,
}

/// Why a query is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// This parameter is not done here.
    NotSupported(String),
    /// This parameter has a value that cannot be; with what can.
    BadValue(String),
}

impl Query {
    /// Reads the parameters of a query, which are decoded already.
    pub fn read(parameters: &[(String, String)]) -> Result<Self, Unanswerable> {
        let mut query = Self::default();
        for (name, value) in parameters {
            match name.as_str() {
                "$expand" => query.expand = Some(Expand::read(value)?),
                "$select" => query.select = Some(select(value)?),
                "only" => query.only = true,
                other if other.starts_with('$') => {
                    return Err(Unanswerable::NotSupported(format!(
                        "{other} is not supported here; $expand, $select and only are"
                    )));
                }
                _ => {}
            }
        }
        if query.only && (query.expand.is_some() || query.select.is_some()) {
            let why = "only is not combined with another parameter: ask for the one member by its own path";
            return Err(Unanswerable::BadValue(why.to_owned()));
        }
        Ok(query)
    }

    /// What is shown of a resource whose links are opened.
    pub fn part_of(&self, resource: Value) -> Value {
        match &self.select {
            Some(select) => select.of(resource),
            None => resource,
        }
    }
}

fn select(value: &str) -> Result<Select, Unanswerable> {
    let bad = || {
        Unanswerable::BadValue(format!(
            "$select must be up to {NAMED_MAX} properties with commas between them, such as Name,Status/Health"
        ))
    };
    Select::read(value).ok_or_else(bad)
}

impl Expand {
    fn read(value: &str) -> Result<Self, Unanswerable> {
        let bad = || {
            Unanswerable::BadValue(format!(
                "$expand must be \"*\", \".\" or \"~\", with ($levels=1) to ($levels={LEVELS_MAX}) behind it for more than one level"
            ))
        };
        let (word, levels) = match value.split_once('(') {
            None => (value, 1),
            Some((word, rest)) => {
                let levels = rest.strip_suffix(')').and_then(|rest| rest.strip_prefix("$levels="));
                (word, levels.and_then(|levels| levels.parse().ok()).ok_or_else(bad)?)
            }
        };
        let which = match word {
            "*" => Which::All,
            "." => Which::Subordinate,
            "~" => Which::Related,
            _ => return Err(bad()),
        };
        if !(1..=LEVELS_MAX).contains(&levels) {
            return Err(bad());
        }
        Ok(Self { which, levels })
    }

    /// The same one level deeper; none: that was the deepest.
    pub fn deeper(self) -> Option<Self> {
        let levels = self.levels.checked_sub(1).filter(|levels| *levels > 0)?;
        Some(Self { levels, ..self })
    }
}

/// The links of a resource that are to be opened, in the order in which they stand.
pub fn links(resource: &mut Value, which: Which) -> Vec<&mut Value> {
    let mut found = Vec::new();
    look(resource, which, false, &mut found);
    found
}

fn look<'a>(value: &'a mut Value, which: Which, is_related: bool, found: &mut Vec<&'a mut Value>) {
    if target(value).is_some() {
        let is_wanted = match which {
            Which::All => true,
            Which::Subordinate => !is_related,
            Which::Related => is_related,
        };
        if is_wanted {
            found.push(value);
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                look(field, which, is_related || name == "Links", found);
            }
        }
        Value::Array(values) => {
            for value in values {
                look(value, which, is_related, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where a link leads that is nothing but a link.
pub fn target(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get("@odata.id")?.as_str()
}

/// The path of a collection's only member.
pub fn only_member(collection: &Value) -> Option<&str> {
    match collection["Members"].as_array()?.as_slice() {
        [one] => target(one),
        [] | [_, ..] => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_what_the_standard_has_or_refused() {
        let check = |parameters: &[(&str, &str)], expected: Result<Query, ()>| {
            let owned: Vec<_> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(Query::read(&owned).map_err(|_| ()), expected, "{parameters:?}");
        };
        let expand = |which, levels| Ok(Query { expand: Some(Expand { which, levels }), ..Query::default() });
        check(&[], Ok(Query::default()));
        check(&[("$expand", "*")], expand(Which::All, 1));
        check(&[("$expand", ".($levels=3)")], expand(Which::Subordinate, 3));
        check(&[("$expand", "~($levels=2)"), ("pretty", "1")], expand(Which::Related, 2));
        check(&[("only", "")], Ok(Query { only: true, ..Query::default() }));
        let select = Select::read("Name,Status/Health");
        check(&[("$select", "Name,Status/Health")], Ok(Query { select, ..Query::default() }));
        for value in
            ["", "Members", ".($levels=4)", ".($levels=0)", ".($levels=1", ".($depth=1)", ".($levels=-1)"]
        {
            check(&[("$expand", value)], Err(()));
        }
        check(&[("$filter", "Id eq 1")], Err(()));
        check(&[("$select", "")], Err(()));
        check(&[("only", ""), ("$select", "Id")], Err(()));
        check(&[("only", ""), ("$expand", ".")], Err(()));
    }

    #[test]
    fn only_links_that_are_nothing_else_are_opened() {
        let check = |which: Which, expected: &[&str]| {
            let mut resource = json!({
                "@odata.id": "/a",
                "Bios": {"@odata.id": "/a/bios"},
                "Fans": [{"@odata.id": "/a#/Fans/0", "MemberId": "0"}],
                "Links": {"Chassis": [{"@odata.id": "/c"}]},
                "Members": [{"@odata.id": "/a/1"}, {"@odata.id": 3}],
            });
            let found: Vec<_> = links(&mut resource, which)
                .iter()
                .filter_map(|link| target(link))
                .map(str::to_owned)
                .collect();
            assert_eq!(found, expected, "{which:?}");
        };
        check(Which::Subordinate, &["/a/bios", "/a/1"]);
        check(Which::Related, &["/c"]);
        check(Which::All, &["/a/bios", "/c", "/a/1"]);
        let one = json!({"Members": [{"@odata.id": "/a/1"}]});
        assert_eq!(only_member(&one), Some("/a/1"));
        assert_eq!(only_member(&json!({"Members": []})), None);
        assert_eq!(only_member(&json!({"Name": "x"})), None);
    }

    #[test]
    fn deeper_ends() {
        let deep = Expand { which: Which::All, levels: 2 };
        assert_eq!(deep.deeper().and_then(Expand::deeper), None);
    }
}
