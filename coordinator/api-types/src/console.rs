//! Values: the words between the characters of a console's WebSocket. A binary message is characters, a text message is one of these
//! as JSON.

use serde::{Deserialize, Serialize};

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub enum ConsoleSaid {
    /// The console is open, or open again.
    Opened,
    /// It is not; it is tried again.
    Lost {
        /// Why.
        why: String,
    },
    /// The server sent a break.
    Break,
    /// The BMC has lost characters.
    Overrun,
    /// This watcher was too slow, and has lost characters.
    Skipped {
        /// How many bytes.
        bytes: u64,
    },
    /// What was asked for cannot be done.
    Cannot {
        /// Why.
        why: String,
    },
    /// The keyboard is this watcher's.
    Keyboard,
    /// The keyboard is another one's.
    Held {
        /// Whose.
        by: String,
    },
    /// Nobody has the keyboard.
    Free,
    /// It is over; nothing follows.
    Ended {
        /// Why.
        why: String,
    },
    /// A word of a newer coordinator.
    #[serde(other)]
    Other,
}

/// What a watcher asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ConsoleAsks {
    /// Send a break.
    Break,
    /// Give me the keyboard.
    Take {
        /// From whoever has it. It is written down in the audit.
        #[serde(default)]
        force: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_so() {
        let said = |word: &ConsoleSaid, text: &str| {
            assert_eq!(serde_json::to_string(word).unwrap(), text);
            assert_eq!(&serde_json::from_str::<ConsoleSaid>(text).unwrap(), word);
        };
        said(&ConsoleSaid::Opened, r#"{"word":"opened"}"#);
        said(&ConsoleSaid::Held { by: "alice".into() }, r#"{"word":"held","by":"alice"}"#);
        said(&ConsoleSaid::Skipped { bytes: 7 }, r#"{"word":"skipped","bytes":7}"#);
        let asks = |text: &str, word: Option<ConsoleAsks>| {
            assert_eq!(serde_json::from_str(text).ok(), word, "{text}");
        };
        asks(r#"{"word":"break"}"#, Some(ConsoleAsks::Break));
        asks(r#"{"word":"take"}"#, Some(ConsoleAsks::Take { force: false }));
        asks(r#"{"word":"take","force":true}"#, Some(ConsoleAsks::Take { force: true }));
        asks(r#"{"word":"reboot"}"#, None);
        assert_eq!(serde_json::from_str::<ConsoleSaid>(r#"{"word":"new"}"#).unwrap(), ConsoleSaid::Other);
    }
}
