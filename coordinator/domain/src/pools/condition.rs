//! Decisions: one condition of a pool: `cpus>=2`, `manufacturer=QEMU`, `product!=Power*`.

use std::{cmp::Ordering, fmt, str::FromStr};

use protocol::boot::BootMode;
use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// Longest condition, in bytes.
const CONDITION_BYTES_MAX: usize = 200;

/// A fact that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Cpus,
    MemoryMib,
    Disks,
    DiskMib,
    Nics,
    NicMbps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Name,
    Rack,
    Manufacturer,
    Product,
    CpuModel,
    Architecture,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Number(Number),
    Text(Text),
    BootMode,
}

const FIELDS: [(&str, Field); 13] = [
    ("cpus", Field::Number(Number::Cpus)),
    ("memory_mib", Field::Number(Number::MemoryMib)),
    ("disks", Field::Number(Number::Disks)),
    ("disk_mib", Field::Number(Number::DiskMib)),
    ("nics", Field::Number(Number::Nics)),
    ("nic_mbps", Field::Number(Number::NicMbps)),
    ("name", Field::Text(Text::Name)),
    ("rack", Field::Text(Text::Rack)),
    ("manufacturer", Field::Text(Text::Manufacturer)),
    ("product", Field::Text(Text::Product)),
    ("cpu_model", Field::Text(Text::CpuModel)),
    ("architecture", Field::Text(Text::Architecture)),
    ("boot_mode", Field::BootMode),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    More,
    Less,
}

/// Longer ones first: `>=` begins like `>`.
const COMPARISONS: [(&str, Comparison); 6] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("!=", Comparison::NotEqual),
    ("=", Comparison::Equal),
    (">", Comparison::More),
    ("<", Comparison::Less),
];

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::AtLeast => ordering.is_ge(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::More => ordering.is_gt(),
            Comparison::Less => ordering.is_lt(),
        }
    }

    fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Number(Number, u64),
    /// In small letters; `*` stands for any text.
    Text(Text, String),
    BootMode(BootMode),
}

/// One condition of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    comparison: Comparison,
    test: Test,
    /// As it was written, for people.
    written: String,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{written:?} {why}")]
pub struct ConditionError {
    /// The text.
    pub written: String,
    /// What is wrong with it, and what to write.
    pub why: String,
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(written: &str) -> Result<Self, ConditionError> {
        let fail = |why: String| {
            let written = written.chars().take(CONDITION_BYTES_MAX).collect();
            Err(ConditionError { written, why })
        };
        if written.len() > CONDITION_BYTES_MAX {
            return fail(format!("is longer than {CONDITION_BYTES_MAX} bytes"));
        }
        let Some(at) = written.find(['<', '>', '=', '!']) else {
            return fail(
                "has no operator; write a condition such as cpus>=2 or manufacturer=Dell*".to_owned(),
            );
        };
        let (name, rest) = (written[..at].trim(), &written[at..]);
        let Some((sign, comparison)) = COMPARISONS.into_iter().find(|(sign, _)| rest.starts_with(sign))
        else {
            return fail("has an unknown operator; operators are = != >= <= > <".to_owned());
        };
        let value = rest[sign.len()..].trim();
        let Some((_, field)) = FIELDS.into_iter().find(|(known, _)| *known == name) else {
            let known = FIELDS.map(|(name, _)| name).join(", ");
            return fail(format!("uses {name:?}, which is not a known fact; known facts are {known}"));
        };
        if value.is_empty() || value.starts_with('=') {
            return fail(format!("has nothing to compare {name} with; write for example {name}{sign}2"));
        }
        if !comparison.is_equality() && !matches!(field, Field::Number(_)) {
            return fail(format!("compares sizes, but {name} is text; use = or !="));
        }
        let test = match field {
            Field::Number(number) => match value.parse() {
                Ok(value) => Test::Number(number, value),
                Err(_) => {
                    return fail(format!(
                        "needs a whole number, because {name} is a number; write {name}{sign}2"
                    ));
                }
            },
            Field::Text(text) => Test::Text(text, value.to_lowercase()),
            Field::BootMode => match value {
                "bios" => Test::BootMode(BootMode::Bios),
                "uefi" => Test::BootMode(BootMode::Uefi),
                _ => return fail("needs bios or uefi".to_owned()),
            },
        };
        Ok(Self { comparison, test, written: format!("{name}{sign}{value}") })
    }
}

impl Condition {
    /// Whether a server with these facts fulfils it.
    pub fn holds(&self, facts: &Facts) -> bool {
        let ordering = match &self.test {
            Test::Number(number, value) => number_of(*number, facts).cmp(value),
            Test::Text(text, pattern) => equality(is_like(&text_of(*text, facts).to_lowercase(), pattern)),
            Test::BootMode(mode) => equality(facts.boot_mode == *mode),
        };
        self.comparison.holds(ordering)
    }
}

