//! Values: Secure Boot of a server.

use serde::Serialize;

use crate::redfish::node::{Action, Node};

/// Secure Boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecureBoot {
    /// Whether the next boot has it.
    pub enable: Option<bool>,
    /// Whether the last boot had it: `Enabled` or `Disabled`.
    pub current: Option<String>,
    /// `UserMode`, `SetupMode`, …
    pub mode: Option<String>,
    /// How its keys are reset; none: they cannot be.
    #[serde(skip)]
    pub reset_keys: Option<Action>,
    /// Where its databases are.
    #[serde(skip)]
    pub databases: Option<String>,
}

impl From<Node<'_>> for SecureBoot {
    fn from(node: Node<'_>) -> Self {
        Self {
            enable: node.flag("SecureBootEnable"),
            current: node.text("SecureBootCurrentBoot"),
            mode: node.text("SecureBootMode"),
            reset_keys: node.action("SecureBoot.ResetKeys", "ResetKeysType"),
            databases: node.link("SecureBootDatabases").map(str::to_owned),
        }
    }
}

/// One database of keys or signatures: `PK`, `KEK`, `db`, `dbx`, …
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyDatabase {
    /// Its name in UEFI.
    pub name: String,
    /// How it is reset; none: it cannot be.
    #[serde(skip)]
    pub reset_keys: Option<Action>,
}

impl From<Node<'_>> for KeyDatabase {
    fn from(node: Node<'_>) -> Self {
        Self {
            name: super::hardware::name(node, &["DatabaseId", "Id"]),
            reset_keys: node.action("SecureBootDatabase.ResetKeys", "ResetKeysType"),
        }
    }
}

/// What becomes of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysReset {
    /// All of them are the maker's again.
    ToDefault,
    /// All of them are deleted.
    DeleteAll,
    /// The platform key is deleted: the server is in set-up mode.
    DeletePlatformKey,
}

impl KeysReset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ToDefault, Self::DeleteAll, Self::DeletePlatformKey];

    /// As Redfish calls it.
    pub fn word(self) -> &'static str {
        match self {
            KeysReset::ToDefault => "ResetAllKeysToDefault",
            KeysReset::DeleteAll => "DeleteAllKeys",
            KeysReset::DeletePlatformKey => "DeletePK",
        }
    }
}
