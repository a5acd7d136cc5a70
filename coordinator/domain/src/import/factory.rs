//! Decisions: a file with the passwords that BMCs have from their factory: a table (CSV, RFC 4180) or a list (JSON) with the fields
//! `serial`, `mac`, `uuid` (one of them at least), `username`, `password` and, if wanted, `rack`.
//!
//! What must stay true: a file is taken as a whole or not at all; no word of a fault repeats a value of the file, because columns are mixed up
//! and the first row is forgotten, and then it is a password.

use std::collections::{HashMap, hash_map::Entry};

use marked_yaml::{Node, types::MarkedScalarNode};
use protocol::{bmc_mark::BmcMark, secret::Secret};
use uuid::Uuid;

use super::{
    FILE_BYTES_MAX, Format, KEEP_PASSWORD, bounds,
    cells::{Row, rows},
    fields::{FAULTS_MAX, Fault},
};
use crate::factory_password::{LINES_MAX, NewLine, Whose};

const FIELDS: [&str; 6] = ["serial", "mac", "uuid", "username", "password", "rack"];
const TEXT_BYTES_MAX: usize = 255;

/// Reads a file. Either all its lines, or everything that is wrong with it. The same line twice is one.
pub fn factory_passwords(text: &str, format: Format) -> Result<Vec<NewLine>, Vec<Fault>> {
    let whole = |message: String| vec![Fault { line: 0, path: String::new(), message }];
    if text.len() > FILE_BYTES_MAX {
        return Err(whole(format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len())));
    }
    let mut faults = Vec::new();
    let said = match format {
        Format::Csv => table(text, &mut faults),
        Format::Yaml | Format::Json => list(text, &mut faults),
    };
    if said.is_empty() && faults.is_empty() {
        faults.extend(whole("has no lines".to_owned()));
    }
    if said.len() > LINES_MAX {
        faults.extend(whole(format!("has {} lines; at most {LINES_MAX} are taken", said.len())));
        return Err(faults);
    }
    let lines: Vec<NewLine> = said.into_iter().filter_map(|said| said.read(&mut faults)).collect();
    let lines = without_doubles(lines, &mut faults);
    if faults.is_empty() {
        return Ok(lines);
    }
    faults.sort_by_key(|fault| fault.line);
    faults.truncate(FAULTS_MAX);
    Err(faults)
}

/// What is said in one line, by the numbers of [`FIELDS`].
struct Said {
    line: usize,
    values: [Option<String>; FIELDS.len()],
}

fn table(text: &str, faults: &mut Vec<Fault>) -> Vec<Said> {
    let rows = match rows(text) {
        Ok(rows) => rows,
        Err(fault) => {
            faults.push(fault);
            return Vec::new();
        }
    };
    let Some((header, rows)) = rows.split_first() else { return Vec::new() };
    let Some(columns) = columns(header, faults) else { return Vec::new() };
    let mut all = Vec::new();
    for row in rows {
        if row.cells.len() > columns.len() {
            let message = format!("has {} values for {} columns", row.cells.len(), columns.len());
            faults.push(Fault { line: row.line, path: String::new(), message });
            continue;
        }
        let mut values = [const { None }; FIELDS.len()];
        for (field, cell) in columns.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_empty()) {
            values[*field] = Some(cell.clone());
        }
        all.push(Said { line: row.line, values });
    }
    all
}

/// The fields of the columns.
fn columns(header: &Row, faults: &mut Vec<Fault>) -> Option<Vec<usize>> {
    let (mut columns, before) = (Vec::new(), faults.len());
    for (index, cell) in header.cells.iter().enumerate() {
        let mut fault = |message: String| {
            faults.push(Fault { line: header.line, path: format!("column {}", index + 1), message });
        };
        match FIELDS.iter().position(|field| *field == cell.trim().to_ascii_lowercase()) {
            Some(field) if columns.contains(&field) => fault(format!("is {} a second time", FIELDS[field])),
            Some(field) => columns.push(field),
            None => fault(format!(
                "has no known name; the first row names the columns, which are {}",
                FIELDS.join(", ")
            )),
        }
    }
    (faults.len() == before).then_some(columns)
}

fn list(text: &str, faults: &mut Vec<Fault>) -> Vec<Said> {
    let mut whole = |line: usize, message: &str| {
        faults.push(Fault { line, path: String::new(), message: message.to_owned() });
        Vec::new()
    };
    // The reader's own words are not passed on: they may repeat what is in the file.
    const NO_LIST: &str =
        "is not JSON: a list of objects with the fields serial, mac, uuid, username, password, rack";
    if let Err(fault) = bounds::check(text) {
        return whole(fault.line, "is nested too deep or has too many names and values");
    }
    let options = marked_yaml::LoaderOptions::default()
        .error_on_duplicate_keys(true)
        .prevent_coercion(true)
        .toplevel_sequence();
    let Ok(root) = marked_yaml::parse_yaml_with_options(0, text, options) else { return whole(0, NO_LIST) };
    let Some(items) = root.as_sequence() else { return whole(0, NO_LIST) };
    items.iter().enumerate().filter_map(|(index, item)| object(index, item, faults)).collect()
}

