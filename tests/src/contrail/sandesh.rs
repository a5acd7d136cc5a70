//! Decisions: Sandesh as a collector reads it, written from what the real one was seen to accept, and stricter than it:
//! every attribute in its place, nothing between elements, every number and length right.
//!
//! It shares no code with the coordinator's encoder, so that one mistake is not made twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// `<sandesh length="NNNNNNNNNN">`
pub const HEAD: usize = 29;
const TAIL: &str = "</sandesh>";
/// The header's fields: name and type, in order; their numbers count from 1.
const HEADER: [(&str, &str); 13] = [
    ("Namespace", "string"),
    ("Timestamp", "i64"),
    ("Module", "string"),
    ("Source", "string"),
    ("Context", "string"),
    ("SequenceNum", "i32"),
    ("VersionSig", "i32"),
    ("Type", "i32"),
    ("Hints", "i32"),
    ("Level", "i32"),
    ("Category", "string"),
    ("NodeType", "string"),
    ("InstanceId", "string"),
];

/// A message as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Header fields by name, as texts.
    pub header: BTreeMap<String, String>,
    /// The message's type.
    pub name: String,
    /// Its fields.
    pub fields: Map<String, Value>,
    /// The table of the key in it, if there is one.
    pub table: Option<String>,
}

impl Received {
    /// A number of the header.
    pub fn number(&self, name: &str) -> i64 {
        self.header.get(name).and_then(|text| text.parse().ok()).unwrap_or(-1)
    }
}

/// Length of the frame that begins with these 29 bytes.
pub fn length(head: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(head).map_err(|_| "the frame's head is no text".to_owned())?;
    let digits = text.strip_prefix("<sandesh length=\"").and_then(|rest| rest.strip_suffix("\">"));
    let digits = digits.filter(|digits| digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()));
    let digits = digits.ok_or_else(|| format!("no frame: {text:?}"))?;
    digits.parse().map_err(|error| format!("{digits}: {error}"))
}

/// Reads a whole frame.
pub fn decode(frame: &[u8]) -> Result<Received, String> {
    let text = std::str::from_utf8(frame).map_err(|error| format!("the frame is no text: {error}"))?;
    let announced = length(&frame[..HEAD.min(frame.len())])?;
    if announced != frame.len() {
        return Err(format!("the frame announces {announced} bytes and has {}", frame.len()));
    }
    let body = text[HEAD..].strip_suffix(TAIL).ok_or("the frame does not end with its tag")?;
    let mut cursor = Cursor { rest: body, table: None };
    let header = cursor.header()?;
    let name = cursor.tag(" type=\"sandesh\"")?;
    let fields = cursor.fields(&name)?;
    if !cursor.rest.is_empty() {
        return Err(format!("after the message: {:?}", cursor.rest));
    }
    Ok(Received { header, name, fields, table: cursor.table })
}

struct Cursor<'a> {
    rest: &'a str,
    table: Option<String>,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, text: &str) -> Result<(), String> {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.ok_or_else(|| format!("{text:?} expected at {:.60}", self.rest))?;
        Ok(())
    }

    fn until(&mut self, end: &str) -> Result<&'a str, String> {
        let rest = self.rest;
        let (before, after) = rest.split_once(end).ok_or_else(|| format!("no {end:?} in {rest:.60}"))?;
        self.rest = after;
        Ok(before)
    }

    /// An opening tag with exactly these attributes; gives its name.
    fn tag(&mut self, attributes: &str) -> Result<String, String> {
        self.eat("<")?;
        let inside = self.until(">")?;
        let name = inside.strip_suffix(attributes);
        let name = name
            .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        name.map(str::to_owned).ok_or_else(|| format!("<{inside}> has not the attributes {attributes:?}"))
    }

    fn header(&mut self) -> Result<BTreeMap<String, String>, String> {
        self.eat("<SandeshHeader>")?;
        let mut header = BTreeMap::new();
        for (index, (name, kind)) in HEADER.iter().enumerate() {
            self.eat(&format!("<{name} type=\"{kind}\" identifier=\"{}\">", index + 1))?;
            let text = self.until("<")?;
            if *kind != "string" {
                text.parse::<i64>().map_err(|error| format!("{name} {text:?}: {error}"))?;
            }
            self.eat(&format!("/{name}>"))?;
            header.insert((*name).to_owned(), plain(text));
        }
        self.eat("</SandeshHeader>")?;
        Ok(header)
    }

    fn fields(&mut self, around: &str) -> Result<Map<String, Value>, String> {
        let (mut fields, mut last) = (Map::new(), 0);
        while !self.rest.starts_with("</") {
            let (name, number, value) = self.field()?;
            if number <= last {
                return Err(format!("field {name} has number {number} after {last}"));
            }
            last = number;
            fields.insert(name, value);
        }
        self.eat(&format!("</{around}>"))?;
        Ok(fields)
    }

    fn field(&mut self) -> Result<(String, u32, Value), String> {
        self.eat("<")?;
        let inside = self.until(">")?;
        let wrong = || format!("<{inside}> is no field");
        let (name, rest) = inside.split_once(" type=\"").ok_or_else(wrong)?;
        let (kind, rest) = rest.split_once("\" identifier=\"").ok_or_else(wrong)?;
        let (number, rest) = rest.split_once('"').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        if let Some(key) = rest.strip_prefix(" key=\"").and_then(|rest| rest.strip_suffix('"')) {
            self.table = Some(key.to_owned());
        } else if !rest.is_empty() {
            return Err(wrong());
        }
        let value = match kind {
            "struct" => self.structure()?,
            "list" => self.list()?,
            _ => {
                let text = self.until("<")?;
                if text.contains(['>', '\'']) {
                    return Err(format!("{text:?} is not escaped"));
                }
                scalar(kind, text)?
            }
        };
        if matches!(kind, "struct" | "list") {
            self.eat("</")?;
        } else {
            self.eat("/")?;
        }
        self.eat(&format!("{name}>"))?;
        Ok((name.to_owned(), number, value))
    }

    fn structure(&mut self) -> Result<Value, String> {
        let name = self.tag("")?;
        self.fields(&name).map(Value::Object)
    }

    fn list(&mut self) -> Result<Value, String> {
        self.eat("<list type=\"")?;
        let kind = self.until("\" size=\"")?;
        let size: usize = self.until("\">")?.parse().map_err(|error| format!("size of a list: {error}"))?;
        let mut items = Vec::new();
        while !self.rest.starts_with("</list>") {
            items.push(if kind == "struct" {
                self.structure()?
            } else {
                self.eat("<element>")?;
                let text = self.until("</element>")?;
                scalar(kind, text)?
            });
        }
        self.eat("</list>")?;
        if items.len() == size {
            Ok(Value::Array(items))
        } else {
            Err(format!("a list of {} says {size}", items.len()))
        }
    }
}

fn plain(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

fn scalar(kind: &str, text: &str) -> Result<Value, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{text:?} is no {kind}: {error}");
    Ok(match kind {
        "string" => json!(plain(text)),
        "bool" => json!(text.parse::<bool>().map_err(|error| wrong(&error))?),
        "i32" => json!(text.parse::<i32>().map_err(|error| wrong(&error))?),
        "i64" => json!(text.parse::<i64>().map_err(|error| wrong(&error))?),
        "u32" => json!(text.parse::<u32>().map_err(|error| wrong(&error))?),
        "u64" => json!(text.parse::<u64>().map_err(|error| wrong(&error))?),
        other => return Err(format!("no field of ours is a {other}")),
    })
}
