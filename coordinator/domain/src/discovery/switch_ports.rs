//! Decisions: the switch ports that a rule may give to the machines that it accepts.
//!
//! A machine that was found says itself where it is plugged in: by LLDP, as its own ramdisk heard it, and whoever speaks the ramdisk's
//! protocol can say anything. A rule therefore gives only switch ports that a person has named for new machines. What is plugged in
//! elsewhere, or says so, waits for a person.

use std::{fmt, str::FromStr};

use crate::rim::SwitchPort;

/// Patterns of one rule.
pub const SWITCH_PORTS_MAX: usize = 100;

/// Switch ports as people name them: `leaf1` for all of a switch, `leaf1:xe-0/0/7` for one, `leaf1:xe-0/0/10-20` for those from 10 to 20.
/// Names are compared letter by letter, as Contrail does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchPorts {
    switch: String,
    ports: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ports {
    All,
    One(String),
    Range { before: String, first: u32, last: u32 },
}

/// A text that names no switch ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no switch ports; write leaf1, leaf1:xe-0/0/7 or leaf1:xe-0/0/10-20")]
pub struct NotSwitchPorts(String);

impl FromStr for SwitchPorts {
    type Err = NotSwitchPorts;

    fn from_str(text: &str) -> Result<Self, NotSwitchPorts> {
        let wrong = || NotSwitchPorts(text.to_owned());
        let (switch, port) = text.split_once(':').map_or((text, None), |(switch, port)| (switch, Some(port)));
        let is_name = |name: &str| !name.is_empty() && !name.contains(['*', ' ']);
        if !is_name(switch) || !port.is_none_or(is_name) {
            return Err(wrong());
        }
        let ports = port.map_or(Ok(Ports::All), |port| ports(port).ok_or_else(wrong))?;
        Ok(Self { switch: switch.to_owned(), ports })
    }
}

/// One port, or the range that its last two numbers say; none: a range that begins after its end.
fn ports(port: &str) -> Option<Ports> {
    let one = || Some(Ports::One(port.replace(':', "_")));
    let Some((rest, last)) = port.rsplit_once('-') else { return one() };
    let before = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let first = &rest[before.len()..];
    let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else { return one() };
    (first <= last).then(|| Ports::Range { before: before.replace(':', "_"), first, last })
}

impl SwitchPorts {
    /// Whether it names this one.
    pub fn holds(&self, link: &SwitchPort) -> bool {
        let port = link.port.replace(':', "_");
        let is_there = match &self.ports {
            Ports::All => true,
            Ports::One(one) => *one == port,
            // Written as the range writes numbers: `07` is another port than `7`.
            Ports::Range { before, first, last } => {
                port.strip_prefix(before.as_str()).is_some_and(|number| {
                    number
                        .parse::<u32>()
                        .is_ok_and(|n| (*first..=*last).contains(&n) && n.to_string() == number)
                })
            }
        };
        self.switch == link.switch && is_there
    }
}

impl fmt::Display for SwitchPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ports {
            Ports::All => f.write_str(&self.switch),
            Ports::One(port) => write!(f, "{}:{port}", self.switch),
            Ports::Range { before, first, last } => write!(f, "{}:{before}{first}-{last}", self.switch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_the_ports_that_it_says_and_no_others() {
        let check = |pattern: &str, port: &str, expected: bool| {
            let (switch, name) = port.split_once(':').unwrap();
            let link = SwitchPort { switch: switch.into(), port: name.into(), switch_id: None, fabric: None };
            assert_eq!(pattern.parse::<SwitchPorts>().unwrap().holds(&link), expected, "{pattern} {port}");
        };
        check("leaf1", "leaf1:xe-0/0/7", true);
        check("leaf1", "leaf10:xe-0/0/7", false);
        check("leaf1", "LEAF1:xe-0/0/7", false);
        check("leaf1:xe-0/0/7", "leaf1:xe-0/0/7", true);
        check("leaf1:xe-0/0/7", "leaf1:xe-0/0/70", false);
        check("leaf1:xe-0/0/7:1", "leaf1:xe-0/0/7_1", true);
        for (port, expected) in [(9, false), (10, true), (15, true), (20, true), (21, false), (100, false)] {
            check("leaf1:xe-0/0/10-20", &format!("leaf1:xe-0/0/{port}"), expected);
        }
        check("leaf1:xe-0/0/1-20", "leaf1:xe-0/0/07", false);
        check("leaf1:xe-0/0/1-20", "leaf1:xe-0/0/+7", false);
        check("leaf1:xe-0/0/1-20", "leaf1:xe-0/1/7", false);
        check("leaf1:xe-0/0/1-20", "leaf2:xe-0/0/7", false);
        check("leaf1:mgmt-port", "leaf1:mgmt-port", true);
    }

    #[test]
    fn what_names_no_ports_is_refused_with_examples() {
        for text in ["", ":xe-0/0/1", "leaf1:", "leaf*", "leaf1:xe-*", "leaf1:xe-0/0/20-10", "leaf 1"] {
            let error = text.parse::<SwitchPorts>().unwrap_err().to_string();
            assert!(error.contains("leaf1:xe-0/0/10-20"), "{text}: {error}");
        }
    }
}
