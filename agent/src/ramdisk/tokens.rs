//! Decisions: which one-use tokens are out, and for what. Only their digests are held: whoever reads our memory or our
//! disk learns no token.

use std::collections::HashMap;

use protocol::{boot::BootPlan, id::ServerId, network::BootNetwork};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// SHA-256 of a token or of a session's secret: 32 random bytes each, so that a plain digest is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct SecretHash([u8; 32]);

impl SecretHash {
    pub(super) fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// Why a token does not open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenRefused {
    #[error("the token is unknown, was used before, or was revoked")]
    Unknown,
    #[error("the token was issued for the {} network", .0.as_str())]
    Network(BootNetwork),
}

/// Tokens that were issued and not yet used. A server has one; after a restart of the agent two, the one in the boot script
/// that it may have fetched already and the one in the script that it may fetch still. Using one uses both up; the session that it
/// opened remembers it for as long as its ramdisk may not have read its welcome.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: HashMap<SecretHash, (ServerId, BootPlan)>,
}

impl Tokens {
    /// Puts a new token out; an earlier one of the same server is worth nothing from now on.
    pub(super) fn issue(&mut self, token: SecretHash, server: ServerId, plan: BootPlan) {
        self.revoke(server);
        self.add(token, server, plan);
    }

    /// Puts a token out beside the one from before the agent's restart.
    pub(super) fn add(&mut self, token: SecretHash, server: ServerId, plan: BootPlan) {
        self.issued.insert(token, (server, plan));
    }

    pub(super) fn revoke(&mut self, server: ServerId) {
        self.issued.retain(|_, (issued, _)| *issued != server);
    }

    /// Uses the server's tokens up. One shown on the wrong network stays good for the right one: its server may be asking
    /// twice.
    pub(super) fn redeem(
        &mut self,
        token: SecretHash,
        network: BootNetwork,
    ) -> Result<(ServerId, BootPlan), TokenRefused> {
        let (server, plan) = self.issued.get(&token).cloned().ok_or(TokenRefused::Unknown)?;
        if plan.network != network {
            return Err(TokenRefused::Network(plan.network));
        }
        self.revoke(server);
        Ok((server, plan))
    }

    /// All that are out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&SecretHash, &(ServerId, BootPlan))> {
        self.issued.iter()
    }
}

#[cfg(test)]
mod tests {
    use protocol::boot::BootPurpose;

    use super::*;

    fn plan(network: BootNetwork) -> BootPlan {
        BootPlan { purpose: BootPurpose::Inspect, network }
    }

    #[test]
    fn a_token_opens_once_and_only_on_its_network() {
        let (one, two) = (ServerId::random(), ServerId::random());
        let (prov, clean) = (BootNetwork::Provisioning, BootNetwork::Cleaning);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(SecretHash::of);
        let mut tokens = Tokens::default();
        tokens.issue(a, one, plan(prov));
        tokens.issue(b, two, plan(clean));
        assert_eq!(tokens.redeem(a, clean), Err(TokenRefused::Network(prov)));
        assert_eq!(tokens.redeem(a, prov), Ok((one, plan(prov))));
        assert_eq!(tokens.redeem(a, prov), Err(TokenRefused::Unknown));
        tokens.issue(c, two, plan(clean));
        assert_eq!(tokens.redeem(b, clean), Err(TokenRefused::Unknown));
        tokens.add(d, two, plan(clean));
        assert_eq!(tokens.redeem(c, clean), Ok((two, plan(clean))));
        assert_eq!(tokens.redeem(d, clean), Err(TokenRefused::Unknown), "two tokens, one session");
        tokens.issue(c, two, plan(clean));
        tokens.revoke(two);
        assert_eq!(tokens.redeem(c, clean), Err(TokenRefused::Unknown));
    }
}
