//! Edges: what faults mean for a virtual BMC's datagrams, answers and server.

use std::time::{Duration, Instant};

use protocol::quirk::Quirk;

use super::{fault::Fault, machine::Manner};
use crate::bmc::{
    BootManner, Faults, LockOut, LogInManner, accounts::TakesPasswords, password_rules::Rules,
    redfish_odd::Odd,
};

/// A request that comes so soon after an answer is lost, where there must be pauses.
const GAP: Duration = Duration::from_millis(200);
/// Readings after a power command that are answered with "unspecified error", where that passes.
const UNSPECIFIED: u32 = 2;
/// "Invalid field", as boot flags are refused with it.
const INVALID_FIELD: u8 = 0xcc;

/// All that a list of faults means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Of the BMC.
    pub faults: Faults,
    /// Of its Redfish service.
    pub odd: Vec<Odd>,
    /// Of its server.
    pub manner: Manner,
    /// Whether TLS 1.2 alone is spoken.
    pub old_tls: bool,
    /// How it takes a new password.
    pub passwords: TakesPasswords,
}

pub(super) fn effects(faults: &[Fault], now: Instant) -> Effects {
    let mut effects = Effects::default();
    faults.iter().for_each(|fault| effects.add(*fault, now));
    effects
}

impl Effects {
    fn add(&mut self, fault: Fault, now: Instant) {
        let faults = &mut self.faults;
        match fault {
            Fault::Silent => faults.silent = true,
            Fault::Slow { answer_ms } => faults.delay = Duration::from_millis(answer_ms),
            Fault::Lossy { percent } => faults.loss_percent = percent,
            Fault::Garbage => faults.garbage = true,
            Fault::Refuses => faults.refuse = true,
            Fault::Ignores => faults.ignore = true,
            Fault::FewSessions { sessions } => faults.sessions_max = Some(sessions),
            Fault::LocksOut { after, for_s } => {
                faults.lock_out = Some(LockOut { after, pause: Duration::from_secs(for_s) });
            }
            Fault::WrongForAWhile { log_ins } => faults.refused_log_ins = log_ins,
            Fault::Reboots { for_ms } => faults.down_until = Some(now + Duration::from_millis(for_ms)),
            // It is done once, by whoever switches it on.
            Fault::CertificateRenewed => {}
            Fault::PowerOnLost { times } => self.manner.power_ons_lost = times,
            Fault::TagZero => faults.log_in.push(LogInManner::TagZero),
            Fault::AnonymousRefusals => faults.log_in.push(LogInManner::AnonymousRefusals),
            Fault::NotAuthenticated => faults.log_in.push(LogInManner::NotAuthenticated),
            Fault::SuiteThreeGranted => faults.log_in.push(LogInManner::SuiteThreeGranted),
            Fault::ProofOfPrivilegeOnly => faults.log_in.push(LogInManner::ProofOfPrivilegeOnly),
            Fault::KeysOfPrivilegeOnly => faults.log_in.push(LogInManner::KeysOfPrivilegeOnly),
            Fault::Redirects => self.odd.push(Odd::Redirects(308)),
            Fault::ConflictAfterOff { times } => self.odd.push(Odd::ResetRefused { status: 409, times }),
            Fault::Deviation(quirk) => self.deviate(quirk),
        }
    }

    fn deviate(&mut self, quirk: Quirk) {
        let faults = &mut self.faults;
        match quirk {
            Quirk::EfiDiskIsRemote => faults.boot = BootManner::DiskIsRemote(INVALID_FIELD),
            Quirk::DiskBootLeftAlone => self.manner.disk_starts_in_circles = true,
            Quirk::ForgetsFirmwareMode => faults.boot = BootManner::NoMode,
            Quirk::BootFlagsNotRead => faults.boot = BootManner::Stale,
            Quirk::AllClearingSuppressed => faults.boot = BootManner::Cleared { unless: 0x1f },
            Quirk::BootOptionsAnnounced => faults.boot = BootManner::OnlyAnnounced,
            Quirk::NetworkBootPersistent => faults.boot = BootManner::OnlyPersistentNetwork,
            Quirk::UnspecifiedPasses => faults.unspecified = UNSPECIFIED,
            Quirk::PauseBetweenRequests => faults.gap = GAP,
            Quirk::ResetByOffAndOn => self.manner.reset_loses_disks = true,
            Quirk::ProofWithoutNameBit => faults.log_in.push(LogInManner::ConsolesProofOfPrivilegeOnly),
            Quirk::UserNamePadded => faults.log_in.push(LogInManner::NamePadded),
            Quirk::SuiteThreeFirst => faults.log_in.push(LogInManner::SuiteThreeOnly),
            Quirk::SessionNotKept => faults.sessions_max = Some(1),
            Quirk::BootAtSettings => self.odd.push(Odd::BootAtSettings { is_readable: false }),
            Quirk::BootModeNotSent => self.odd.push(Odd::ModeRefused),
            Quirk::BootSetOnceOnly => {
                faults.boot = BootManner::OnlyOnce(INVALID_FIELD);
                self.odd.push(Odd::OnceOnly { is_said: false });
            }
            Quirk::ConnectionNotKept => faults.one_request_a_connection = true,
            Quirk::OldTls => self.old_tls = true,
            Quirk::PasswordSixteenMost => self.passwords = TakesPasswords::CutsOff(16),
            Quirk::PasswordNineteenMost => self.passwords = TakesPasswords::CutsOff(19),
            Quirk::PasswordTwentyMost => self.passwords = TakesPasswords::CutsOff(20),
            Quirk::PasswordTwentyLeast => self.passwords = TakesPasswords::ByRules(Rules::TWENTY_LEAST),
            Quirk::MembersOneByOne => self.odd.push(Odd::MembersEmptied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_and_the_deviation_of_every_quirk_changes_something() {
        let now = Instant::now();
        for (fault, what) in Fault::all() {
            let changes = effects(&[fault], now) != Effects::default();
            // What is done once is not a state.
            assert_eq!(changes, fault != Fault::CertificateRenewed, "{fault:?}: {what}");
        }
    }
}
