//! Decisions: whether a certificate holds. Every way in which it does not has a sentence of its own.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::{
    File, Jws, Receipt, Statement, VERSION,
    chain::{RECEIPTS_NAME, Signer, Standing, fingerprint, is_named, rack_name, standing},
    file::{FILE_BYTES_MAX, FORMAT},
    jws::Malformed,
};
use crate::{
    certificate::Validity,
    certificate_parts::{CertificateParts, key_info, name_text},
    id::RackId,
};

/// What a statement's signature is of.
pub(super) const STATEMENT_KIND: &str = "bms-erase-statement+jws";
/// What a receipt's signature is of.
pub(super) const RECEIPT_KIND: &str = "bms-erase-receipt+jws";
/// How far the clock of an agent may be ahead of the coordinator's.
pub const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Which of the two signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The agent's.
    Statement,
    /// The authority's.
    Receipt,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Statement => "the agent's statement",
            Part::Receipt => "the authority's receipt",
        })
    }
}

/// Why a certificate does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is something else.
    #[error("this is not an erase certificate: {0}")]
    NoCertificate(String),
    /// A later program wrote it.
    #[error("it is of version {0}, which this program does not know; use a newer one")]
    Newer(String),
    /// It ends too early.
    #[error("it is cut off: {0} ends before it is complete")]
    CutOff(String),
    /// It has bytes that nobody writes.
    #[error("{0} is damaged: some of it cannot be decoded")]
    Damaged(Part),
    /// It was signed in another way than ours.
    #[error("{0} is not signed as erase certificates are: by ES256, with the signer's certificate beside it")]
    Foreign(Part),
    /// The signature does not fit.
    #[error(
        "{0} was changed after it was signed, or was signed by another key than that of the certificate beside it"
    )]
    Changed(Part),
    /// The signer's certificate is not the authority's.
    #[error("{part} is signed by {signer}, whose certificate was not issued by the given authority")]
    NotOfAuthority {
        /// Which one.
        part: Part,
        /// Whom the certificate names.
        signer: String,
    },
    /// The signer is of the authority, but somebody else.
    #[error("{part} is signed by {signer}, and not by {expected}")]
    OtherSigner {
        /// Which one.
        part: Part,
        /// Whom the certificate names.
        signer: String,
        /// Who had to sign.
        expected: String,
    },
    /// The signer's certificate was not good then.
    #[error("{part} was signed at {at}, when the signer's certificate was not valid ({begins} to {ends})")]
    OutsideValidity {
        /// Which one.
        part: Part,
        /// When.
        at: Timestamp,
        /// From when on the certificate was good.
        begins: Timestamp,
        /// Until when.
        ends: Timestamp,
    },
    /// Nobody countersigned.
    #[error(
        "the countersignature is missing: the authority does not confirm that this statement ever arrived"
    )]
    NoReceipt,
    /// The countersignature is of something else.
    #[error("the authority's receipt is for another statement")]
    OtherStatement,
    /// It came before it was signed.
    #[error(
        "it was received at {received}, before the agent signed it at {signed}: one of the two clocks was wrong"
    )]
    ReceivedBefore {
        /// By the coordinator's clock.
        received: Timestamp,
        /// By the agent's.
        signed: Timestamp,
    },
}

impl Fault {
    /// A word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::NoCertificate(_) => "no_certificate",
            Fault::Newer(_) => "newer",
            Fault::CutOff(_) => "cut_off",
            Fault::Damaged(_) => "damaged",
            Fault::Foreign(_) => "foreign",
            Fault::Changed(_) => "changed",
            Fault::NotOfAuthority { .. } => "not_of_authority",
            Fault::OtherSigner { .. } => "other_signer",
            Fault::OutsideValidity { .. } => "outside_validity",
            Fault::NoReceipt => "no_receipt",
            Fault::OtherStatement => "other_statement",
            Fault::ReceivedBefore { .. } => "received_before",
        }
    }
}

/// A statement whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    /// What is stated.
    pub statement: Statement,
    /// SHA-256 of the signer's certificate.
    pub signer: String,
}

/// A certificate that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the agent states.
    pub statement: Statement,
    /// What the authority adds.
    pub receipt: Receipt,
    /// SHA-256 of the agent's certificate.
    pub agent: String,
}

/// What a certificate says, whoever says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is stated.
    pub statement: Statement,
    /// What the receipt says; none: there is none.
    pub receipt: Option<Receipt>,
    /// SHA-256 of the certificate beside the statement.
    pub agent: String,
}

impl File {
    /// What it says. Its signatures are not looked at: [`verify`] does that. None: it cannot be read.
    pub fn said(&self) -> Option<Said> {
        let jws = Jws::read(&self.statement).ok()?;
        let statement = payload(&jws, Part::Statement).ok()?;
        let receipt = match &self.receipt {
            Some(text) => Some(payload(&Jws::read(text).ok()?, Part::Receipt).ok()?),
            None => None,
        };
        Some(Said { statement, receipt, agent: fingerprint(jws.signer()) })
    }
}

/// Reads a file; whether what stands in it holds is another question.
pub fn read(text: &[u8]) -> Result<File, Fault> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Fault::NoCertificate(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    let file: File = serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() && !text.trim_ascii().is_empty() {
            Fault::CutOff("the file".to_owned())
        } else {
            Fault::NoCertificate(error.to_string())
        }
    })?;
    match file.format.as_str() {
        FORMAT => Ok(file),
        _ if file.format.starts_with("bms-erase-certificate/") => Err(Fault::Newer(file.format)),
        _ => Err(Fault::NoCertificate("its format is another one".to_owned())),
    }
}

