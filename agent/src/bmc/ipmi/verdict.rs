//! Decisions: what a log-in by IPMI that came to nothing says of our user and password, and how the next one is made.

use protocol::ipmi::{
    Privilege,
    client::{EndReason, LoginStep, ProofRole},
    message::CompletionCode,
    rakp::Status,
};

use crate::bmc::account::Refusal;

/// What this end of a log-in says; none: the BMC was silent, so it has refused nothing.
///
/// Before RAKP 1 no user is named, so there is nothing that a BMC could count. After RAKP 2 has proved that the BMC has our
/// password, no refusal can mean that it is wrong.
pub(super) fn refusal(reason: &EndReason) -> Option<Refusal> {
    match reason {
        EndReason::Closed => None,
        EndReason::NoAnswer { dropped, .. } => dropped.any().then_some(Refusal::Passes),
        EndReason::TooLong(_) => Some(Refusal::SaysWrong),
        // A wrong password looks like this, but so does a firmware that computes otherwise.
        EndReason::ProofMismatch => Some(Refusal::MayCount),
        EndReason::KeyMismatch | EndReason::Privilege { .. } | EndReason::NoRmcpPlus => Some(Refusal::Passes),
        EndReason::Refused { stage: LoginStep::OpenSession, .. } => Some(Refusal::Passes),
        EndReason::Refused { stage: LoginStep::Rakp1, status, repeated } => {
            Some(by_status(*status, *repeated))
        }
        EndReason::Refused { stage: LoginStep::Rakp3, status, .. } => Some(match *status {
            Status::INVALID_INTEGRITY_CHECK | Status::UNAUTHORIZED_NAME => Refusal::MayCount,
            other => by_status(other, true),
        }),
    }
}

/// Of a refusal in RAKP 2.
fn by_status(status: Status, repeated: bool) -> Refusal {
    match status {
        Status::UNAUTHORIZED_NAME | Status::INVALID_INTEGRITY_CHECK if !repeated => Refusal::SaysWrong,
        Status::NO_RESOURCES | Status::INVALID_SESSION => Refusal::Passes,
        Status::INVALID_ROLE | Status::UNAUTHORIZED_PRIVILEGE | Status(0x0b) => Refusal::Passes,
        // About suites, payloads and sessions: of our own making or the BMC's, never the user's.
        Status(0x03..=0x08 | 0x10 | 0x11) => Refusal::Passes,
        _ => Refusal::MayCount,
    }
}

/// Which privilege is asked for, how often in a row it was refused, and how our proof is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ladder {
    privilege: Privilege,
    refused: u32,
    proof_role: ProofRole,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { privilege: Privilege::Administrator, refused: 0, proof_role: ProofRole::AsProved }
    }
}

impl Ladder {
    /// What to ask for.
    pub(super) fn privilege(self) -> Privilege {
        self.privilege
    }

    /// How our proof is hashed.
    pub(super) fn proof_role(self) -> ProofRole {
        self.proof_role
    }

    /// It was granted; it is asked for again next time.
    pub(super) fn granted(&mut self) {
        self.refused = 0;
    }

