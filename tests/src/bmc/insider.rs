//! Edges: a BMC with ways of its own in what only the two ends of a session can read: a man in the middle who knows the password,
//! and so opens each packet and seals it anew.

use std::net::SocketAddr;

use protocol::{
    ipmi::{
        CipherSuite,
        message::{CompletionCode, ResponseMessage},
        rakp::{self, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp2Proof, Rakp3, Rakp4},
        rmcp::{self, Packet, PayloadType, PlusPacket},
        suite::{Handshake, SessionKeys, same_code},
    },
    secret::Secret,
};

use super::odd::{Direction, Front, Passed, relay};

/// A request by its network function and command.
pub type Asked = (u8, u8);

/// Set Session Privilege Level (section 22.18).
pub const SET_PRIVILEGE: Asked = (0x06, 0x3b);
/// Get Chassis Status (section 28.2).
pub const CHASSIS_STATUS: Asked = (0x00, 0x01);
/// Chassis Control (section 28.3).
pub const CHASSIS_CONTROL: Asked = (0x00, 0x02);

/// Bit of the payload type's byte: encrypted.
const ENCRYPTED: u8 = 0x80;
/// Where the byte of the payload's type stands.
const TYPE_AT: usize = 5;
/// What comes before the payload: RMCP and the session's header.
const HEADERS_BYTES: usize = 16;

/// What is odd about a BMC.
#[derive(Clone, Copy, Debug)]
pub enum Oddity {
    /// The first so many answers to this request have this completion code and no data.
    Answers {
        /// Which request.
        to: Asked,
        /// Completion code.
        code: u8,
        /// How many.
        times: usize,
    },
    /// Answers in a session are encrypted and not authenticated.
    NotAuthenticated,
    /// Its proof and its keys are hashed with another role byte than RAKP 1 had.
    RoleInProof(fn(u8) -> u8),
    /// The console's proof (RAKP 3) has to be hashed with another role byte than RAKP 1 had.
    RoleInRakp3(fn(u8) -> u8),
    /// Its keys alone are hashed with another role byte than RAKP 1 had.
    RoleInKeys(fn(u8) -> u8),
    /// Its proof (RAKP 2) has so many bytes behind it.
    LongProof(usize),
    /// The code of RAKP 4 has so many bytes behind it.
    LongCheck(usize),
    /// Answers in a session name session 0.
    SessionZero,
    /// Answers in a session have request number 0, whatever the request had.
    NumberZero,
    /// It has a key K_g of its own: RAKP 4 and the session are keyed with it, and not with the password.
    OwnKey,
}

/// Before an IPMI BMC whose user has this password.
pub async fn before_ipmi(bmc: SocketAddr, password: &str, oddity: Oddity) -> anyhow::Result<Front> {
    let mut insider = Insider::new(Secret::new(password), oddity);
    relay(bmc, move |direction, datagram| insider.pass(direction, datagram)).await
}

/// What was seen of the log-in that is under way.
#[derive(Default)]
struct Opening {
    suite: Option<CipherSuite>,
    console_id: u32,
    rakp1: Option<Rakp1>,
    proof: Option<Rakp2Proof>,
}

/// The keys of an open session, as its two ends have them.
struct Ends {
    console: SessionKeys,
    console_id: u32,
    bmc: SessionKeys,
    bmc_id: u32,
}

/// He knows what one console and the BMC have told each other.
pub(super) struct Insider {
    password: Secret,
    oddity: Oddity,
    left: usize,
    opening: Opening,
    ends: Option<Ends>,
}

impl Insider {
    /// Before either has said anything.
    pub(super) fn new(password: Secret, oddity: Oddity) -> Self {
        let left = match oddity {
            Oddity::Answers { times, .. } => times,
            Oddity::NotAuthenticated
            | Oddity::RoleInProof(_)
            | Oddity::RoleInRakp3(_)
            | Oddity::RoleInKeys(_)
            | Oddity::LongProof(_)
            | Oddity::LongCheck(_)
            | Oddity::SessionZero
            | Oddity::NumberZero
            | Oddity::OwnKey => usize::MAX,
        };
        Self { password, oddity, left, opening: Opening::default(), ends: None }
    }

