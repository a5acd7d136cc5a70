//! Edges: what a pack's files are to be, as whoever packed them has signed it: a list of digests, and an Ed25519 signature of it.
//!
//! The list is as `sha256sum` writes it, and the signature as `openssl pkeyutl -sign -rawin` does. What must stay true: with a list, no file
//! of the pack is taken or given whose bytes are not those on it.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use ring::{digest, signature};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

/// What stands behind the name of a list in that of its signature.
pub const SIGNATURE_END: &str = ".sig";

/// Longest list, in bytes; a kernel has some thousands of modules.
const MAX_LEN: u64 = 8 << 20;

/// An Ed25519 key as its file has it in front of its 32 bytes (RFC 8410, section 4).
const ED25519_KEY: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Where a list is, and whose signature it must have.
#[derive(Clone, Debug)]
pub struct ManifestPaths {
    /// The list, in the directory of the pack; its signature lies beside it.
    pub manifest: PathBuf,
    /// The public key, in PEM.
    pub key: PathBuf,
}

/// A list whose signature was found good.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Names are relative to it.
    dir: PathBuf,
    digests: HashMap<String, String>,
}

/// Why a list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file of it.
    #[error(
        "cannot read {path}, of the signed list of the pack's files; make it by `ramdisk-pack --sign`, or correct the path"
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key.
    #[error("{path} is no Ed25519 public key in PEM; `openssl pkey -pubout` writes one")]
    Key {
        /// Which file.
        path: PathBuf,
    },
    /// The signature is not this key's, or the list is another one.
    #[error("{path} was not signed with the key in {key}; nothing of that pack is used")]
    Signature {
        /// The list.
        path: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A line that names no file.
    #[error("line {line} of {path} is no digest and name")]
    Line {
        /// The list.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// Why a file of a pack is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Whoever packed did not pack it.
    #[error("it is not on the signed list of its pack")]
    Unlisted,
    /// It was changed, or is of another pack.
    #[error("its SHA-256 is not the one on the signed list of its pack")]
    Changed,
}

impl Manifest {
    /// Reads a list and checks its signature before a word of it is believed.
    pub fn read(paths: &ManifestPaths) -> Result<Self, ManifestError> {
        let ManifestPaths { manifest: path, key } = paths;
        let mut signature_path = path.clone().into_os_string();
        signature_path.push(SIGNATURE_END);
        let (text, signature) = (read(path)?, read(Path::new(&signature_path))?);
        let public = read(key).and_then(|pem| {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).ok();
            let bytes = der.as_ref().and_then(|der| der.strip_prefix(&ED25519_KEY[..]));
            bytes.map(<[u8]>::to_vec).ok_or_else(|| ManifestError::Key { path: key.clone() })
        })?;
        signature::UnparsedPublicKey::new(&signature::ED25519, public)
            .verify(&text, &signature)
            .map_err(|_| ManifestError::Signature { path: path.clone(), key: key.clone() })?;
        let mut digests = HashMap::new();
        for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let Some((sum, name)) = line.split_once("  ").filter(|(sum, _)| sum.len() == 64) else {
                return Err(ManifestError::Line { path: path.clone(), line: number + 1 });
            };
            digests.insert(name.to_owned(), sum.to_owned());
        }
        Ok(Self { dir: path.parent().unwrap_or(Path::new("")).to_owned(), digests })
    }

    /// Whether a path leads into the directory of the pack.
    pub fn is_of(&self, path: &Path) -> bool {
        path.starts_with(&self.dir)
    }

    /// Whether a file has the bytes that were packed.
    pub fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), Mismatch> {
        let name = path.strip_prefix(&self.dir).map_err(|_| Mismatch::Unlisted)?;
        let packed = self.digests.get(&*name.to_string_lossy()).ok_or(Mismatch::Unlisted)?;
        let is = protocol::hex::encode(digest::digest(&digest::SHA256, bytes));
        if is == *packed { Ok(()) } else { Err(Mismatch::Changed) }
    }
}

