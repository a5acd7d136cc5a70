//! Values: what is kept of a rack's agent, of its certificates, and of the commands that it was given.

use protocol::{
    command::CommandResult,
    id::{CommandId, RackId, ServerId},
};
use uuid::Uuid;

use crate::certificate::{Certificate, Fingerprint};

/// A rack's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its rack.
    pub rack: RackId,
    /// Its last start.
    pub boot_id: Uuid,
    /// Its program's version.
    pub version: String,
    /// Every report up to this number is stored.
    pub acknowledged: u64,
    /// When it was last heard of.
    pub seen_us: u64,
}

/// How a certificate of an agent came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `bms-coordinator issue-agent` wrote it.
    Issued,
    /// It was given on the agent's stream.
    Renewed,
    /// It was given before certificates were stored, and was the first of its rack to be used since.
    TakenUp,
}

impl Origin {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Issued => "issued",
            Origin::Renewed => "renewed",
            Origin::TakenUp => "taken_up",
        }
    }
}

impl std::str::FromStr for Origin {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Origin::Issued, Origin::Renewed, Origin::TakenUp];
        let found = all.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not an origin of a certificate"))
    }
}

/// A certificate that was given to the agent of a rack, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCertificate {
    /// Which.
    pub fingerprint: Fingerprint,
    /// The rack that it names.
    pub rack: RackId,
    /// How it came to be known.
    pub origin: Origin,
    /// The one that it follows.
    pub renewed_from: Option<Fingerprint>,
    /// When it was given, in microseconds since 1970, as all of these.
    pub given_us: u64,
    /// From when on it is good.
    pub begins_us: u64,
    /// Until when.
    pub ends_us: u64,
    /// When it was used first.
    pub used_us: Option<u64>,
    /// When the one that follows it was used first.
    pub replaced_us: Option<u64>,
    /// When it was revoked.
    pub revoked_us: Option<u64>,
}

impl AgentCertificate {
    /// One that nobody has used yet.
    pub fn given(
        rack: &RackId,
        certificate: &Certificate,
        origin: Origin,
        renewed_from: Option<Fingerprint>,
        now_us: u64,
    ) -> Self {
        Self {
            fingerprint: certificate.fingerprint,
            rack: rack.clone(),
            origin,
            renewed_from,
            given_us: now_us,
            begins_us: certificate.validity.begins_s.saturating_mul(1_000_000),
            ends_us: certificate.validity.ends_s.saturating_mul(1_000_000),
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        }
    }
}

/// A command that was given to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// Its id.
    pub id: CommandId,
    /// To which rack.
    pub rack: RackId,
    /// For which server.
    pub server: ServerId,
    /// What it asks, in a word.
    pub kind: String,
    /// Digest of the action.
    pub digest: String,
    /// When it was given.
    pub created_us: u64,
    /// How it ended; none: not yet.
    pub outcome: Option<CommandResult>,
    /// Whether whoever asked has had the outcome.
    pub answered: bool,
}
