//! Decisions: the console's steps from the first probe to the open session.

use std::time::Instant;

use super::{
    super::{
        CipherSuite, Privilege,
        command::{Request, Response},
        message::{CompletionCode, RequestMessage, ResponseMessage},
        rakp::{self, OpenSessionResponse, Rakp1, Rakp2, Rakp2Proof, Rakp3, Rakp4, Status},
        rmcp::{self, PayloadType},
        session::Sealed,
        suite::{Algorithms, Handshake, begins_with_code},
    },
    Client, ClientEvent, EndReason, Fault, LoginStep, Owner, ProofRole, RequestError, Stage,
};
use crate::bmc_settings::KgKey;

impl Client {
    pub(super) fn probed(&mut self, message: &[u8], now: Instant) -> Result<(), Fault> {
        let response = ResponseMessage::parse(message)?;
        let request = Request::ChannelAuthCapabilities { privilege: self.config.privilege };
        let (netfn, command, _) = request.encode();
        if !matches!(self.stage, Stage::Probe) {
            // Its answer came twice.
            return Ok(());
        }
        if (response.netfn, response.command) != (netfn, command) {
            return Err(Fault::Strange);
        }
        // An error here says that the channel is odd, not that there is no RMCP+: Open Session will tell.
        let no_rmcp_plus = response.code == CompletionCode::OK
            && matches!(
                Response::parse(&request, response.data),
                Ok(Response::ChannelAuthCapabilities(capabilities)) if !capabilities.ipmi_2_0
            );
        // Some BMCs deny what they can do: Open Session is asked all the same, and who is silent then has said so.
        self.denies_rmcp_plus = no_rmcp_plus;
        match self.suites.pop_front() {
            Some(suite) => self.begin(Stage::Open { suite }, now),
            None => self.end(EndReason::NoRmcpPlus),
        }
        Ok(())
    }

    pub(super) fn session_opened(&mut self, payload: &[u8], now: Instant) -> Result<(), Fault> {
        let response = OpenSessionResponse::parse(payload)?;
        let Stage::Open { suite } = self.stage else { return Ok(()) };
        self.check_answer(response.tag, response.console_id, response.outcome.is_err())?;
        match response.outcome {
            Err(status) if status.is_about_the_suite() => match self.suites.pop_front() {
                Some(next) => self.begin(Stage::Open { suite: next }, now),
                None => self.refused(LoginStep::OpenSession, status),
            },
            Err(status) => self.refused(LoginStep::OpenSession, status),
            Ok(opened) => {
                if opened.algorithms != suite.algorithms() {
                    self.other_suite(suite, opened.algorithms, now);
                    return Ok(());
                }
                let rakp1 = Rakp1 {
                    tag: self.tag.wrapping_add(1),
                    bmc_id: opened.bmc_id,
                    random: self.entropy.0.bytes16(),
                    role: rakp::role(self.config.privilege),
                    username: self.config.username.clone().into_bytes(),
                };
                self.begin(Stage::Rakp1 { suite, rakp1, granted: opened.privilege }, now);
            }
        }
        Ok(())
    }

    /// Some BMCs grant one suite whatever is asked for: it is asked for, if it is one of ours.
    fn other_suite(&mut self, asked: CipherSuite, granted: Algorithms, now: Instant) {
        let granted = rakp::suite_of(granted);
        match granted.filter(|suite| self.suites.contains(suite)) {
            Some(suite) => {
                self.suites.retain(|other| *other != suite);
                self.begin(Stage::Open { suite }, now);
            }
            None => self.end(EndReason::OtherSuite { asked, granted }),
        }
    }

    pub(super) fn rakp2(&mut self, payload: &[u8], now: Instant) -> Result<(), Fault> {
        let rakp2 = Rakp2::parse(payload)?;
        let Stage::Rakp1 { suite, rakp1, granted } = &self.stage else { return Ok(()) };
        self.check_answer(rakp2.tag, rakp2.console_id, rakp2.outcome.is_err())?;
        let proof = match rakp2.outcome {
            Err(status) => {
                self.refused(LoginStep::Rakp1, status);
                return Ok(());
            }
            Ok(proof) => proof,
        };
        let tag = self.tag.wrapping_add(1);
        let bmc_id = rakp1.bmc_id;
        let key = self.config.k_g.as_ref().map(KgKey::bytes);
        let k_g = key.as_ref().map(|key| key.as_slice());
        let hashed = |role| Rakp1 { role, ..rakp1.clone() };
        let mut roles = roles_in_use(rakp1.role, *granted);
        let proved = roles.iter().position(|role| {
            let code = self.handshake(*suite, &hashed(*role), &proof, k_g).rakp2_code();
            begins_with_code(&code, &proof.auth_code)
        });
        let Some(proved) = proved else {
            // Told at once, the BMC frees the slot instead of waiting for a RAKP 3 that never comes.
            let goodbye = Rakp3 { tag, bmc_id, outcome: Err(Status::INVALID_INTEGRITY_CHECK) };
            self.out.push_back(rmcp::build_bare(PayloadType::Rakp3, &goodbye.build()));
            self.end(EndReason::ProofMismatch);
            return Ok(());
        };
        let role = roles.remove(proved);
        let in_ours = match self.config.proof_role {
            ProofRole::AsProved => role,
            ProofRole::PrivilegeOnly => role & !rakp::NAME_ONLY,
        };
        let code = self.handshake(*suite, &hashed(in_ours), &proof, k_g).rakp3_code().to_vec();
        // Some hash their proof with one role byte, and the session's keys with another one.
        roles.insert(0, role);
        let keys = |role| self.handshake(*suite, &hashed(role), &proof, k_g).keys();
        let keys = roles.into_iter().map(keys).collect();
        let rakp3 = Rakp3 { tag, bmc_id, outcome: Ok(code) };
        self.begin(Stage::Rakp3 { rakp3, keys }, now);
        Ok(())
    }

