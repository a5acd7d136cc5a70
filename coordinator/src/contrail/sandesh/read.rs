//! Decisions: reading what a collector sends: frames out of a stream of bytes, messages out of frames.

use std::borrow::Cow;

use super::message::{
    FRAME_BYTES_MAX, FRAME_HEAD, FRAME_OPEN, FRAME_TAIL, Field, Header, Message, MessageError, Struct, Value,
};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 16;

/// Reads what is inside a frame.
pub(super) fn message(body: &[u8]) -> Result<Message, MessageError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| MessageError::Body { at: error.valid_up_to(), why: "it is not UTF-8" })?;
    let mut reader = Reader { text, at: 0 };
    let header = reader.header()?;
    let open = reader.open()?;
    let fields = reader.fields(&open.name, 0)?;
    if reader.at == text.len() {
        Ok(Message { header, name: Cow::Owned(open.name), fields })
    } else {
        Err(reader.wrong("something follows the message"))
    }
}

/// Bytes as they arrive, cut into frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. After an error nothing that follows can be understood.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, MessageError> {
        let Some(head) = self.buffer.get(..FRAME_HEAD) else {
            let begins_well = FRAME_OPEN.as_bytes().starts_with(&self.buffer)
                || self.buffer.starts_with(FRAME_OPEN.as_bytes());
            return if begins_well { Ok(None) } else { Err(MessageError::Frame("it begins wrongly")) };
        };
        let digits = head.strip_prefix(FRAME_OPEN.as_bytes()).and_then(|rest| rest.strip_suffix(b"\">"));
        let digits = digits.ok_or(MessageError::Frame("it begins wrongly"))?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(MessageError::Frame("its length is not a number"));
        }
        // Ten digits always fit.
        let length = digits.iter().fold(0_usize, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        if length > FRAME_BYTES_MAX {
            return Err(MessageError::TooLong(length));
        }
        if length < FRAME_HEAD + FRAME_TAIL.len() {
            return Err(MessageError::Frame("its length is less than a frame's"));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(length);
        let frame = std::mem::replace(&mut self.buffer, rest);
        if frame.ends_with(FRAME_TAIL.as_bytes()) {
            Ok(Some(frame))
        } else {
            Err(MessageError::Frame("it ends wrongly"))
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// An opening tag.
struct Open {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Open {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, why: &'static str) -> MessageError {
        MessageError::Body { at: self.at, why }
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn expect(&mut self, text: &str, why: &'static str) -> Result<(), MessageError> {
        if self.take(text) { Ok(()) } else { Err(self.wrong(why)) }
    }

    /// Everything up to a character, which stays.
    fn until(&mut self, end: char) -> Result<&'a str, MessageError> {
        let rest = self.rest();
        let length = rest.find(end).ok_or_else(|| self.wrong("it ends too early"))?;
        self.at += length;
        Ok(&rest[..length])
    }

    fn name(&mut self) -> Result<String, MessageError> {
        let rest = self.rest();
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.wrong("a name is missing"));
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn open(&mut self) -> Result<Open, MessageError> {
        self.expect("<", "a tag is missing")?;
        let name = self.name()?;
        let mut attributes = Vec::new();
        while self.take(" ") {
            let key = self.name()?;
            self.expect("=\"", "an attribute has no value")?;
            let value = self.until('"')?.to_owned();
            self.expect("\"", "an attribute does not end")?;
            attributes.push((key, value));
        }
        self.expect(">", "a tag does not end")?;
        Ok(Open { name, attributes })
    }

    fn close(&mut self, name: &str) -> Result<(), MessageError> {
        let good = self.take("</") && self.take(name) && self.take(">");
        if good { Ok(()) } else { Err(self.wrong("a closing tag is missing or another's")) }
    }

    fn header(&mut self) -> Result<Header, MessageError> {
        let open = self.open()?;
        if open.name != "SandeshHeader" {
            return Err(self.wrong("the header is missing"));
        }
        let mut header = Header::default();
        self.fields(&open.name, 0)?.into_iter().for_each(|field| header.set(field));
        Ok(header)
    }

    /// Fields up to the end of the element around them.
    fn fields(&mut self, around: &str, depth: usize) -> Result<Vec<Field>, MessageError> {
        let mut fields = Vec::new();
        while !self.rest().starts_with("</") {
            fields.push(self.field(depth)?);
        }
        self.close(around)?;
        Ok(fields)
    }

    fn field(&mut self, depth: usize) -> Result<Field, MessageError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("it is nested too deeply"));
        }
        let open = self.open()?;
        let id = open.attribute("identifier").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| self.wrong("a field has no number"))?;
        let value = match open.attribute("type").unwrap_or_default() {
            "struct" => Value::Struct(self.structure(depth + 1)?),
            "list" => self.list(depth + 1)?,
            kind => {
                let text = self.until('<')?;
                scalar(kind, text).ok_or_else(|| self.wrong("a value does not fit its type"))?
            }
        };
        self.close(&open.name)?;
        let key = open.attribute("key").map(|key| Cow::Owned(key.to_owned()));
        Ok(Field { id, name: Cow::Owned(open.name), key, value })
    }

    fn structure(&mut self, depth: usize) -> Result<Struct, MessageError> {
        let open = self.open()?;
        let fields = self.fields(&open.name, depth)?;
        Ok(Struct { name: Cow::Owned(open.name), fields })
    }

    fn list(&mut self, depth: usize) -> Result<Value, MessageError> {
        let open = self.open()?;
        let value = match open.attribute("type").unwrap_or_default() {
            "struct" => {
                let mut structs = Vec::new();
                while !self.rest().starts_with("</") {
                    structs.push(self.structure(depth)?);
                }
                Value::Structs(structs)
            }
            _ => {
                let mut texts = Vec::new();
                while self.take("<element>") {
                    texts.push(unescape(self.until('<')?));
                    self.close("element")?;
                }
                Value::Texts(texts)
            }
        };
        self.close(&open.name)?;
        Ok(value)
    }
}

/// Kinds that we have no value for are kept as text.
fn scalar(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "bool" => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        "i32" => text.parse().ok().map(Value::I32),
        "i64" => text.parse().ok().map(Value::I64),
        "u32" => text.parse().ok().map(Value::U32),
        "u64" => text.parse().ok().map(Value::U64),
        _ => Some(Value::Text(unescape(text))),
    }
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&apos;", "'").replace("&quot;", "\"");
    plain.replace("&amp;", "&")
}
