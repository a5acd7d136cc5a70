//! Decisions: which tokens are out, which sessions go on, and who is let in.
//!
//! What must stay true: a token opens one session, on the network it was issued for, and a server has one session at most; a session
//! is taken up again by its own secret only, on its network; a token opens its session again only while nobody is connected and
//! nothing shows that the welcome was read. Everything here is kept on disk before anybody is told of it: see `keep.rs`.

use std::{collections::HashMap, net::Ipv4Addr};

use protocol::{
    boot::BootPlan,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
};
use serde::{Deserialize, Serialize};

use super::tokens::{SecretHash, TokenRefused, Tokens};

/// Tokens and sessions as they are on disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub tokens: Vec<KeptToken>,
    pub sessions: Vec<KeptSession>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptToken {
    pub token: SecretHash,
    pub server: ServerId,
    pub plan: BootPlan,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptSession {
    pub session: RamdiskSessionId,
    pub server: ServerId,
    pub plan: BootPlan,
    pub secret: SecretHash,
    /// The token that opened it, while nothing shows that its ramdisk has read the welcome.
    #[serde(default)]
    pub unread: Option<SecretHash>,
    /// Where it runs; none: it came by IPv6, or was kept by an agent that did not ask.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
}

/// Tokens and sessions of a rack.
#[derive(Debug, Default)]
pub(super) struct Register {
    tokens: Tokens,
    sessions: HashMap<RamdiskSessionId, Entry>,
}

#[derive(Debug)]
struct Entry {
    server: ServerId,
    plan: BootPlan,
    secret: SecretHash,
    /// The token that opened it, until its ramdisk has shown that it read the welcome, and with it the session's secret: by its
    /// first word, or by coming back with the secret. Until then it can come back with the token alone.
    unread: Option<SecretHash>,
    /// From where it connected last.
    address: Option<Ipv4Addr>,
    /// Whether a ramdisk is connected, as far as we know.
    is_linked: bool,
}

/// A session with its server and the boot that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub session: RamdiskSessionId,
    pub server: ServerId,
    pub plan: BootPlan,
}

/// Names and secrets for a session that may be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub session: RamdiskSessionId,
    pub secret: SecretHash,
}

/// A ramdisk that was let in by its token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LetIn {
    pub running: Running,
    /// The sessions that ended by it, when it is a new one; none: it is the one that this token has opened before.
    pub opened: Option<Vec<RamdiskSessionId>>,
}

/// A ramdisk that was let in by its session's secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LetInAgain {
    pub server: ServerId,
    /// Whether this is the first sign that it has read its welcome, which is to be kept.
    pub is_first_sign: bool,
}

/// A secret that opens no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the session cannot be taken up again: its power went off, its boot was cancelled, it was disconnected for too long, \
     or the agent's state was lost"
)]
pub(super) struct NotTakenUp;

/// What goes on after a restart of the agent, and what does not.
#[derive(Debug, Default)]
pub(super) struct TakenUp {
    pub go_on: Vec<Running>,
    pub called_off: Vec<Running>,
}

impl Register {
    /// Takes up what belongs to a boot that is under way.
    pub(super) fn take_up(&mut self, kept: Kept, boots: &[(ServerId, BootPlan)]) -> TakenUp {
        let goes_on = |server: ServerId, plan: &BootPlan| {
            boots.iter().any(|(boot, planned)| *boot == server && planned == plan)
        };
        for KeptToken { token, server, plan } in kept.tokens {
            if goes_on(server, &plan) {
                self.tokens.add(token, server, plan);
            }
        }
        let mut taken = TakenUp::default();
        for KeptSession { session, server, plan, secret, unread, address } in kept.sessions {
            let running = Running { session, server, plan: plan.clone() };
            if goes_on(server, &plan) {
                self.sessions
                    .insert(session, Entry { server, plan, secret, unread, address, is_linked: false });
                taken.go_on.push(running);
            } else {
                taken.called_off.push(running);
            }
        }
        taken
    }

    /// What is to be kept on disk.
    pub(super) fn kept(&self) -> Kept {
        let tokens = self.tokens.iter().map(|(token, (server, plan))| KeptToken {
            token: *token,
            server: *server,
            plan: plan.clone(),
        });
        let sessions = self.sessions.iter().map(|(session, entry)| KeptSession {
            session: *session,
            server: entry.server,
            plan: entry.plan.clone(),
            secret: entry.secret,
            unread: entry.unread,
            address: entry.address,
        });
        Kept { tokens: tokens.collect(), sessions: sessions.collect() }
    }

    /// Puts out a token for the next boot of a server. Earlier ones end.
    pub(super) fn issue(&mut self, token: SecretHash, server: ServerId, plan: BootPlan) {
        self.tokens.issue(token, server, plan);
    }