    /// Takes the other step when this one is not given: OPERATOR is enough for power and boot device. "Insufficient privilege"
    /// is believed the second time: some BMCs say it once after a power command. A proof that is refused by a BMC whose own proof
    /// was right is hashed in the other way that is in use.
    pub(super) fn ended(&mut self, reason: &EndReason) {
        if let EndReason::Refused { stage: LoginStep::Rakp3, status, .. } = reason
            && *status == Status::INVALID_INTEGRITY_CHECK
        {
            self.proof_role = match self.proof_role {
                ProofRole::AsProved => ProofRole::PrivilegeOnly,
                ProofRole::PrivilegeOnly => ProofRole::AsProved,
            };
        }
        let gives_less = match reason {
            EndReason::Refused { status, .. } => status.is_about_the_role(),
            EndReason::Privilege { code, .. } => {
                self.refused += 1;
                let says_so = matches!(code.0, 0x80 | 0x81);
                says_so || (*code == CompletionCode::PRIVILEGE && self.refused > 1)
            }
            EndReason::Closed
            | EndReason::NoAnswer { .. }
            | EndReason::TooLong(_)
            | EndReason::ProofMismatch
            | EndReason::KeyMismatch
            | EndReason::NoRmcpPlus => false,
        };
        if gives_less {
            let other = match self.privilege {
                Privilege::Administrator => Privilege::Operator,
                Privilege::Callback | Privilege::User | Privilege::Operator => Privilege::Administrator,
            };
            *self = Self { privilege: other, refused: 0, ..*self };
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ipmi::client::Dropped;

    use super::*;

    fn refused(stage: LoginStep, status: u8, repeated: bool) -> EndReason {
        EndReason::Refused { stage, status: Status(status), repeated }
    }

    #[test]
    fn what_each_end_of_a_login_says() {
        let check = |reason: EndReason, expected: Option<Refusal>| {
            assert_eq!(refusal(&reason), expected, "{reason:?}");
        };
        let (open, user, proof) = (LoginStep::OpenSession, LoginStep::Rakp1, LoginStep::Rakp3);
        check(refused(user, 0x0d, false), Some(Refusal::SaysWrong));
        check(refused(user, 0x0f, false), Some(Refusal::SaysWrong));
        // An answer to a repetition is not of a fresh exchange.
        check(refused(user, 0x0d, true), Some(Refusal::MayCount));
        // RAKP 2 has proved that it has our password.
        check(refused(proof, 0x0f, false), Some(Refusal::MayCount));
        check(EndReason::ProofMismatch, Some(Refusal::MayCount));
        for status in [0x0c, 0x0e, 0x12, 0x77] {
            check(refused(user, status, false), Some(Refusal::MayCount));
        }
        for status in [0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11] {
            check(refused(user, status, false), Some(Refusal::Passes));
        }
        for status in 1..=0xff {
            check(refused(open, status, false), Some(Refusal::Passes));
        }
        for code in [0xc0, 0xc3, 0xd4, 0x81, 0xff] {
            let code = CompletionCode(code);
            check(EndReason::Privilege { privilege: Privilege::Administrator, code }, Some(Refusal::Passes));
        }
        check(EndReason::KeyMismatch, Some(Refusal::Passes));
        let silent = |dropped| EndReason::NoAnswer { stage: "RAKP 1", tries: 4, dropped };
        check(silent(Dropped::default()), None);
        check(silent(Dropped { unreadable: 1, ..Dropped::default() }), Some(Refusal::Passes));
    }

    #[test]
    fn a_refused_proof_is_hashed_in_the_other_way_next() {
        let check = |ends: &[EndReason], expected: ProofRole| {
            let mut ladder = Ladder::default();
            ends.iter().for_each(|end| ladder.ended(end));
            assert_eq!(ladder.proof_role(), expected, "{ends:?}");
        };
        let proof = |status| refused(LoginStep::Rakp3, status, false);
        check(&[], ProofRole::AsProved);
        check(&[proof(0x0f)], ProofRole::PrivilegeOnly);
        check(&[proof(0x0f), proof(0x0f)], ProofRole::AsProved);
        check(&[proof(0x0f), refused(LoginStep::Rakp1, 0x09, false)], ProofRole::PrivilegeOnly);
        check(&[proof(0x02)], ProofRole::AsProved);
        check(&[refused(LoginStep::Rakp1, 0x0f, false)], ProofRole::AsProved);
    }

    #[test]
    fn a_lower_privilege_is_asked_for_when_the_higher_one_is_not_given() {
        let check = |ends: &[EndReason], expected: Privilege| {
            let mut ladder = Ladder::default();
            ends.iter().for_each(|end| ladder.ended(end));
            assert_eq!(ladder.privilege(), expected, "{ends:?}");
        };
        let role = |status| refused(LoginStep::Rakp1, status, false);
        let level =
            |code| EndReason::Privilege { privilege: Privilege::Administrator, code: CompletionCode(code) };
        check(&[], Privilege::Administrator);
        check(&[role(0x09)], Privilege::Operator);
        check(&[role(0x0a)], Privilege::Operator);
        check(&[role(0x12)], Privilege::Operator);
        check(&[level(0x81)], Privilege::Operator);
        check(&[level(0xd4)], Privilege::Administrator);
        check(&[level(0xd4), level(0xd4)], Privilege::Operator);
        check(&[role(0x0a), role(0x0a)], Privilege::Administrator);
        check(&[level(0xc3), level(0xc3), EndReason::ProofMismatch], Privilege::Administrator);
    }
}
