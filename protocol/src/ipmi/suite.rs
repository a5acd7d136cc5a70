//! Decisions: the two cipher suites, the session's keys, and sealing and opening of packets (sections 13.28 to 13.33).

use aes::Aes128;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    rakp::{Rakp1, Rakp2Proof, name_length},
    rmcp::{self, Header, NEXT_HEADER, PayloadType, PlusPacket},
    wire::Malformed,
};

/// Longest authentication code of the algorithms we know.
pub const AUTH_CODE_BYTES_MAX: usize = 32;
/// What [`SessionKeys::open`] says of a packet that the session's key does not vouch for.
pub(crate) const WRONG_CODE: Malformed = Malformed::new("authentication code", "is wrong");
/// AES block.
const BLOCK_BYTES: usize = 16;

/// Cipher suites that encrypt and that current BMCs offer (table 22-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherSuite {
    /// HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Three,
    /// HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

/// The three algorithm numbers of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms {
    /// Authentication (table 13-17).
    pub authentication: u8,
    /// Integrity (table 13-18).
    pub integrity: u8,
    /// Confidentiality (table 13-19).
    pub confidentiality: u8,
}

impl CipherSuite {
    /// Both, best first.
    pub const ALL: [Self; 2] = [Self::Seventeen, Self::Three];

    /// Its number.
    pub fn id(self) -> u8 {
        match self {
            CipherSuite::Three => 3,
            CipherSuite::Seventeen => 17,
        }
    }

    /// From its number.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// Its algorithms.
    pub fn algorithms(self) -> Algorithms {
        match self {
            CipherSuite::Three => Algorithms { authentication: 1, integrity: 1, confidentiality: 1 },
            CipherSuite::Seventeen => Algorithms { authentication: 3, integrity: 4, confidentiality: 1 },
        }
    }

    /// Bytes of the authentication code of a packet; RAKP 4 has the same.
    pub fn integrity_bytes(self) -> usize {
        match self {
            CipherSuite::Three => 12,
            CipherSuite::Seventeen => 16,
        }
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        fn run<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            parts.iter().for_each(|part| mac.update(part));
            Zeroizing::new(mac.finalize().into_bytes().to_vec())
        }
        match self {
            CipherSuite::Three => run::<Hmac<Sha1>>(key, parts),
            CipherSuite::Seventeen => run::<Hmac<Sha256>>(key, parts),
        }
    }
}

/// Everything both ends know after RAKP 2; the codes and keys follow from it and the password.
#[derive(Clone, Debug)]
pub struct Handshake<'a> {
    /// Suite.
    pub suite: CipherSuite,
    /// The password.
    pub password: &'a [u8],
    /// The BMC's own key K_G; none: it has none, and the password stands in its place (section 13.31).
    pub k_g: Option<&'a [u8]>,
    /// The console's id.
    pub console_id: u32,
    /// RAKP 1 as it was sent: the BMC's id, the console's random number, role and name.
    pub rakp1: &'a Rakp1,
    /// The BMC's random number.
    pub bmc_random: &'a [u8; 16],
    /// The BMC's GUID.
    pub guid: &'a [u8; 16],
}

impl Handshake<'_> {
    /// Key exchange authentication code of RAKP 2 (section 13.21).
    pub fn rakp2_code(&self) -> Zeroizing<Vec<u8>> {
        let name = &self.rakp1.username;
        self.suite.hmac(
            self.password,
            &[
                &self.console_id.to_le_bytes(),
                &self.rakp1.bmc_id.to_le_bytes(),
                &self.rakp1.random,
                self.bmc_random,
                self.guid,
                &[self.rakp1.role, name_length(name)],
                name,
            ],
        )
    }

    /// Key exchange authentication code of RAKP 3 (section 13.22).
    pub fn rakp3_code(&self) -> Zeroizing<Vec<u8>> {
        let name = &self.rakp1.username;
        let console_id = self.console_id.to_le_bytes();
        self.suite
            .hmac(self.password, &[self.bmc_random, &console_id, &[self.rakp1.role, name_length(name)], name])
    }

    /// The session's keys and the integrity check value of RAKP 4 (sections 13.23, 13.31, 13.32).
    pub fn keys(&self) -> (SessionKeys, Vec<u8>) {
        let name = &self.rakp1.username;
        let sik = self.suite.hmac(
            self.k_g.unwrap_or(self.password),
            &[&self.rakp1.random, self.bmc_random, &[self.rakp1.role, name_length(name)], name],
        );
        let mut check = self
            .suite
            .hmac(&sik, &[&self.rakp1.random, &self.rakp1.bmc_id.to_le_bytes(), self.guid])
            .to_vec();
        check.truncate(self.suite.integrity_bytes());
        let k2 = self.suite.hmac(&sik, &[&[2; 20]]);
        let keys = SessionKeys {
            suite: self.suite,
            k1: self.suite.hmac(&sik, &[&[1; 20]]),
            aes: Zeroizing::new(k2[..BLOCK_BYTES].try_into().expect("a digest has at least 20 bytes")),
            iv: self.suite.hmac(&sik, &[&[3; 20]]),
        };
        (keys, check)
    }
}

