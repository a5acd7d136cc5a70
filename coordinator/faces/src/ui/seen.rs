//! Decisions: text on a page: nothing of it is markup, and nothing of it is there and cannot be seen.
//!
//! Every template escapes by this (`askama.toml`), in text and in attributes. Beside what HTML gives a meaning, what turns the
//! direction of its neighbours, has no width or drives a terminal into which it is copied is shown as in Rust's source, as in
//! the logs and in what `bmsctl` prints ([`protocol::text`]). Ends of lines and tabulators stay: they mean nothing in HTML,
//! and a text field has them.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};
use protocol::text::{Shown, is_hidden};

/// Escapes for HTML, and shows what is hidden.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen;

impl Escaper for Seen {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let is_shown_otherwise = |c: char| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t');
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_shown_otherwise(*c)) {
            Html.write_escaped_str(&mut dest, &rest[..at])?;
            write!(dest, "{}", Shown(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        Html.write_escaped_str(dest, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup_and_nothing_is_hidden() {
        let check = |text: &str, expected: &str| {
            let mut shown = String::new();
            Seen.write_escaped_str(&mut shown, text).unwrap();
            assert_eq!(shown, expected);
        };
        check("web-1, Zürich \\ 服务器", "web-1, Zürich \\ 服务器");
        check("<b a=\"'&", "&#60;b a=&#34;&#39;&#38;");
        check("\u{202e}gnp.exe\u{1b}[31m<", "\\u{202e}gnp.exe\\u{1b}[31m&#60;");
        check("nodes:\r\n\t- a", "nodes:\r\n\t- a");
        check("&lt;", "&#38;lt;");
    }
}
