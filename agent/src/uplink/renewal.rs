//! Edges: the renewal of our certificate on the stream: a new key when it is time, a question, and the answer on the disk. It is used
//! from the next connection on; the one that is in use stays good until then.

use std::{sync::Arc, time::Duration};

use protocol::{certificate::PublicKey, convert::FromAgent, error_chain::chain};
use rcgen::{KeyPair, PublicKeyData};
use tokio::time::Instant;

use super::{client::UplinkConfig, papers::now_s};

/// How often it is looked whether our certificate is to be renewed; also the pause after a refusal.
pub const LOOK_EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The renewal of our certificate, on one stream after another.
#[derive(Debug)]
pub(super) struct Renewal {
    config: Arc<UplinkConfig>,
    /// How long the coordinator gives certificates for; none: it does not renew any.
    given: Option<Duration>,
    /// When to look next.
    due: Option<Instant>,
    /// The key of the question that is under way.
    key: Option<KeyPair>,
}

impl Renewal {
    pub(super) fn new(config: Arc<UplinkConfig>) -> Self {
        Self { config, given: None, due: None, key: None }
    }

    /// A stream began; what was asked on the one before is answered by nobody.
    pub(super) fn connected(&mut self) {
        (self.given, self.due, self.key) = (None, None, None);
    }

    /// The coordinator said for how many days it gives certificates.
    pub(super) fn welcomed(&mut self, days: Option<std::num::NonZeroU32>) {
        self.given = days.map(|days| DAY * days.get());
        self.due = self.given.map(|_| Instant::now());
    }

    /// When it is to be looked next; none: never, on this stream.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The question to put now, if our certificate is to be renewed.
    pub(super) async fn question(&mut self) -> Option<FromAgent> {
        self.due = Some(Instant::now() + LOOK_EVERY);
        let (given, paper) = (self.given?, self.config.papers.read().await.ok()?);
        if !paper.validity?.is_to_be_renewed(given, now_s()) {
            return None;
        }
        let made = KeyPair::generate();
        let key = made.inspect_err(|error| tracing::error!(%error, "no new key was made")).ok()?;
        let public = PublicKey::try_from(key.der_bytes());
        let public =
            public.inspect_err(|error| tracing::error!(%error, "the new key cannot be sent")).ok()?;
        self.key = Some(key);
        tracing::info!(path = %paper.path.display(), "our certificate is to be renewed; asking for a new one");
        Some(FromAgent::Renew(public))
    }

    /// The answer came.
    pub(super) fn answered(&mut self, answer: Result<String, String>) {
        let Some(key) = self.key.take() else {
            tracing::warn!("a certificate came that nobody asked for");
            return;
        };
        let pem = zeroize::Zeroizing::new(key.serialize_pem());
        match answer.map(|certificate| self.config.papers.keep(&certificate, &pem)) {
            Ok(Ok(kept)) => {
                tracing::info!(path = %kept.path.display(), "our certificate was renewed; the next connection shows the new one");
            }
            Ok(Err(error)) => tracing::error!(error = chain(&error), "the renewed certificate was not kept"),
            Err(reason) => tracing::warn!(reason, "the coordinator did not renew our certificate"),
        }
    }
}
