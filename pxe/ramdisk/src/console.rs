//! Edges: the serial console: one line for each thing that happens, for the person who watches the boot.

use std::{fmt::Arguments, io::Write};

use protocol::text::Shown;

/// Writes one line. Nobody may be listening, so a failure to write is no failure.
pub fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "bms: {}\r", Shown(line));
}

/// `say!("text {}", value)`: one line on the console.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::console::say(format_args!($($words)*)) };
}
