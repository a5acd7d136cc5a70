//! Decisions: the payloads that open a session: Open Session and RAKP 1 to 4 (sections 13.17 to 13.24).

use super::{
    CipherSuite, Privilege,
    suite::{AUTH_CODE_BYTES_MAX, Algorithms},
    wire::{Malformed, Reader},
};

/// Longest user name (section 13.20).
pub const USERNAME_BYTES_MAX: usize = 16;

/// Some BMCs send bytes behind a code; more than so many are no code.
const BYTES_BEHIND_MAX: usize = 16;
/// Tag, status, two reserved bytes and a session id begin every answer.
const HEAD_BYTES: usize = 8;

/// Why a BMC or a console breaks off the opening of a session (table 13-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// Go on.
    pub const OK: Self = Self(0x00);
    /// No free session slot.
    pub const NO_RESOURCES: Self = Self(0x01);
    /// The session id is not known.
    pub const INVALID_SESSION: Self = Self(0x02);
    /// The role is not one.
    pub const INVALID_ROLE: Self = Self(0x09);
    /// The privilege is more than the user may have.
    pub const UNAUTHORIZED_PRIVILEGE: Self = Self(0x0a);
    /// No such user.
    pub const UNAUTHORIZED_NAME: Self = Self(0x0d);
    /// The proof of the password is wrong.
    pub const INVALID_INTEGRITY_CHECK: Self = Self(0x0f);
    /// No cipher suite has these algorithms.
    pub const NO_SUITE: Self = Self(0x11);

    /// The BMC does not speak this cipher suite; another one may do.
    pub fn is_about_the_suite(self) -> bool {
        matches!(self.0, 0x03..=0x08 | 0x10 | 0x11)
    }

    /// The BMC does not give the role that was asked for; a lower one may do.
    pub fn is_about_the_role(self) -> bool {
        matches!(self.0, 0x09 | 0x0a | 0x0b | 0x12)
    }

    /// In words, for a person.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "no error",
            0x01 => "no free session",
            0x02 => "unknown session id",
            0x03 => "payload type not supported",
            0x04 => "authentication algorithm not supported",
            0x05 => "integrity algorithm not supported",
            0x06 => "no authentication payload in common",
            0x07 => "no integrity payload in common",
            0x08 => "session id not active",
            0x09 => "role not known",
            0x0a => "role or privilege not allowed for this user",
            0x0b => "no free session for this role",
            0x0c => "wrong name length",
            0x0d => "unknown user name",
            0x0e => "unknown GUID",
            0x0f => "wrong proof of the password",
            0x10 => "confidentiality algorithm not supported",
            0x11 => "no cipher suite in common",
            0x12 => "a parameter is not allowed",
            _ => "see IPMI 2.0 table 13-15",
        }
    }
}

/// Open Session request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSessionRequest {
    /// Number of the exchange; the answer repeats it.
    pub tag: u8,
    /// Privilege asked for; none: the highest that fits.
    pub privilege: Option<Privilege>,
    /// The console's id of the session.
    pub console_id: u32,
    /// Algorithms asked for.
    pub algorithms: Algorithms,
}

/// Open Session response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSessionResponse {
    /// Number of the exchange.
    pub tag: u8,
    /// The console's id of the session.
    pub console_id: u32,
    /// The session, or why not.
    pub outcome: Result<OpenedSession, Status>,
}

/// What a BMC grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedSession {
    /// Privilege that the session may reach; none: the BMC does not say, as ipmi_sim does not when it was not asked for one, or says
    /// it in a way of its own.
    pub privilege: Option<Privilege>,
    /// The BMC's id of the session.
    pub bmc_id: u32,
    /// Algorithms agreed.
    pub algorithms: Algorithms,
}

fn optional_privilege(code: u8) -> Result<Option<Privilege>, Malformed> {
    match code & 0x0f {
        0 => Ok(None),
        code => Privilege::from_code(code).map(Some),
    }
}

