//! Decisions: which disk an image goes to. The site's root device hints name it, or else one rule does; inspection, deploy and whoever
//! wants to know it beforehand ask the same function.
//!
//! The rule is the one that people know from elsewhere: the smallest disk of at least [`ROOT_BYTES_MIN`], by name among equals. A server whose disks
//! are all smaller uses its largest. A disk that was not made for a system ([`Disk::takes_image`]) is taken only when a hint names it
//! itself, never because it happens to have the size, and so is one that says that it is failing; one that takes no writes, or is
//! locked, is never taken.
//!
//! Hints are read as whoever writes them expects (decision 28 says whose grammar it is): all must match; values are
//! compared without regard to case; a value without an operator must be equal; `size` is in GiB. A disk that has several spellings of
//! one name (`naa.5000...`, `0x5000...`) matches by any. Where several disks match, the rule's order decides among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hardware::{Disk, DiskMark};

/// Without hints, no smaller disk is taken where there is a larger one: cards and sticks of firmware are below, disks above.
pub const ROOT_BYTES_MIN: u64 = 4 << 30;
/// Longest text of a hint that is read.
const HINT_BYTES_MAX: usize = 1024;
/// Disks that are named in a refusal.
const NAMED_MAX: usize = 16;
/// Digits of a name of 64 bits; what follows them is the extension by the vendor.
const NAA_DIGITS: usize = 16;
const GIB: f64 = (1u64 << 30) as f64;
/// Keys of hints that mean one disk, and not a kind of disks.
const NAMING: [&str; 8] =
    ["serial", "wwn", "wwn_with_extension", "wwn_vendor_extension", "name", "hctl", "by_path", "model"];

/// A node's `root_device`: each key with its text as it was written. Numbers and truth values are text too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootDeviceHints(pub BTreeMap<String, String>);

/// Why no disk is the root disk; for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRootDisk {
    /// A hint cannot be read.
    #[error("the root device hint {hint} = {text:?} {why}")]
    Hint {
        /// Its key.
        hint: String,
        /// Its text.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// No disk has all that the hints say.
    #[error("no disk matches the root device hints {hints}; there are: {there}")]
    NoMatch {
        /// The hints.
        hints: String,
        /// The disks.
        there: String,
    },
    /// What the hints mean takes no image.
    #[error("the root device hints {hints} mean {disk}, which {why}")]
    Unfit {
        /// The hints.
        hints: String,
        /// The disk.
        disk: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is fit for it, and nobody has said which to take.
    #[error("no disk is fit for an image, and no root device hint names one; there are: {there}")]
    NoneFit {
        /// The disks.
        there: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    AllIn,
    Or,
}

/// Every operator with its word: one that begins with another stands before it. `=` is an old word for "at least".
const OPERATORS: [(&str, Operator, Compares); 16] = [
    ("<all-in>", Operator::AllIn, Compares::Texts),
    ("<or>", Operator::Or, Compares::Either),
    ("<in>", Operator::In, Compares::Texts),
    ("s==", Operator::Equal, Compares::Texts),
    ("s!=", Operator::NotEqual, Compares::Texts),
    ("s<=", Operator::LessOrEqual, Compares::Texts),
    ("s>=", Operator::GreaterOrEqual, Compares::Texts),
    ("s<", Operator::Less, Compares::Texts),
    ("s>", Operator::Greater, Compares::Texts),
    ("==", Operator::Equal, Compares::Numbers),
    ("!=", Operator::NotEqual, Compares::Numbers),
    ("<=", Operator::LessOrEqual, Compares::Numbers),
    (">=", Operator::GreaterOrEqual, Compares::Numbers),
    ("=", Operator::GreaterOrEqual, Compares::Numbers),
    ("<", Operator::Less, Compares::Numbers),
    (">", Operator::Greater, Compares::Numbers),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compares {
    Texts,
    Numbers,
    Either,
}

impl RootDeviceHints {
    /// From JSON: an object, or nothing. A value of another kind is kept as it is written, to be refused when it is used.
    pub fn from_json(value: &Value) -> Self {
        let Value::Object(hints) = value else { return Self::default() };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self(hints.iter().map(|(hint, value)| (hint.clone(), text(value))).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root disk among these.
    pub fn root_disk<'a>(&self, disks: &'a [Disk]) -> Result<&'a Disk, NoRootDisk> {
        let mut in_order: Vec<_> = disks.iter().collect();
        in_order.sort_by_key(|disk| (disk.size_bytes, &disk.name));
        if self.is_empty() {
            return by_rule(&in_order).ok_or_else(|| NoRootDisk::NoneFit { there: named(&in_order) });
        }
        let wishes = self.wishes()?;
        let matching: Vec<_> =
            in_order.iter().filter(|disk| wishes.iter().all(|wish| wish.is_met(disk))).collect();
        let names = self.0.keys().any(|hint| NAMING.contains(&hint.as_str()));
        let taken = matching.iter().find(|disk| names || disk.takes_image()).or(matching.first());
        let disk =
            taken.ok_or_else(|| NoRootDisk::NoMatch { hints: self.to_string(), there: named(&in_order) })?;
        let unfit = |why: &str| NoRootDisk::Unfit {
            hints: self.to_string(),
            disk: disk.to_string(),
            why: why.to_owned(),
        };
        if let Some(why) = disk.locked() {
            return Err(unfit(&format!("is locked: {why}")));
        }
        match disk {
            disk if disk.read_only => Err(unfit("takes no writes")),
            disk if disk.size_bytes == 0 => Err(unfit("says that it has no size")),
            disk if !names && disk.marks.contains(&DiskMark::Failing) => {
                Err(unfit("says that it is failing: a hint must name it, such as by its serial number"))
            }
            disk if !names && !disk.takes_image() => Err(unfit(
                "is removable or not made for a system: a hint must name it, such as by its serial number",
            )),
            disk => Ok(disk),
        }
    }

    /// What each says.
    fn wishes(&self) -> Result<Vec<Wish<'_>>, NoRootDisk> {
        let read = |(hint, text): (&'_ String, &'_ String)| {
            Meaning::read(hint, text).map_err(|why| NoRootDisk::Hint {
                hint: hint.clone(),
                text: text.chars().take(HINT_BYTES_MAX).collect(),
                why,
            })
        };
        self.0.iter().map(|(hint, text)| Ok(Wish { hint, meaning: read((hint, text))? })).collect()
    }
}

/// As people write it: `serial "s== Z1", size ">= 100"`.
impl std::fmt::Display for RootDeviceHints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hints: Vec<_> = self.0.iter().map(|(hint, text)| format!("{hint} {text:?}")).collect();
        f.write_str(&hints.join(", "))
    }
}

