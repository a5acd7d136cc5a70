//! Decisions: the certificate of an erased disk: what its agent signed, what the coordinator countersigned, and how anybody
//! who has the authority's certificate finds out whether it holds.
//!
//! ```text
//!   agent: Statement ---ES256, key of its mTLS certificate---> JWS            one disk, one clean
//!                                                               |
//!   coordinator: checks it, Receipt{SHA-256 of that JWS, when it arrived, whose words, which tenancy}
//!                          ---ES256, key of the receipts' certificate---> JWS
//!
//!   file: {"format", "statement": JWS, "receipt": JWS}         both certificates (x5c) are of the authority in ca.pem
//! ```
//!
//! Both are JSON Web Signatures in their compact form (RFC 7515, section 3.1), over canonical JSON (RFC 8785), so that any library that
//! knows these can judge them. A certificate's validity is judged at the time that its signer names; the receipt is what keeps an agent
//! from naming any time it likes (`docs/decisions/0029-an-erase-certificate-is-signed-twice.md`).

mod canonical;
mod chain;
mod check;
mod file;
mod jws;
mod receipt;
mod statement;
mod words;

#[cfg(test)]
mod tests;

pub use canonical::canonical;
pub use chain::{DOCUMENT_SIGNING, RECEIPTS_NAME, authorities, fingerprint, rack_name};
pub use check::{
    CLOCKS_APART_MAX, Fault, Part, Said, SignedStatement, Verified, read, verify, verify_statement,
};
pub use file::{FILE_BYTES_MAX, FORMAT, File};
pub use jws::{InvalidKey, Jws, SigningKey};
pub use receipt::{LeftOut, Receipt, StatedTenancy};
pub use statement::{NotErased, StatedServer, Statement, VERSION};
pub use words::{Group, Line, lines};
