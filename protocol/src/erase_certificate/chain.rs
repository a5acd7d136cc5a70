//! Decisions: whose certificate it is that stands in a signature: of the authority, an agent's or the receipts', good at that time.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{certificate::Validity, hex, id::RackId};

/// The name in the certificate by which receipts are signed.
pub const RECEIPTS_NAME: &str = "receipts.bms.internal";
/// What its key is for: signing documents (RFC 9336), as the numbers of its OBJECT IDENTIFIER.
pub const DOCUMENT_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];
/// The same, encoded (ITU-T X.690, section 8.19).
const DOCUMENT_SIGNING_DER: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 36];
/// Bytes of the digest that stands for a rack's name.
const RACK_DIGEST_BYTES: usize = 20;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// The agent of a rack.
    Agent,
    /// The coordinator, for the authority.
    Receipts,
}

/// The name in an agent's certificate. A rack's own name need not be a host name, so its digest stands for it.
pub fn rack_name(rack: &RackId) -> String {
    let digest = digest(&SHA256, rack.as_str().as_bytes());
    format!("{}.rack.bms.internal", hex::encode(&digest.as_ref()[..RACK_DIGEST_BYTES]))
}

/// SHA-256 of a certificate, or of any bytes, in lower-case hexadecimal.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}

/// The certificates of a PEM text; none: it has none that can be read.
pub fn authorities(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|read| !read.is_empty() && read.iter().all(|one| anchor_from_trusted_cert(one).is_ok()))
}

/// How a certificate stands to the authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Given by one of them, for this purpose.
    Good,
    /// Given by one of them, for another purpose.
    OtherPurpose,
    /// Given by somebody else.
    Stranger,
}

/// Whether a certificate was given by one of these authorities, and for this purpose. Its dates are another question.
pub(super) fn standing(
    chain: &[CertificateDer<'static>],
    authorities: &[CertificateDer<'static>],
    signer: Signer,
) -> Standing {
    let is_for = |usage| is_for(chain, authorities, usage).is_some();
    let (agents, receipts) = (KeyUsage::client_auth(), KeyUsage::required(&DOCUMENT_SIGNING_DER));
    let wanted = match signer {
        Signer::Agent => agents,
        Signer::Receipts => receipts,
    };
    if is_for(wanted) {
        Standing::Good
    } else if [agents, receipts, KeyUsage::server_auth()].into_iter().any(is_for) {
        Standing::OtherPurpose
    } else {
        Standing::Stranger
    }
}

fn is_for(
    chain: &[CertificateDer<'static>],
    authorities: &[CertificateDer<'static>],
    usage: KeyUsage,
) -> Option<()> {
    let (own, behind) = chain.split_first()?;
    let anchors: Vec<_> = authorities.iter().filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
    let certificate = EndEntityCert::try_from(own).ok()?;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(Validity::of(own)?.begins_s));
    let verified =
        certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, behind, then, usage, None, None);
    verified.ok().map(|_| ())
}

/// Whether a certificate is made out to this name.
pub(super) fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (EndEntityCert::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}
