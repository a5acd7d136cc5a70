//! Values: forms: what was typed, what is wrong with it, and the import file that a form stands for.

use std::{borrow::Cow, collections::BTreeMap};

use api_types::FieldFault;
use askama::Template;
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// What somebody typed, by the fields' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed(pub BTreeMap<String, String>);

impl Typed {
    /// A field's text without blanks around it; empty when it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// The same; none when it is empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|text| !text.is_empty())
    }

    /// A field's words, whatever is between them.
    pub fn words(&self, name: &str) -> Vec<&str> {
        let split = self.get(name).split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        split.filter(|word| !word.is_empty()).collect()
    }

    /// Refuses what loses something and was not said to be meant.
    pub fn check_sure(&self) -> Result<(), Problem> {
        if self.get("sure") == "yes" {
            return Ok(());
        }
        Err(Problem::bad("this destroys data: tick the box to confirm, then try again"))
    }

    /// What was typed, or this.
    pub fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, |text| text.trim())
    }
}

/// One thing that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Sent.
    pub value: String,
    /// Shown.
    pub label: String,
}

impl Choice {
    /// Value and label.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Choice { value: value.into(), label: label.into() }
    }
}

/// One field with its label, its help and its faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Template)]
#[template(path = "field.html")]
pub struct Field {
    /// Name in the form.
    pub name: Cow<'static, str>,
    /// Its id on the page, when another field there has the same name; empty: its name.
    pub id: &'static str,
    /// Label.
    pub label: Cow<'static, str>,
    /// HTML's type of the input: `text`, `password`, `number`, `textarea`, `select`, `checkbox`.
    pub kind: &'static str,
    /// What it holds.
    pub value: String,
    /// What helps to fill it.
    pub hint: Cow<'static, str>,
    /// Example that is shown while it is empty.
    pub example: &'static str,
    /// What the browser may fill in by itself.
    pub autocomplete: &'static str,
    /// Whether it must be filled.
    pub required: bool,
    /// Of a `select`.
    pub choices: Vec<Choice>,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

impl Field {
    /// A text.
    pub fn text(
        name: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
        typed: &Typed,
    ) -> Self {
        let (name, label) = (name.into(), label.into());
        let value = typed.get(&name).to_owned();
        Field { name, label, kind: "text", value, autocomplete: "off", required: true, ..Field::default() }
    }

    /// A password. It is never sent back to the browser.
    pub fn password(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Field {
            name: name.into(),
            label: label.into(),
            kind: "password",
            autocomplete,
            required: true,
            ..Field::default()
        }
    }

    /// A whole number.
    pub fn number(name: &'static str, label: &'static str, typed: &Typed, default: &str) -> Self {
        Field { kind: "number", ..Self::text(name, label, typed).default_value(typed, default) }
    }

    /// Several lines.
    pub fn lines(name: &'static str, label: &'static str, typed: &Typed) -> Self {
        Field { kind: "textarea", ..Self::text(name, label, typed) }
    }

    /// One of some.
    pub fn select(
        name: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
        typed: &Typed,
        choices: Vec<Choice>,
    ) -> Self {
        Field { kind: "select", choices, ..Self::text(name, label, typed) }
    }

    /// Something to be ticked; its value is empty while it is not.
    pub fn tick(name: String, label: String, typed: &Typed) -> Self {
        Field { kind: "checkbox", ..Self::text(name, label, typed).optional() }
    }

    /// It holds this unless something was typed.
    pub fn default_value(mut self, typed: &Typed, value: &str) -> Self {
        self.value = typed.or(&self.name, value).to_owned();
        self
    }

    /// Its id on the page.
    fn element(&self) -> &str {
        if self.id.is_empty() { &self.name } else { self.id }
    }

    /// Another field of the page has the same name.
    pub fn id(self, id: &'static str) -> Self {
        Field { id, ..self }
    }

    /// What helps to fill it.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Field { hint: hint.into(), ..self }
    }

    /// An example.
    pub fn example(self, example: &'static str) -> Self {
        Field { example, ..self }
    }

    /// It may stay empty.
    pub fn optional(self) -> Self {
        Field { required: false, ..self }
    }

