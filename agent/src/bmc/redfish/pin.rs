//! Edges: TLS to a BMC goes by one certificate's SHA-256: the one that an operator copied, or, where nothing is told to it, the one
//! that it shows. Names and dates do not matter then: BMCs sign for themselves, and their clocks are wrong.
//!
//! A certificate that is not the pinned one ends the handshake, but only after its owner has signed for it: so whoever is asked whether a
//! BMC was renewed is asked about somebody who has its key. Nothing is sent to it before (RFC 8446, section 4.4.3; RFC 5246, section 7.4.3).

use std::sync::{Arc, OnceLock};

use protocol::hex;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

pub(crate) use super::shown::Fingerprint;
use super::{
    roots,
    shown::{Shown, fingerprint},
    spki,
};

/// TLS sessions that are kept of one BMC, to be resumed.
const SESSIONS_KEPT: usize = 2;

/// TLS that trusts the certificate with this fingerprint and no other. Colons and capitals are taken as people copy them.
/// `is_old`: TLS 1.2 alone, with signatures that can be checked by small RSA keys.
/// What is shown instead is noted.
pub(super) fn tls_config(fingerprint: &str, is_old: bool, shown: Arc<Shown>) -> Result<ClientConfig, String> {
    let expected = parse(fingerprint).ok_or(
        "the certificate's SHA-256 must have 64 hexadecimal digits; correct it in the server's entry",
    )?;
    Pin::config(Some(expected), is_old, shown)
        .map(|(config, _)| config)
        .map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// TLS that takes any certificate and keeps the fingerprint of the first. Whatever is told later is told to the one that showed
/// it, and an administrator sees it before the server is enrolled.
pub(crate) fn tls_config_to_look() -> Result<(ClientConfig, Arc<OnceLock<Fingerprint>>), Error> {
    Pin::config(None, false, Arc::default())
}

fn parse(fingerprint: &str) -> Option<[u8; 32]> {
    hex::decode_array(&fingerprint.replace(':', ""))
}

#[derive(Debug)]
struct Pin {
    /// None: any.
    expected: Option<Fingerprint>,
    first: Arc<OnceLock<Fingerprint>>,
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    /// Signatures by PKCS #1, by which alone a small RSA key can be checked, and not by PSS.
    is_old: bool,
}

impl Pin {
    fn config(
        expected: Option<Fingerprint>,
        is_old: bool,
        shown: Arc<Shown>,
    ) -> Result<(ClientConfig, Arc<OnceLock<Fingerprint>>), Error> {
        let provider = roots::provider();
        let first = Arc::default();
        let pin = Self { expected, first: Arc::clone(&first), shown, provider: provider.clone(), is_old };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(roots::versions(is_old))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pin))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
        Ok((config, first))
    }

    /// Whether this certificate, whose key its owner has proved to have, is the one that is taken.
    fn judge(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let found = fingerprint(certificate);
        let first = *self.first.get_or_init(|| found);
        let is_expected = found == self.expected.unwrap_or(first);
        self.shown.proved(certificate, is_expected);
        if is_expected {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // It is judged once the handshake is signed with its key.
        self.shown.begun(end_entity, intermediates);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let signed =
            spki::verify_tls12(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.judge(cert).map(|()| signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let signed =
            spki::verify_tls13(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.judge(cert).map(|()| signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        if self.is_old {
            schemes.retain(|scheme| !spki::is_pss(*scheme));
        }
        schemes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fingerprints_as_people_copy_them() {
        let check = |text: &str, good: bool| assert_eq!(parse(text).is_some(), good, "{text}");
        check(&"ab".repeat(32), true);
        check(&"AB:".repeat(32), true);
        check(&"ab".repeat(31), false);
        check(&"zz".repeat(32), false);
        check("", false);
    }
}
