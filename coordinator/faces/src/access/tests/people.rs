//! Values: who comes to the authenticator in the tests, and what each must be able to do, written down by hand.

use crate::access::Least::{self, Anybody, ReadAll, ReadOwn, ReadSecrets, WriteAll, WriteOwn};
use fakes::cloud::ADMIN_PROJECT;

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
    person(
        "administrator",
        Some(ADMIN_PROJECT),
        &[Anybody, ReadOwn, WriteOwn, ReadAll, WriteAll, ReadSecrets],
    ),
    person("system-admin", None, &[Anybody, ReadOwn, WriteOwn, ReadAll, WriteAll, ReadSecrets]),
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