/// The smallest that is large enough, or else the largest.
fn by_rule<'a>(in_order: &[&'a Disk]) -> Option<&'a Disk> {
    let fit: Vec<_> = in_order.iter().copied().filter(|disk| disk.takes_image()).collect();
    let large = fit.iter().find(|disk| disk.size_bytes >= ROOT_BYTES_MIN).copied();
    large.or_else(|| fit.last().copied())
}

/// The disks there are, in a sentence.
fn named(disks: &[&Disk]) -> String {
    if disks.is_empty() {
        return "none".to_owned();
    }
    let mut words: Vec<_> = disks.iter().take(NAMED_MAX).map(|disk| described(disk)).collect();
    if disks.len() > NAMED_MAX {
        words.push(format!("and {} more", disks.len() - NAMED_MAX));
    }
    words.join(", ")
}

/// A disk with what keeps an image away from it.
fn described(disk: &Disk) -> String {
    let flags = [(disk.removable, "removable"), (disk.read_only, "read-only")];
    let flags = flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned());
    let words: Vec<_> = flags.chain(disk.conditions()).collect();
    if words.is_empty() { disk.to_string() } else { format!("{disk}, {}", words.join(", ")) }
}

/// One hint, read.
struct Wish<'a> {
    hint: &'a str,
    meaning: Meaning,
}

/// What a hint's text says.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// Texts to compare with.
    Texts(Operator, Vec<String>),
    /// Numbers to compare with.
    Numbers(Operator, Vec<f64>),
    /// This truth.
    Is(bool),
}

impl Meaning {
    fn read(hint: &str, text: &str) -> Result<Self, &'static str> {
        let text = text.trim().to_lowercase();
        if text.is_empty() || text.len() > HINT_BYTES_MAX {
            return Err("is empty or too long");
        }
        match hint {
            "rotational" => truth(&text).map(Meaning::Is).ok_or("is neither true nor false"),
            "size" => {
                let (operator, _, values) = operator_and_values(&text)?;
                if matches!(operator, Operator::In | Operator::AllIn) {
                    return Err("compares a number as a text");
                }
                let whole = |value: &String| value.parse::<u32>().ok().filter(|gib| *gib > 0).map(f64::from);
                let values: Option<Vec<_>> = values.iter().map(whole).collect();
                Ok(Meaning::Numbers(operator, values.ok_or("is no whole number of GiB above 0")?))
            }
            "model"
            | "vendor"
            | "serial"
            | "wwn"
            | "wwn_with_extension"
            | "wwn_vendor_extension"
            | "name"
            | "hctl"
            | "by_path"
            | "tran" => {
                let (operator, compares, values) = operator_and_values(&text)?;
                if compares != Compares::Numbers {
                    return Ok(Meaning::Texts(operator, values));
                }
                let values: Option<Vec<_>> = values.iter().map(|value| value.parse().ok()).collect();
                Ok(Meaning::Numbers(
                    operator,
                    values.ok_or("compares a text as a number; operators for texts begin with s")?,
                ))
            }
            _ => Err("is none that there is"),
        }
    }
}

