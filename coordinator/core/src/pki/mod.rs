//! Edges: our own certificate authority: made on the first start, it signs our listeners' certificate and the agents'.
//!
//! ```text
//!   ca.pem ca.key           kept under the state directory, for its owner only; ten years
//!   server.pem server.key   for the REST API, the facades and the agents' listener; a year, made anew in its last third (`own.rs`)
//!                           and when the names change
//!   receipts-*.pem          for receipts of erased disks (`receipts.rs`); two years, made anew in its last third
//! ```
//!
//! An agent's certificate names its rack, and an agent speaks for that rack only. It lasts some months and is renewed on the agent's
//! stream; which ones are good is in the inventory (`agents/papers.rs`), because a signature cannot be taken back.

mod own;
mod receipts;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use protocol::{
    certificate::{PublicKey, Validity},
    erase_certificate::rack_name,
    id::RackId,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    server::{ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sha2::{Digest, Sha256};
use store::secret::write_private;

use domain::certificate::{Certificate, Fingerprint};
pub use own::OwnCertificate;
pub use receipts::RECEIPTS_LAST;

/// How long an authority lasts. There is no way yet to follow it by another one without a new certificate for every agent.
pub const AUTHORITY_LASTS: Duration = Duration::from_secs(3652 * DAY_S);
/// How long our listeners' certificate lasts.
pub const SERVER_LASTS: Duration = Duration::from_secs(365 * DAY_S);
/// A certificate begins so much before it was made: clocks of other machines may be behind ours.
const BEGINS_BEFORE: Duration = Duration::from_secs(3600);
/// No certificate is made by a clock that stands before this, the first of January 2026: it has not been set.
const CLOCK_MIN_US: u64 = 1_767_225_600 * 1_000_000;
const DAY_S: u64 = 86_400;

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
    /// The clock has not been set.
    #[error("no certificate is made while the clock of this machine is before 2026; set it")]
    Clock,
    /// A stored certificate or key cannot be read.
    #[error(
        "{path} is not a certificate or key: {reason}; remove it to have a new one made (agents then need new certificates)"
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
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
}

/// From when on, and how long, a certificate is to be good.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Now, in microseconds since 1970.
    pub now_us: u64,
    /// How long from now on.
    pub lasts: Duration,
}

