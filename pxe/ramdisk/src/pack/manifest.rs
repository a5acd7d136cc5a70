//! Edges: a list of all that was packed, by its digests, and whoever packs signs it: an agent that has his public key takes nothing else.
//!
//! The list is one that `sha256sum --check` reads, and the signature one that `openssl pkeyutl -verify -rawin` does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protocol::hex;
use ring::{
    digest::{SHA256, digest},
    signature::Ed25519KeyPair,
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::{PackError, file_error, lock, read, write, write_if_changed};

/// The list, in `cache/boot`.
const NAME: &str = "manifest.txt";
/// Its signature, beside it.
const SIGNATURE: &str = "manifest.txt.sig";
/// What is only remembered between two packings.
const ENDS_LEFT_OUT: [&str; 3] = ["stamp", "part", "cpio"];

/// Writes the list of what lies in `cache/boot`, and signs it with this key (Ed25519, PKCS#8 in PEM); without one, it has no signature.
pub fn write_manifest(cache: &Path, key: Option<&Path>) -> Result<PathBuf, PackError> {
    let _alone = lock(cache)?;
    let dir = cache.join("boot");
    let mut names = Vec::new();
    list(&dir, "", &mut names)?;
    names.sort();
    let mut text = String::new();
    for name in &names {
        let sum = hex::encode(digest(&SHA256, &read(&dir.join(name))?));
        text.push_str(&format!("{sum}  {name}\n"));
    }
    let signature = match key {
        Some(path) => Some(signer(path)?.sign(text.as_bytes())),
        None => None,
    };
    write_if_changed(text.as_bytes(), &dir.join(NAME))?;
    let beside = dir.join(SIGNATURE);
    match signature {
        Some(signature) => write(&beside, signature.as_ref())?,
        // One of an earlier list would only mislead.
        None if beside.exists() => fs::remove_file(&beside).map_err(|source| file_error(&beside, source))?,
        None => {}
    }
    Ok(dir.join(NAME))
}

fn signer(path: &Path) -> Result<Ed25519KeyPair, PackError> {
    let pem = read(path)?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).ok();
    let pair = key.and_then(|key| Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).ok());
    pair.ok_or_else(|| PackError::Key { path: path.to_owned() })
}

/// The names of all files below a directory, relative to it.
fn list(dir: &Path, above: &str, names: &mut Vec<String>) -> Result<(), PackError> {
    let entries = fs::read_dir(dir).map_err(|source| file_error(dir, source))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = format!("{above}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            list(&path, &format!("{name}/"), names)?;
        } else if name != NAME
            && name != SIGNATURE
            && !path.extension().is_some_and(|end| ENDS_LEFT_OUT.iter().any(|out| end == *out))
        {
            names.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// By programs that know nothing of us.
    fn openssl(dir: &Path, words: &str) -> bool {
        let mut command = Command::new("openssl");
        command.current_dir(dir).args(words.split(' ')).output().unwrap().status.success()
    }

    fn is_as_listed(dir: &Path) -> bool {
        let mut command = Command::new("sha256sum");
        command.current_dir(dir).args(["--strict", "--check", NAME]).output().unwrap().status.success()
    }

    #[test]
    fn sha256sum_and_openssl_find_the_list_good_and_a_changed_file_bad() {
        let cache = tempfile::tempdir().unwrap();
        let dir = cache.path().join("boot");
        fs::create_dir_all(dir.join("generic/files/lib")).unwrap();
        for name in ["kernel", "generic/initrd", "generic/files/lib/a.ko", "generic/initrd.stamp"] {
            fs::write(dir.join(name), name).unwrap();
        }
        let key = cache.path().join("key");
        assert!(openssl(cache.path(), "genpkey -algorithm ed25519 -out key"));
        assert!(openssl(cache.path(), "pkey -in key -pubout -out key.pub"));
        let path = write_manifest(cache.path(), Some(&key)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let names: Vec<_> =
            text.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
        assert_eq!(names, ["generic/files/lib/a.ko", "generic/initrd", "kernel"]);
        let verify =
            "pkeyutl -verify -pubin -inkey ../key.pub -rawin -in manifest.txt -sigfile manifest.txt.sig";
        assert!(openssl(&dir, verify));
        assert!(is_as_listed(&dir));
        // The same input makes the same bytes.
        let signature = fs::read(dir.join(SIGNATURE)).unwrap();
        write_manifest(cache.path(), Some(&key)).unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), fs::read(dir.join(SIGNATURE)).unwrap()),
            (text, signature)
        );

        fs::write(dir.join("kernel"), "another").unwrap();
        assert!(!is_as_listed(&dir));
        write_manifest(cache.path(), None).unwrap();
        assert!(is_as_listed(&dir) && !dir.join(SIGNATURE).exists());
        let error = write_manifest(cache.path(), Some(&cache.path().join("key.pub"))).unwrap_err();
        assert!(error.to_string().contains("is no Ed25519 private key"), "{error}");
    }
}
