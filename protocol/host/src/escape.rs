//! Decisions: which of the keys that are typed at a console are meant for us, as in `ssh`: those behind a `~` that begins a line.

/// What the keys mean, for people.
pub const HELP: &str = "\
~.  end, and leave the console
~B  send a break
~W  take the keyboard from whoever has it
~~  the character ~
~?  these lines
(they count at the beginning of a line only)";

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Characters for the server.
    Typed(Vec<u8>),
    /// Send a break.
    Break,
    /// Take the keyboard from whoever has it.
    TakeOver,
    /// Show [`HELP`].
    Help,
    /// Leave.
    End,
}

/// Where in a line we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineBegins,
    Tilde,
    Within,
}

/// Reads what is typed. At the start, a line begins.
#[derive(Clone, Debug, Default)]
pub struct Escape {
    place: Place,
}

impl Escape {
    /// What these bytes mean. Nothing behind [`Key::End`] counts.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        let (mut keys, mut typed) = (Vec::new(), Vec::new());
        for byte in bytes {
            let (place, key) = match (self.place, byte) {
                (Place::LineBegins, b'~') => (Place::Tilde, None),
                (Place::Tilde, b'.') => (Place::LineBegins, Some(Key::End)),
                (Place::Tilde, b'B' | b'b') => (Place::LineBegins, Some(Key::Break)),
                (Place::Tilde, b'W' | b'w') => (Place::LineBegins, Some(Key::TakeOver)),
                (Place::Tilde, b'?') => (Place::LineBegins, Some(Key::Help)),
                (Place::Tilde, b'~') => {
                    typed.push(b'~');
                    (Place::Within, None)
                }
                (place, other) => {
                    if place == Place::Tilde {
                        typed.push(b'~');
                    }
                    typed.push(*other);
                    (if matches!(other, b'\r' | b'\n') { Place::LineBegins } else { Place::Within }, None)
                }
            };
            self.place = place;
            if let Some(key) = key {
                if !typed.is_empty() {
                    keys.push(Key::Typed(std::mem::take(&mut typed)));
                }
                let is_end = key == Key::End;
                keys.push(key);
                if is_end {
                    return keys;
                }
            }
        }
        if !typed.is_empty() {
            keys.push(Key::Typed(typed));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_behind_a_tilde_that_begins_a_line_are_ours() {
        let typed = |text: &str| Key::Typed(text.as_bytes().to_vec());
        let check = |pieces: &[&str], expected: &[Key]| {
            let mut escape = Escape::default();
            let keys: Vec<Key> = pieces.iter().flat_map(|piece| escape.read(piece.as_bytes())).collect();
            assert_eq!(keys, expected, "{pieces:?}");
        };
        check(&["ls ~.\r"], &[typed("ls ~.\r")]);
        check(&["~."], &[Key::End]);
        check(&["ls\r", "~", "."], &[typed("ls\r"), Key::End]);
        check(&["ls\n~.rest"], &[typed("ls\n"), Key::End]);
        check(&["~?~Bx"], &[Key::Help, Key::Break, typed("x")]);
        check(&["~w"], &[Key::TakeOver]);
        check(&["~~.\r~~"], &[typed("~.\r~")]);
        // Nothing of what was typed is lost.
        check(&["~", "x~."], &[typed("~x~.")]);
        check(&["~\r~."], &[typed("~\r"), Key::End]);
    }
}
