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

use super::{
    resumed::LastSession,
    roots,
    shown::{Fingerprint, Shown, fingerprint},
    spki,
};

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
pub(super) fn tls_config_to_look() -> Result<(ClientConfig, Arc<OnceLock<Fingerprint>>), Error> {
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
        config.resumption = Resumption::store(Arc::new(LastSession::default()));
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
    use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion};
    use rustls_pki_types::PrivateKeyDer;

    use super::*;

    /// A BMC's TLS, and the SHA-256 of its certificate.
    fn bmc(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, String) {
        let made = rcgen::generate_simple_self_signed(vec!["bmc.invalid".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let shown = made.cert.der().clone();
        let fingerprint = hex::encode(fingerprint(&shown));
        let config = ServerConfig::builder_with_provider(roots::provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown], key)
            .unwrap();
        (Arc::new(config), fingerprint)
    }

    /// How a connection came about, in memory; none: it did not.
    fn connected(client: &Arc<ClientConfig>, bmc: &Arc<ServerConfig>) -> Option<HandshakeKind> {
        let name = ServerName::try_from("192.0.2.1").unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(bmc)).unwrap();
        while client.is_handshaking() || client.wants_write() || server.wants_write() {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut up).unwrap();
            }
            let mut rest = up.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets().ok()?;
            }
            while server.wants_write() {
                server.write_tls(&mut down).unwrap();
            }
            let mut rest = down.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().ok()?;
            }
        }
        client.handshake_kind()
    }

    #[test]
    fn a_session_is_resumed_by_the_client_of_the_same_bmc_and_by_no_other() {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let ((one, pin), (other, other_pin)) = (bmc(version), bmc(version));
            let client = |pin: &str| Arc::new(tls_config(pin, false, Arc::default()).unwrap());
            let (ours, again) = (client(&pin), client(&pin));
            let check = |client: &Arc<ClientConfig>, bmc: &Arc<ServerConfig>, expected| {
                assert_eq!(connected(client, bmc), expected, "{version:?}");
            };
            check(&ours, &one, Some(HandshakeKind::Full));
            check(&ours, &one, Some(HandshakeKind::Resumed));
            check(&again, &one, Some(HandshakeKind::Full));
            check(&client(&other_pin), &one, None);
            // Another BMC at the same address.
            check(&ours, &other, None);
        }
    }

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
