//! Values: the certificate of an erased disk, as an auditor may get it from anybody.

use protocol::erase_certificate::{Jws, authorities, canonical, lines, read, verify};

/// Nothing holds without an authority, and what is signed in canonical form stays as it is.
pub fn run(data: &[u8]) {
    let _ = authorities(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Jws::read(text);
    }
    let Ok(file) = read(data) else { return };
    assert!(verify(&file, &[]).is_err());
    let Some(said) = file.said() else { return };
    assert!(!lines(&said.statement, said.receipt.as_ref(), &said.agent).is_empty());
    let value = serde_json::to_value(&said.statement).expect("what was read is written");
    let text = canonical(&value);
    assert_eq!(canonical(&serde_json::from_str(&text).expect("it is JSON")), text);
}
