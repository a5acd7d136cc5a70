//! Decisions: Sandesh messages as they are on the wire: a frame with a length, a header, typed fields in strict XML.
//!
//! ```text
//! <sandesh length="0000000123"><SandeshHeader>...</SandeshHeader><IronicNodeInfo type="sandesh">...</IronicNodeInfo></sandesh>
//! ```
//!
//! The receiver's parser is not a general one: attributes have their order, and nothing stands between elements. Ours is
//! as strict, because a collector that sends anything else is not understood anyway.

use std::borrow::Cow;

use super::read;

/// `<sandesh length="NNNNNNNNNN">`
pub(super) const FRAME_HEAD: usize = 29;
pub(super) const FRAME_OPEN: &str = "<sandesh length=\"";
pub(super) const FRAME_TAIL: &str = "</sandesh>";
/// Largest frame that is taken from a collector; its greeting is below 1 KiB.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// A name in a message: ours are constants, those that are read are not.
pub type Name = Cow<'static, str>;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `i32`
    I32(i32),
    /// `i64`
    I64(i64),
    /// `u32`
    U32(u32),
    /// `u64`
    U64(u64),
    /// `string`
    Text(String),
    /// `struct`
    Struct(Struct),
    /// `list` of `string`
    Texts(Vec<String>),
    /// `list` of `struct`
    Structs(Vec<Struct>),
}

/// A structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Name of its type.
    pub name: Name,
    /// Its fields; those that are not set are left out.
    pub fields: Vec<Field>,
}

/// A field of a structure or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: Name,
    /// The table whose key it is.
    pub key: Option<Name>,
    /// Its value.
    pub value: Value,
}

/// A field of ours.
pub fn field(id: u16, name: &'static str, value: Value) -> Field {
    Field { id, name: Cow::Borrowed(name), key: None, value }
}

/// `Type` of a UVE.
pub const TYPE_UVE: i32 = 6;
/// `Type` of a request, and of the greeting.
pub const TYPE_REQUEST: i32 = 2;
/// `Hints`: the message has a key.
pub const HINT_KEY: i32 = 1;
/// `Hints`: part of the handshake.
pub const HINT_CONTROL: i32 = 2;
/// `Hints`: sent again after a connection was made.
pub const HINT_SYNC: i32 = 4;

/// What stands before every message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Microseconds since 1970.
    pub timestamp_us: i64,
    /// Name of the sending program.
    pub module: String,
    /// Name of its host.
    pub source: String,
    /// `ctrl` in the handshake, else empty.
    pub context: String,
    /// Rises by one for each message of its type.
    pub sequence: i32,
    /// Checksum of the message's definition, as Contrail's compiler computed it.
    pub signature: i32,
    /// What kind of message.
    pub kind: i32,
    /// Bits of `HINT_*`.
    pub hints: i32,
    /// How important, as in syslog.
    pub level: i32,
    /// Kind of node that the program runs on.
    pub node_type: String,
    /// Which of several such programs on one host.
    pub instance: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands before it.
    pub header: Header,
    /// Name of its type.
    pub name: Name,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The frame around it is wrong, so that where the next one begins is not known.
    #[error("what the collector sent is not a Sandesh frame: {0}")]
    Frame(&'static str),
    /// The frame is longer than we take.
    #[error("the collector announced a message of {0} bytes, more than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    /// The message itself.
    #[error("a message of the collector cannot be read at byte {at}: {why}")]
    Body {
        /// Where.
        at: usize,
        /// What is wrong there.
        why: &'static str,
    },
}

impl Message {
    /// The whole frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = String::new();
        self.header.write(&mut body);
        let name = &self.name;
        body.push_str(&format!("<{name} type=\"sandesh\">"));
        self.fields.iter().for_each(|field| field.write(&mut body));
        body.push_str(&format!("</{name}>"));
        // The length counts bytes, and the whole frame.
        let length = FRAME_HEAD + body.len() + FRAME_TAIL.len();
        format!("{FRAME_OPEN}{length:010}\">{body}{FRAME_TAIL}").into_bytes()
    }

    /// Reads a whole frame.
    pub fn decode(frame: &[u8]) -> Result<Self, MessageError> {
        let body = frame.get(FRAME_HEAD..frame.len().saturating_sub(FRAME_TAIL.len()));
        read::message(body.ok_or(MessageError::Frame("it is too short"))?)
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }
}

