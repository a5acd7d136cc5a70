//! Values: who comes to the door in the tests, and what each must be able to do, written down by hand.

use serde_json::{Value, json};

use crate::access::Least::{self, Anybody, ReadAll, ReadOwn, WriteAll, WriteOwn};

/// Id of the project that the site names.
pub const ADMIN_PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// Somebody, and what must come of it.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// User's name, and what follows `token-` in the token.
    pub name: &'static str,
    /// The project of the token.
    pub project: Option<&'static str>,
    /// What this one may do.
    pub may: &'static [Least],
}

/// Whoever has no good token.
pub const STRANGERS: [&str; 2] = ["nobody", "garbage"];

/// Everybody with a good token.
pub const PEOPLE: [Person; 11] = [
    person("reader", Some("demo"), &[Anybody, ReadOwn]),
    person("member", Some("demo"), &[Anybody, ReadOwn, WriteOwn]),
    person("other-member", Some("other"), &[Anybody, ReadOwn, WriteOwn]),
    // Somebody made it admin of a project of its own, called like the administrators' one.
    person("other-admin", Some("other"), &[Anybody, ReadOwn, WriteOwn]),
    person("domain-admin", None, &[Anybody]),
    person("unscoped-admin", None, &[Anybody]),
    person("roleless", Some("demo"), &[Anybody]),
    person("system-reader", None, &[Anybody, ReadOwn, ReadAll]),
    person("system-member", None, &[Anybody, ReadOwn, ReadAll]),
    person("administrator", Some(ADMIN_PROJECT), &[Anybody, ReadOwn, WriteOwn, ReadAll, WriteAll]),
    person("system-admin", None, &[Anybody, ReadOwn, WriteOwn, ReadAll, WriteAll]),
];

const fn person(name: &'static str, project: Option<&'static str>, may: &'static [Least]) -> Person {
    Person { name, project, may }
}

impl Person {
    /// Whether this one sees everybody's things.
    pub fn sees_all(self) -> bool {
        self.may.contains(&ReadAll)
    }

    /// Whether this one may change anything.
    pub fn writes(self) -> bool {
        self.may.contains(&WriteOwn)
    }

    /// Whether a good token gives this one nothing.
    pub fn is_refused(self) -> bool {
        self.may == [Anybody]
    }
}

/// A token's answer of Keystone.
pub fn described(name: &str) -> Option<Value> {
    let all = ["admin", "member", "reader"];
    let project = |id: &str, name: &str| json!({ "project": { "id": id, "name": name } });
    let system = json!({ "system": { "all": true } });
    let (scope, roles): (Value, &[&str]) = match name {
        "reader" => (project("demo", "demo"), &all[2..]),
        "member" => (project("demo", "demo"), &all[1..]),
        "other-member" => (project("other", "other"), &all[1..]),
        "other-admin" => (project("other", "admin"), &all),
        // As many more members of a project as somebody likes to make.
        _ if name.starts_with("member-") => (project("demo", "demo"), &all[1..]),
        "domain-admin" => (json!({ "domain": { "id": "d", "name": "d1" } }), &all),
        "unscoped-admin" => (json!({}), &all),
        "roleless" => (project("demo", "demo"), &["heat_stack_owner"]),
        "system-reader" => (system, &all[2..]),
        "system-member" => (system, &all[1..]),
        "administrator" => (project(ADMIN_PROJECT, "admin"), &all),
        "system-admin" | "bms" => (system, &all),
        _ => return None,
    };
    let roles: Vec<Value> = roles.iter().map(|role| json!({ "id": role, "name": role })).collect();
    let mut token = json!({ "user": { "id": name, "name": name }, "roles": roles });
    token.as_object_mut()?.extend(scope.as_object()?.clone());
    Some(token)
}
