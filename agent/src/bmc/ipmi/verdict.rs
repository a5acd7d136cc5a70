//! Decisions: what a log-in by IPMI that came to nothing says of our user and password, and how the next one is made.

use protocol::{
    bmc_settings::UserPrivilege,
    ipmi::{
        CipherSuite, Privilege,
        client::{EndReason, LoginStep, ProofRole},
        message::CompletionCode,
        rakp::Status,
    },
};

use crate::bmc::account::Refusal;

/// What this end of a log-in says; none: the BMC was silent, so it has refused nothing.
///
/// Before RAKP 1 no user is named, so there is nothing that a BMC could count. After RAKP 2 has proved that the BMC has our
/// password, no refusal can mean that it is wrong.
pub(super) fn refusal(reason: &EndReason) -> Option<Refusal> {
    match reason {
        EndReason::Closed => None,
        // Some BMCs do not refuse a user, they are silent.
        EndReason::NoAnswer { heard, dropped, .. } => (*heard || dropped.any()).then_some(Refusal::Passes),
        EndReason::TooLong(_) => Some(Refusal::SaysWrong),
        // A wrong password looks like this, but so does a firmware that computes otherwise.
        EndReason::ProofMismatch => Some(Refusal::MayCount),
        EndReason::KeyMismatch { .. }
        | EndReason::Privilege { .. }
        | EndReason::OtherSuite { .. }
        | EndReason::NoRmcpPlus => Some(Refusal::Passes),
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

/// The suites to ask for, in their order. The one that was granted last comes first, so that a silent refusal of another one is
/// waited for once only; until then a site's or the table's word counts.
pub(super) fn suites(only: Option<u8>, last: Option<CipherSuite>, three_first: bool) -> Vec<CipherSuite> {
    let mut suites = match only {
        Some(id) => return CipherSuite::from_id(id).into_iter().collect(),
        None => CipherSuite::ALL,
    };
    let first = last.or(three_first.then_some(CipherSuite::Three));
    suites.sort_by_key(|suite| Some(*suite) != first);
    suites.to_vec()
}

/// Which privilege is asked for, how often in a row it was refused, and how our proof is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ladder {
    privilege: Privilege,
    /// No other privilege is asked for.
    is_fixed: bool,
    refused: u32,
    proof_role: ProofRole,
}

impl Ladder {
    /// As the site and the table say it: a user who is said to be OPERATOR is never asked to be more.
    pub(super) fn new(said: Option<UserPrivilege>, is_hashed_without_name_bit: bool) -> Self {
        let (privilege, is_fixed) = match said {
            Some(UserPrivilege::Operator) => (Privilege::Operator, true),
            Some(UserPrivilege::Administrator) | None => (Privilege::Administrator, false),
        };
        let proof_role = match is_hashed_without_name_bit {
            true => ProofRole::PrivilegeOnly,
            false => ProofRole::AsProved,
        };
        Self { privilege, is_fixed, refused: 0, proof_role }
    }

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
            // Some BMCs say "unknown user" of one who may not be that much.
            EndReason::Refused { status, .. } => {
                status.is_about_the_role() || *status == Status::UNAUTHORIZED_NAME
            }
            EndReason::Privilege { code, .. } => {
                self.refused += 1;
                let says_so = matches!(code.0, 0x80 | 0x81);
                says_so || (*code == CompletionCode::PRIVILEGE && self.refused > 1)
            }
            EndReason::Closed
            | EndReason::NoAnswer { .. }
            | EndReason::TooLong(_)
            | EndReason::ProofMismatch
            | EndReason::KeyMismatch { .. }
            | EndReason::OtherSuite { .. }
            | EndReason::NoRmcpPlus => false,
        };
        if gives_less && !self.is_fixed {
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
        check(EndReason::KeyMismatch { key_given: false }, Some(Refusal::Passes));
        let silent = |heard, dropped| EndReason::NoAnswer { stage: "RAKP 1", tries: 4, heard, dropped };
        check(silent(false, Dropped::default()), None);
        check(silent(true, Dropped::default()), Some(Refusal::Passes));
        check(silent(false, Dropped { unreadable: 1, ..Dropped::default() }), Some(Refusal::Passes));
    }

    #[test]
    fn a_refused_proof_is_hashed_in_the_other_way_next() {
        let check = |ends: &[EndReason], expected: ProofRole| {
            let mut ladder = Ladder::new(None, false);
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
            let mut ladder = Ladder::new(None, false);
            ends.iter().for_each(|end| ladder.ended(end));
            assert_eq!(ladder.privilege(), expected, "{ends:?}");
        };
        let role = |status| refused(LoginStep::Rakp1, status, false);
        let level =
            |code| EndReason::Privilege { privilege: Privilege::Administrator, code: CompletionCode(code) };
        check(&[], Privilege::Administrator);
        check(&[role(0x09)], Privilege::Operator);
        check(&[role(0x0a)], Privilege::Operator);
        check(&[role(0x0d)], Privilege::Operator);
        check(&[role(0x0d), role(0x0d)], Privilege::Administrator);
        check(&[role(0x0f)], Privilege::Administrator);
        check(&[role(0x12)], Privilege::Operator);
        check(&[level(0x81)], Privilege::Operator);
        check(&[level(0xd4)], Privilege::Administrator);
        check(&[level(0xd4), level(0xd4)], Privilege::Operator);
        check(&[role(0x0a), role(0x0a)], Privilege::Administrator);
        check(&[level(0xc3), level(0xc3), EndReason::ProofMismatch], Privilege::Administrator);
    }

    #[test]
    fn the_suite_that_was_granted_last_is_asked_for_first() {
        use CipherSuite::{Seventeen, Three};
        let check = |only, last, three_first, expected: &[CipherSuite]| {
            assert_eq!(suites(only, last, three_first), expected, "{only:?} {last:?} {three_first}");
        };
        check(None, None, false, &[Seventeen, Three]);
        check(None, Some(Three), false, &[Three, Seventeen]);
        check(None, Some(Seventeen), true, &[Seventeen, Three]);
        check(None, None, true, &[Three, Seventeen]);
        check(Some(17), Some(Three), true, &[Seventeen]);
        check(Some(3), None, false, &[Three]);
        check(Some(5), None, false, &[]);
    }

    #[test]
    fn a_user_who_is_said_to_be_operator_is_never_asked_to_be_more() {
        let mut ladder = Ladder::new(Some(UserPrivilege::Operator), false);
        for _ in 0..3 {
            ladder.ended(&refused(LoginStep::Rakp1, 0x0a, false));
            assert_eq!(ladder.privilege(), Privilege::Operator);
        }
        let mut ladder = Ladder::new(Some(UserPrivilege::Administrator), true);
        assert_eq!(ladder.proof_role(), ProofRole::PrivilegeOnly);
        ladder.ended(&refused(LoginStep::Rakp1, 0x0a, false));
        assert_eq!(ladder.privilege(), Privilege::Operator, "what is said may be out of date");
    }
}
