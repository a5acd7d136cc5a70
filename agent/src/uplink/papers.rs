//! Edges: the certificate by which the coordinator knows us, as it was issued, or as it was renewed since.
//!
//! ```text
//!   agent.pem agent.key   as `bms-coordinator issue-agent` wrote them; never changed by us
//!   certificate.pem       in the state directory: the renewed certificate and its key in one file, so that a kill at any moment
//!                         leaves both or neither
//! ```
//!
//! Of the two the one that begins later is used: a renewed one after a renewal, and one that was issued anew after that.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use host::whole_file;
use protocol::certificate::Validity;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::client::UplinkError;

/// Name of the renewed certificate's file in the state directory.
pub const RENEWED_FILE: &str = "certificate.pem";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where our certificate is.
#[derive(Clone, Debug)]
pub struct Papers {
    /// As it was issued, PEM; it names the rack.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The renewed one with its key, PEM; missing until the first renewal.
    pub renewed: PathBuf,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Paper {
    /// The certificate.
    pub cert: Vec<u8>,
    /// The key.
    pub key: zeroize::Zeroizing<Vec<u8>>,
    /// Where the certificate was found.
    pub path: PathBuf,
    /// From when until when it is good; none: it does not say.
    pub validity: Option<Validity>,
}

/// Why a renewed certificate is not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// What came is not a certificate for our key.
    #[error("the coordinator's answer is not a certificate for the key that was sent: {0}")]
    Wrong(String),
    /// The disk.
    #[error("cannot write {path}; check the state directory's owner, mode and free space")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Papers {
    /// The certificate to show now.
    pub async fn read(&self) -> Result<Paper, UplinkError> {
        let issued = self.issued().await;
        let renewed = match tokio::fs::read(&self.renewed).await {
            Ok(both) => Some(both),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %self.renewed.display(), %error, "renewed certificate not read");
                None
            }
        };
        let renewed = renewed.and_then(|both| paper(&self.renewed, both.clone(), both.into()));
        match (issued, renewed) {
            (Ok(issued), Some(renewed)) if issued.validity < renewed.validity => Ok(renewed),
            (Ok(issued), _) => Ok(issued),
            (Err(_), Some(renewed)) => Ok(renewed),
            (Err(error), None) => Err(error),
        }
    }

    /// What cannot be read as a certificate is handed on as it is: whoever uses it says what is wrong with it.
    async fn issued(&self) -> Result<Paper, UplinkError> {
        let (cert, key) = (read(&self.cert).await?, read(&self.key).await?);
        let validity = validity_of(&cert);
        Ok(Paper { cert, key: key.into(), path: self.cert.clone(), validity })
    }

    /// Keeps a renewed certificate for the next connection, if it is one for this key.
    pub fn keep(&self, certificate: &str, key: &str) -> Result<Paper, NotKept> {
        let both = format!("{key}{certificate}").into_bytes();
        check(&both).map_err(NotKept::Wrong)?;
        let kept = paper(&self.renewed, both.clone(), both.clone().into());
        let kept = kept.ok_or_else(|| NotKept::Wrong("it does not say how long it is valid".to_owned()))?;
        whole_file::write(&self.renewed, &both)
            .map_err(|source| NotKept::Write { path: self.renewed.clone(), source })?;
        Ok(kept)
    }
}

impl Paper {
    /// How long ago it ended, in whole days; none: it is good, or does not say.
    pub fn ended_days_ago(&self, now_s: u64) -> Option<u64> {
        let ended = self.validity.filter(|validity| validity.left(now_s).is_none())?;
        Some((now_s - ended.ends_s) / DAY.as_secs())
    }
}

/// Seconds since 1970 by this machine's clock.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn read(path: &Path) -> Result<Vec<u8>, UplinkError> {
    tokio::fs::read(path).await.map_err(|source| UplinkError::Pem { path: path.to_owned(), source })
}

