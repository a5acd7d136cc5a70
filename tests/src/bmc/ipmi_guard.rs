//! Edges: what comes between a virtual IPMI BMC and the network: datagrams that are lost, log-ins that are refused, and answers
//! that differ from what its machine says.

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use protocol::ipmi::{
    CipherSuite,
    rakp::{self, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Status},
    rmcp::{self, Packet, PayloadType},
};

use super::{
    Faults, LogInManner,
    accounts::Password,
    insider::{Insider, Oddity},
    odd::Direction,
};

/// Consoles whose log-ins are known at a time; with more, all are forgotten.
const CONSOLES_MAX: usize = 64;
/// Where an RMCP+ datagram has the byte of its payload's type, and its payload.
const TYPE_AT: usize = 5;
const PAYLOAD_AT: usize = 16;
/// Bits of the payload's type that name it.
const TYPE_BITS: u8 = 0x3f;
/// Payload types of a BMC's answers in a log-in.
const RAKP_2: u8 = 0x13;
const RAKP_4: u8 = 0x15;
/// Bits of a role that are its privilege; another one says that the user is found by name.
const PRIVILEGE_BITS: u8 = 0x0f;
/// Bytes of RAKP 1 with a name of 16 bytes.
const RAKP_1_BYTES_MAX: usize = 28 + rakp::USERNAME_BYTES_MAX;

/// What is known of the BMC when a datagram comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Sessions, open and half open.
    pub sessions: usize,
    /// Log-ins that it has refused since its start.
    pub refused: u64,
    /// When it came.
    pub now: Instant,
    /// Chance: 0 to 99.
    pub chance: u8,
}

/// What becomes of a datagram for the BMC.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comes {
    /// It is given to the BMC, as it has come or changed.
    In(Vec<u8>),
    /// It is lost.
    Lost,
    /// It is answered with this, and the BMC does not see it.
    Answered(Vec<u8>),
    /// The BMC has started again: its sessions are to be forgotten, and then the datagram is for it.
    AfterRestart(Vec<u8>),
}

/// Stands before one BMC.
pub(super) struct Guard {
    password: Password,
    insiders: HashMap<SocketAddr, (LogInManner, Insider)>,
    answered: Option<Instant>,
    /// Refused log-ins that have led to a lock already, and until when that holds.
    locked: (u64, Option<Instant>),
}

impl Guard {
    /// Before a BMC whose user has this password.
    pub fn new(password: Password) -> Self {
        Self { password, insiders: HashMap::new(), answered: None, locked: (0, None) }
    }

    /// A datagram comes. `refuses`: whether the log-in that begins now is refused for no reason.
    pub fn comes(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        faults: &Faults,
        known: Known,
        refuses: impl FnOnce() -> bool,
    ) -> Comes {
        if let Some(until) = faults.down_until {
            self.insiders.clear();
            return if known.now < until { Comes::Lost } else { Comes::AfterRestart(datagram.to_vec()) };
        }
        let is_too_soon = self.answered.is_some_and(|at| known.now.duration_since(at) < faults.gap);
        if faults.silent || known.chance < faults.loss_percent || is_too_soon {
            return Comes::Lost;
        }
        let datagram = match self.insider(from, faults) {
            None => datagram.to_vec(),
            Some(insider) => match insider.pass(Direction::Out, datagram.to_vec()).datagram {
                None => return Comes::Lost,
                Some(datagram) => datagram,
            },
        };
        let step = match rmcp::parse(&datagram, |_| 0) {
            Ok(Packet::Plus(packet)) => Some((packet.header.payload_type, packet.payload)),
            // What it is worth is the BMC's to say.
            Ok(Packet::Plain(_)) | Err(_) => None,
        };
        let instead = match step {
            Some((PayloadType::OpenSessionRequest, payload)) => open_session(payload, faults, known),
            Some((PayloadType::Rakp1, payload)) => self.rakp1(payload, faults, known, refuses),
            Some((
                PayloadType::OpenSessionResponse
                | PayloadType::Rakp2
                | PayloadType::Rakp3
                | PayloadType::Rakp4
                | PayloadType::Ipmi
                | PayloadType::Sol,
                _,
            ))
            | None => None,
        };
        instead.unwrap_or(Comes::In(datagram))
    }

    fn rakp1(
        &mut self,
        payload: &[u8],
        faults: &Faults,
        known: Known,
        refuses: impl FnOnce() -> bool,
    ) -> Option<Comes> {
        let is_short = payload.len() < RAKP_1_BYTES_MAX;
        if faults.log_in.contains(&LogInManner::NamePadded) && is_short {
            return Some(Comes::Lost);
        }
        if !self.is_locked(faults, known) && !refuses() {
            return None;
        }
        let rakp1 = Rakp1::parse(payload).ok()?;
        // The console's id is not known here; a refusal need not repeat it (section 13.18).
        let refusal = Rakp2 { tag: rakp1.tag, console_id: 0, outcome: Err(Status::UNAUTHORIZED_NAME) };
        Some(Comes::Answered(rmcp::build_bare(PayloadType::Rakp2, &refusal.build())))
    }

