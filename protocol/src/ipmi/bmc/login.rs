//! Decisions: the BMC's steps from Open Session to RAKP 4.

use std::{net::SocketAddr, time::Instant};

use super::{
    super::{
        Malformed, Privilege,
        rakp::{
            self, OpenSessionRequest, OpenSessionResponse, OpenedSession, Rakp1, Rakp2, Rakp3, Rakp4, Status,
        },
        rmcp::{self, PayloadType},
        session::Sealed,
        suite::{Handshake, SessionKeys, rakp2_proof, same_code},
    },
    Active, Bmc, HANDSHAKES_OF_PEER_MAX, LogIn, Session, SessionId, Stage,
};
use crate::{bmc_settings::KgKey, secret::Secret};

impl Bmc {
    pub(super) fn open_session(
        &mut self,
        from: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Malformed> {
        let request = OpenSessionRequest::parse(payload)?;
        let repeated = self
            .sessions
            .values()
            .find(|session| session.peer == from && session.handshake.0 == payload)
            .map(|session| session.handshake.1.clone());
        if let Some(answer) = repeated {
            self.send(from, answer);
            return Ok(());
        }
        let OpenSessionRequest { tag, console_id, privilege, algorithms } = request;
        let suite = rakp::suite_of(algorithms).filter(|suite| self.config.suites.contains(suite));
        let outcome = match suite {
            None => Err(Status::NO_SUITE),
            Some(_) if !self.make_room(from) => Err(Status::NO_RESOURCES),
            Some(suite) => {
                let mut bmc_id = self.entropy.session_id();
                while self.sessions.contains_key(&bmc_id) {
                    bmc_id = self.entropy.session_id();
                }
                let granted = privilege.unwrap_or(Privilege::Administrator).min(self.config.privilege);
                Ok((suite, OpenedSession { privilege: Some(granted), bmc_id, algorithms }))
            }
        };
        let response = OpenSessionResponse { tag, console_id, outcome: outcome.map(|(_, opened)| opened) };
        let answer = rmcp::build_bare(PayloadType::OpenSessionResponse, &response.build());
        if let Ok((suite, opened)) = outcome {
            let session = Session {
                peer: from,
                console_id,
                privilege,
                stage: Stage::Opened { suite },
                last_seen: now,
                handshake: (payload.to_vec(), answer.clone()),
            };
            self.sessions.insert(opened.bmc_id, session);
        }
        self.send(from, answer);
        Ok(())
    }

    /// A free slot, if need be by dropping the oldest handshake, of this address first where it has many: strangers cannot keep users
    /// out for good.
    fn make_room(&mut self, from: SocketAddr) -> bool {
        let is_handshake = |session: &Session| !matches!(session.stage, Stage::Active(_));
        let is_its = |session: &Session| is_handshake(session) && session.peer.ip() == from.ip();
        let its = self.sessions.values().filter(|session| is_its(session)).count();
        if its >= HANDSHAKES_OF_PEER_MAX {
            return self.drop_oldest(is_its);
        }
        self.sessions.len() < self.config.sessions_max || self.drop_oldest(is_handshake)
    }

    fn drop_oldest(&mut self, which: impl Fn(&Session) -> bool) -> bool {
        let oldest = self
            .sessions
            .iter()
            .filter(|(_, session)| which(session))
            .min_by_key(|(_, session)| session.last_seen)
            .map(|(id, _)| *id);
        oldest.is_some_and(|id| self.sessions.remove(&id).is_some())
    }

    pub(super) fn rakp1(&mut self, from: SocketAddr, payload: &[u8], now: Instant) -> Result<(), Malformed> {
        let rakp1 = Rakp1::parse(payload)?;
        let (tag, bmc_id) = (rakp1.tag, rakp1.bmc_id);
        let Some(session) = self.sessions.get_mut(&bmc_id).filter(|session| session.peer == from) else {
            let unknown = Rakp2 { tag, console_id: 0, outcome: Err(Status::INVALID_SESSION) };
            self.send(from, rmcp::build_bare(PayloadType::Rakp2, &unknown.build()));
            return Ok(());
        };
        if session.handshake.0 == payload {
            let answer = session.handshake.1.clone();
            if !answer.is_empty() {
                self.send(from, answer);
            }
            return Ok(());
        }
        let Stage::Opened { suite } = session.stage else {
            return Err(Malformed::new("RAKP 1", "comes where it is not due"));
        };
        self.stats.attempts += 1;
        // Repeated while the owner is asked, it is passed over.
        session.handshake = (payload.to_vec(), Vec::new());
        session.last_seen = now;
        let username = rakp1.username.clone();
        session.stage = Stage::Named { suite, rakp1 };
        self.look_up(SessionId(bmc_id), username, from, now);
        Ok(())
    }

    /// Goes on with a log-in, now that it is known who asks: with the password, or with the reason why not. Without effect when the
    /// handshake is gone.
    pub fn admit(&mut self, id: SessionId, known: Result<Secret, Status>, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id.0) else { return };
        let Stage::Named { suite, rakp1 } = &session.stage else { return };
        let (suite, rakp1, tag) = (*suite, rakp1.clone(), rakp1.tag);
        let (peer, console_id) = (session.peer, session.console_id);
        let asked = Privilege::from_code(rakp1.role & 0x0f);
        let is_allowed = asked.is_ok_and(|privilege| privilege <= self.config.privilege);
        let known = known
            .and_then(|password| if is_allowed { Ok(password) } else { Err(Status::UNAUTHORIZED_PRIVILEGE) });
        let outcome = known.map(|password| {
            let random = self.entropy.bytes16();
            let handshake = Handshake {
                suite,
                password: password.reveal().as_bytes(),
                // The key is of the session, not of this proof.
                k_g: None,
                console_id,
                rakp1: &rakp1,
                bmc_random: &random,
                guid: &self.config.guid,
            };
            let proof = rakp2_proof(&handshake);
            session.stage = Stage::Challenged { suite, random, rakp1, password };
            proof
        });
        let refused = outcome.is_err();
        let answer = rmcp::build_bare(PayloadType::Rakp2, &Rakp2 { tag, console_id, outcome }.build());
        session.last_seen = now;
        session.handshake.1.clone_from(&answer);
        if refused {
            self.stats.refused += 1;
            self.sessions.remove(&id.0);
        }
        self.send(peer, answer);
    }

