//! Decisions: events of a Redfish service as they come by a stream of server-sent events (WHATWG HTML, section 9.2; DSP0266, section 13.6):
//! bytes in, events out.
//!
//! What must stay true: a line and an event have a bound; what is longer is left out and counted, and what comes after it is read on.

use crate::redfish::node::Node;

/// Longest line, and longest event, in bytes. The rest of one that is longer is passed over.
pub const EVENT_BYTES_MAX: usize = 256 << 10;
/// Longest id of an event that is remembered.
pub const ID_BYTES_MAX: usize = 256;

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// What it is called; empty: a message.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// Reads a stream of events.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    /// The line is longer than is taken.
    is_line_too_long: bool,
    /// The last byte was a carriage return: a line feed after it ends no other line.
    after_return: bool,
    /// The byte order mark, if there is one, is behind us.
    has_begun: bool,
    event: StreamEvent,
    is_event_too_long: bool,
    last_id: Option<String>,
    retry_ms: Option<u64>,
    left_out: u64,
}

impl EventReader {
    /// One whose stream goes on behind this event.
    pub fn after(last_id: Option<String>) -> Self {
        Self { last_id, ..Self::default() }
    }

    /// The id of the last whole event: a new stream is asked to go on behind it (`Last-Event-ID`).
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the service wants us to wait before a new stream, in ms.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Events that were too long.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes bytes as they come; gives the events that have come to their end.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            let is_second = std::mem::replace(&mut self.after_return, *byte == b'\r') && *byte == b'\n';
            match byte {
                b'\n' if is_second => {}
                b'\r' | b'\n' => events.extend(self.line_ends()),
                _ if self.line.len() >= EVENT_BYTES_MAX => self.is_line_too_long = true,
                _ => self.line.push(*byte),
            }
        }
        events
    }

    fn line_ends(&mut self) -> Option<StreamEvent> {
        let line = std::mem::take(&mut self.line);
        let is_too_long = std::mem::take(&mut self.is_line_too_long);
        if line.is_empty() {
            return self.event_ends();
        }
        let text = String::from_utf8_lossy(&line);
        let text = if std::mem::replace(&mut self.has_begun, true) {
            text.as_ref()
        } else {
            text.strip_prefix('\u{feff}').unwrap_or(&text)
        };
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" if is_too_long || self.event.data.len() + value.len() > EVENT_BYTES_MAX => {
                self.is_event_too_long = true;
            }
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            "event" => self.event.name = value.chars().take(ID_BYTES_MAX).collect(),
            "id" if value.len() <= ID_BYTES_MAX && !value.contains('\0') => {
                self.last_id = Some(value.to_owned())
            }
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            _ => {}
        }
        None
    }

    fn event_ends(&mut self) -> Option<StreamEvent> {
        let mut event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.is_event_too_long) {
            self.left_out += 1;
            return None;
        }
        event.data.pop()?;
        Some(event)
    }
}

/// What of an event is worth a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// The power may have changed.
    Power,
    /// Something else.
    Other,
}

/// Words of message ids and messages that tell of power, in lower-case letters.
const POWER_WORDS: [&str; 8] =
    ["power", "resourcestatechanged", "statuschange", "dcpower", "reset", "chassis", "shutdown", "turned o"];

/// What the events of one `Event` resource tell. That the power changed is a hint to read it and never the reading itself: nobody
/// stands by an event's words. So in doubt it is a hint.
pub fn tells(event: Node<'_>) -> Tells {
    let of_power = |record: &Node<'_>| {
        let said = ["MessageId", "Message", "EventType"].into_iter().filter_map(|name| record.text(name));
        said.map(|text| text.to_ascii_lowercase())
            .any(|text| POWER_WORDS.iter().any(|word| text.contains(word)))
    };
    if event.list("Events").iter().any(of_power) { Tells::Power } else { Tells::Other }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(reader: &mut EventReader, text: &str) -> Vec<String> {
        reader
            .take(text.as_bytes())
            .into_iter()
            .map(|event| format!("{}|{}", event.name, event.data))
            .collect()
    }

    #[test]
    fn events_are_read_as_the_standard_has_them() {
        let check = |text: &str, expected: &[&str], last_id: Option<&str>| {
            let mut reader = EventReader::default();
            assert_eq!(read(&mut reader, text), expected, "{text:?}");
            assert_eq!(reader.last_id(), last_id, "{text:?}");
        };
        check("data: a\n\n", &["|a"], None);
        check("data: a\ndata: b\nid: 7\n\n", &["|a\nb"], Some("7"));
        check("\u{feff}data:a\r\n\r\ndata:b\r\r", &["|a", "|b"], None);
        check(": keep alive\n\nevent: x\n\n", &[], None);
        check("event: x\ndata\n\n", &["x|"], None);
        check("data: the end is missing\n", &[], None);
        check("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", &["|a", "|b"], Some("2"));
    }

    #[test]
    fn what_is_too_long_is_left_out_and_the_rest_is_read_on() {
        let mut reader = EventReader::default();
        let long = format!("data: {}\n\ndata: short\n\nretry: 500\n", "x".repeat(EVENT_BYTES_MAX + 10));
        assert_eq!(read(&mut reader, &long), ["|short"]);
        assert_eq!((reader.left_out(), reader.retry_ms()), (1, Some(500)));
        let many = "data: 0123456789\n".repeat(EVENT_BYTES_MAX / 8);
        assert!(read(&mut reader, &many).is_empty());
        assert_eq!(read(&mut reader, "\ndata: next\n\n"), ["|next"]);
    }

    #[test]
    fn a_change_of_power_is_told_in_many_words() {
        let check = |record: serde_json::Value, expected: Tells| {
            let event = json!({"Events": [record]});
            assert_eq!(tells(Node::of(&event)), expected, "{event}");
        };
        check(json!({"MessageId": "ResourceEvent.1.2.ResourcePoweredOff"}), Tells::Power);
        check(json!({"MessageId": "IDRAC.2.8.SYS1000", "Message": "System is turned off."}), Tells::Power);
        check(json!({"MessageId": "iLOEvents.2.1.ServerPoweredOff"}), Tells::Power);
        check(json!({"MessageId": "ResourceEvent.1.0.ResourceStateChanged"}), Tells::Power);
        check(json!({"EventType": "StatusChange"}), Tells::Power);
        check(json!({"MessageId": "Base.1.8.Success", "Message": "A user has logged in."}), Tells::Other);
        check(json!("broken"), Tells::Other);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_cut(text in "[a-d:i \r\n]{0,80}", at in 0_usize..80) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            let (mut whole, mut cut) = (EventReader::default(), EventReader::default());
            let one = whole.take(bytes);
            let mut two = cut.take(&bytes[..at]);
            two.extend(cut.take(&bytes[at..]));
            prop_assert_eq!(one, two);
        }
    }
}