fn object(index: usize, item: &Node, faults: &mut Vec<Fault>) -> Option<Said> {
    let line_of = |node: &Node| node.span().start().map_or(0, |mark| mark.line());
    let line = line_of(item);
    let before = faults.len();
    let mut fault = |line: usize, path: String, message: String| faults.push(Fault { line, path, message });
    let Some(map) = item.as_mapping() else {
        fault(line, format!("[{index}]"), "must be an object".to_owned());
        return None;
    };
    let mut values = [const { None }; FIELDS.len()];
    for (key, value) in map.iter() {
        let Some(field) = FIELDS.iter().position(|field| *field == key.as_str()) else {
            let message = format!("has a field that is not known; known are {}", FIELDS.join(", "));
            fault(line_of(value), format!("[{index}]"), message);
            continue;
        };
        let is_null =
            |scalar: &MarkedScalarNode| scalar.may_coerce() && matches!(scalar.as_str(), "~" | "null");
        match value.as_scalar() {
            Some(scalar) if scalar.as_str().is_empty() || is_null(scalar) => {}
            Some(scalar) => values[field] = Some(scalar.as_str().to_owned()),
            None => {
                fault(line_of(value), format!("[{index}].{}", FIELDS[field]), "must be a text".to_owned())
            }
        }
    }
    (faults.len() == before).then_some(Said { line, values })
}

impl Said {
    fn read(self, faults: &mut Vec<Fault>) -> Option<NewLine> {
        let Self { line, values: [serial, mac, uuid, username, password, rack] } = self;
        let before = faults.len();
        let mut fault = |path: &str, message: &str| {
            faults.push(Fault { line, path: path.to_owned(), message: message.to_owned() });
        };
        let is_good = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
        for (path, text) in [("username", &username), ("password", &password)] {
            match text {
                None => fault(path, "is missing"),
                Some(text) if !is_good(text) => fault(path, "must have 1 to 255 printable characters"),
                Some(text) if path == "password" && text == KEEP_PASSWORD => {
                    fault(path, "stands in an exported file where a password would be, and is none");
                }
                Some(_) => {}
            }
        }
        if serial.as_deref().is_some_and(|text| BmcMark::serial(text).is_none()) {
            fault("serial", "is no serial number of one machine alone, 4 to 64 characters");
        }
        let mac = mac.map(|text| {
            text.parse().map_err(|_| fault("mac", "is not a MAC address such as 52:54:00:00:00:01"))
        });
        let uuid = uuid.map(|text| {
            let own = BmcMark::uuid(&text).and_then(|_| Uuid::try_parse(text.trim()).ok());
            own.ok_or_else(|| fault("uuid", "is not a UUID of one machine alone"))
        });
        let rack = rack.map(|text| text.parse().map_err(|_| fault("rack", "is not the name of a rack")));
        if serial.is_none() && mac.is_none() && uuid.is_none() {
            fault("", "needs serial, mac or uuid, by which its BMC is known");
        }
        if faults.len() > before {
            return None;
        }
        let serial = serial.map(|text| text.trim().to_owned());
        let (mac, uuid, rack) =
            (mac.and_then(Result::ok), uuid.and_then(Result::ok), rack.and_then(Result::ok));
        let whose = Whose { rack, serial, mac, uuid, username: username? };
        Some(NewLine { line, whose, password: Secret::new(password?) })
    }
}

/// Lines of which each BMC has one. Two that say the same are one; two that do not are a fault.
fn without_doubles(lines: Vec<NewLine>, faults: &mut Vec<Fault>) -> Vec<NewLine> {
    let mut first: HashMap<BmcMark, usize> = HashMap::new();
    let mut kept: Vec<NewLine> = Vec::new();
    for line in lines {
        let mut other = None;
        for mark in line.whose.marks() {
            match first.entry(mark) {
                Entry::Occupied(known) => other = Some(*known.get()),
                Entry::Vacant(free) => {
                    free.insert(kept.len());
                }
            }
        }
        match other.and_then(|index| kept.get(index)) {
            None => kept.push(line),
            Some(known) if known.says_the_same(&line) => {}
            Some(known) => faults.push(Fault {
                line: line.line,
                path: String::new(),
                message: format!("says something else of the BMC of line {}", known.line),
            }),
        }
    }
    kept
}

impl NewLine {
    /// Whether both say the same of the same BMC.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.whose.says_the_same(&other.whose) && self.password == other.password
    }
}

