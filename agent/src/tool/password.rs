//! Edges: a password from a file, the environment, or the terminal without echo. Never from an argument: everybody sees those.

use std::{
    env, fs,
    io::{BufRead, IsTerminal, Write},
    path::Path,
    process,
};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use protocol::secret::Secret;

use super::failure::Failure;

/// The status of a program that SIGINT has ended.
pub const INTERRUPTED: u8 = 130;

/// The first line of a file.
pub fn of_file(path: &Path) -> Result<Secret, Failure> {
    let text = fs::read_to_string(path).map(zeroize::Zeroizing::new).map_err(|error| {
        Failure::Usage(format!("the password file {} cannot be read: {error}", path.display()))
    })?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// Of the file, or of this variable, or asked for.
pub async fn get(file: Option<&Path>, variable: &str, what: &str) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return of_file(path);
    }
    if let Ok(password) = env::var(variable) {
        return Ok(Secret::new(password));
    }
    if !std::io::stdin().is_terminal() {
        let how = format!("{what}: give it by a file or by {variable}; there is no terminal to ask for it");
        return Err(Failure::Usage(how));
    }
    ask(what).await
}

/// Asks on the terminal. An interrupt gives the terminal back as it was.
#[allow(clippy::print_stderr, reason = "a question on the terminal")]
async fn ask(what: &str) -> Result<Secret, Failure> {
    let cannot = |error: std::io::Error| Failure::Usage(format!("{what} cannot be asked for: {error}"));
    let quiet = Quiet::new().map_err(cannot)?;
    eprint!("{what}: ");
    let _ = std::io::stderr().flush();
    let read = tokio::task::spawn_blocking(|| {
        let mut line = zeroize::Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).map(|_| Secret::new(line.trim_end_matches(['\r', '\n'])))
    });
    tokio::select! {
        read = read => {
            eprintln!();
            read.map_err(std::io::Error::other).and_then(|read| read).map_err(cannot)
        }
        _ = tokio::signal::ctrl_c() => {
            drop(quiet);
            eprintln!();
            // The thread that reads the terminal cannot be ended otherwise.
            process::exit(INTERRUPTED.into());
        }
    }
}

/// The terminal without echo, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn new() -> std::io::Result<Self> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}
