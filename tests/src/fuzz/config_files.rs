//! Decisions: the configuration files of both programs.

use std::path::Path;

/// Good or bad, each is answered.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("fuzz.toml");
    let _ = coordinator::config::Config::parse(path, &text);
    let _ = agent::config::Config::parse(path, &text);
}
