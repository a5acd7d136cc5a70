//! Edges: the one way in which we speak TLS: version 1.3, ChaCha20-Poly1305, X25519, Ed25519, one pinned certificate.
//!
//! Both ends are ours, so there is nothing to negotiate, and every algorithm less makes the ramdisk smaller: P-256 alone would
//! add a table of 150 kB that cannot be compressed. ChaCha20 is fast on every processor, also on those without instructions for AES.

use std::sync::Arc;

use protocol::hex;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
    signature,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
        ring as provider, verify_tls13_signature,
    },
    pki_types::{
        AlgorithmIdentifier, CertificateDer, InvalidSignature, PrivateKeyDer, ServerName,
        SignatureVerificationAlgorithm, UnixTime, alg_id,
    },
    sign::SigningKey,
};

static ALGORITHMS: WebPkiSupportedAlgorithms =
    WebPkiSupportedAlgorithms { all: &[&Ed25519], mapping: &[(SignatureScheme::ED25519, &[&Ed25519])] };

/// A client that takes the certificate with this SHA-256 (lower-case hex) and no other.
pub fn client(fingerprint: &str) -> Result<ClientConfig, Error> {
    let provider = CryptoProvider {
        cipher_suites: vec![provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        kx_groups: vec![provider::kx_group::X25519],
        signature_verification_algorithms: ALGORITHMS,
        secure_random: &KernelRandom,
        key_provider: &NoKeys,
    };
    Ok(ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { fingerprint: fingerprint.to_owned() }))
        .with_no_client_auth())
}

/// No names, no authorities, and no clock, which a server may have wrong.
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = hex::encode(digest::digest(&digest::SHA256, end_entity));
        if found == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            let why = format!("the agent's certificate is {found:.12}..., not the one of the boot script");
            Err(Error::General(why))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

#[derive(Debug)]
struct Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signed: &[u8]) -> Result<(), InvalidSignature> {
        signature::UnparsedPublicKey::new(&signature::ED25519, key)
            .verify(message, signed)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

#[derive(Debug)]
struct KernelRandom;

impl SecureRandom for KernelRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

/// We show the agent a token, never a certificate.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("the ramdisk has no private keys".into()))
    }
}