    fn handshake<'a>(
        &'a self,
        suite: CipherSuite,
        rakp1: &'a Rakp1,
        proof: &'a Rakp2Proof,
        k_g: Option<&'a [u8]>,
    ) -> Handshake<'a> {
        Handshake {
            suite,
            password: self.config.password.reveal().as_bytes(),
            k_g,
            console_id: self.console_id,
            rakp1,
            bmc_random: &proof.random,
            guid: &proof.guid,
        }
    }

    pub(super) fn rakp4(&mut self, payload: &[u8], now: Instant) -> Result<(), Fault> {
        let rakp4 = Rakp4::parse(payload)?;
        let Stage::Rakp3 { keys, .. } = &self.stage else { return Ok(()) };
        self.check_answer(rakp4.tag, rakp4.console_id, rakp4.outcome.is_err())?;
        let proved =
            rakp4.outcome.map(|code| keys.iter().position(|(_, check)| begins_with_code(check, &code)));
        match proved {
            Err(status) => self.refused(LoginStep::Rakp3, status),
            Ok(None) => self.end(EndReason::KeyMismatch { key_given: self.config.k_g.is_some() }),
            Ok(Some(proved)) => {
                let Stage::Rakp3 { rakp3, mut keys } = std::mem::replace(&mut self.stage, Stage::Ended)
                else {
                    return Ok(());
                };
                let (keys, _) = keys.swap_remove(proved);
                self.stage = Stage::Session(Sealed::new(keys, rakp3.bmc_id));
                self.send(Owner::Login, Request::SetSessionPrivilege(self.config.privilege), now);
            }
        }
        Ok(())
    }

    /// The answer to Set Session Privilege Level, which ends the log-in.
    pub(super) fn privilege_answered(&mut self, answer: Result<Response, RequestError>, now: Instant) {
        match answer {
            Err(RequestError::Refused { code, .. }) => {
                self.say_goodbye();
                self.end(EndReason::Privilege { privilege: self.config.privilege, code });
            }
            // Some BMCs say "done" without the new level; whether it holds, the first request will tell.
            Ok(_) | Err(RequestError::Malformed { .. }) => {
                let Stage::Session(session) = &self.stage else { return };
                self.opened = true;
                self.events.push_back(ClientEvent::Opened(session.suite()));
                self.send_next(now);
            }
        }
    }

    /// Closes a session that is of no use, without waiting, so that the BMC's slot is free at once.
    pub(super) fn say_goodbye(&mut self) {
        let sequence = (self.sequence + 1) & 0x3f;
        let Stage::Session(session) = &mut self.stage else { return };
        let (netfn, command, data) = Request::CloseSession(session.peer_id()).encode();
        let message = RequestMessage { netfn, command, sequence, data: &data };
        let datagram = session.seal(&message.build());
        self.out.push_back(datagram);
    }

    /// Whether this is the answer to our step. Some BMCs put tag 0 into whatever they send, and zeroes everywhere into a
    /// refusal; what succeeds is proved by its code besides.
    fn check_answer(&self, tag: u8, console_id: u32, is_refusal: bool) -> Result<(), Fault> {
        let is_ours = console_id == self.console_id;
        let right = match (tag == self.tag, is_refusal) {
            // A refusal need not repeat our session id (section 13.18 lets a BMC send zeroes).
            (true, true) => true,
            (true, false) => is_ours,
            (false, true) => tag == 0 && (is_ours || console_id == 0),
            (false, false) => tag == 0 && is_ours,
        };
        if right { Ok(()) } else { Err(Fault::Strange) }
    }

    fn refused(&mut self, stage: LoginStep, status: Status) {
        let repeated = self.tries.is_some_and(|tries| tries.made() > 1);
        self.end(EndReason::Refused { stage, status, repeated });
    }
}

/// The role bytes that BMCs are known to hash into their proof and into the session's keys, that of the specification first: others
/// take the privilege of Open Session, or leave out the bit that says that the user is found by name alone.
fn roles_in_use(role: u8, granted: Option<Privilege>) -> Vec<u8> {
    let granted = granted.map_or(0, Privilege::code);
    let mut roles = vec![role, role & 0x0f, rakp::NAME_ONLY | granted, granted, rakp::NAME_ONLY, 0];
    let mut seen = std::collections::HashSet::new();
    roles.retain(|role| seen.insert(*role));
    roles
}
