//! Decisions: lines out of what a console printed, each known to be whose.
//!
//! A line ends where the server ends it, or where it moves the cursor: firmware paints screens without an end of line. What drives a
//! terminal is taken out; a line that is cut by another tenancy's beginning is two lines.

use std::collections::VecDeque;

use protocol::{
    console_record::{LINE_BYTES_MAX, RecordLine, Recorded},
    id::TenancyId,
    text::{Shown, is_hidden},
};

use super::entry::{Entry, What};

/// A line, and in whose time it was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// None: in our hands, or not known.
    pub tenancy: Option<TenancyId>,
    pub line: RecordLine,
}

/// Takes entries in, gives lines out.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    tenancy: Option<TenancyId>,
    begun: Option<Begun>,
    inside: Inside,
    lines: VecDeque<Told>,
}

#[derive(Debug)]
struct Begun {
    at_us: u64,
    bytes: Vec<u8>,
}

/// Where in a sequence for the terminal we are (ECMA-48, section 5.3 and 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// Behind ESC.
    Escape,
    /// Behind ESC and an intermediate byte, such as that of a character set.
    Intermediate,
    /// Behind ESC [.
    Control,
    /// In a string (of OSC, DCS, SOS, PM, APC) up to BEL or ST.
    Text,
    /// The same, behind ESC.
    TextEscape,
    /// Behind a carriage return.
    Return,
}

impl Transcript {
    /// The next line that is whole.
    pub(super) fn poll_line(&mut self) -> Option<Told> {
        self.lines.pop_front()
    }

    /// Takes an entry in.
    pub(super) fn push(&mut self, entry: Entry) {
        let Entry { at_us, what } = entry;
        match what {
            What::Output(characters) => {
                for byte in characters {
                    self.take(at_us, byte);
                }
            }
            What::Note(note) => self.say(at_us, Recorded::Note(bounded(note))),
            What::Lost(why) => self.say(at_us, Recorded::Lost(bounded(why))),
            What::Mark(tenancy) => self.belongs_to(at_us, tenancy),
        }
    }

    /// What was begun is a line, though its end has not come.
    pub(super) fn end_line(&mut self) {
        let Some(Begun { at_us, bytes }) = self.begun.take() else { return };
        let text = String::from_utf8_lossy(&bytes);
        let what = Recorded::Printed(bounded(text.trim_end().to_owned()));
        self.lines.push_back(Told { tenancy: self.tenancy, line: RecordLine { at_us, what } });
    }

    fn say(&mut self, at_us: u64, what: Recorded) {
        self.end_line();
        self.inside = Inside::Nothing;
        self.lines.push_back(Told { tenancy: self.tenancy, line: RecordLine { at_us, what } });
    }

    fn belongs_to(&mut self, at_us: u64, tenancy: Option<TenancyId>) {
        if tenancy == self.tenancy {
            return;
        }
        if let Some(was) = self.tenancy {
            self.say(at_us, Recorded::TenancyEnded(was));
        } else {
            self.end_line();
        }
        self.tenancy = tenancy;
        self.inside = Inside::Nothing;
        if let Some(now) = tenancy {
            self.say(at_us, Recorded::TenancyBegan(now));
        }
    }

