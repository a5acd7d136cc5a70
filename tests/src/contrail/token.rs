//! Decisions: whether a request's token is let in, as where the server asks Keystone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{refusal::Refusal, request::Request};

/// How the server looks at roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Only administrators; whoever is none gets a 403 that promises a body and sends none.
    #[default]
    CloudAdmin,
    /// Rules say who may do what, and a refusal says so.
    Rbac,
}

/// What a token's user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Nothing, here.
    Member,
}

/// Tokens that the server takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// How roles are looked at.
    #[serde(default)]
    pub mode: Mode,
    /// Tokens that Keystone knows; all others are refused.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No token, or one that Keystone does not know.
    Unknown,
    /// 403 with the length of a text that is never sent.
    Bodiless,
    /// Refused in words.
    Refused(Refusal),
}

impl Tokens {
    /// Judges a request; `request` is none for what is no request to objects.
    pub fn judge(&self, token: Option<&str>, request: Option<&Request>) -> Result<(), Denial> {
        match (token.and_then(|token| self.roles.get(token)), self.mode) {
            (None, _) => Err(Denial::Unknown),
            (Some(Role::Admin), _) => Ok(()),
            (Some(Role::Member), Mode::CloudAdmin) => Err(Denial::Bodiless),
            (Some(Role::Member), Mode::Rbac) => self.rule(request),
        }
    }

    fn rule(&self, request: Option<&Request>) -> Result<(), Denial> {
        let refused = |verb: &str, what: &str| {
            let text = format!("Permission Denied for member as ['member'] to {verb} {what} in member");
            Err(Denial::Refused(Refusal::new(403, text)))
        };
        match request {
            Some(Request::Create(kind, _)) => refused("C", kind.name),
            Some(Request::Read(kind, ..) | Request::List(kind, _)) => refused("R", kind.name),
            Some(Request::Update(kind, ..)) => refused("U", kind.name),
            Some(Request::Delete(kind, _)) => refused("D", kind.name),
            Some(Request::RefUpdate(_)) => refused("C", "ref-update"),
            Some(Request::NameToId(_) | Request::IdToName(_)) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_is_let_in_by_its_role() {
        let ask = Request::NameToId(Value::Null);
        let change = Request::RefUpdate(Value::Null);
        let roles = [("a".to_owned(), Role::Admin), ("m".to_owned(), Role::Member)].into();
        let mut tokens = Tokens { mode: Mode::CloudAdmin, roles };
        assert_eq!(tokens.judge(None, Some(&ask)), Err(Denial::Unknown));
        assert_eq!(tokens.judge(Some("x"), Some(&ask)), Err(Denial::Unknown));
        assert_eq!(tokens.judge(Some("a"), Some(&change)), Ok(()));
        assert_eq!(tokens.judge(Some("m"), Some(&ask)), Err(Denial::Bodiless));
        tokens.mode = Mode::Rbac;
        assert_eq!(tokens.judge(Some("m"), Some(&ask)), Ok(()));
        assert!(
            matches!(tokens.judge(Some("m"), Some(&change)), Err(Denial::Refused(it)) if it.status == 403)
        );
    }
}
