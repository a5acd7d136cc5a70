//! Decisions: which line of the list a BMC is that was found.

use protocol::{bmc_mark::BmcMark, id::RackId};

use super::Line;

/// What the list says of a BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is in none of its lines.
    Nobody,
    /// It is this one's.
    One(&'a Line),
    /// Its marks and the list cannot all be true. Nothing is given.
    Contradiction(String),
}

/// Looks a BMC up that was found in a rack and is known by these marks. Whatever a line says of the BMC must be so, as far as it is known.
pub fn find<'a>(lines: &'a [Line], rack: &RackId, marks: &[BmcMark]) -> Found<'a> {
    let shares_one = |line: &&Line| line.whose.marks().iter().any(|mark| marks.contains(mark));
    let mut found = lines.iter().filter(shares_one);
    let Some(line) = found.next() else { return Found::Nobody };
    if found.next().is_some() {
        let marks: Vec<_> = marks.iter().map(ToString::to_string).collect();
        return Found::Contradiction(format!(
            "{} stand in several lines of the list of factory passwords; none of their passwords is tried there",
            marks.join(", ")
        ));
    }
    for said in line.whose.marks() {
        let mut shown = marks.iter().filter(|mark| mark.is_like(&said)).peekable();
        if let Some(other) = shown.peek().map(ToString::to_string)
            && shown.all(|mark| *mark != said)
        {
            return Found::Contradiction(format!(
                "the list of factory passwords has {said} for it, and it shows {other}; its password is not tried there"
            ));
        }
    }
    match &line.whose.rack {
        Some(other) if other != rack => Found::Contradiction(format!(
            "the list of factory passwords has it in rack {other}; its password is not tried here"
        )),
        Some(_) | None => Found::One(line),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::factory_password::{Stage, Whose};

    fn line(number: u128, mac: Option<&str>, serial: Option<&str>, rack: Option<&str>) -> Line {
        let whose = Whose {
            rack: rack.map(|rack| rack.parse().unwrap()),
            serial: serial.map(str::to_owned),
            mac: mac.map(|mac| mac.parse().unwrap()),
            uuid: None,
            username: "ADMIN".to_owned(),
        };
        Line { id: Uuid::from_u128(number), whose, added_us: 0, stage: Stage::Waiting }
    }

    #[test]
    fn a_bmc_is_a_line_when_all_that_is_known_of_both_agrees() {
        let lines = [
            line(1, Some("02:00:00:00:00:01"), None, None),
            line(2, None, Some("7X0AB12"), None),
            line(3, Some("02:00:00:00:00:03"), Some("7X0AB13"), None),
            line(4, Some("02:00:00:00:00:04"), None, Some("rack2")),
        ];
        let check = |marks: &[&str], expected: Result<Option<u128>, &str>| {
            let read: Vec<BmcMark> = marks.iter().map(|mark| mark.parse().unwrap()).collect();
            match (find(&lines, &"rack1".parse().unwrap(), &read), expected) {
                (Found::Nobody, Ok(None)) => {}
                (Found::One(line), Ok(Some(number))) => assert_eq!(line.id.as_u128(), number, "{marks:?}"),
                (Found::Contradiction(why), Err(words)) => assert!(why.contains(words), "{marks:?}: {why}"),
                (found, _) => panic!("{marks:?}: {found:?}"),
            }
        };
        check(&[], Ok(None));
        check(&["mac:02:00:00:00:00:09"], Ok(None));
        check(&["mac:02:00:00:00:00:01"], Ok(Some(1)));
        check(&["mac:02:00:00:00:00:01", "serial:whatever"], Ok(Some(1)));
        check(&["serial:7x0ab12", "mac:02:00:00:00:00:09"], Ok(Some(2)));
        check(&["mac:02:00:00:00:00:03"], Ok(Some(3)));
        // A BMC may have an address of its own beside the one that is listed.
        check(&["serial:7x0ab13", "mac:02:00:00:00:00:09", "mac:02:00:00:00:00:03"], Ok(Some(3)));
        // Somebody says that he is a BMC that has another Ethernet address.
        check(&["serial:7x0ab13", "mac:02:00:00:00:00:09"], Err("it shows mac:02:00:00:00:00:09"));
        check(&["mac:02:00:00:00:00:01", "serial:7x0ab12"], Err("several lines"));
        check(&["mac:02:00:00:00:00:04"], Err("in rack rack2"));
    }
}