fn push_algorithms(bytes: &mut Vec<u8>, algorithms: Algorithms) {
    for (kind, code) in
        [algorithms.authentication, algorithms.integrity, algorithms.confidentiality].into_iter().enumerate()
    {
        bytes.extend([kind as u8, 0, 0, 8, code, 0, 0, 0]);
    }
}

fn read_algorithms(reader: &mut Reader<'_>) -> Result<Algorithms, Malformed> {
    let mut codes = [0; 3];
    for (kind, code) in codes.iter_mut().enumerate() {
        let [found, _, _, length, value, ..] = reader.array::<8>()?;
        // A length of 0 means "any, you choose" (section 13.17); we are asked for that by nobody and refuse it.
        if usize::from(found) != kind || length != 8 {
            return Err(Malformed::new("algorithm payload", "is not of the expected kind or length"));
        }
        *code = value & 0x3f;
    }
    let [authentication, integrity, confidentiality] = codes;
    Ok(Algorithms { authentication, integrity, confidentiality })
}

impl OpenSessionRequest {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = vec![self.tag, self.privilege.map_or(0, Privilege::code), 0, 0];
        bytes.extend(self.console_id.to_le_bytes());
        push_algorithms(&mut bytes, self.algorithms);
        bytes
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Open Session request", bytes);
        let [tag, privilege, _, _] = reader.array()?;
        let privilege = optional_privilege(privilege)?;
        let console_id = reader.u32()?;
        Ok(Self { tag, privilege, console_id, algorithms: read_algorithms(&mut reader)? })
    }
}

impl OpenSessionResponse {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let (status, privilege) = match &self.outcome {
            Ok(opened) => (Status::OK, opened.privilege.map_or(0, Privilege::code)),
            Err(status) => (*status, 0),
        };
        let mut bytes = vec![self.tag, status.0, privilege, 0];
        bytes.extend(self.console_id.to_le_bytes());
        if let Ok(opened) = &self.outcome {
            bytes.extend(opened.bmc_id.to_le_bytes());
            push_algorithms(&mut bytes, opened.algorithms);
        }
        bytes
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if let Some((tag, status)) = bare_refusal(bytes) {
            return Ok(Self { tag, console_id: 0, outcome: Err(status) });
        }
        let mut reader = Reader::new("Open Session response", bytes);
        let [tag, status, privilege, _] = reader.array()?;
        let console_id = reader.u32()?;
        if status != Status::OK.0 {
            return Ok(Self { tag, console_id, outcome: Err(Status(status)) });
        }
        let bmc_id = reader.u32()?;
        let algorithms = read_algorithms(&mut reader)?;
        let privilege = Privilege::from_code(privilege & 0x0f).ok();
        Ok(Self { tag, console_id, outcome: Ok(OpenedSession { privilege, bmc_id, algorithms }) })
    }
}

/// RAKP 1: the console names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp1 {
    /// Number of the exchange.
    pub tag: u8,
    /// The BMC's id of the session.
    pub bmc_id: u32,
    /// The console's random number.
    pub random: [u8; 16],
    /// Privilege asked for, with the bit that says whether the user is found by name alone. It goes into the keys as it is.
    pub role: u8,
    /// User name.
    pub username: Vec<u8>,
}

/// RAKP 2: the BMC proves that it knows the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp2 {
    /// Number of the exchange.
    pub tag: u8,
    /// The console's id of the session.
    pub console_id: u32,
    /// The proof, or why not.
    pub outcome: Result<Rakp2Proof, Status>,
}

/// What RAKP 2 says when all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp2Proof {
    /// The BMC's random number.
    pub random: [u8; 16],
    /// The BMC's GUID.
    pub guid: [u8; 16],
    /// Key exchange authentication code.
    pub auth_code: Vec<u8>,
}