/// Checks a whole certificate by the certificates of one authority or several.
pub fn verify(file: &File, authorities: &[CertificateDer<'static>]) -> Result<Verified, Fault> {
    let SignedStatement { statement, signer } = verify_statement(&file.statement, authorities)?;
    let text = file.receipt.as_deref().ok_or(Fault::NoReceipt)?;
    let jws = signed(text, Part::Receipt, authorities)?;
    let receipt: Receipt = payload(&jws, Part::Receipt)?;
    if !is_named(jws.signer(), RECEIPTS_NAME) {
        return Err(other_signer(&jws, Part::Receipt, "the authority's receipts".to_owned()));
    }
    was_valid(&jws, Part::Receipt, receipt.received_at)?;
    if receipt.statement_sha256 != fingerprint(file.statement.as_bytes()) || receipt.id != statement.id {
        return Err(Fault::OtherStatement);
    }
    if receipt.received_at.saturating_add(CLOCKS_APART_MAX).is_ok_and(|latest| latest < statement.signed_at) {
        let (received, signed) = (receipt.received_at, statement.signed_at);
        return Err(Fault::ReceivedBefore { received, signed });
    }
    Ok(Verified { statement, receipt, agent: signer })
}

/// Checks an agent's statement alone.
pub fn verify_statement(
    text: &str,
    authorities: &[CertificateDer<'static>],
) -> Result<SignedStatement, Fault> {
    let jws = signed(text, Part::Statement, authorities)?;
    let statement: Statement = payload(&jws, Part::Statement)?;
    is_agent_of(&jws, &statement.rack)?;
    was_valid(&jws, Part::Statement, statement.signed_at)?;
    Ok(SignedStatement { statement, signer: fingerprint(jws.signer()) })
}

/// A JWS that somebody of the authority has signed for this purpose.
fn signed<'a>(text: &'a str, part: Part, authorities: &[CertificateDer<'static>]) -> Result<Jws<'a>, Fault> {
    let jws = Jws::read(text).map_err(|malformed| match malformed {
        Malformed::CutOff => Fault::CutOff(part.to_string()),
        Malformed::Damaged => Fault::Damaged(part),
        Malformed::Foreign => Fault::Foreign(part),
    })?;
    let key = key_info(jws.signer()).ok_or(Fault::Damaged(part))?;
    if !jws.is_signed_by(key) {
        return Err(Fault::Changed(part));
    }
    let (kind, signer) = match part {
        Part::Statement => (STATEMENT_KIND, Signer::Agent),
        Part::Receipt => (RECEIPT_KIND, Signer::Receipts),
    };
    match standing(&jws.chain, authorities, signer) {
        Standing::Good => {}
        Standing::OtherPurpose => {
            let expected = match part {
                Part::Statement => "an agent",
                Part::Receipt => "the authority's receipts",
            };
            return Err(other_signer(&jws, part, expected.to_owned()));
        }
        Standing::Stranger => return Err(Fault::NotOfAuthority { part, signer: signer_text(&jws) }),
    }
    if jws.kind == kind { Ok(jws) } else { Err(Fault::Foreign(part)) }
}

fn payload<T: serde::de::DeserializeOwned>(jws: &Jws<'_>, part: Part) -> Result<T, Fault> {
    let value: serde_json::Value = serde_json::from_slice(&jws.payload).map_err(|_| Fault::Foreign(part))?;
    match value["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => return Err(Fault::Newer(version.to_string())),
        None => return Err(Fault::Foreign(part)),
    }
    serde_json::from_value(value).map_err(|error| Fault::NoCertificate(format!("{part}: {error}")))
}

fn is_agent_of(jws: &Jws<'_>, rack: &RackId) -> Result<(), Fault> {
    if is_named(jws.signer(), &rack_name(rack)) {
        Ok(())
    } else {
        Err(other_signer(jws, Part::Statement, format!("the agent of rack {rack}")))
    }
}

fn other_signer(jws: &Jws<'_>, part: Part, expected: String) -> Fault {
    Fault::OtherSigner { part, signer: signer_text(jws), expected }
}

fn was_valid(jws: &Jws<'_>, part: Part, at: Timestamp) -> Result<(), Fault> {
    let Validity { begins_s, ends_s } = Validity::of(jws.signer()).ok_or(Fault::Damaged(part))?;
    let time = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    let (begins, ends) = (time(begins_s), time(ends_s));
    if (begins..=ends).contains(&at) {
        Ok(())
    } else {
        Err(Fault::OutsideValidity { part, at, begins, ends })
    }
}

fn signer_text(jws: &Jws<'_>) -> String {
    let name = CertificateParts::of(jws.signer()).map(|parts| name_text(parts.subject));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody without a name".to_owned())
}

impl super::SigningKey {
    /// Signs a statement, as an agent.
    pub fn sign_statement(&self, statement: &Statement) -> Result<String, super::InvalidKey> {
        self.sign(STATEMENT_KIND, statement)
    }

    /// Signs a receipt, as the authority.
    pub fn sign_receipt(&self, receipt: &Receipt) -> Result<String, super::InvalidKey> {
        self.sign(RECEIPT_KIND, receipt)
    }
}
