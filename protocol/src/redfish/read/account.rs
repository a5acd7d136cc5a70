//! Values: who may log in at a BMC.

use serde::Serialize;

use super::hardware::name;
use crate::redfish::node::Node;

/// A user, or a place for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Where it is.
    pub path: String,
    /// Its id.
    pub id: String,
    /// Its name; empty: a place that nobody has.
    pub name: String,
    /// `Administrator`, `Operator`, `ReadOnly`, …
    pub role: Option<String>,
    /// Whether it may log in.
    pub enabled: Option<bool>,
    /// Whether it is locked out after wrong passwords.
    pub locked: Option<bool>,
}

impl Account {
    /// Of a `ManagerAccount` at this path.
    pub fn of(path: &str, node: Node<'_>) -> Self {
        Self {
            path: path.to_owned(),
            id: name(node, &["Id", "Name"]),
            name: node.text("UserName").unwrap_or_default(),
            role: node.text("RoleId"),
            enabled: node.flag("Enabled"),
            locked: node.flag("Locked"),
        }
    }

    /// Whether it is a place for a user and nobody has it.
    pub fn is_free(&self) -> bool {
        self.name.is_empty() && self.enabled != Some(true)
    }
}