fn read(path: &Path) -> Result<Bytes, ManifestError> {
    let read = || {
        let len = std::fs::metadata(path)?.len();
        if len > MAX_LEN {
            return Err(io::Error::other(format!("it has more than {MAX_LEN} bytes")));
        }
        std::fs::read(path).map(Bytes::from)
    };
    read().map_err(|source| ManifestError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    /// By a program that knows nothing of us.
    fn openssl(dir: &Path, words: &str) {
        let output = Command::new("openssl").current_dir(dir).args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn sign(dir: &Path, list: &str) {
        fs::write(dir.join("pack/manifest.txt"), list).unwrap();
        openssl(dir, "pkeyutl -sign -rawin -inkey key -in pack/manifest.txt -out pack/manifest.txt.sig");
    }

    /// All that a rack serves: what was changed before the start keeps it from starting, and what was changed since is not given.
    #[test]
    fn nothing_else_of_a_signed_pack_is_served() {
        use crate::files::{BootFilePaths, BootFiles, RamdiskPaths};
        let dir = tempfile::tempdir().unwrap();
        let (dir, pack) = (dir.path(), dir.path().join("pack"));
        fs::create_dir_all(pack.join("files/lib")).unwrap();
        fs::create_dir(pack.join("parts")).unwrap();
        openssl(dir, "genpkey -algorithm ed25519 -out key");
        openssl(dir, "pkey -in key -pubout -out key.pub");
        let names =
            ["kernel", "initrd", "rescue", "small", "lean", "parts/igb", "files/lib/a.ko", "files/lib/b.ko"];
        let mut list = String::new();
        let mut add = |name: &str, text: &str| {
            fs::write(pack.join(name), text).unwrap();
            let sum = protocol::hex::encode(digest::digest(&digest::SHA256, text.as_bytes()));
            list.push_str(&format!("{sum}  {name}\n"));
        };
        names.iter().for_each(|name| add(name, name));
        add("nics.txt", "8086:10c9 igb\n");
        sign(dir, &list);
        fs::write(dir.join("loader"), "Debian's").unwrap();
        let at = |name: &str| pack.join(name);
        let small = RamdiskPaths { kernel: at("small"), initrd: at("small"), rescue: None };
        let paths = BootFilePaths {
            kernel: at("kernel"),
            initrd: at("initrd"),
            rescue: Some(at("rescue")),
            parts: Some(pack.clone()),
            virtual_servers: Some(small),
            signed: None,
            snponly: dir.join("loader"),
            undionly: dir.join("loader"),
            manifest: Some(ManifestPaths { manifest: at("manifest.txt"), key: dir.join("key.pub") }),
        };
        let parts = BootFiles::read(&paths).unwrap().parts.unwrap();
        let given = |name: &str| parts.content(&parts.file(name).unwrap()).map_err(|error| error.to_string());
        assert_eq!(given("lib/a.ko").unwrap().to_bytes().unwrap(), "files/lib/a.ko");
        fs::write(at("files/lib/a.ko"), "changed").unwrap();
        assert!(given("lib/a.ko").unwrap_err().contains("its SHA-256 is not the one"));
        assert!(given("lib/b.ko").is_ok());
        // Those that are held in memory.
        for name in ["kernel", "initrd", "rescue", "small", "lean", "parts/igb", "nics.txt"] {
            let before = fs::read(at(name)).unwrap();
            fs::write(at(name), "changed").unwrap();
            let error = BootFiles::read(&paths).map(drop).unwrap_err().to_string();
            assert!(error.contains(&format!("{} is not used", at(name).display())), "{name}: {error}");
            fs::write(at(name), before).unwrap();
        }
        assert!(BootFiles::read(&paths).is_ok());
        let unsigned = BootFilePaths { manifest: None, ..paths };
        fs::write(at("kernel"), "changed").unwrap();
        assert!(BootFiles::read(&unsigned).is_ok(), "a site that does not sign");
    }

    #[test]
    fn a_file_is_taken_as_it_was_signed_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join("pack")).unwrap();
        for name in ["key", "other"] {
            openssl(dir, &format!("genpkey -algorithm ed25519 -out {name}"));
            openssl(dir, &format!("pkey -in {name} -pubout -out {name}.pub"));
        }
        let read = |key: &str| {
            let paths = ManifestPaths { manifest: dir.join("pack/manifest.txt"), key: dir.join(key) };
            Manifest::read(&paths).map_err(|error| error.to_string())
        };
        // As `sha256sum` has it of three bytes.
        let list = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  parts/a\n";
        sign(dir, list);
        let manifest = read("key.pub").unwrap();
        let check = |name: &str, bytes: &[u8], expected| {
            assert_eq!(manifest.check(&dir.join(name), bytes), expected, "{name}");
        };
        check("pack/parts/a", b"abc", Ok(()));
        check("pack/parts/a", b"abd", Err(Mismatch::Changed));
        check("pack/parts/b", b"abc", Err(Mismatch::Unlisted));
        check("elsewhere", b"abc", Err(Mismatch::Unlisted));
        assert!(manifest.is_of(&dir.join("pack/parts/a")) && !manifest.is_of(&dir.join("packs/a")));

        let refused = |key: &str, words: &str| {
            let error = read(key).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused("other.pub", "was not signed with the key");
        refused("key", "is no Ed25519 public key");
        refused("absent", "cannot read");
        fs::write(dir.join("pack/manifest.txt"), list.replace("parts/a", "parts/b")).unwrap();
        refused("key.pub", "was not signed with the key");
        sign(dir, "ba7816bf parts/a\n");
        refused("key.pub", "line 1");
        fs::remove_file(dir.join("pack/manifest.txt.sig")).unwrap();
        refused("key.pub", "ramdisk-pack --sign");
    }
}