/// Without an operator: equal, as whatever the hint is.
fn operator_and_values(text: &str) -> Result<(Operator, Compares, Vec<String>), &'static str> {
    let known = OPERATORS.into_iter().find(|(word, ..)| text.starts_with(word));
    let Some((word, operator, compares)) = known else {
        return Ok((Operator::Equal, Compares::Either, vec![text.to_owned()]));
    };
    let values = text.split(word).map(str::trim).filter(|value| !value.is_empty());
    let values: Vec<_> = match operator {
        Operator::AllIn => values.flat_map(str::split_whitespace).map(str::to_owned).collect(),
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::In
        | Operator::Or => values.map(str::to_owned).collect(),
    };
    match (operator, values.len()) {
        (_, 0) => Err("has an operator and no value"),
        (Operator::Or | Operator::AllIn, _) | (_, 1) => Ok((operator, compares, values)),
        _ => Err("has more values than its operator takes"),
    }
}

/// As `oslo_utils.strutils.bool_from_string` has it.
fn truth(text: &str) -> Option<bool> {
    if ["1", "t", "true", "on", "y", "yes"].contains(&text) {
        Some(true)
    } else if ["0", "f", "false", "off", "n", "no"].contains(&text) {
        Some(false)
    } else {
        None
    }
}

impl Wish<'_> {
    fn is_met(&self, disk: &Disk) -> bool {
        match &self.meaning {
            Meaning::Is(wanted) => disk.rotational == *wanted,
            Meaning::Numbers(operator, wanted) if self.hint == "size" => {
                holds(*operator, &(disk.size_bytes as f64 / GIB), wanted)
            }
            Meaning::Numbers(operator, wanted) => {
                let values = spellings(self.hint, disk);
                values
                    .iter()
                    .filter_map(|value| value.parse().ok())
                    .any(|value: f64| holds(*operator, &value, wanted))
            }
            Meaning::Texts(operator, wanted) => {
                let values = spellings(self.hint, disk);
                let meets = |value: &String| match operator {
                    Operator::In | Operator::AllIn => wanted.iter().all(|part| value.contains(part.as_str())),
                    Operator::Equal
                    | Operator::NotEqual
                    | Operator::Less
                    | Operator::LessOrEqual
                    | Operator::Greater
                    | Operator::GreaterOrEqual
                    | Operator::Or => holds(*operator, value, wanted),
                };
                // No spelling may be the one that is not wanted; a disk without a name has not that one.
                if *operator == Operator::NotEqual {
                    values.iter().all(meets)
                } else {
                    values.iter().any(meets)
                }
            }
        }
    }
}

fn holds<T: PartialOrd>(operator: Operator, value: &T, wanted: &[T]) -> bool {
    let Some(first) = wanted.first() else { return false };
    match operator {
        Operator::Equal => value == first,
        Operator::NotEqual => value != first,
        Operator::Less => value < first,
        Operator::LessOrEqual => value <= first,
        Operator::Greater => value > first,
        Operator::GreaterOrEqual => value >= first,
        Operator::Or => wanted.contains(value),
        Operator::In | Operator::AllIn => false,
    }
}

/// All that a disk may be called in a hint, in small letters: what the kernel says, and what udev makes of it for others.
fn spellings(hint: &str, disk: &Disk) -> Vec<String> {
    let naa = disk.wwn.strip_prefix("naa.").filter(|digits| digits.len() >= NAA_DIGITS && digits.is_ascii());
    let number = |digits: &str| format!("0x{digits}");
    let texts = match hint {
        "model" => vec![disk.model.clone(), format!("{} {}", disk.vendor, disk.model)],
        "vendor" => vec![disk.vendor.clone()],
        "serial" => [Some(disk.serial.clone()), naa.map(str::to_owned)].into_iter().flatten().collect(),
        "wwn" => [Some(disk.wwn.clone()), naa.map(|digits| number(&digits[..NAA_DIGITS])), naa.map(number)]
            .into_iter()
            .flatten()
            .collect(),
        "wwn_with_extension" => vec![naa.map_or(disk.wwn.clone(), number)],
        "wwn_vendor_extension" => naa.map(|digits| number(&digits[NAA_DIGITS..])).into_iter().collect(),
        "name" => [disk.name.clone()].into_iter().chain(by_path(disk)).collect(),
        "hctl" => vec![disk.hctl.clone()],
        "by_path" => by_path(disk).into_iter().chain([disk.by_path.clone()]).collect(),
        "tran" => vec![disk.transport.clone()],
        _ => Vec::new(),
    };
    let texts = texts.into_iter().map(|text| text.trim().to_lowercase());
    texts.filter(|text| !text.is_empty() && text != "0x").collect()
}

fn by_path(disk: &Disk) -> Option<String> {
    (!disk.by_path.is_empty()).then(|| format!("/dev/disk/by-path/{}", disk.by_path))
}

#[cfg(test)]
mod tests;