impl Header {
    fn fields(&self) -> [Field; 13] {
        let text = |text: &str| Value::Text(text.to_owned());
        [
            field(1, "Namespace", text("")),
            field(2, "Timestamp", Value::I64(self.timestamp_us)),
            field(3, "Module", text(&self.module)),
            field(4, "Source", text(&self.source)),
            field(5, "Context", text(&self.context)),
            field(6, "SequenceNum", Value::I32(self.sequence)),
            field(7, "VersionSig", Value::I32(self.signature)),
            field(8, "Type", Value::I32(self.kind)),
            field(9, "Hints", Value::I32(self.hints)),
            field(10, "Level", Value::I32(self.level)),
            field(11, "Category", text("")),
            field(12, "NodeType", text(&self.node_type)),
            field(13, "InstanceId", text(&self.instance)),
        ]
    }

    fn write(&self, out: &mut String) {
        out.push_str("<SandeshHeader>");
        self.fields().iter().for_each(|field| field.write(out));
        out.push_str("</SandeshHeader>");
    }

    pub(super) fn set(&mut self, field: Field) {
        match (field.name.as_ref(), field.value) {
            ("Timestamp", Value::I64(value)) => self.timestamp_us = value,
            ("Module", Value::Text(value)) => self.module = value,
            ("Source", Value::Text(value)) => self.source = value,
            ("Context", Value::Text(value)) => self.context = value,
            ("SequenceNum", Value::I32(value)) => self.sequence = value,
            ("VersionSig", Value::I32(value)) => self.signature = value,
            ("Type", Value::I32(value)) => self.kind = value,
            ("Hints", Value::I32(value)) => self.hints = value,
            ("Level", Value::I32(value)) => self.level = value,
            ("NodeType", Value::Text(value)) => self.node_type = value,
            ("InstanceId", Value::Text(value)) => self.instance = value,
            // Namespace, Category, IPAddress, Pid, and whatever a later version adds.
            _ => {}
        }
    }
}

impl Field {
    pub(super) fn write(&self, out: &mut String) {
        let Field { id, name, key, value } = self;
        let key = key.as_ref().map(|key| format!(" key=\"{key}\"")).unwrap_or_default();
        out.push_str(&format!("<{name} type=\"{}\" identifier=\"{id}\"{key}>", value.kind()));
        match value {
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::I32(value) => out.push_str(&value.to_string()),
            Value::I64(value) => out.push_str(&value.to_string()),
            Value::U32(value) => out.push_str(&value.to_string()),
            Value::U64(value) => out.push_str(&value.to_string()),
            Value::Text(text) => escape(text, out),
            Value::Struct(inner) => inner.write(out),
            Value::Texts(texts) => {
                out.push_str(&format!("<list type=\"string\" size=\"{}\">", texts.len()));
                for text in texts {
                    out.push_str("<element>");
                    escape(text, out);
                    out.push_str("</element>");
                }
                out.push_str("</list>");
            }
            Value::Structs(structs) => {
                out.push_str(&format!("<list type=\"struct\" size=\"{}\">", structs.len()));
                structs.iter().for_each(|inner| inner.write(out));
                out.push_str("</list>");
            }
        }
        out.push_str(&format!("</{name}>"));
    }
}

impl Struct {
    fn write(&self, out: &mut String) {
        out.push_str(&format!("<{}>", self.name));
        self.fields.iter().for_each(|field| field.write(out));
        out.push_str(&format!("</{}>", self.name));
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::I32(_) => "i32",
            Value::I64(_) => "i64",
            Value::U32(_) => "u32",
            Value::U64(_) => "u64",
            Value::Text(_) => "string",
            Value::Struct(_) => "struct",
            Value::Texts(_) | Value::Structs(_) => "list",
        }
    }
}

