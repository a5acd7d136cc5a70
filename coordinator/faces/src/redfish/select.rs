//! Decisions: the part of a resource that `$select` names (DSP0266, the section of that name), after links have been opened.
//!
//! What must stay true: what identifies a resource, and each object on the way to what was named, is in the answer whether it was named or not;
//! a name that a resource does not have leaves nothing out but itself.

use serde_json::{Map, Value};

/// So many properties can be named in one request.
pub const NAMED_MAX: usize = 64;

/// What is always shown of a resource, as DSP0266 has it.
const ALWAYS: [&str; 4] = ["@odata.id", "@odata.type", "@odata.context", "@odata.etag"];

/// The properties that are asked for, each with the objects that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select(Vec<Vec<String>>);

impl Select {
    /// Reads `Name,Status/Health`; none: that is no list of properties, or a longer one than is answered.
    pub fn read(value: &str) -> Option<Self> {
        let paths: Vec<Vec<String>> =
            value.split(',').map(|path| path.trim().split('/').map(str::to_owned).collect()).collect();
        let is_whole = |path: &Vec<String>| path.iter().all(|name| !name.is_empty() && name != "*");
        (paths.len() <= NAMED_MAX && paths.iter().all(is_whole)).then_some(Self(paths))
    }

    /// What is left of a resource.
    pub fn of(&self, resource: Value) -> Value {
        let paths: Vec<&[String]> = self.0.iter().map(Vec::as_slice).collect();
        part(resource, &paths)
    }
}

fn part(value: Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields_of(fields, paths)),
        Value::Array(values) => values.into_iter().map(|value| part(value, paths)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn fields_of(fields: Map<String, Value>, paths: &[&[String]]) -> Map<String, Value> {
    let shown = |(name, value): (String, Value)| {
        if ALWAYS.contains(&name.as_str()) {
            return Some((name, value));
        }
        // What stands beside a property says something about it: `Members@odata.count`.
        let property = name.split_once('@').map_or(name.as_str(), |(property, _)| property);
        let below: Vec<&[String]> = paths
            .iter()
            .filter_map(|path| path.split_first())
            .filter(|(first, _)| *first == property)
            .map(|(_, below)| below)
            .collect();
        if below.is_empty() {
            None
        } else if below.iter().any(|path| path.is_empty()) {
            Some((name, value))
        } else {
            Some((name, part(value, &below)))
        }
    };
    fields.into_iter().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selection_keeps_what_identifies_and_what_was_named() {
        let check = |asked: &str, expected: Value| {
            let resource = json!({
                "@odata.id": "/a", "@odata.type": "#T.v1_0_0.T", "@odata.etag": "W/\"1\"",
                "Name": "n", "Id": "1",
                "Status": {"Health": "OK", "State": "Enabled"},
                "Members": [{"@odata.id": "/a/1", "Name": "one", "Id": "1"}, {"@odata.id": "/a/2", "Name": "two"}],
                "Members@odata.count": 2,
            });
            let mut answer = Select::read(asked).expect(asked).of(resource);
            let fields = answer.as_object_mut().expect("a resource");
            for name in ["@odata.id", "@odata.type", "@odata.etag"] {
                assert!(fields.remove(name).is_some(), "{asked}: {name}");
            }
            assert_eq!(answer, expected, "{asked}");
        };
        check("Name", json!({"Name": "n"}));
        check("Name, Status/Health", json!({"Name": "n", "Status": {"Health": "OK"}}));
        check("Status,Status/Health", json!({"Status": {"Health": "OK", "State": "Enabled"}}));
        check(
            "Members/Name",
            json!({
                "Members": [{"@odata.id": "/a/1", "Name": "one"}, {"@odata.id": "/a/2", "Name": "two"}],
                "Members@odata.count": 2,
            }),
        );
        check("Nam", json!({}));
        check("Name/First", json!({"Name": "n"}));
    }

    #[test]
    fn what_names_no_property_is_refused() {
        let many = |count: usize| vec!["Name"; count].join(",");
        for bad in ["", ",", "Name,", "/Name", "Status/", "Status//Health", "*", &many(NAMED_MAX + 1)] {
            assert_eq!(Select::read(bad), None, "{bad:?}");
        }
        assert!(Select::read(&many(NAMED_MAX)).is_some());
    }
}
