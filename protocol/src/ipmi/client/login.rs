//! Decisions: the console's steps from the first probe to the open session.

use std::time::Instant;

use super::{
    super::{
        Malformed,
        command::{Request, Response},
        message::{CompletionCode, ResponseMessage},
        rakp::{self, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status},
        rmcp::{self, PayloadType},
        session::Sealed,
        suite::{Handshake, same_code},
    },
    Client, EndReason, Owner, Stage,
};

impl Client {
    pub(super) fn probed(&mut self, message: &[u8], now: Instant) -> Result<(), Malformed> {
        let response = ResponseMessage::parse(message)?;
        let request = Request::ChannelAuthCapabilities { privilege: self.config.privilege };
        let (netfn, command, _) = request.encode();
        if !matches!(self.stage, Stage::Probe) || (response.netfn, response.command) != (netfn, command) {
            return Ok(());
        }
        // An error here says that the channel is odd, not that there is no RMCP+: Open Session will tell.
        let no_rmcp_plus = response.code == CompletionCode::OK
            && matches!(
                Response::parse(&request, response.data),
                Ok(Response::ChannelAuthCapabilities(capabilities)) if !capabilities.ipmi_2_0
            );
        match self.suites.pop_front() {
            Some(suite) if !no_rmcp_plus => self.begin(Stage::Open { suite }, now),
            _ => self.end(EndReason::NoRmcpPlus),
        }
        Ok(())
    }

    pub(super) fn session_opened(&mut self, payload: &[u8], now: Instant) -> Result<(), Malformed> {
        let response = OpenSessionResponse::parse(payload)?;
        let Stage::Open { suite } = self.stage else { return Ok(()) };
        if response.tag != self.tag {
            return Ok(());
        }
        match response.outcome {
            // A refusal need not repeat our session id (section 13.18 lets a BMC send zeroes).
            Err(status) if status.is_about_the_suite() => match self.suites.pop_front() {
                Some(next) => self.begin(Stage::Open { suite: next }, now),
                None => self.end(EndReason::Refused { stage: "Open Session", status }),
            },
            Err(status) if status.is_about_credentials() => {
                self.end(EndReason::Credentials(status.meaning()))
            }
            Err(status) => self.end(EndReason::Refused { stage: "Open Session", status }),
            Ok(_) if response.console_id != self.console_id => {}
            Ok(opened) => {
                if opened.algorithms != suite.algorithms() {
                    return Err(Malformed::new(
                        "Open Session response",
                        "grants algorithms nobody asked for",
                    ));
                }
                let rakp1 = Rakp1 {
                    tag: self.tag.wrapping_add(1),
                    bmc_id: opened.bmc_id,
                    random: self.entropy.0.bytes16(),
                    role: rakp::role(self.config.privilege),
                    username: self.config.username.clone().into_bytes(),
                };
                self.begin(Stage::Rakp1 { suite, rakp1 }, now);
            }
        }
        Ok(())
    }

    pub(super) fn rakp2(&mut self, payload: &[u8], now: Instant) -> Result<(), Malformed> {
        let rakp2 = Rakp2::parse(payload)?;
        let Stage::Rakp1 { suite, rakp1 } = &self.stage else { return Ok(()) };
        if rakp2.tag != self.tag {
            return Ok(());
        }
        let proof = match rakp2.outcome {
            Err(status) => {
                self.end_by_status("RAKP 1", status);
                return Ok(());
            }
            Ok(_) if rakp2.console_id != self.console_id => return Ok(()),
            Ok(proof) => proof,
        };
        let handshake = Handshake {
            suite: *suite,
            password: self.config.password.reveal().as_bytes(),
            console_id: self.console_id,
            rakp1,
            bmc_random: &proof.random,
            guid: &proof.guid,
        };
        let tag = self.tag.wrapping_add(1);
        let bmc_id = rakp1.bmc_id;
        if !same_code(&handshake.rakp2_code(), &proof.auth_code) {
            // Told at once, the BMC frees the slot instead of waiting for a RAKP 3 that never comes.
            let goodbye = Rakp3 { tag, bmc_id, outcome: Err(Status::INVALID_INTEGRITY_CHECK) };
            self.out.push_back(rmcp::build_bare(PayloadType::Rakp3, &goodbye.build()));
            self.end(EndReason::Credentials("its proof of the password does not match ours"));
            return Ok(());
        }
        let (keys, check) = handshake.keys();
        let rakp3 = Rakp3 { tag, bmc_id, outcome: Ok(handshake.rakp3_code().to_vec()) };
        self.begin(Stage::Rakp3 { rakp3, keys, check }, now);
        Ok(())
    }

    pub(super) fn rakp4(&mut self, payload: &[u8], now: Instant) -> Result<(), Malformed> {
        let rakp4 = Rakp4::parse(payload)?;
        let Stage::Rakp3 { check, .. } = &self.stage else { return Ok(()) };
        if rakp4.tag != self.tag {
            return Ok(());
        }
        match rakp4.outcome {
            Err(status) => self.end_by_status("RAKP 3", status),
            Ok(_) if rakp4.console_id != self.console_id => {}
            Ok(code) if !same_code(check, &code) => {
                return Err(Malformed::new("RAKP 4", "has a wrong integrity check value"));
            }
            Ok(_) => {
                let Stage::Rakp3 { rakp3, keys, .. } = std::mem::replace(&mut self.stage, Stage::Ended)
                else {
                    return Ok(());
                };
                self.stage = Stage::Session(Sealed::new(keys, rakp3.bmc_id));
                self.send(Owner::Login, Request::SetSessionPrivilege(self.config.privilege), now);
            }
        }
        Ok(())
    }

    fn end_by_status(&mut self, stage: &'static str, status: Status) {
        self.end(if status.is_about_credentials() {
            EndReason::Credentials(status.meaning())
        } else {
            EndReason::Refused { stage, status }
        });
    }
}