/// The certificate of a file.
fn read_certificate(path: &Path, pem: String) -> Result<Certificate, PkiError> {
    let der = first_certificate(path, &pem)?;
    let unreadable =
        || PkiError::Read { path: path.to_owned(), reason: "its validity cannot be read".to_owned() };
    let validity = Validity::of(&der).ok_or_else(unreadable)?;
    Ok(Certificate { fingerprint: Fingerprint::of(&der), pem, validity })
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
    /// Reads the authority under this directory, or makes it. `now_us`: microseconds since 1970.
    pub fn open_or_create(dir: &Path, now_us: u64) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate_path.exists() {
            let (key, mut params) = authority_params()?;
            set_validity(&mut params, Term { now_us, lasts: AUTHORITY_LASTS }, u64::MAX)?;
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
        let Certificate { pem, validity, .. } = read_certificate(&certificate_path, pem)?;
        // What issuing needs of the authority's own parameters is constant but for the key, so they need not be read back.
        let (_, params) = authority_params()?;
        Ok(Self { dir: dir.to_owned(), pem, validity, issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// From when until when the authority is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Where the authority's certificate is.
    pub fn certificate_path(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Our listeners' certificate for these names and addresses; kept until the names change or it is to be renewed.
    pub fn server_certificate(&self, names: &[String], now_us: u64) -> Result<Issued, PkiError> {
        let mut names: Vec<String> = names.to_vec();
        names.push(COORDINATOR_NAME.to_owned());
        names.sort();
        names.dedup();
        let file = |name: &str| self.dir.join(name);
        let (certificate, key, list) = (file("server.pem"), file("server.key"), file("server.names"));
        let wanted = format!("{}\n{:x?}", names.join("\n"), Sha256::digest(self.pem.as_bytes()));
        if fs::read_to_string(&list).is_ok_and(|known| known == wanted) {
            let kept = read_certificate(&certificate, read(&certificate)?)?;
            if !kept.validity.is_to_be_renewed(SERVER_LASTS, now_us / 1_000_000) {
                return Ok(Issued { certificate: kept.pem, key: read(&key)?.into() });
            }
        }
        let pair = KeyPair::generate().map_err(make_failed(COORDINATOR_NAME))?;
        let term = Term { now_us, lasts: SERVER_LASTS };
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let issued = Issued {
            certificate: self.sign(&pair, COORDINATOR_NAME, &names, usage, term)?,
            key: pair.serialize_pem().into(),
        };
        // Until the list is written again the pair counts as none: a crash in between makes a new one.
        remove(&list)?;
        save(&key, issued.key.as_bytes())?;
        save(&certificate, issued.certificate.as_bytes())?;
        save(&list, wanted.as_bytes())?;
        Ok(issued)
    }

    /// A certificate for the agent of a rack, with a new key.
    pub fn agent_certificate(
        &self,
        rack: &RackId,
        term: Term,
    ) -> Result<(Certificate, zeroize::Zeroizing<String>), PkiError> {
        let key = KeyPair::generate().map_err(make_failed(rack.as_str()))?;
        Ok((self.sign_agent(rack, &key, term)?, key.serialize_pem().into()))
    }

    /// A certificate for the agent of a rack that has the key already.
    pub fn renewed_certificate(
        &self,
        rack: &RackId,
        key: &PublicKey,
        term: Term,
    ) -> Result<Certificate, PkiError> {
        self.sign_agent(rack, &AgentKey(key), term)
    }

    fn sign_agent(
        &self,
        rack: &RackId,
        key: &impl PublicKeyData,
        term: Term,
    ) -> Result<Certificate, PkiError> {
        let name = format!("agent of rack {rack}");
        let pem = self.sign(key, &name, &[rack_name(rack)], ExtendedKeyUsagePurpose::ClientAuth, term)?;
        read_certificate(Path::new(&name), pem)
    }

    /// Writes certificate, key and our own certificate for the agent of a rack: `agent.pem`, `agent.key`, `ca.pem`.
    pub fn write_agent(&self, certificate: &Certificate, key: &str, out: &Path) -> Result<(), PkiError> {
        save(&out.join("agent.key"), key.as_bytes())?;
        save(&out.join("agent.pem"), certificate.pem.as_bytes())?;
        save(&out.join("ca.pem"), self.pem.as_bytes())
    }

    fn sign(
        &self,
        key: &impl PublicKeyData,
        common_name: &str,
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
        term: Term,
    ) -> Result<String, PkiError> {
        let mut params = CertificateParams::new(names.to_vec()).map_err(make_failed(common_name))?;
        params.distinguished_name = distinguished(common_name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        set_validity(&mut params, term, self.validity.ends_s)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(make_failed(common_name))?;
        Ok(certificate.pem())
    }
}

/// An agent's public key, as what is to be signed.
struct AgentKey<'a>(&'a PublicKey);

impl PublicKeyData for AgentKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn authority_params() -> Result<(KeyPair, CertificateParams), PkiError> {
    let key = KeyPair::generate().map_err(make_failed("the certificate authority"))?;
    let mut params = CertificateParams::new(Vec::new()).map_err(make_failed("the certificate authority"))?;
    params.distinguished_name = distinguished("BMS Manager certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((key, params))
}

/// A certificate must not outlast the authority that signed it.
fn set_validity(params: &mut CertificateParams, term: Term, ends_max_s: u64) -> Result<(), PkiError> {
    if term.now_us < CLOCK_MIN_US {
        return Err(PkiError::Clock);
    }
    let now = Duration::from_micros(term.now_us);
    let ends = now.saturating_add(term.lasts).min(Duration::from_secs(ends_max_s));
    params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(BEGINS_BEFORE);
    params.not_after = date_time_ymd(1970, 1, 1) + ends;
    Ok(())
}

/// Whether a certificate has the dates that every one had that was made before they were renewed: the years 2024 to 2049.
pub fn is_of_before(validity: Validity) -> bool {
    const BEGINS_S: u64 = 1_704_067_200;
    const ENDS_S: u64 = 2_524_521_600;
    validity == Validity { begins_s: BEGINS_S, ends_s: ENDS_S }
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

fn remove(path: &Path) -> Result<(), PkiError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(PkiError::File { operation: "remove", path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
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

/// TLS for one of our listeners, with a certificate that stays.
pub fn tls(authority: &Authority, issued: &Issued, clients: Clients) -> Result<Arc<ServerConfig>, PkiError> {
    let shown = SingleCertAndKey::from(certified(authority, issued)?);
    listener_tls(authority, Arc::new(shown), clients)
}

/// Our certificate with its key, as TLS takes it.
fn certified(authority: &Authority, issued: &Issued) -> Result<CertifiedKey, PkiError> {
    let path = authority.dir.join("server.pem");
    let bad = |reason: String| PkiError::Read { path: path.clone(), reason };
    let certificate = first_certificate(&path, &issued.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(|e| bad(e.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(vec![certificate], key, &provider).map_err(|error| bad(error.to_string()))
}

/// TLS for one of our listeners. Both ends of the agents' are ours, so it speaks TLS 1.3 and nothing before.
pub fn listener_tls(
    authority: &Authority,
    shown: Arc<dyn ResolvesServerCert>,
    clients: Clients,
) -> Result<Arc<ServerConfig>, PkiError> {
    let bad = |reason: String| PkiError::Read { path: authority.certificate_path(), reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = match clients {
        Clients::Anonymous => rustls::DEFAULT_VERSIONS,
        Clients::Certified => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
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
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = match clients {
        Clients::Anonymous => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Clients::Certified => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_800_000_000_000_000;
    const QUARTER: Term = Term { now_us: NOW_US, lasts: Duration::from_secs(90 * DAY_S) };

    #[test]
    fn an_agents_certificate_is_of_its_rack_only_and_the_authority_stays() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), NOW_US).unwrap();
        let (one, other): (RackId, RackId) = ("rack_1.A".parse().unwrap(), "rack2".parse().unwrap());
        let (issued, _) = authority.agent_certificate(&one, QUARTER).unwrap();
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap();
        assert!(certificate_is_of_rack(&der, &one));
        assert!(!certificate_is_of_rack(&der, &other));
        let again = Authority::open_or_create(dir.path(), NOW_US).unwrap();
        assert_eq!(again.certificate_pem(), authority.certificate_pem());
        let names = ["127.0.0.1".to_owned()];
        let first = authority.server_certificate(&names, NOW_US).unwrap();
        assert_eq!(again.server_certificate(&names, NOW_US).unwrap().certificate, first.certificate);
        let more = ["127.0.0.1".to_owned(), "bms.example".to_owned()];
        let second = again.server_certificate(&more, NOW_US).unwrap();
        assert_ne!(second.certificate, first.certificate);
        tls(&again, &second, Clients::Certified).unwrap();
        tls(&again, &second, Clients::Anonymous).unwrap();
    }

    #[test]
    fn certificates_end_and_none_outlasts_its_authority() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), NOW_US).unwrap();
        let rack: RackId = "rack1".parse().unwrap();
        let (now_s, hour_s) = (NOW_US / 1_000_000, 3600);
        let check = |lasts: Duration, ends_s| {
            let term = Term { now_us: NOW_US, lasts };
            let (made, _) = authority.agent_certificate(&rack, term).unwrap();
            let expected = Validity { begins_s: now_s - hour_s, ends_s };
            assert_eq!(made.validity, expected, "{lasts:?}: clocks of others may be an hour behind");
        };
        check(QUARTER.lasts, now_s + 90 * DAY_S);
        check(Duration::from_secs(DAY_S), now_s + DAY_S);
        check(AUTHORITY_LASTS * 2, now_s + AUTHORITY_LASTS.as_secs());
        assert_eq!(authority.validity().ends_s, now_s + AUTHORITY_LASTS.as_secs());
        // Nothing is made by a clock that nobody has set.
        let unset = Term { now_us: 0, ..QUARTER };
        assert!(matches!(authority.agent_certificate(&rack, unset), Err(PkiError::Clock)));
        let other = tempfile::tempdir().unwrap();
        assert!(matches!(Authority::open_or_create(other.path(), 0), Err(PkiError::Clock)));
    }

    #[test]
    fn a_renewed_certificate_is_for_the_key_that_asked() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), NOW_US).unwrap();
        let rack: RackId = "rack1".parse().unwrap();
        let key = KeyPair::generate().unwrap();
        let public = PublicKey::try_from(key.der_bytes()).unwrap();
        let made = authority.renewed_certificate(&rack, &public, QUARTER).unwrap();
        let der = CertificateDer::from_pem_slice(made.pem.as_bytes()).unwrap();
        assert!(certificate_is_of_rack(&der, &rack));
        let provider = rustls::crypto::ring::default_provider();
        let of = |key: &KeyPair| {
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            CertifiedKey::from_der(vec![der.clone()], key, &provider)
        };
        of(&key).unwrap();
        of(&KeyPair::generate().unwrap()).unwrap_err();
        assert!(!is_of_before(made.validity));
    }
}