    /// Whether the user is locked, which begins when the refused log-ins are as many as that takes.
    fn is_locked(&mut self, faults: &Faults, known: Known) -> bool {
        let Some(lock_out) = faults.lock_out else { return false };
        let (counted, until) = &mut self.locked;
        if known.refused >= *counted + lock_out.after {
            (*counted, *until) = (known.refused, Some(known.now + lock_out.pause));
        }
        until.is_some_and(|until| known.now < until)
    }

    /// A datagram goes; none: it is lost.
    pub fn goes(
        &mut self,
        to: SocketAddr,
        datagram: Vec<u8>,
        faults: &Faults,
        known: Known,
    ) -> Option<Vec<u8>> {
        self.answered = Some(known.now);
        if known.chance < faults.loss_percent {
            return None;
        }
        let mut datagram = match self.insider(to, faults) {
            None => datagram,
            Some(insider) => insider.pass(Direction::Back, datagram).datagram?,
        };
        let (kind, is_refusal) = match datagram.get(PAYLOAD_AT..PAYLOAD_AT + 2) {
            Some(payload) => (datagram[TYPE_AT] & TYPE_BITS, payload[1] != Status::OK.0),
            None => return Some(datagram),
        };
        if matches!(kind, RAKP_2 | RAKP_4) && faults.log_in.contains(&LogInManner::TagZero) {
            datagram[PAYLOAD_AT] = 0;
        }
        if kind == RAKP_2 && is_refusal && faults.log_in.contains(&LogInManner::AnonymousRefusals) {
            let status = datagram[PAYLOAD_AT + 1];
            datagram[PAYLOAD_AT..].fill(0);
            datagram[PAYLOAD_AT + 1] = status;
        }
        if faults.garbage {
            datagram.iter_mut().skip(6).for_each(|byte| *byte ^= 0x5a);
        }
        Some(datagram)
    }

    /// Who changes what a console and the BMC tell each other, if that is to be changed.
    fn insider(&mut self, console: SocketAddr, faults: &Faults) -> Option<&mut Insider> {
        let (manner, oddity) = faults.log_in.iter().find_map(|manner| Some((*manner, oddity(*manner)?)))?;
        if self.insiders.len() >= CONSOLES_MAX {
            self.insiders.clear();
        }
        let password = self.password.get();
        let (known, insider) =
            self.insiders.entry(console).or_insert_with(|| (manner, Insider::new(password.clone(), oddity)));
        if *known != manner {
            (*known, *insider) = (manner, Insider::new(password, oddity));
        }
        Some(insider)
    }
}

/// What only somebody with the password can change.
fn oddity(manner: LogInManner) -> Option<Oddity> {
    match manner {
        LogInManner::ProofOfPrivilegeOnly => Some(Oddity::RoleInProof(|role| role & PRIVILEGE_BITS)),
        LogInManner::KeysOfPrivilegeOnly => Some(Oddity::RoleInKeys(|role| role & PRIVILEGE_BITS)),
        LogInManner::ConsolesProofOfPrivilegeOnly => Some(Oddity::RoleInRakp3(|role| role & PRIVILEGE_BITS)),
        LogInManner::NotAuthenticated => Some(Oddity::NotAuthenticated),
        LogInManner::TagZero
        | LogInManner::AnonymousRefusals
        | LogInManner::SuiteThreeGranted
        | LogInManner::SuiteThreeOnly
        | LogInManner::NamePadded => None,
    }
}

fn open_session(payload: &[u8], faults: &Faults, known: Known) -> Option<Comes> {
    let request = OpenSessionRequest::parse(payload).ok()?;
    let refused = |status| {
        let (tag, console_id) = (request.tag, request.console_id);
        let response = OpenSessionResponse { tag, console_id, outcome: Err(status) };
        Some(Comes::Answered(rmcp::build_bare(PayloadType::OpenSessionResponse, &response.build())))
    };
    if faults.sessions_max.is_some_and(|max| known.sessions >= max) {
        return refused(Status::NO_RESOURCES);
    }
    let is_three = rakp::suite_of(request.algorithms) == Some(CipherSuite::Three);
    if is_three {
        return None;
    }
    if faults.log_in.contains(&LogInManner::SuiteThreeOnly) {
        return Some(Comes::Lost);
    }
    if faults.log_in.contains(&LogInManner::SuiteThreeGranted) {
        let algorithms = CipherSuite::Three.algorithms();
        let asked = OpenSessionRequest { algorithms, ..request };
        return Some(Comes::In(rmcp::build_bare(PayloadType::OpenSessionRequest, &asked.build())));
    }
    None
}

