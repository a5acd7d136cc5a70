//! Decisions: foreign text as it is shown: nothing of it begins a line, drives a terminal, turns the direction of what
//! stands beside it, or is there and cannot be seen.
//!
//! Foreign is what somebody else chose: names of images and users, a BMC's messages, a switch's LLDP, what a ramdisk says.
//! It is kept as it came and escaped where it is shown, so that what was compared stays comparable. Three places show it,
//! and each does it for everything: a program's log ([`crate::log_lines`]), what `bmsctl` prints, and the text of events.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
};

/// Whether a character does something other than being seen: a control character, the end of a line or paragraph, a mark
/// of direction, or one without any width.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' // zero width, and marks of direction
            | '\u{2028}'..='\u{202e}' // ends of line and paragraph, embedded and overridden direction
            | '\u{2060}'..='\u{206f}' // joiners, isolated direction
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}') // tags
}

/// Whether all of a text is seen as it is.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(is_hidden)
}

/// Shows a value with everything hidden escaped as in Rust's source: `\n`, `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            self.0.write_str(&rest[..at])?;
            // `escape_default`, because `escape_debug` lets some of them through.
            write!(self.0, "{}", c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// The same for a text that is JSON: what JSON may hold as it is, and nobody should meet, becomes `\u` and four digits, so
/// that whoever reads it as JSON gets exactly what was meant. Ends of lines between the values stay.
pub fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // JSON itself lets no control character below U+0020 into a string: these stand between values.
        if is_hidden(c) && !matches!(c, '\n' | '\r' | '\t') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A text of at most so many characters; of a longer one its beginning, and how much is missing.
pub fn bounded(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            Cow::Owned(format!("{}... ({more} characters more)", &text[..end]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that forges a line or drives a terminal, by its kind.
    fn hidden() -> impl Iterator<Item = char> {
        let kinds = [
            '\0'..='\x1f',
            '\x7f'..='\u{9f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{feff}'..='\u{feff}',
            '\u{e0001}'..='\u{e007f}',
        ];
        kinds.into_iter().flatten()
    }

    #[test]
    fn nothing_hidden_is_shown_as_it_is() {
        for c in hidden() {
            let text = format!("a{c}b");
            assert!(!is_plain(&text), "{}", c.escape_unicode());
            let shown = Shown(&text).to_string();
            assert!(is_plain(&shown) && shown.is_ascii(), "{shown}");
            assert!(shown.starts_with("a\\") && shown.ends_with('b'), "{shown}");
            let json = shown_json(&serde_json::to_string(&text).unwrap());
            assert!(is_plain(&json), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "JSON stays exact");
        }
    }

    #[test]
    fn what_can_be_seen_stays() {
        for text in ["", "web-1", "Zürich, 服务器 \"a\\b\" <i>", "עברית", "🙂"] {
            assert!(is_plain(text));
            assert_eq!(Shown(text).to_string(), text);
            assert_eq!(shown_json(text), text);
        }
        assert_eq!(Shown("a\r\nb\u{1b}[31m").to_string(), "a\\r\\nb\\u{1b}[31m");
    }

    #[test]
    fn a_long_text_says_that_it_was_cut() {
        let check = |text: &str, max, expected: &str| assert_eq!(bounded(text, max), expected);
        check("", 0, "");
        check("abc", 3, "abc");
        check("äöü", 2, "äö... (1 characters more)");
    }
}
