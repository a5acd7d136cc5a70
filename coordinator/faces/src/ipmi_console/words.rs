//! Values: what is told between the characters of a console, as characters: IPMI has no other way.

use protocol::{
    console::ConsoleNote,
    text::{Shown, bounded},
};

/// Longest text of a note.
const NOTE_CHARS_MAX: usize = 300;

/// A sentence on a line of its own.
pub fn line(text: &str) -> Vec<u8> {
    // Names and causes are foreign words.
    format!("\r\n[{}]\r\n", Shown(bounded(text, NOTE_CHARS_MAX))).into_bytes()
}

/// What a note says; none: nothing that needs to be said.
pub fn of_note(note: &ConsoleNote) -> Option<String> {
    match note {
        ConsoleNote::Opened => Some("console open".to_owned()),
        ConsoleNote::Lost(why) => Some(format!("console lost: {why}; it is tried again")),
        ConsoleNote::Overrun => Some("the BMC has lost characters".to_owned()),
        ConsoleNote::Skipped(bytes) => {
            Some(format!("{bytes} bytes skipped: they came faster than they were taken"))
        }
        ConsoleNote::Cannot(why) => Some(why.clone()),
        ConsoleNote::Held(by) => {
            Some(format!("{by} has the keyboard; what is typed here goes nowhere until it is free"))
        }
        ConsoleNote::Keyboard => Some("the keyboard is yours".to_owned()),
        ConsoleNote::Break | ConsoleNote::Free => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_note_drives_a_terminal_or_begins_a_line() {
        assert_eq!(line("by \x1b[2Jmallory\r\n# "), b"\r\n[by \\u{1b}[2Jmallory\\r\\n# ]\r\n");
        assert!(line(&"x".repeat(9999)).len() < 400);
    }

    #[test]
    fn whoever_types_in_vain_is_told_why() {
        let check = |note: ConsoleNote, words: &str| {
            let said = of_note(&note).unwrap_or_default();
            assert!(said.contains(words) && said.is_empty() == words.is_empty(), "{note:?}: {said}");
        };
        check(ConsoleNote::Held("alice".into()), "alice has the keyboard");
        check(ConsoleNote::Lost("no answer".into()), "no answer");
        check(ConsoleNote::Free, "");
    }
}