/// A pair that belongs together; anything else is as if it were not there, and is told.
fn paper(path: &Path, cert: Vec<u8>, key: zeroize::Zeroizing<Vec<u8>>) -> Option<Paper> {
    if let Err(reason) = check(&cert) {
        tracing::warn!(path = %path.display(), reason, "renewed certificate not used");
        return None;
    }
    let validity = validity_of(&cert);
    validity?;
    Some(Paper { cert, key, path: path.to_owned(), validity })
}

fn validity_of(pem: &[u8]) -> Option<Validity> {
    CertificateDer::from_pem_slice(pem).ok().and_then(|der| Validity::of(&der))
}

/// Whether certificate and key of one text belong together.
fn check(both: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let certificate = CertificateDer::from_pem_slice(both).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(both).map_err(|error| error.to_string())?;
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(vec![certificate], key, &provider);
    pair.map(Arc::new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate that begins in this year and lasts for three.
    fn made(year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["rack".to_owned()]).unwrap();
        params.not_before = date_time_ymd(year, 1, 1);
        params.not_after = date_time_ymd(year + 3, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn papers(dir: &Path) -> Papers {
        let path = |name: &str| dir.join(name);
        Papers { cert: path("agent.pem"), key: path("agent.key"), renewed: path(RENEWED_FILE) }
    }

    fn issue(papers: &Papers, year: i32) {
        let (cert, key) = made(year);
        fs::write(&papers.cert, cert).unwrap();
        fs::write(&papers.key, key).unwrap();
    }

    #[tokio::test]
    async fn the_newer_certificate_is_used_whoever_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let papers = papers(dir.path());
        assert!(papers.read().await.is_err(), "there is none");
        let used = async || papers.read().await.unwrap().path;
        issue(&papers, 2026);
        assert_eq!(used().await, papers.cert);
        let (cert, key) = made(2027);
        papers.keep(&cert, &key).unwrap();
        assert_eq!(used().await, papers.renewed);
        assert_eq!(fs::metadata(&papers.renewed).unwrap().permissions().mode() & 0o777, 0o600);
        // Issued anew since, as after a revocation.
        issue(&papers, 2028);
        assert_eq!(used().await, papers.cert);
        fs::remove_file(&papers.cert).unwrap();
        assert_eq!(used().await, papers.renewed);
    }

    /// Every moment at which a kill can leave the files, and every file that is not what it was.
    #[tokio::test]
    async fn what_is_not_whole_is_never_used() {
        let dir = tempfile::tempdir().unwrap();
        let papers = papers(dir.path());
        issue(&papers, 2026);
        let (cert, key) = made(2027);
        let other = made(2027);
        let whole = format!("{key}{cert}");
        for length in (0..whole.len()).step_by(97) {
            fs::write(dir.path().join(format!(".{RENEWED_FILE}.Ab12Cd")), &whole[..length]).unwrap();
            assert_eq!(papers.read().await.unwrap().path, papers.cert, "cut short in the new file");
            fs::write(&papers.renewed, &whole[..length]).unwrap();
            assert_eq!(papers.read().await.unwrap().path, papers.cert, "damaged at {length}");
        }
        for (cert, key) in [(&cert, &other.1), (&String::new(), &key), (&"nonsense".to_owned(), &key)] {
            assert!(matches!(papers.keep(cert, key), Err(NotKept::Wrong(_))));
        }
        papers.keep(&cert, &key).unwrap();
        assert_eq!(papers.read().await.unwrap().path, papers.renewed);
        // One that does not fit leaves what was kept.
        assert!(papers.keep(&other.0, &key).is_err());
        assert_eq!(papers.read().await.unwrap().path, papers.renewed);
    }

    #[test]
    fn an_end_is_told_in_days() {
        let (cert, key) = made(2026);
        let paper = paper(Path::new("p"), format!("{key}{cert}").into_bytes(), Vec::new().into()).unwrap();
        let ends = paper.validity.unwrap().ends_s;
        assert_eq!(paper.ended_days_ago(ends), None);
        assert_eq!(paper.ended_days_ago(ends + 1), Some(0));
        assert_eq!(paper.ended_days_ago(ends + 3 * DAY.as_secs() + 5), Some(3));
    }
}