impl Whose {
    /// Whether both say the same of the same BMC, in whatever spelling.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.marks(), &self.rack, &self.username) == (other.marks(), &other.rack, &other.username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<NewLine>, Vec<Fault>> {
        factory_passwords(text, if text.starts_with('[') { Format::Json } else { Format::Csv })
    }

    #[test]
    fn a_table_and_a_list_say_the_same() {
        let table = read(
            "\u{feff}Serial,MAC,username,password,rack\r\n7X0AB12,,root,\"a,b\"\"c\",\r\n\r\n,02-00-00-00-00-01,ADMIN,'=x,rack2\r\n",
        )
        .unwrap();
        let list = read(
            r#"[{"serial": "7x0ab12", "mac": null, "username": "root", "password": "a,b\"c"},
                {"mac": "02:00:00:00:00:01", "username": "ADMIN", "password": "'=x", "rack": "rack2", "uuid": ""}]"#,
        )
        .unwrap();
        assert_eq!(table.len(), 2);
        assert!(table.iter().zip(&list).all(|(one, other)| one.says_the_same(other)), "{table:?} {list:?}");
        assert_eq!(table.iter().map(|line| line.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(table[1].password.reveal(), "'=x", "a password is what stands there");
        // A number is a text, too.
        let numbers = read(r#"[{"serial": 12345, "username": "root", "password": 4711}]"#).unwrap();
        assert_eq!(numbers[0].password.reveal(), "4711");
    }

    #[test]
    fn the_same_line_twice_is_one_and_another_of_the_same_bmc_is_a_fault() {
        let check = |second: &str, expected: Result<usize, &str>| {
            let text =
                format!("serial,mac,username,password\n7X0AB12,02:00:00:00:00:01,root,calvin\n{second}\n");
            match (read(&text), expected) {
                (Ok(lines), Ok(count)) => assert_eq!(lines.len(), count, "{second}"),
                (Err(faults), Err(words)) => {
                    assert_eq!(faults[0].line, 3, "{second}");
                    assert!(faults[0].message.contains(words), "{second}: {faults:?}");
                }
                (read, _) => panic!("{second}: {read:?}"),
            }
        };
        check("7x0ab12,02-00-00-00-00-01,root,calvin", Ok(1));
        check("7X0AB13,02:00:00:00:00:02,root,calvin", Ok(2));
        for other in [
            "7X0AB12,02:00:00:00:00:01,root,calvin2",
            "7X0AB12,,root,calvin",
            "7X0AB13,02:00:00:00:00:01,root,calvin",
        ] {
            check(other, Err("of line 2"));
        }
    }

    #[test]
    fn each_fault_has_its_line_and_field_and_repeats_nothing_of_the_file() {
        let check = |text: &str, expected: &[(usize, &str, &str)]| {
            let faults = read(text).unwrap_err();
            let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.path.as_str())).collect();
            let places: Vec<_> = expected.iter().map(|(line, path, _)| (*line, *path)).collect();
            assert_eq!(found, places, "{text:?}: {faults:?}");
            for (fault, (_, _, words)) in faults.iter().zip(expected) {
                assert!(fault.message.contains(words), "{text:?}: {fault}");
                assert!(!fault.to_string().contains("hunter"), "{fault}");
            }
        };
        let header = "serial,mac,uuid,username,password,rack\n";
        check("", &[(0, "", "no lines")]);
        check(header, &[(0, "", "no lines")]);
        check(
            "7X0AB12,02:00:00:00:00:01,root,hunter2\n",
            &[(1, "column 1", "first row"), (1, "column 2", ""), (1, "column 3", ""), (1, "column 4", "")],
        );
        check("serial,serial,username,password\n", &[(1, "column 2", "second time")]);
        check(&format!("{header},hunter2,,root,x,\n"), &[(2, "mac", "MAC address")]);
        check(&format!("{header}To be filled by O.E.M.,,,root,hunter2,\n"), &[(2, "serial", "one machine")]);
        check(&format!("{header},,hunter2,root,x,\n"), &[(2, "uuid", "UUID")]);
        check(&format!("{header}7X0AB12,,,,,\n"), &[(2, "username", "missing"), (2, "password", "missing")]);
        check(&format!("{header},,,root,hunter2,\n"), &[(2, "", "needs serial")]);
        check(&format!("{header}7X0AB12,,,root,hunter2,a b\n"), &[(2, "rack", "rack")]);
        check(&format!("{header}7X0AB12,,,root,hunter2,,\n"), &[(2, "", "7 values for 6")]);
        check(&format!("{header}7X0AB12,,,root,{KEEP_PASSWORD},\n"), &[(2, "password", "exported")]);
        check(&format!("{header}7X0AB12,,,root,\"hunter2\n"), &[(2, "", "closing quote")]);
        check("[", &[(0, "", "not JSON")]);
        check("[]", &[(0, "", "no lines")]);
        check("[1]", &[(1, "[0]", "object")]);
        check("[{\"hunter2\": 1}]", &[(1, "[0]", "not known")]);
        check(
            "[{\"serial\": \"7X0AB12\", \"username\": \"root\",\n \"password\": [\"hunter2\"]}]",
            &[(2, "[0].password", "text")],
        );
        check("[{\"serial\": \"7X0AB12\",\n \"username\": \"root\"}]", &[(1, "password", "missing")]);
        check("{\"hunter2\": 1}", &[(1, "", "quote")]);
        let list = factory_passwords("{\"hunter2\": 1}", Format::Json).unwrap_err();
        assert!(list[0].message.contains("not JSON"), "{list:?}");
        let deep = factory_passwords(&"[".repeat(100), Format::Json).unwrap_err();
        assert!(deep[0].message.contains("too deep"), "{deep:?}");
    }
}
