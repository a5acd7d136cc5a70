//! Edges: a terminal whose keys go to somebody else as they are typed, and which is as before when that ends.

use std::{
    io::{self, ErrorKind, IsTerminal, Read, Write},
    thread,
};

use nix::sys::termios::{self, SetArg, Termios};

/// Bytes that are read from the keyboard at once.
const KEYS_BYTES_MAX: usize = 1024;

/// The terminal in raw mode, until this is dropped.
pub struct Raw(Termios);

impl Raw {
    /// Sets the terminal on standard input so; none: there is no terminal, and nothing to set.
    pub fn new() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// Reads the keyboard on a thread of its own until it ends or `each` says that nobody listens any more. Its end is told as no bytes.
pub fn read_keys(mut each: impl FnMut(&[u8]) -> bool + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; KEYS_BYTES_MAX];
        loop {
            match io::stdin().read(&mut buffer) {
                Ok(count) => {
                    if !each(&buffer[..count]) || count == 0 {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    each(&[]);
                    return;
                }
            }
        }
    });
}

/// Writes as it is what a server prints on its console: to drive a terminal is what it is for.
pub fn show(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a line of ours between the server's, on a terminal that is raw or not.
pub fn tell(text: &str) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for line in text.lines() {
        write!(out, "\r\n[{}]", protocol::text::Shown(line))?;
    }
    out.write_all(b"\r\n")
}