/// Whether two codes agree, in a time that does not depend on where they differ.
pub fn same_code(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// The same of a code that may have bytes behind it, as some BMCs send it.
pub(crate) fn begins_with_code(code: &[u8], sent: &[u8]) -> bool {
    sent.get(..code.len()).is_some_and(|sent| same_code(code, sent))
}

/// The proof that a BMC sends in RAKP 2.
pub fn rakp2_proof(handshake: &Handshake<'_>) -> Rakp2Proof {
    Rakp2Proof {
        random: *handshake.bmc_random,
        guid: *handshake.guid,
        auth_code: handshake.rakp2_code().to_vec(),
    }
}

/// The keys of one session.
pub struct SessionKeys {
    suite: CipherSuite,
    k1: Zeroizing<Vec<u8>>,
    aes: Zeroizing<[u8; BLOCK_BYTES]>,
    /// Makes initialisation vectors from sequence numbers: no stranger can foretell them and none comes twice in one direction.
    iv: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKeys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl SessionKeys {
    /// The session's suite.
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// Encrypts an IPMI message and builds the whole authenticated packet for `session_id`, the receiver's id.
    pub fn seal(&self, session_id: u32, sequence: u32, message: &[u8]) -> Vec<u8> {
        self.seal_as(PayloadType::Ipmi, session_id, sequence, message)
    }

    /// The same of any payload of a session.
    pub fn seal_as(
        &self,
        payload_type: PayloadType,
        session_id: u32,
        sequence: u32,
        message: &[u8],
    ) -> Vec<u8> {
        let iv_seed = self.suite.hmac(&self.iv, &[&session_id.to_le_bytes(), &sequence.to_le_bytes()]);
        let iv: [u8; BLOCK_BYTES] =
            iv_seed[..BLOCK_BYTES].try_into().expect("a digest has at least 20 bytes");
        // Pad bytes count 1, 2, 3, …, then their number, up to a whole block (table 13-20).
        let mut plain = Zeroizing::new(message.to_vec());
        let pad = (BLOCK_BYTES - (message.len() + 1) % BLOCK_BYTES) % BLOCK_BYTES;
        plain.extend((1..=pad).map(|count| count as u8));
        plain.push(pad as u8);
        let cipher = cbc::Encryptor::<Aes128>::new(&(*self.aes).into(), &iv.into());
        let mut payload = iv.to_vec();
        payload.extend(cipher.encrypt_padded_vec::<NoPadding>(&plain));

        let header = Header { payload_type, encrypted: true, authenticated: true, session_id, sequence };
        let mut session = rmcp::header_and_payload(header, &payload);
        let pad = (4 - (session.len() + 2) % 4) % 4;
        session.extend(std::iter::repeat_n(0xff, pad));
        session.extend([pad as u8, NEXT_HEADER]);
        let code = self.suite.hmac(&self.k1, &[&session]);
        session.extend(&code[..self.suite.integrity_bytes()]);
        rmcp::with_rmcp(&session)
    }

    /// Checks an authenticated packet and decrypts its IPMI message.
    pub fn open(&self, packet: &PlusPacket<'_>) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        let header = packet.header;
        if !(header.authenticated && header.encrypted) {
            return Err(Malformed::new("packet of a session", "is not sealed"));
        }
        let code = self.suite.hmac(&self.k1, &[packet.covered]);
        if !same_code(&code[..self.suite.integrity_bytes()], packet.auth_code) {
            return Err(WRONG_CODE);
        }
        let (iv, body) = packet
            .payload
            .split_at_checked(BLOCK_BYTES)
            .filter(|(_, body)| !body.is_empty() && body.len() % BLOCK_BYTES == 0)
            .ok_or(Malformed::new("encrypted payload", "is not a whole number of blocks"))?;
        let iv: [u8; BLOCK_BYTES] = iv.try_into().expect("split at one block");
        let cipher = cbc::Decryptor::<Aes128>::new(&(*self.aes).into(), &iv.into());
        let plain = cipher
            .decrypt_padded_vec::<NoPadding>(body)
            .map_err(|_| Malformed::new("encrypted payload", "is not a whole number of blocks"))?;
        let mut plain = Zeroizing::new(plain);
        let pad = usize::from(*plain.last().expect("at least one block"));
        // The pad is not checked byte by byte: the authentication code has vouched for it, and old BMCs pad with rubbish.
        let length = plain
            .len()
            .checked_sub(pad + 1)
            .ok_or(Malformed::new("encrypted payload", "has a wrong pad length"))?;
        plain.truncate(length);
        Ok(plain)
    }
}
