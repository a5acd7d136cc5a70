//! Edges: secrets at rest. Sealed by XChaCha20-Poly1305 under a key that lives in a file outside the database.
//!
//! A sealed text is bound to its place (table, column and row) as associated data: copied to another row it does not open.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use host::whole_file;
use protocol::{hex, secret::Secret};
use zeroize::Zeroizing;

use crate::state_dir::make_private_dir;

/// Length of the key in bytes.
const KEY_BYTES: usize = 32;
/// Length of the nonce in bytes (XChaCha20: long enough to be random).
const NONCE_BYTES: usize = 24;
/// First part of every sealed text; a later way of sealing gets another one.
const VERSION: &str = "x1:";

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key file cannot be read or made.
    #[error(
        "key file {path}: cannot {operation}; it holds the key of every sealed password: check its place and owner"
    )]
    KeyFile {
        /// Where.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file is there but is not a key.
    #[error("key file {path} does not hold {KEY_BYTES} bytes; restore the one this database was made with")]
    KeyLength {
        /// Where.
        path: PathBuf,
    },
    /// Others can read the key.
    #[error("key file {path} is readable by others (mode {mode:o}); set it to 0600")]
    KeyMode {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The sealed text does not open.
    #[error(
        "the secret at {place} cannot be decrypted with this key; the database and the key file belong to different installations"
    )]
    Open {
        /// Which row.
        place: String,
    },
    /// The operating system gave no random bytes, or the text is too long.
    #[error("the secret at {place} cannot be sealed")]
    Seal {
        /// Which row.
        place: String,
    },
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    /// Seals with the given key.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// Reads the key file; makes it, readable by its owner only, when it is not there.
    pub fn open_or_create(path: &Path) -> Result<Self, SecretError> {
        let failed =
            |operation| move |source| SecretError::KeyFile { path: path.to_owned(), operation, source };
        match fs::read(path) {
            Ok(bytes) => {
                let mode = fs::metadata(path).map_err(failed("look at it"))?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(SecretError::KeyMode { path: path.to_owned(), mode });
                }
                let bytes = Zeroizing::new(bytes);
                let key = <&[u8; KEY_BYTES]>::try_from(bytes.as_slice());
                Ok(Self::new(key.map_err(|_| SecretError::KeyLength { path: path.to_owned() })?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
                write_private(path, key.as_slice()).map_err(failed("make it"))?;
                Ok(Self::new(&key))
            }
            Err(error) => Err(failed("read it")(error)),
        }
    }

    /// Seals a secret for one place, such as `servers.bmc_password/<id>`.
    pub fn seal(&self, place: &str, secret: &Secret) -> Result<String, SecretError> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SecretError::Seal { place: place.to_owned() })?;
        Ok(format!("{VERSION}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Secret, SecretError> {
        let failed = || SecretError::Open { place: place.to_owned() };
        let bytes = sealed.strip_prefix(VERSION).and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.ok_or_else(failed)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(failed)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| failed())?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
        Ok(Secret::new(String::from_utf8(plain).map_err(|_| failed())?))
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        make_private_dir(parent)?;
    }
    whole_file::write(path, bytes)
}

/// Bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// A password that nobody has to type: 32 random bytes in hexadecimal.
pub fn random_password() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_at_its_place_and_with_its_key() {
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal("servers.bmc_password/1", &Secret::new("hunter2")).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealer.open("servers.bmc_password/1", &sealed).unwrap().reveal(), "hunter2");
        assert!(sealer.open("servers.bmc_password/2", &sealed).is_err());
        assert!(Sealer::new(&[8; 32]).open("servers.bmc_password/1", &sealed).is_err());
        for bad in ["", "x1:", "x1:AAAA", "y1:AAAA", "x1:not base64"] {
            assert!(sealer.open("servers.bmc_password/1", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn key_file_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/secret.key");
        let sealed = Sealer::open_or_create(&path).unwrap().seal("a", &Secret::new("b")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Sealer::open_or_create(&path).unwrap().open("a", &sealed).unwrap().reveal(), "b");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Sealer::open_or_create(&path), Err(SecretError::KeyMode { .. })));
    }
}