/// RAKP 3: the console proves the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp3 {
    /// Number of the exchange.
    pub tag: u8,
    /// The BMC's id of the session.
    pub bmc_id: u32,
    /// Key exchange authentication code, or why the console breaks off.
    pub outcome: Result<Vec<u8>, Status>,
}

/// RAKP 4: the BMC confirms with the session's integrity key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp4 {
    /// Number of the exchange.
    pub tag: u8,
    /// The console's id of the session.
    pub console_id: u32,
    /// Integrity check value, or why not.
    pub outcome: Result<Vec<u8>, Status>,
}

fn head(tag: u8, status: Status, id: u32) -> Vec<u8> {
    let mut bytes = vec![tag, status.0, 0, 0];
    bytes.extend(id.to_le_bytes());
    bytes
}

/// Some BMCs end a refusal after its status.
fn bare_refusal(bytes: &[u8]) -> Option<(u8, Status)> {
    match bytes {
        [tag, status, ..] if bytes.len() < HEAD_BYTES && *status != Status::OK.0 => {
            Some((*tag, Status(*status)))
        }
        _ => None,
    }
}

fn auth_code(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > AUTH_CODE_BYTES_MAX + BYTES_BEHIND_MAX {
        return Err(Malformed::new("authentication code", "is longer than any algorithm makes it"));
    }
    Ok(bytes.to_vec())
}

impl Rakp1 {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = head(self.tag, Status::OK, self.bmc_id);
        bytes.extend(self.random);
        bytes.extend([self.role, 0, 0, name_length(&self.username)]);
        bytes.extend(&self.username);
        bytes
    }

    /// To bytes, with zeroes behind a user name that has fewer than 16: some firmware takes no shorter RAKP 1.
    pub fn build_padded(&self) -> Vec<u8> {
        let mut bytes = self.build();
        let missing = USERNAME_BYTES_MAX.saturating_sub(self.username.len());
        bytes.extend(std::iter::repeat_n(0, missing));
        bytes
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("RAKP 1", bytes);
        let [tag, _, _, _] = reader.array()?;
        let (bmc_id, random) = (reader.u32()?, reader.array()?);
        let [role, _, _, length] = reader.array()?;
        if usize::from(length) > USERNAME_BYTES_MAX {
            return Err(Malformed::new("user name", "is longer than 16 bytes"));
        }
        Ok(Self { tag, bmc_id, random, role, username: reader.take(length.into())?.to_vec() })
    }
}

/// The user name's length as the wire and the keys have it.
pub(crate) fn name_length(username: &[u8]) -> u8 {
    u8::try_from(username.len()).expect("user names are checked to have at most 16 bytes")
}

impl Rakp2 {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        match &self.outcome {
            Err(status) => head(self.tag, *status, self.console_id),
            Ok(proof) => {
                let mut bytes = head(self.tag, Status::OK, self.console_id);
                bytes.extend(proof.random);
                bytes.extend(proof.guid);
                bytes.extend(&proof.auth_code);
                bytes
            }
        }
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if let Some((tag, status)) = bare_refusal(bytes) {
            return Ok(Self { tag, console_id: 0, outcome: Err(status) });
        }
        let mut reader = Reader::new("RAKP 2", bytes);
        let [tag, status, _, _] = reader.array()?;
        let console_id = reader.u32()?;
        if status != Status::OK.0 {
            return Ok(Self { tag, console_id, outcome: Err(Status(status)) });
        }
        let (random, guid) = (reader.array()?, reader.array()?);
        let auth_code = auth_code(reader.rest())?;
        Ok(Self { tag, console_id, outcome: Ok(Rakp2Proof { random, guid, auth_code }) })
    }
}

