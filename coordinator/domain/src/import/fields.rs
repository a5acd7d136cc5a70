//! Decisions: reading a YAML mapping field by field, where every fault is kept with its line and path.

use marked_yaml::{
    Node, Span,
    types::{MarkedMappingNode, MarkedScalarNode},
};

/// Most faults that are listed; a file with more is broken in a way that a longer list would not explain better.
pub const FAULTS_MAX: usize = 100;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// Line in the file, counted from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// The field, such as `nodes[2].ports[0].mac_address`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.path, self.message)
    }
}

/// Faults as they are found.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Whether no further one is listed, so that none needs to be put into words.
    pub fn is_full(&self) -> bool {
        self.0.len() >= FAULTS_MAX
    }

    /// Adds one.
    pub fn add(&mut self, span: &Span, path: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            let line = span.start().map_or(0, |mark| mark.line());
            self.0.push(Fault { line, path: path.into(), message: message.into() });
        }
    }
}

/// One mapping of the file, with its path, while it is being read.
#[derive(Debug)]
pub struct Fields<'a> {
    map: &'a MarkedMappingNode,
    path: String,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The node as a mapping, or a fault.
    pub fn of(node: &'a Node, path: impl Into<String>, faults: &mut Faults) -> Option<Self> {
        let path = path.into();
        match node.as_mapping() {
            Some(map) => Some(Self { map, path, known: Vec::new() }),
            None => {
                faults.add(node.span(), path, "must be a mapping of field names to values");
                None
            }
        }
    }

    /// Where the mapping stands.
    pub fn span(&self) -> &'a Span {
        self.map.span()
    }

    /// The path of a field.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field's value, whatever it is. An empty value counts as absent.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let node = self.map.get_node(name)?;
        let empty = node
            .as_scalar()
            .is_some_and(|s| s.as_str().is_empty() || s.may_coerce() && matches!(s.as_str(), "~" | "null"));
        (!empty).then_some(node)
    }

    fn scalar(&mut self, name: &'static str, faults: &mut Faults) -> Option<&'a MarkedScalarNode> {
        let node = self.node(name)?;
        let scalar = node.as_scalar();
        if scalar.is_none() {
            faults.add(node.span(), self.path(name), "must be a single value");
        }
        scalar
    }

    /// A text of at most 255 characters.
    pub fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<String> {
        let scalar = self.scalar(name, faults)?;
        let text = scalar.as_str();
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            faults.add(scalar.span(), self.path(name), "must have 1 to 255 printable characters");
            return None;
        }
        Some(text.to_owned())
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &'static str, faults: &mut Faults) -> Option<String> {
        if self.node(name).is_none() {
            faults.add(self.span(), self.path(name), "is missing");
            return None;
        }
        self.text(name, faults)
    }

    /// Something that is parsed from text; the parser's own words say what is wrong.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, faults: &mut Faults) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let scalar = self.scalar(name, faults)?;
        scalar
            .as_str()
            .parse()
            .map_err(|error: T::Err| faults.add(scalar.span(), self.path(name), error.to_string()))
            .ok()
    }

    /// A whole number within bounds, written as a number or as text.
    pub fn number(&mut self, name: &'static str, min: u64, max: u64, faults: &mut Faults) -> Option<u64> {
        let scalar = self.scalar(name, faults)?;
        match scalar.as_str().parse() {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                let message = format!("{:?} must be a whole number from {min} to {max}", scalar.as_str());
                faults.add(scalar.span(), self.path(name), message);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        let scalar = self.scalar(name, faults)?;
        match scalar.as_str() {
            "true" | "True" | "yes" => Some(true),
            "false" | "False" | "no" => Some(false),
            _ => {
                faults.add(scalar.span(), self.path(name), "must be true or false");
                None
            }
        }
    }

    /// A list; absent is empty.
    pub fn list(&mut self, name: &'static str, faults: &mut Faults) -> Vec<(String, &'a Node)> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(items) = node.as_sequence() else {
            faults.add(node.span(), self.path(name), "must be a list");
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| (format!("{}[{index}]", self.path(name)), item))
            .collect()
    }

    /// Ends the reading: every field that was not asked for is a fault, named with its likely meaning.
    pub fn finish(self, faults: &mut Faults) {
        for (key, _) in self.map.iter() {
            if faults.is_full() {
                return;
            }
            if !self.known.contains(&key.as_str()) {
                let message = format!("is not a known field; known fields are {}", self.known.join(", "));
                faults.add(key.span(), self.path(key.as_str()), message);
            }
        }
    }
}