    /// A datagram as it goes on.
    pub(super) fn pass(&mut self, direction: Direction, datagram: Vec<u8>) -> Passed {
        let code_bytes = self.opening.suite.map_or(0, CipherSuite::integrity_bytes);
        let changed = match rmcp::parse(&datagram, |_| code_bytes) {
            Ok(Packet::Plus(packet)) => self.plus(direction, packet),
            Ok(Packet::Plain(_)) | Err(_) => None,
        };
        match changed {
            Some(changed) => Passed { is_changed: changed != datagram, datagram: Some(changed) },
            None => Passed::on(datagram),
        }
    }

    /// The packet as it goes on; none: unchanged.
    fn plus(&mut self, direction: Direction, packet: PlusPacket<'_>) -> Option<Vec<u8>> {
        match packet.header.payload_type {
            PayloadType::OpenSessionRequest => {
                let request = OpenSessionRequest::parse(packet.payload).ok()?;
                let suite = rakp::suite_of(request.algorithms);
                self.opening = Opening { suite, console_id: request.console_id, ..Opening::default() };
                None
            }
            PayloadType::OpenSessionResponse => {
                OpenSessionResponse::parse(packet.payload).ok()?;
                None
            }
            PayloadType::Rakp1 => {
                self.opening.rakp1 = Some(Rakp1::parse(packet.payload).ok()?);
                None
            }
            PayloadType::Rakp2 => self.rakp2(packet.payload),
            PayloadType::Rakp3 => self.rakp3(packet.payload),
            PayloadType::Rakp4 => self.rakp4(packet.payload),
            PayloadType::Ipmi if packet.header.session_id != 0 => self.sealed(direction, &packet),
            PayloadType::Ipmi | PayloadType::Sol => None,
        }
    }