/// Quotes stay as they are; control characters, which XML does not have, become spaces.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::read::Frames, *};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// The message whose bytes Contrail's own decoder was seen to understand.
    fn known() -> Message {
        let port = Struct {
            name: "PortInfo".into(),
            fields: vec![
                field(1, "name", text("eth0")),
                field(2, "pxe_enabled", Value::Bool(true)),
                field(3, "mac_address", text("52:54:00:00:00:01")),
            ],
        };
        let mut name = field(1, "name", text("1a20aaef-8b61-46b8-944c-4ec055cc3cdb"));
        name.key = Some("ObjectServerTable".into());
        let node = Struct {
            name: "IronicNode".into(),
            fields: vec![
                name,
                field(3, "provision_state", text("available")),
                field(4, "power_state", text("power off")),
                field(18, "port_info", Value::Structs(vec![port])),
            ],
        };
        Message {
            header: Header {
                timestamp_us: 1_795_316_202_107_282,
                module: "bms-coordinator".into(),
                source: "coord1".into(),
                sequence: 1,
                kind: TYPE_UVE,
                hints: HINT_KEY,
                level: 5,
                node_type: "Analytics".into(),
                instance: "0".into(),
                ..Header::default()
            },
            name: "IronicNodeInfo".into(),
            fields: vec![field(1, "data", Value::Struct(node))],
        }
    }

    #[test]
    fn the_bytes_are_those_that_contrail_decoded() {
        let bytes = known().encode();
        let expected = include_str!("golden/ironic_node_info.xml").replace('\n', "");
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(bytes.len(), expected.len());
        assert_eq!(Message::decode(&bytes).unwrap(), known());
    }

    #[test]
    fn strange_frames_are_refused_before_they_are_waited_for() {
        let check = |bytes: &str, expected: Result<usize, MessageError>| {
            let mut frames = Frames::default();
            frames.push(bytes.as_bytes());
            assert_eq!(frames.take().map(|frame| frame.map_or(0, |frame| frame.len())), expected, "{bytes}");
        };
        check("", Ok(0));
        check("<sandesh len", Ok(0));
        check("<sandesh length=\"00000", Ok(0));
        check("<sandesh length=\"0000000039\"></sandesh>", Ok(39));
        check("<sandesh length=\"0000000040\"></sandesh>", Ok(0));
        check("GET / HTTP/1.0\r\n", Err(MessageError::Frame("it begins wrongly")));
        check("GET / HTTP/1.0\r\n\r\n and much more", Err(MessageError::Frame("it begins wrongly")));
        check(
            "<sandesh length=\"00000x0039\"></sandesh>",
            Err(MessageError::Frame("its length is not a number")),
        );
        check(
            "<sandesh length=\"0000000005\">",
            Err(MessageError::Frame("its length is less than a frame's")),
        );
        check("<sandesh length=\"9999999999\">", Err(MessageError::TooLong(9_999_999_999)));
        check("<sandesh length=\"0000000039\">0123456789", Err(MessageError::Frame("it ends wrongly")));
    }

    fn names() -> impl Strategy<Value = Name> {
        "[A-Za-z_][A-Za-z0-9_]{0,8}".prop_map(Cow::Owned)
    }

    fn texts() -> impl Strategy<Value = String> {
        "[ -~äß€]{0,12}"
    }

    fn structs() -> impl Strategy<Value = Struct> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::I32),
            any::<i64>().prop_map(Value::I64),
            any::<u32>().prop_map(Value::U32),
            any::<u64>().prop_map(Value::U64),
            texts().prop_map(Value::Text),
            proptest::collection::vec(texts(), 0..3).prop_map(Value::Texts),
        ];
        let structure = |value: BoxedStrategy<Value>| {
            let parts = (any::<u16>(), names(), proptest::option::of(names()), value);
            let field = parts.prop_map(|(id, name, key, value)| Field { id, name, key, value });
            (names(), proptest::collection::vec(field, 0..4))
                .prop_map(|(name, fields)| Struct { name, fields })
        };
        let value = leaf.boxed().prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                structure(inner.clone()).prop_map(Value::Struct),
                proptest::collection::vec(structure(inner), 0..3).prop_map(Value::Structs),
            ]
        });
        structure(value.boxed())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(inner in structs(), cut in 1_usize..50, sequence: i32, source in texts()) {
            let header = Header { sequence, source, ..known().header };
            let message = Message { header, name: inner.name, fields: inner.fields };
            let mut frames = Frames::default();
            let bytes = [message.encode(), known().encode()].concat();
            let mut read = Vec::new();
            for part in bytes.chunks(cut) {
                frames.push(part);
                while let Some(frame) = frames.take().unwrap() {
                    read.push(Message::decode(&frame).unwrap());
                }
            }
            prop_assert_eq!(read, [message, known()]);
        }

        #[test]
        fn any_bytes_are_survived(noise in proptest::collection::vec(any::<u8>(), 0..200), at: proptest::sample::Index) {
            let mut frames = Frames::default();
            frames.push(&noise);
            let _ = frames.take();
            let mut bytes = known().encode();
            let at = at.index(bytes.len());
            for (place, byte) in bytes[at..].iter_mut().zip(&noise) {
                *place = *byte;
            }
            let _ = Message::decode(&bytes);
            let _ = Message::decode(&noise);
        }
    }
}