    fn take(&mut self, at_us: u64, byte: u8) {
        let inside = std::mem::take(&mut self.inside);
        self.inside = match (inside, byte) {
            (Inside::Return, b'\n') => {
                self.end_or_empty(at_us);
                Inside::Nothing
            }
            (Inside::Return, _) => {
                self.end_line();
                self.plain(at_us, byte)
            }
            (Inside::Nothing, _) => self.plain(at_us, byte),
            (Inside::Escape, b'[') => Inside::Control,
            (Inside::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Inside::Text,
            (Inside::Escape | Inside::Intermediate, 0x20..=0x2f) => Inside::Intermediate,
            (Inside::Escape | Inside::Intermediate, _) => Inside::Nothing,
            // Parameters and intermediate bytes.
            (Inside::Control, 0x20..=0x3f) => Inside::Control,
            (Inside::Control, last) => {
                if moves_the_cursor(last) {
                    self.end_line();
                }
                Inside::Nothing
            }
            (Inside::Text, 0x1b) => Inside::TextEscape,
            (Inside::Text, 0x07) | (Inside::TextEscape, b'\\') => Inside::Nothing,
            (Inside::Text | Inside::TextEscape, _) => Inside::Text,
        };
    }

    /// A byte outside of any sequence.
    fn plain(&mut self, at_us: u64, byte: u8) -> Inside {
        match byte {
            0x1b => return Inside::Escape,
            b'\r' => return Inside::Return,
            b'\n' => self.end_or_empty(at_us),
            b'\t' => self.add(at_us, b' '),
            0x08 => {
                if let Some(begun) = &mut self.begun {
                    begun.bytes.pop();
                }
            }
            0..0x20 | 0x7f => {}
            _ => self.add(at_us, byte),
        }
        Inside::Nothing
    }

    fn add(&mut self, at_us: u64, byte: u8) {
        let begun = self.begun.get_or_insert_with(|| Begun { at_us, bytes: Vec::new() });
        begun.bytes.push(byte);
        // A character that is not valid takes three bytes where it is shown.
        if begun.bytes.len() >= LINE_BYTES_MAX / 4 {
            self.end_line();
        }
    }

    /// An end of line that the server sent: of an empty one, too.
    fn end_or_empty(&mut self, at_us: u64) {
        self.begun.get_or_insert_with(|| Begun { at_us, bytes: Vec::new() });
        self.end_line();
    }
}

/// Whether this last byte of a control sequence goes to another line, or paints over what was there.
fn moves_the_cursor(last: u8) -> bool {
    matches!(last, b'A' | b'B' | b'E' | b'F' | b'H' | b'J' | b'd' | b'f')
}

/// A text with nothing in it that drives a terminal or is not seen, and no longer than a line may be.
fn bounded(text: String) -> String {
    let mut text = if text.chars().any(is_hidden) { Shown(text).to_string() } else { text };
    text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    use super::*;

    fn tenancy(number: u128) -> TenancyId {
        TenancyId(Uuid::from_u128(number))
    }

    fn lines(entries: impl IntoIterator<Item = Entry>) -> Vec<Told> {
        let mut transcript = Transcript::default();
        entries.into_iter().for_each(|entry| transcript.push(entry));
        transcript.end_line();
        std::iter::from_fn(|| transcript.poll_line()).collect()
    }

    #[test]
    fn a_line_ends_where_the_server_ends_it_or_moves_the_cursor() {
        let check = |printed: &[u8], expected: &[&str]| {
            let entry = Entry { at_us: 1, what: What::Output(printed.to_vec()) };
            let expected: Vec<_> =
                expected.iter().map(|text| Recorded::Printed((*text).to_owned())).collect();
            let found: Vec<_> = lines([entry]).into_iter().map(|told| told.line.what).collect();
            assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(printed));
        };
        check(b"one\r\ntwo\nthree", &["one", "two", "three"]);
        check(b"one\r\n\r\ntwo\r\n", &["one", "", "two"]);
        // Painted over: each state is a line, and nothing is lost.
        check(b"10 %\r20 %\rdone\r\n", &["10 %", "20 %", "done"]);
        check(b"\x1b[2J\x1b[1;1HBIOS\x1b[3;5HBoot: \x1b[1;31mdisk\x1b[0m", &["BIOS", "Boot: disk"]);
        check(b"\x1b]0;title\x07root\x1b(B@host\x1bP1$r\x1b\\#", &["root@host#"]);
        check(b"ab\x08c\ttab \x00\x07bell", &["ac tab bell"]);
        check("z\u{fc}rich \u{202e}evil".as_bytes(), &["z\u{fc}rich \\u{202e}evil"]);
        check(b"\xff\xfe", &["\u{fffd}\u{fffd}"]);
        check(b"", &[]);
        check(&[b'x'; LINE_BYTES_MAX / 4 + 1], &[&"x".repeat(LINE_BYTES_MAX / 4), "x"]);
    }

    #[test]
    fn every_line_is_known_to_be_whose_and_one_that_is_cut_by_a_beginning_is_two() {
        let (mine, theirs) = (tenancy(1), tenancy(2));
        let entry = |at_us, what| Entry { at_us, what };
        let output = |at_us, text: &str| entry(at_us, What::Output(text.as_bytes().to_vec()));
        let told = |tenancy, at_us, what| Told { tenancy, line: RecordLine { at_us, what } };
        let printed = |text: &str| Recorded::Printed(text.to_owned());
        let found = lines([
            output(1, "ours: sec"),
            output(2, "ret"),
            entry(3, What::Mark(Some(mine))),
            output(4, "mine\r\n"),
            entry(5, What::Mark(Some(mine))),
            entry(6, What::Lost("the BMC is gone".to_owned())),
            output(7, "half"),
            entry(8, What::Mark(Some(theirs))),
            output(9, " theirs"),
            entry(10, What::Mark(None)),
            output(11, "ours"),
        ]);
        assert_eq!(
            found,
            [
                told(None, 1, printed("ours: secret")),
                told(Some(mine), 3, Recorded::TenancyBegan(mine)),
                told(Some(mine), 4, printed("mine")),
                told(Some(mine), 6, Recorded::Lost("the BMC is gone".to_owned())),
                told(Some(mine), 7, printed("half")),
                told(Some(mine), 8, Recorded::TenancyEnded(mine)),
                told(Some(theirs), 8, Recorded::TenancyBegan(theirs)),
                told(Some(theirs), 9, printed(" theirs")),
                told(Some(theirs), 10, Recorded::TenancyEnded(theirs)),
                told(None, 11, printed("ours")),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines_that_drive_no_terminal_however_they_are_cut(
            bytes in vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let output = |part: &[u8]| Entry { at_us: 1, what: What::Output(part.to_vec()) };
            let whole = lines([output(&bytes)]);
            prop_assert_eq!(&lines([output(head), output(tail)]), &whole);
            for told in whole {
                let Recorded::Printed(text) = told.line.what else { panic!("nothing else was pushed") };
                prop_assert!(text.len() <= LINE_BYTES_MAX && !text.chars().any(is_hidden), "{:?}", text);
            }
        }
    }
}