fn equality(equal: bool) -> Ordering {
    if equal { Ordering::Equal } else { Ordering::Greater }
}

fn number_of(number: Number, facts: &Facts) -> u64 {
    match number {
        Number::Cpus => facts.cpus,
        Number::MemoryMib => facts.memory_mib,
        Number::Disks => facts.disks,
        Number::DiskMib => facts.disk_mib,
        Number::Nics => facts.nics,
        Number::NicMbps => facts.nic_mbps,
    }
}

fn text_of(text: Text, facts: &Facts) -> &str {
    match text {
        Text::Name => &facts.name,
        Text::Rack => &facts.rack,
        Text::Manufacturer => &facts.manufacturer,
        Text::Product => &facts.product,
        Text::CpuModel => &facts.cpu_model,
        Text::Architecture => &facts.architecture,
    }
}

/// Whether a text is what a pattern describes, both in small letters; `*` stands for any text, an empty one too.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The first place is as good as any later one: what follows has more room.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for Condition {
    type Error = ConditionError;
    fn try_from(text: String) -> Result<Self, ConditionError> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> String {
        condition.written
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn facts() -> Facts {
        Facts {
            name: "rack1-7".into(),
            rack: "rack1".into(),
            boot_mode: BootMode::Uefi,
            cpus: 4,
            cpu_model: "Some CPU @ 2.00GHz".into(),
            architecture: "x86_64".into(),
            memory_mib: 4096,
            disks: 1,
            disk_mib: 256,
            nics: 2,
            nic_mbps: 10_000,
            manufacturer: "QEMU".into(),
            product: "Standard PC (Q35)".into(),
        }
    }

    #[test]
    fn conditions_hold_or_not() {
        let check = |text: &str, expected: bool| {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.holds(&facts()), expected, "{text}");
        };
        for (text, expected) in [
            ("cpus=4", true),
            ("cpus!=4", false),
            ("cpus>=4", true),
            ("cpus>4", false),
            ("cpus<=3", false),
            (" cpus < 5 ", true),
            ("memory_mib>=4096", true),
            ("disks=1", true),
            ("disk_mib>256", false),
            ("nics>=2", true),
            ("nic_mbps>=25000", false),
            ("manufacturer=qemu", true),
            ("manufacturer!=QEMU", false),
            ("product=Standard*", true),
            ("product=*q35*", true),
            ("product=*Q35", false),
            ("name=rack1-*", true),
            ("name=rack1", false),
            ("rack=rack1", true),
            ("cpu_model=*@ 2.00GHz", true),
            ("architecture=x86_64", true),
            ("boot_mode=uefi", true),
            ("boot_mode!=uefi", false),
            ("name=*", true),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn a_bad_condition_names_the_field_and_the_remedy() {
        let check = |text: &str, words: &str| {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        check("cpu>=1", "\"cpu\", which is not a known fact; known facts are cpus, memory_mib");
        check("cpus", "has no operator; write a condition such as cpus>=2");
        check("cpus>=many", "needs a whole number, because cpus is a number; write cpus>=2");
        check("cpus>=-1", "needs a whole number");
        check("cpus>=", "nothing to compare cpus with");
        check("cpus==4", "nothing to compare cpus with");
        check("cpus!4", "unknown operator; operators are =");
        check("manufacturer>=QEMU", "manufacturer is text; use = or !=");
        check("boot_mode=legacy", "needs bios or uefi");
        check("=4", "\"\", which is not a known fact");
        check(&"x".repeat(300), "longer than");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z_=<>!*0-9 é]{0,40}") {
            if let Ok(condition) = text.parse::<Condition>() {
                let again: Condition = condition.to_string().parse().unwrap();
                prop_assert_eq!(&again, &condition);
                prop_assert_eq!(again.holds(&facts()), condition.holds(&facts()));
            }
        }

        #[test]
        fn opposites_never_agree(cpus: u64, bound: u64) {
            let facts = Facts { cpus, ..facts() };
            for (one, other) in [(">=", "<"), ("<=", ">"), ("=", "!=")] {
                let holds = |sign: &str| format!("cpus{sign}{bound}").parse::<Condition>().unwrap().holds(&facts);
                prop_assert_ne!(holds(one), holds(other));
            }
        }

        #[test]
        fn patterns_are_what_a_search_would_find(text in "[ab]{0,6}", pattern in "[ab*]{0,6}") {
            // The slow and certain way.
            fn slow(text: &[u8], pattern: &[u8]) -> bool {
                match pattern {
                    [] => text.is_empty(),
                    [b'*', rest @ ..] => (0..=text.len()).any(|at| slow(&text[at..], rest)),
                    [c, rest @ ..] => text.first() == Some(c) && slow(&text[1..], rest),
                }
            }
            prop_assert_eq!(is_like(&text, &pattern), slow(text.as_bytes(), pattern.as_bytes()));
        }
    }
}