    /// The log-in as hashed with this role byte.
    fn hashed<T>(&self, role: impl Fn(u8) -> u8, use_it: impl Fn(&Handshake<'_>) -> T) -> Option<T> {
        let Opening { suite: Some(suite), console_id, rakp1: Some(rakp1), proof: Some(proof) } =
            &self.opening
        else {
            return None;
        };
        let rakp1 = Rakp1 { role: role(rakp1.role), ..rakp1.clone() };
        let handshake = Handshake {
            suite: *suite,
            password: self.password.reveal().as_bytes(),
            k_g: None,
            console_id: *console_id,
            rakp1: &rakp1,
            bmc_random: &proof.random,
            guid: &proof.guid,
        };
        Some(use_it(&handshake))
    }

    fn role_in_proof(&self) -> fn(u8) -> u8 {
        match self.oddity {
            Oddity::RoleInProof(role) => role,
            Oddity::Answers { .. }
            | Oddity::NotAuthenticated
            | Oddity::RoleInRakp3(_)
            | Oddity::RoleInKeys(_)
            | Oddity::LongProof(_)
            | Oddity::LongCheck(_)
            | Oddity::SessionZero
            | Oddity::NumberZero
            | Oddity::OwnKey => |role| role,
        }
    }

    fn role_in_rakp3(&self) -> fn(u8) -> u8 {
        match self.oddity {
            Oddity::RoleInRakp3(role) => role,
            Oddity::RoleInProof(_)
            | Oddity::Answers { .. }
            | Oddity::NotAuthenticated
            | Oddity::RoleInKeys(_)
            | Oddity::LongProof(_)
            | Oddity::LongCheck(_)
            | Oddity::SessionZero
            | Oddity::NumberZero
            | Oddity::OwnKey => self.role_in_proof(),
        }
    }

    fn role_in_keys(&self) -> fn(u8) -> u8 {
        if let Oddity::RoleInKeys(role) = self.oddity { role } else { self.role_in_proof() }
    }

    fn rakp2(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut rakp2 = Rakp2::parse(payload).ok()?;
        let mut proof = rakp2.outcome.ok()?;
        self.opening.proof = Some(proof.clone());
        proof.auth_code = self.hashed(self.role_in_proof(), |odd| odd.rakp2_code().to_vec())?;
        if let Oddity::LongProof(more) = self.oddity {
            proof.auth_code.extend(std::iter::repeat_n(0, more));
        }
        rakp2.outcome = Ok(proof);
        Some(rmcp::build_bare(PayloadType::Rakp2, &rakp2.build()))
    }

    fn rakp3(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut rakp3 = Rakp3::parse(payload).ok()?;
        let code = rakp3.outcome.ok()?;
        let expected = self.hashed(self.role_in_rakp3(), |odd| odd.rakp3_code().to_vec())?;
        // What was expected is told to the BMC behind as it expects it; all else stays wrong.
        let is_right = same_code(&expected, &code);
        let mut told = self.hashed(|role| role, |true_one| true_one.rakp3_code().to_vec())?;
        told[0] ^= u8::from(!is_right);
        rakp3.outcome = Ok(told);
        Some(rmcp::build_bare(PayloadType::Rakp3, &rakp3.build()))
    }

    fn rakp4(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut rakp4 = Rakp4::parse(payload).ok()?;
        rakp4.outcome.as_ref().ok()?;
        let bmc_id = self.opening.rakp1.as_ref()?.bmc_id;
        let (console, mut check) = self.hashed(self.role_in_keys(), |odd| odd.keys())?;
        let (bmc, _) = self.hashed(|role| role, |true_one| true_one.keys())?;
        match self.oddity {
            Oddity::OwnKey => check[0] ^= 1,
            Oddity::LongCheck(more) => check.extend(std::iter::repeat_n(0, more)),
            _ => {}
        }
        self.ends = Some(Ends { console, console_id: self.opening.console_id, bmc, bmc_id });
        rakp4.outcome = Ok(check);
        Some(rmcp::build_bare(PayloadType::Rakp4, &rakp4.build()))
    }

    fn sealed(&mut self, direction: Direction, packet: &PlusPacket<'_>) -> Option<Vec<u8>> {
        let ends = self.ends.as_ref()?;
        let sequence = packet.header.sequence;
        if direction == Direction::Out {
            let message = ends.console.open(packet).ok()?;
            return Some(ends.bmc.seal(ends.bmc_id, sequence, &message));
        }
        let message = ends.bmc.open(packet).ok()?.to_vec();
        let (console_id, oddity) = (ends.console_id, self.oddity);
        let message = match (oddity, ResponseMessage::parse(&message)) {
            (Oddity::Answers { to, code, .. }, Ok(answer))
                if self.left > 0 && to == (answer.netfn, answer.command) =>
            {
                self.left -= 1;
                ResponseMessage { code: CompletionCode(code), data: &[], ..answer }.build()
            }
            (Oddity::NumberZero, Ok(answer)) => {
                self.left -= 1;
                ResponseMessage { sequence: 0, ..answer }.build()
            }
            _ => message,
        };
        let named = if matches!(oddity, Oddity::SessionZero) { 0 } else { console_id };
        let sealed = self.ends.as_ref()?.console.seal(named, sequence, &message);
        Some(if matches!(oddity, Oddity::NotAuthenticated) { without_trailer(sealed) } else { sealed })
    }
}

/// The same packet, said to be encrypted only, and without its session trailer.
fn without_trailer(mut sealed: Vec<u8>) -> Vec<u8> {
    let length = usize::from(u16::from_le_bytes([sealed[HEADERS_BYTES - 2], sealed[HEADERS_BYTES - 1]]));
    sealed.truncate(HEADERS_BYTES + length);
    sealed[TYPE_AT] = ENCRYPTED;
    sealed
}