    /// With everything that is wrong with it.
    pub fn with(mut self, faults: &Faults) -> Self {
        self.faults = faults.at(&self.name);
        self
    }
}

/// What is wrong with what was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// At fields.
    pub fields: Vec<(String, String)>,
    /// With the whole.
    pub whole: Vec<String>,
}

impl Faults {
    /// What is wrong with a field.
    pub fn at(&self, name: &str) -> Vec<String> {
        self.fields.iter().filter(|(field, _)| field == name).map(|(_, text)| text.clone()).collect()
    }

    /// Of a refusal; the form's fields are called as the request's, and one of the form's may hold a whole list of the request's.
    pub fn of(problem: &Problem, fields: &[&str]) -> Self {
        Self::placed(problem, |field| {
            let list = field.split_once('[').map_or(field, |(list, _)| list);
            fields.iter().find(|name| **name == list).map(|name| (*name).to_owned())
        })
    }

    /// Of a refusal; `place` knows the form's field for a field of the request. Faults at fields that the form does not have are
    /// faults of the whole.
    pub fn placed(problem: &Problem, place: impl Fn(&str) -> Option<String>) -> Self {
        let mut faults = Faults::default();
        for FieldFault { field, message } in &problem.fields {
            match place(field) {
                Some(name) => faults.fields.push((name, message.clone())),
                None if field.is_empty() => faults.whole.push(message.clone()),
                None => faults.whole.push(format!("{field}: {message}")),
            }
        }
        if faults.is_empty() {
            faults.whole.push(problem.detail.clone());
        }
        faults
    }

    /// Of a refused import of the one server that the form describes.
    pub fn of_server(problem: &Problem) -> Self {
        Self::placed(problem, |field| server_field(field).map(str::to_owned))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.whole.is_empty()
    }
}

/// The form's field for a parameter of the import or a path inside its file.
fn server_field(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("nodes[0].").unwrap_or(path);
    let (port, rest) = match (path.strip_prefix("ports[0]"), path.strip_prefix("ports[1]")) {
        (Some(rest), _) => (0, rest),
        (None, Some(rest)) => (1, rest),
        (None, None) => (0, path),
    };
    let ports = |first, second| Some(if port == 0 { first } else { second });
    match rest {
        "name" => Some("name"),
        ".name" => ports("port_name", "port2_name"),
        "rack" => Some("rack"),
        "resource_class" => Some("resource_class"),
        "driver" => Some("driver"),
        "driver_info" | "driver_info.ipmi_address" | "driver_info.redfish_address" => Some("bmc_address"),
        "driver_info.ipmi_port" => Some("bmc_port"),
        "driver_info.ipmi_username" | "driver_info.redfish_username" => Some("bmc_user"),
        "driver_info.ipmi_password" | "driver_info.redfish_password" => Some("bmc_password"),
        "ports" => Some("mac"),
        ".mac_address" => ports("mac", "port2_mac"),
        ".switch_name" => ports("switch", "port2_switch"),
        ".port_name" => ports("switch_port", "port2_switch_port"),
        _ => None,
    }
}

