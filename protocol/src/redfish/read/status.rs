//! Values: how a part is, as its `Status` says.

use serde::Serialize;

use crate::redfish::node::Node;

/// How well a part is; ordered from well to ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Well.
    Ok,
    /// It wants a look.
    Warning,
    /// It has failed, or is about to.
    Critical,
}

impl Health {
    /// From the word that services use, in whatever case.
    pub fn read(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "ok" => Some(Health::Ok),
            "warning" => Some(Health::Warning),
            "critical" => Some(Health::Critical),
            _ => None,
        }
    }

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Warning => "warning",
            Health::Critical => "critical",
        }
    }
}

/// How a part is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `Enabled`, `Absent`, `StandbyOffline`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How well it is, what is in it included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl Status {
    /// Of the `Status` of a resource.
    pub fn of(node: Node<'_>) -> Self {
        let health = |name| node.text(name).and_then(|word| Health::read(&word));
        // What is in a part may be worse than the part itself.
        Self { state: node.text("State"), health: health("Health").max(health("HealthRollup")) }
    }

    /// Whether there is a place for it, and nothing in it.
    pub fn is_absent(&self) -> bool {
        self.state.as_deref() == Some("Absent")
    }

    /// In words: the health, and the state where that is not the usual one.
    pub fn words(&self) -> String {
        let health = self.health.map(Health::name);
        let state = self.state.as_deref().filter(|state| *state != "Enabled");
        match (health, state) {
            (Some(health), Some(state)) => format!("{health}, {state}"),
            (Some(only), None) | (None, Some(only)) => only.to_owned(),
            (None, None) => String::new(),
        }
    }
}
