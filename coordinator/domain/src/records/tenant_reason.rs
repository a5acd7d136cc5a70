//! Values: why a tenant's server is as it is: in an administrator's words, and as a kind, by which it is decided and told.

use serde::{Deserialize, Serialize};

use crate::lifecycle::trouble::Trouble;

/// What the end of a tenancy waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Nova, which is ending it.
    Nova,
    /// Whoever keeps the node in maintenance.
    Operator,
    /// The end of what Ironic does with the node, which cannot be broken off.
    Work,
    /// Ironic, which is ending it.
    Release,
    /// The ports to leave the tenant's network.
    Unplug,
    /// The clean.
    Clean,
    /// An administrator: its disks are not clean, and it is not being cleaned.
    Person,
}

impl Wait {
    /// All of them.
    pub const ALL: [Wait; 7] =
        [Wait::Nova, Wait::Operator, Wait::Work, Wait::Release, Wait::Unplug, Wait::Clean, Wait::Person];

    /// In its tenant's words.
    pub fn words(self) -> &'static str {
        match self {
            Wait::Nova => "Nova is ending it",
            Wait::Operator => "the operator is working on its machine, which is taken back when that is done",
            Wait::Work => "the work on its machine comes to its end first, then it is taken back",
            Wait::Release => "its machine is switched off and released",
            Wait::Unplug => "its machine is taken off its network",
            Wait::Clean => "its disks are being erased",
            Wait::Person => "its disks could not be erased yet; an administrator has to look at its machine",
        }
    }
}

/// What kind of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantReasonKind {
    /// Its end waits.
    Waits(Wait),
    /// Something is wrong.
    Trouble(Trouble),
}

impl TenantReasonKind {
    /// In its tenant's words: nothing of what a service or a machine said.
    pub fn words(self) -> &'static str {
        match self {
            TenantReasonKind::Waits(wait) => wait.words(),
            TenantReasonKind::Trouble(trouble) => trouble.words(),
        }
    }
}

/// Why a tenant's server is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReason {
    /// What kind of reason: what is decided goes by this.
    pub kind: TenantReasonKind,
    /// For administrators, word for word as it was said.
    pub text: String,
}

impl TenantReason {
    /// Its end waits for this.
    pub fn waits(wait: Wait) -> Self {
        Self { kind: TenantReasonKind::Waits(wait), text: wait.words().to_owned() }
    }

    /// A trouble, and what was said of it.
    pub fn trouble(trouble: Trouble, text: impl Into<String>) -> Self {
        Self { kind: TenantReasonKind::Trouble(trouble), text: text.into() }
    }

    /// Nova has lost a server in use. Nothing is ended for it: its tenant did not ask.
    pub fn unknown_to_nova() -> Self {
        Self::trouble(
            Trouble::UnknownToNova,
            "Nova does not know this server any more, and nobody is seen to have deleted it there; it is left running: \
             give it back (server delete), or have an administrator look at Nova",
        )
    }
}
