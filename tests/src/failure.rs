//! Decisions: what a person reads of a command that failed.

use std::{fmt::Write as _, path::Path};

/// The failure in one line, each cause once, and the directory of the logs in another. Frames of the stack are not among
/// it: they say where our program noticed, and not what is wrong.
pub fn said(error: &anyhow::Error, logs: Option<&Path>) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors tell their cause themselves.
        if !text.contains(&cause) {
            let _ = write!(text, "{}{cause}", if text.is_empty() { "" } else { ": " });
        }
    }
    if let Some(logs) = logs {
        let _ = write!(text, "\nlogs: {}", logs.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        #[track_caller]
        fn check(causes: &[&'static str], logs: Option<&str>, expected: &str) {
            let mut causes = causes.iter().rev();
            let first = anyhow::Error::msg(*causes.next().unwrap());
            let error = causes.fold(first, |error, cause| error.context(*cause));
            assert_eq!(said(&error, logs.map(Path::new)), expected);
        }
        check(&["no such file"], None, "no such file");
        check(
            &["step 3", "starting qemu-img", "no such file"],
            None,
            "step 3: starting qemu-img: no such file",
        );
        check(&["step 3", "a.toml: no such file", "no such file"], None, "step 3: a.toml: no such file");
        check(&["no such file"], Some("/run/log"), "no such file\nlogs: /run/log");
    }
}