/// The import file (JSON is YAML) of one server as the form describes it. What is empty is left out, so that the
/// importer says what is missing, in the same words as for a file.
pub fn server_file(typed: &Typed) -> String {
    let mut node = Map::new();
    let put = |map: &mut Map<String, Value>, key: &str, field: &str| {
        if let Some(text) = typed.filled(field) {
            map.insert(key.to_owned(), json!(text));
        }
    };
    put(&mut node, "name", "name");
    let driver = typed.or("driver", "ipmi");
    node.insert("driver".to_owned(), json!(driver));
    let mut info = Map::new();
    let kind = if driver == "redfish" { "redfish" } else { "ipmi" };
    put(&mut info, &format!("{kind}_address"), "bmc_address");
    if kind == "ipmi" {
        put(&mut info, "ipmi_port", "bmc_port");
    }
    put(&mut info, &format!("{kind}_username"), "bmc_user");
    put(&mut info, &format!("{kind}_password"), "bmc_password");
    node.insert("driver_info".to_owned(), Value::Object(info));
    let mode = typed.or("boot_mode", "uefi");
    node.insert("properties".to_owned(), json!({ "capabilities": format!("boot_mode:{mode}") }));
    let mut ports = Vec::new();
    for (number, prefix) in [(1, ""), (2, "port2_")] {
        let field = |name: &str| match (number, name) {
            (1, "name") => "port_name".to_owned(),
            _ => format!("{prefix}{name}"),
        };
        let mut port = Map::new();
        put(&mut port, "name", &field("name"));
        put(&mut port, "mac_address", &field("mac"));
        put(&mut port, "switch_name", &field("switch"));
        put(&mut port, "port_name", &field("switch_port"));
        let is_described =
            ["mac", "switch", "switch_port"].iter().any(|name| typed.filled(&field(name)).is_some());
        if number == 1 || is_described {
            port.insert("pxe_enabled".to_owned(), json!(number == 1));
            ports.push(Value::Object(port));
        }
    }
    node.insert("ports".to_owned(), Value::Array(ports));
    json!({ "nodes": [node] }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::import;

    fn typed(changes: &[(&str, &str)]) -> Typed {
        let good = [
            ("name", "srv9"),
            ("driver", "ipmi"),
            ("bmc_address", "192.0.2.9"),
            ("bmc_user", "admin"),
            ("bmc_password", "se:cr\"et"),
            ("port_name", "eth0"),
            ("mac", "52:54:00:00:00:09"),
            ("switch", "leaf1"),
            ("switch_port", "xe-0/0/9"),
        ];
        let all = good.iter().chain(changes);
        Typed(all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_form_is_an_import_file_and_its_faults_find_their_fields() {
        let check = |changes: &[(&str, &str)], expected: &[&str]| {
            let read = import::parse(&server_file(&typed(changes)));
            let faults = match read {
                Ok(_) => Faults::default(),
                Err(faults) => Faults::of_server(&Problem::faults(faults)),
            };
            let fields: Vec<_> = faults.fields.iter().map(|(field, _)| field.as_str()).collect();
            assert_eq!((fields.as_slice(), faults.whole.as_slice()), (expected, &[][..]), "{changes:?}");
        };
        check(&[], &[]);
        check(&[("mac", "52:54:zz")], &["mac"]);
        check(&[("mac", "")], &["mac"]);
        check(&[("bmc_address", ""), ("bmc_port", "99999")], &["bmc_address", "bmc_port"]);
        check(&[("driver", "redfish"), ("bmc_address", "ftp://x")], &["bmc_address"]);
        check(&[("driver", "telnet")], &["driver"]);
        check(
            &[("switch_port", ""), ("bmc_user", ""), ("bmc_password", "")],
            &["bmc_user", "bmc_password", "switch_port"],
        );
        check(&[("port2_mac", "52:54:00:00:00:0a")], &["port2_name", "port2_switch", "port2_switch_port"]);
        check(
            &[
                ("port2_name", "eth1"),
                ("port2_mac", "52:54:00:00:00:09"),
                ("port2_switch", "leaf1"),
                ("port2_switch_port", "xe-0/0/10"),
            ],
            &["port2_mac"],
        );
    }

    #[test]
    fn a_refusal_finds_its_fields_and_no_sentence_decides() {
        let check = |problem: Problem, fields: &[(&str, &str)], whole: &[&str]| {
            let faults = Faults::of(&problem, &["name", "match"]);
            let found: Vec<_> =
                faults.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            assert_eq!((found.as_slice(), faults.whole.as_slice()), (fields, &own(whole)[..]), "{problem:?}");
        };
        check(Problem::bad_at("name", "is empty"), &[("name", "is empty")], &[]);
        check(Problem::bad_at("match[2]", "is nothing"), &[("match", "is nothing")], &[]);
        check(
            Problem::bad_at_each(&["name", "match"], "do not fit"),
            &[("name", "do not fit"), ("match", "do not fit")],
            &[],
        );
        check(
            Problem::bad_at_each(&["name", "colour"], "do not fit"),
            &[("name", "do not fit")],
            &["colour: do not fit"],
        );
        check(Problem::bad_at("colour", "is not a field"), &[], &["colour: is not a field"]);
        // A sentence may look as if it began with a field.
        check(Problem::bad("name: that is what Nova says"), &[], &["name: that is what Nova says"]);
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }
}
