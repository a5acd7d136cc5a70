//! Edges: what of the ramdisks survives a restart of the agent: its certificate with the key, and the digests of tokens
//! and of sessions' secrets. No token and no secret is on disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use host::whole_file;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{config::ControlError, register::Kept};

/// Certificate and key in one file, so that they cannot be of different pairs.
const CERTIFICATE_FILE: &str = "ramdisk.pem";
const SESSIONS_FILE: &str = "ramdisks.json";

/// The directory they are in.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    dir: PathBuf,
}

impl Keep {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The certificate and its key; made at the first start.
    pub(super) fn certificate(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), ControlError> {
        let path = self.dir.join(CERTIFICATE_FILE);
        let fail = |source| ControlError::Keep { path: path.clone(), source };
        let pem = match fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The one kind of signature that the ramdisk knows.
                let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
                let certificate =
                    rcgen::CertificateParams::new(vec!["bms-agent".to_owned()])?.self_signed(&key)?;
                let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
                whole_file::write(&path, pem.as_bytes()).map_err(fail)?;
                pem.into_bytes()
            }
            Err(error) => return Err(fail(error)),
        };
        let certificate = CertificateDer::from_pem_slice(&pem);
        let key = PrivateKeyDer::from_pem_slice(&pem);
        certificate
            .and_then(|certificate| Ok((certificate, key?)))
            .map_err(|error| fail(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
    }

    /// What was kept last.
    pub(super) fn load(&self) -> Result<Kept, ControlError> {
        let path = self.dir.join(SESSIONS_FILE);
        let fail = |source| ControlError::Keep { path: path.clone(), source };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Keeps this instead. Without it a restart ends the ramdisks under way, and nothing else; that is no reason to refuse
    /// them. But what is revoked must not come back: a file that cannot be replaced is removed.
    pub(super) fn store(&self, kept: &Kept) {
        let path = self.dir.join(SESSIONS_FILE);
        let written = serde_json::to_vec(kept)
            .map_err(io::Error::from)
            .and_then(|bytes| whole_file::write(&path, &bytes));
        if let Err(error) = written {
            let removed = fs::remove_file(&path).is_ok();
            tracing::error!(path = %path.display(), %error, removed, "ramdisks' sessions could not be kept on disk");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, _) = Keep::new(dir.path()).certificate().unwrap();
        let (again, _) = Keep::new(dir.path()).certificate().unwrap();
        assert_eq!(certificate, again);
        let path = dir.path().join(CERTIFICATE_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        let refused = Keep::new(dir.path()).certificate().unwrap_err();
        assert!(refused.to_string().contains("ramdisk.pem"), "{refused}");
    }
}
