//! What a person reads when a command fails: one sentence with its causes, and no frame of the stack unless RUST_BACKTRACE
//! asks for them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How many lines a failure may take: the sentence, and where the logs are.
const LINES_MAX: usize = 2;

/// Our programs lie beside the lab; `make test` has built them all.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name(name)
}

/// Runs a command that must fail, and gives what it said on standard error.
#[track_caller]
fn failing(name: &str, arguments: &[&str], frames_wanted: bool) -> String {
    let path = program(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_LIB_BACKTRACE");
    if frames_wanted {
        command.env("RUST_BACKTRACE", "1")
    } else {
        command.env_remove("RUST_BACKTRACE")
    };
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_failed_command_says_one_sentence() {
    #[track_caller]
    fn check(name: &str, arguments: &[&str], object: &str, cause: &str) {
        let said = failing(name, arguments, false);
        assert!(said.lines().count() <= LINES_MAX, "{name} says too much:\n{said}");
        assert!(said.contains(object), "{name} does not name {object}:\n{said}");
        assert_eq!(said.matches(cause).count(), 1, "{name} says not once {cause:?}:\n{said}");
    }
    let nowhere = "/nowhere/its.toml";
    let missing = "No such file or directory";
    check("lab", &["contrail-standin", "--config", nowhere], nowhere, missing);
    check("lab", &["bmc", "--config", nowhere], nowhere, missing);
    check("lab", &["promise", "--site", "name", "prefix", "nine"], "\"nine\"", "invalid digit");
    check("bms-agent", &["check-config", "--config", nowhere], nowhere, missing);
    check("bms-coordinator", &["check-config", "--config", nowhere], nowhere, missing);
    check("bmsctl", &["node", "list", "--cacert", nowhere], nowhere, missing);
}

#[test]
fn frames_of_the_stack_come_when_asked_for_and_above_the_sentence() {
    let said = failing("lab", &["contrail-standin", "--config", "/nowhere/its.toml"], true);
    assert!(said.contains("lab::main"), "no frames:\n{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("lab: ") && last.contains("/nowhere/its.toml"), "{last}");
}
