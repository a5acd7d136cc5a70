//! Decisions: which one-use tokens are out, and for what.

use std::collections::HashMap;

use protocol::{boot::BootPlan, id::ServerId, network::BootNetwork};

/// Why a token does not open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenRefused {
    #[error("the token is unknown, was used before, or was revoked")]
    Unknown,
    #[error("the token was issued for the {} network", .0.as_str())]
    Network(BootNetwork),
}

/// Tokens that were issued and not yet used; at most one a server.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: HashMap<String, (ServerId, BootPlan)>,
}

impl Tokens {
    /// Puts a new token out; an earlier one of the same server is worth nothing from now on.
    pub(super) fn issue(&mut self, token: String, server: ServerId, plan: BootPlan) {
        self.revoke(server);
        self.issued.insert(token, (server, plan));
    }

    pub(super) fn revoke(&mut self, server: ServerId) {
        self.issued.retain(|_, (issued, _)| *issued != server);
    }

    /// Uses a token up. One shown on the wrong network stays good for the right one: its server may be asking twice.
    pub(super) fn redeem(
        &mut self,
        token: &str,
        network: BootNetwork,
    ) -> Result<(ServerId, BootPlan), TokenRefused> {
        let (_, plan) = self.issued.get(token).ok_or(TokenRefused::Unknown)?;
        if plan.network != network {
            return Err(TokenRefused::Network(plan.network));
        }
        self.issued.remove(token).ok_or(TokenRefused::Unknown)
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
        let mut tokens = Tokens::default();
        tokens.issue("a".into(), one, plan(prov));
        tokens.issue("b".into(), two, plan(clean));
        assert_eq!(tokens.redeem("a", clean), Err(TokenRefused::Network(prov)));
        assert_eq!(tokens.redeem("a", prov), Ok((one, plan(prov))));
        assert_eq!(tokens.redeem("a", prov), Err(TokenRefused::Unknown));
        tokens.issue("c".into(), two, plan(clean));
        assert_eq!(tokens.redeem("b", clean), Err(TokenRefused::Unknown));
        tokens.revoke(two);
        assert_eq!(tokens.redeem("c", clean), Err(TokenRefused::Unknown));
    }
}