    /// Puts out a token for a boot that was under way when the agent was started, beside the one from before. When that one was
    /// used already, this one is good for nothing: one boot, one session. Says whether anything changed.
    pub(super) fn issue_again(&mut self, token: SecretHash, server: ServerId, plan: BootPlan) -> bool {
        let is_out = self.has_token(server);
        if is_out {
            self.tokens.add(token, server, plan);
        }
        is_out
    }

    /// Ends a server's tokens and its session. Gives the sessions that ended; none: nothing changed.
    pub(super) fn revoke(&mut self, server: ServerId) -> Option<Vec<RamdiskSessionId>> {
        let had_token = self.has_token(server);
        self.tokens.revoke(server);
        let ended = self.end_sessions(server);
        (had_token || !ended.is_empty()).then_some(ended)
    }

    /// The session of a server's ramdisk, connected or about to come back.
    pub(super) fn session_of(&self, server: ServerId) -> Option<RamdiskSessionId> {
        self.sessions.iter().find(|(_, entry)| entry.server == server).map(|(session, _)| *session)
    }

    /// Lets a ramdisk in by its token: a new session, or the one that this token has opened, when its ramdisk cannot have read its
    /// welcome. An agent that is killed between accepting a token and being read would cost a deploy otherwise.
    pub(super) fn let_in(
        &mut self,
        token: SecretHash,
        network: BootNetwork,
        fresh: Fresh,
    ) -> Result<LetIn, TokenRefused> {
        match self.tokens.redeem(token, network) {
            Ok((server, plan)) => {
                let ended = self.end_sessions(server);
                let Fresh { session, secret } = fresh;
                let running = Running { session, server, plan: plan.clone() };
                let entry =
                    Entry { server, plan, secret, unread: Some(token), address: None, is_linked: true };
                self.sessions.insert(session, entry);
                Ok(LetIn { running, opened: Some(ended) })
            }
            Err(refused) => {
                let (session, entry) = self.unread(token, network).ok_or(refused)?;
                // Nobody has read the former one.
                entry.secret = fresh.secret;
                entry.is_linked = true;
                let running = Running { session, server: entry.server, plan: entry.plan.clone() };
                Ok(LetIn { running, opened: None })
            }
        }
    }

    /// Lets a ramdisk in by its session's secret: the session goes on.
    pub(super) fn let_in_again(
        &mut self,
        session: RamdiskSessionId,
        secret: SecretHash,
        network: BootNetwork,
    ) -> Result<LetInAgain, NotTakenUp> {
        let entry = self.sessions.get_mut(&session);
        let entry = entry.filter(|entry| entry.secret == secret && entry.plan.network == network);
        let entry = entry.ok_or(NotTakenUp)?;
        entry.is_linked = true;
        Ok(LetInAgain { server: entry.server, is_first_sign: entry.unread.take().is_some() })
    }

    /// A ramdisk has spoken in its session: from now on its secret alone lets it in. Says whether anything changed.
    pub(super) fn handle_spoken(&mut self, session: RamdiskSessionId) -> bool {
        self.sessions.get_mut(&session).is_some_and(|entry| entry.unread.take().is_some())
    }

    /// A session's ramdisk is connected, or its connection is lost.
    pub(super) fn handle_linked(&mut self, session: RamdiskSessionId, is_linked: bool) {
        if let Some(entry) = self.sessions.get_mut(&session) {
            entry.is_linked = is_linked;
        }
    }

    /// A session's ramdisk has connected from here. Says whether anything changed.
    pub(super) fn handle_address(&mut self, session: RamdiskSessionId, address: Option<Ipv4Addr>) -> bool {
        let Some(entry) = self.sessions.get_mut(&session) else { return false };
        let changed = entry.address != address;
        entry.address = address;
        changed
    }

    /// Where ramdisks run.
    pub(super) fn live(&self) -> impl Iterator<Item = (BootNetwork, Ipv4Addr, ServerId)> {
        self.sessions.values().filter_map(|entry| Some((entry.plan.network, entry.address?, entry.server)))
    }

    /// A session has ended by itself. Says whether anything changed.
    pub(super) fn handle_ended(&mut self, session: RamdiskSessionId) -> bool {
        self.sessions.remove(&session).is_some()
    }

    fn has_token(&self, server: ServerId) -> bool {
        self.tokens.iter().any(|(_, (of, _))| *of == server)
    }

    /// The session that this token has opened, and whose ramdisk may come back with it: nobody is connected, and nothing shows that
    /// the welcome was read.
    fn unread(&mut self, token: SecretHash, network: BootNetwork) -> Option<(RamdiskSessionId, &mut Entry)> {
        let mut sessions = self.sessions.iter_mut();
        let found = sessions.find(|(_, entry)| {
            entry.unread == Some(token) && entry.plan.network == network && !entry.is_linked
        });
        found.map(|(session, entry)| (*session, entry))
    }

    fn end_sessions(&mut self, server: ServerId) -> Vec<RamdiskSessionId> {
        let ended = self.sessions.extract_if(|_, entry| entry.server == server);
        ended.map(|(session, _)| session).collect()
    }
}

#[cfg(test)]
mod tests;
