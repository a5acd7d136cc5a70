//! Edges: `ramdisk-pack` as it is run by hand: what it makes, what it signs, and what it says when it fails.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn pack(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ramdisk-pack")).current_dir(dir).args(words).output().unwrap()
}

#[test]
fn what_is_packed_is_listed_and_signed_and_a_failure_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("out/boot")).unwrap();
    fs::write(dir.join("out/boot/kernel"), "abc").unwrap();
    let made = Command::new("openssl")
        .current_dir(dir)
        .args(["genpkey", "-algorithm", "ed25519", "-out", "key"])
        .output();
    assert!(made.unwrap().status.success());

    let list = ["--out", "out", "--only", "manifest"];
    let output = pack(dir, &[&list[..], &["--sign", "key"]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("out/boot/manifest.txt "), "{output:?}");
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(fs::read_to_string(dir.join("out/boot/manifest.txt")).unwrap(), format!("{sum}  kernel\n"));
    assert_eq!(fs::read(dir.join("out/boot/manifest.txt.sig")).unwrap().len(), 64);

    let output = pack(dir, &[&list[..], &["--sign", "absent"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("ramdisk-pack: absent: No such file or directory"), "{said}");
    let output = pack(dir, &["--only", "everything"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("usage: ramdisk-pack "), "{output:?}");
}
