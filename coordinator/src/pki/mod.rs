//! Edges: our own certificate authority: made on the first start, it signs our listeners' certificate and the agents'.
//!
//! ```text
//!   ca.pem ca.key           kept under the state directory, the key readable by its owner only
//!   server.pem server.key   for the REST API, the facades and the agents' listener; made anew when the names change
//! ```
//!
//! An agent's certificate names its rack, and an agent speaks for that rack only.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::id::RackId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sha2::{Digest, Sha256};

use crate::secret::write_private;

/// The name that agents may expect of us wherever they reach us.
pub const COORDINATOR_NAME: &str = "bms-coordinator";

/// Why a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {operation} {path}; check the state directory's place, owner and free space")]
    File {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate of {name}; check the names in [tls]")]
    Make {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A stored certificate or key cannot be read.
    #[error(
        "{path} is no certificate or key: {reason}; remove it to have it made anew (agents then need new ones)"
    )]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The certificate authority.
pub struct Authority {
    dir: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: zeroize::Zeroizing<String>,
}

impl Authority {
    /// Reads the authority under this directory, or makes it.
    pub fn open_or_create(dir: &Path) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate_path.exists() {
            let (key, params) = authority_params()?;
            let made = params.self_signed(&key).map_err(make_failed("the certificate authority"))?;
            // The key first: a crash in between makes a new pair, never a certificate without its key.
            save(&key_path, key.serialize_pem().as_bytes())?;
            save(&certificate_path, made.pem().as_bytes())?;
        }
        let pem = read(&certificate_path)?;
        let bad = |path: &Path| {
            let path = path.to_owned();
            move |source: rcgen::Error| PkiError::Read { path, reason: source.to_string() }
        };
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(bad(&key_path))?;
        let der = first_certificate(&certificate_path, &pem)?;
        drop(der);
        // The authority's own parameters are constant but for the key, so they need not be read back.
        let (_, params) = authority_params()?;
        Ok(Self { dir: dir.to_owned(), pem, issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Where the authority's certificate is, for others to read.
    pub fn certificate_path(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Our listeners' certificate for these names and addresses; kept until the names change.
    pub fn server_certificate(&self, names: &[String]) -> Result<Issued, PkiError> {
        let mut names: Vec<String> = names.to_vec();
        names.push(COORDINATOR_NAME.to_owned());
        names.sort();
        names.dedup();
        let file = |name: &str| self.dir.join(name);
        let (certificate, key, list) = (file("server.pem"), file("server.key"), file("server.names"));
        let wanted = format!("{}\n{:x?}", names.join("\n"), Sha256::digest(self.pem.as_bytes()));
        if fs::read_to_string(&list).is_ok_and(|known| known == wanted) {
            return Ok(Issued { certificate: read(&certificate)?, key: read(&key)?.into() });
        }
        let issued = self.issue(COORDINATOR_NAME, &names, ExtendedKeyUsagePurpose::ServerAuth)?;
        save(&key, issued.key.as_bytes())?;
        save(&certificate, issued.certificate.as_bytes())?;
        save(&list, wanted.as_bytes())?;
        Ok(issued)
    }

    /// A certificate for the agent of a rack.
    pub fn agent_certificate(&self, rack: &RackId) -> Result<Issued, PkiError> {
        self.issue(&format!("agent of rack {rack}"), &[rack_name(rack)], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Writes certificate, key and our own certificate for the agent of a rack: `agent.pem`, `agent.key`, `ca.pem`.
    pub fn write_agent(&self, rack: &RackId, out: &Path) -> Result<(), PkiError> {
        let issued = self.agent_certificate(rack)?;
        save(&out.join("agent.key"), issued.key.as_bytes())?;
        save(&out.join("agent.pem"), issued.certificate.as_bytes())?;
        save(&out.join("ca.pem"), self.pem.as_bytes())
    }

    fn issue(
        &self,
        common_name: &str,
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, PkiError> {
        let key = KeyPair::generate().map_err(make_failed(common_name))?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(make_failed(common_name))?;
        params.distinguished_name = distinguished(common_name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        set_validity(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).map_err(make_failed(common_name))?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem().into() })
    }
}

fn authority_params() -> Result<(KeyPair, CertificateParams), PkiError> {
    let key = KeyPair::generate().map_err(make_failed("the certificate authority"))?;
    let mut params = CertificateParams::new(Vec::new()).map_err(make_failed("the certificate authority"))?;
    params.distinguished_name = distinguished("BMS Manager certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params);
    Ok((key, params))
}

/// Fixed dates: a machine whose clock is wrong at its first start still makes usable certificates.
fn set_validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
}

fn distinguished(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn make_failed(name: &str) -> impl FnOnce(rcgen::Error) -> PkiError {
    move |source| PkiError::Make { name: name.to_owned(), source }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    write_private(path, bytes).map_err(|source| PkiError::File {
        operation: "write",
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })
}

fn first_certificate(path: &Path, pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| PkiError::Read { path: path.to_owned(), reason: error.to_string() })
}

/// The name in an agent's certificate. A rack's own name need not be a host name, so its digest stands for it.
fn rack_name(rack: &RackId) -> String {
    let digest = Sha256::digest(rack.as_str().as_bytes());
    let hex: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.rack.bms.internal")
}

/// Whether an agent's certificate is of this rack. That it is of our authority was checked by the handshake.
pub fn certificate_is_of_rack(certificate: &CertificateDer<'_>, rack: &RackId) -> bool {
    let Ok(name) = ServerName::try_from(rack_name(rack)) else { return false };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// Whether clients must show a certificate of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// No: they show passwords or tokens.
    Anonymous,
    /// Yes: agents.
    Certified,
}

/// TLS for one of our listeners.
pub fn tls(authority: &Authority, issued: &Issued, clients: Clients) -> Result<Arc<ServerConfig>, PkiError> {
    let bad = |reason: String| PkiError::Read { path: authority.dir.join("server.pem"), reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    let builder = match clients {
        Clients::Anonymous => builder.with_no_client_auth(),
        Clients::Certified => {
            let mut roots = RootCertStore::empty();
            let root = first_certificate(&authority.certificate_path(), &authority.pem)?;
            roots.add(root).map_err(|error| bad(error.to_string()))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| bad(error.to_string()))?)
        }
    };
    let certificate = first_certificate(&authority.dir.join("server.pem"), &issued.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(|e| bad(e.to_string()))?;
    let mut config =
        builder.with_single_cert(vec![certificate], key).map_err(|error| bad(error.to_string()))?;
    config.alpn_protocols = match clients {
        Clients::Anonymous => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Clients::Certified => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_certificate_is_of_its_rack_only_and_the_authority_stays() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let (one, other): (RackId, RackId) = ("rack_1.A".parse().unwrap(), "rack2".parse().unwrap());
        let issued = authority.agent_certificate(&one).unwrap();
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        assert!(certificate_is_of_rack(&der, &one));
        assert!(!certificate_is_of_rack(&der, &other));
        let again = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(again.certificate_pem(), authority.certificate_pem());
        let names = ["127.0.0.1".to_owned()];
        let first = authority.server_certificate(&names).unwrap();
        assert_eq!(again.server_certificate(&names).unwrap().certificate, first.certificate);
        let more = ["127.0.0.1".to_owned(), "bms.example".to_owned()];
        let second = again.server_certificate(&more).unwrap();
        assert_ne!(second.certificate, first.certificate);
        tls(&again, &second, Clients::Certified).unwrap();
        tls(&again, &second, Clients::Anonymous).unwrap();
    }
}