/// Chance as [`Known`] wants it.
pub(super) fn chance() -> u8 {
    rand::random_range(0..100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::secret::Secret;

    use super::{super::LockOut, *};

    fn known(refused: u64, now: Instant) -> Known {
        Known { sessions: 0, refused, now, chance: 50 }
    }

    fn rakp1(name: &str) -> Vec<u8> {
        let username = name.as_bytes().to_vec();
        let rakp1 = Rakp1 { tag: 7, bmc_id: 1, random: [0; 16], role: 0x14, username };
        rmcp::build_bare(PayloadType::Rakp1, &rakp1.build())
    }

    #[test]
    fn a_user_is_locked_for_a_while_after_failed_log_ins() {
        let faults = Faults {
            lock_out: Some(LockOut { after: 2, pause: Duration::from_secs(60) }),
            ..Faults::default()
        };
        let (mut guard, start, from) =
            (Guard::new(Password::new(Secret::new("x"))), Instant::now(), "127.0.0.1:9".parse().unwrap());
        let mut check = |refused, after_s, is_locked| {
            let now = start + Duration::from_secs(after_s);
            let comes = guard.comes(from, &rakp1("admin"), &faults, known(refused, now), || false);
            assert_eq!(matches!(comes, Comes::Answered(_)), is_locked, "{refused} refused, {after_s} s");
        };
        check(1, 0, false);
        check(2, 1, true);
        check(2, 60, true);
        check(2, 61, false);
        check(3, 62, false);
        check(4, 63, true);
    }

    #[test]
    fn what_is_lost_and_what_is_answered_follows_from_the_faults() {
        let (start, from) = (Instant::now(), "127.0.0.1:9".parse().unwrap());
        let check = |faults: Faults, datagram: &[u8], expected: fn(&Comes) -> bool| {
            let mut guard = Guard::new(Password::new(Secret::new("x")));
            guard.answered = Some(start);
            let now = start + Duration::from_millis(100);
            let comes = guard.comes(from, datagram, &faults, known(0, now), || faults.refused_log_ins > 0);
            assert!(expected(&comes), "{faults:?}: {comes:?}");
        };
        let lost: fn(&Comes) -> bool = |comes| *comes == Comes::Lost;
        let passes: fn(&Comes) -> bool = |comes| matches!(comes, Comes::In(_));
        let answered: fn(&Comes) -> bool = |comes| matches!(comes, Comes::Answered(_));
        check(Faults::default(), &rakp1("admin"), passes);
        check(Faults { silent: true, ..Faults::default() }, &rakp1("admin"), lost);
        check(Faults { loss_percent: 51, ..Faults::default() }, &rakp1("admin"), lost);
        check(Faults { loss_percent: 50, ..Faults::default() }, &rakp1("admin"), passes);
        check(Faults { gap: Duration::from_millis(101), ..Faults::default() }, &rakp1("admin"), lost);
        check(Faults { gap: Duration::from_millis(100), ..Faults::default() }, &rakp1("admin"), passes);
        check(Faults { refused_log_ins: 1, ..Faults::default() }, &rakp1("admin"), answered);
        check(Faults { sessions_max: Some(0), ..Faults::default() }, &rakp1("admin"), passes);
        let down = |ms| Faults { down_until: Some(start + Duration::from_millis(ms)), ..Faults::default() };
        check(down(101), &rakp1("admin"), lost);
        check(down(100), &rakp1("admin"), |comes| matches!(comes, Comes::AfterRestart(_)));
        let padded = Faults { log_in: vec![LogInManner::NamePadded], ..Faults::default() };
        check(padded.clone(), &rakp1("admin"), lost);
        check(padded, &rakp1("a-name-of-16-byt"), passes);
        let open = |suite: CipherSuite| {
            let (tag, privilege, console_id) = (1, None, 5);
            let request = OpenSessionRequest { tag, privilege, console_id, algorithms: suite.algorithms() };
            rmcp::build_bare(PayloadType::OpenSessionRequest, &request.build())
        };
        let full = Faults { sessions_max: Some(0), ..Faults::default() };
        check(full, &open(CipherSuite::Three), answered);
        let three = Faults { log_in: vec![LogInManner::SuiteThreeOnly], ..Faults::default() };
        check(three.clone(), &open(CipherSuite::Three), passes);
        check(three, &open(CipherSuite::Seventeen), lost);
    }
}