    pub(super) fn rakp3(&mut self, from: SocketAddr, payload: &[u8], now: Instant) -> Result<(), Malformed> {
        let rakp3 = Rakp3::parse(payload)?;
        let (tag, bmc_id) = (rakp3.tag, rakp3.bmc_id);
        let Some(session) = self.sessions.get_mut(&bmc_id).filter(|session| session.peer == from) else {
            let unknown = Rakp4 { tag, console_id: 0, outcome: Err(Status::INVALID_SESSION) };
            self.send(from, rmcp::build_bare(PayloadType::Rakp4, &unknown.build()));
            return Ok(());
        };
        if session.handshake.0 == payload {
            let answer = session.handshake.1.clone();
            self.send(from, answer);
            return Ok(());
        }
        let Stage::Challenged { suite, rakp1, random, password } = &session.stage else {
            return Err(Malformed::new("RAKP 3", "comes where it is not due"));
        };
        let key = self.config.k_g.as_ref().map(KgKey::bytes);
        let handshake = Handshake {
            suite: *suite,
            password: password.reveal().as_bytes(),
            k_g: key.as_ref().map(|key| key.as_slice()),
            console_id: session.console_id,
            rakp1,
            bmc_random: random,
            guid: &self.config.guid,
        };
        let console_id = session.console_id;
        let proved = rakp3.outcome.as_ref().is_ok_and(|code| same_code(code, &handshake.rakp3_code()));
        if !proved {
            self.stats.refused += 1;
            self.sessions.remove(&bmc_id);
            self.tell(LogIn::Refused { session: SessionId(bmc_id) });
            // A console that breaks off by a status wants no answer (section 13.22).
            if rakp3.outcome.is_ok() {
                let refusal = Rakp4 { tag, console_id, outcome: Err(Status::INVALID_INTEGRITY_CHECK) };
                self.send(from, rmcp::build_bare(PayloadType::Rakp4, &refusal.build()));
            }
            return Ok(());
        }
        let asked = Privilege::from_code(rakp1.role & 0x0f).unwrap_or(Privilege::User);
        let limit = session.privilege.map_or(asked, |privilege| privilege.min(asked));
        let (keys, check): (SessionKeys, Vec<u8>) = handshake.keys();
        let answer =
            rmcp::build_bare(PayloadType::Rakp4, &Rakp4 { tag, console_id, outcome: Ok(check) }.build());
        session.stage = Stage::Active(Box::new(Active {
            sealed: Sealed::new(keys, console_id),
            // Section 6.8: a session starts as user, or lower when it may not be more.
            privilege: Privilege::User.min(limit),
            privilege_max: limit,
            working: None,
            answered: None,
        }));
        session.last_seen = now;
        session.handshake = (payload.to_vec(), answer.clone());
        self.stats.logins += 1;
        self.tell(LogIn::Done { session: SessionId(bmc_id) });
        self.send(from, answer);
        Ok(())
    }
}