macro_rules! code_message {
    ($name:ident, $id:ident, $label:literal) => {
        impl $name {
            /// To bytes.
            pub fn build(&self) -> Vec<u8> {
                match &self.outcome {
                    Err(status) => head(self.tag, *status, self.$id),
                    Ok(code) => {
                        let mut bytes = head(self.tag, Status::OK, self.$id);
                        bytes.extend(code);
                        bytes
                    }
                }
            }

            /// From bytes.
            pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
                if let Some((tag, status)) = bare_refusal(bytes) {
                    return Ok(Self { tag, $id: 0, outcome: Err(status) });
                }
                let mut reader = Reader::new($label, bytes);
                let [tag, status, _, _] = reader.array()?;
                let $id = reader.u32()?;
                let outcome =
                    if status == Status::OK.0 { Ok(auth_code(reader.rest())?) } else { Err(Status(status)) };
                Ok(Self { tag, $id, outcome })
            }
        }
    };
}
code_message!(Rakp3, bmc_id, "RAKP 3");
code_message!(Rakp4, console_id, "RAKP 4");

/// The role byte: privilege, and bit 4 for "find the user by name alone" (section 13.20), as common tools send it.
pub fn role(privilege: Privilege) -> u8 {
    NAME_ONLY | privilege.code()
}

/// The bit of the role byte for "find the user by name alone".
pub(crate) const NAME_ONLY: u8 = 0x10;

/// The suite that these algorithms make.
pub fn suite_of(algorithms: Algorithms) -> Option<CipherSuite> {
    CipherSuite::ALL.into_iter().find(|suite| suite.algorithms() == algorithms)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn status() -> impl Strategy<Value = Status> {
        (1..=255_u8).prop_map(Status)
    }

    fn algorithms() -> impl Strategy<Value = Algorithms> {
        (0..64_u8, 0..64_u8, 0..64_u8).prop_map(|(authentication, integrity, confidentiality)| Algorithms {
            authentication,
            integrity,
            confidentiality,
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..128)) {
            let _ = OpenSessionRequest::parse(&bytes);
            let _ = OpenSessionResponse::parse(&bytes);
            let _ = Rakp1::parse(&bytes);
            let _ = Rakp2::parse(&bytes);
            let _ = Rakp3::parse(&bytes);
            let _ = Rakp4::parse(&bytes);
        }

        #[test]
        fn open_session_comes_back(tag: u8, console_id: u32, bmc_id: u32, algorithms in algorithms(), status in status(), ok: bool) {
            let request = OpenSessionRequest { tag, privilege: ok.then_some(Privilege::Operator), console_id, algorithms };
            prop_assert_eq!(OpenSessionRequest::parse(&request.build()), Ok(request));
            let opened = OpenedSession { privilege: ok.then_some(Privilege::Administrator), bmc_id, algorithms };
            let response = OpenSessionResponse { tag, console_id, outcome: if ok { Ok(opened) } else { Err(status) } };
            prop_assert_eq!(OpenSessionResponse::parse(&response.build()), Ok(response));
        }

        #[test]
        fn rakp_comes_back(tag: u8, id: u32, random: [u8; 16], guid: [u8; 16], role: u8, username in vec(any::<u8>(), 0..=16), code in vec(any::<u8>(), 0..=32), status in status(), ok: bool) {
            let rakp1 = Rakp1 { tag, bmc_id: id, random, role, username };
            prop_assert_eq!(Rakp1::parse(&rakp1.build()), Ok(rakp1));
            let proof = Rakp2Proof { random, guid, auth_code: code.clone() };
            let rakp2 = Rakp2 { tag, console_id: id, outcome: if ok { Ok(proof) } else { Err(status) } };
            prop_assert_eq!(Rakp2::parse(&rakp2.build()), Ok(rakp2));
            let outcome = if ok { Ok(code) } else { Err(status) };
            let rakp3 = Rakp3 { tag, bmc_id: id, outcome: outcome.clone() };
            prop_assert_eq!(Rakp3::parse(&rakp3.build()), Ok(rakp3));
            let rakp4 = Rakp4 { tag, console_id: id, outcome };
            prop_assert_eq!(Rakp4::parse(&rakp4.build()), Ok(rakp4));
        }
    }
}
