//! What people read is plain English: phrases that once made people guess stay out of sentences, `--help` and pages. Why, and what
//! is said instead: docs/decisions/0022-how-we-say-things.md.

use std::{fs, path::Path};

/// Where sentences for people are written, from the top of the checkout.
const PLACES: [&str; 6] = ["agent", "coordinator", "protocol", "pxe", "README.md", "docs/operations.md"];

/// What must not be said, and what is said instead.
const RIDDLES: [(&str, &str); 18] = [
    ("hands off", "in maintenance"),
    ("wholly", "full"),
    ("enrol a", "enroll"),
    ("enrolment", "enrollment"),
    ("was to be on", "expected network"),
    ("is not switched", "was not powered on; cannot change the power of N"),
    ("is away since", "has been disconnected since"),
    ("went away", "disconnected"),
    ("started anew", "restarted"),
    ("begin anew", "start again"),
    ("heed no", "ignore"),
    ("heeds no", "ignores"),
    ("no good one", "no valid one"),
    ("may be given several times", "can be repeated"),
    ("with blanks between", "separated by spaces"),
    ("what can be done", "actions"),
    ("is no server in use", "is not a server in use"),
    ("be asked of this", "is not allowed on this"),
];

/// The text of a file that people may read: of Rust what is no comment and no test, with each string on one line. A comment of
/// three strokes counts where clap makes `--help` of it.
fn public_text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).unwrap();
    match path.extension()?.to_str()? {
        "md" | "html" | "js" => Some(text),
        "rs" => {
            let is_help =
                path.components().any(|part| ["cli", "bmsctl"].contains(&part.as_os_str().to_str().unwrap()));
            let code = text.split("#[cfg(test)]\nmod tests {").next()?;
            let is_read =
                |line: &&str| !line.trim_start().starts_with("//") || is_help && line.contains("///");
            let lines: Vec<_> = code.lines().map(str::trim_start).filter(is_read).collect();
            Some(lines.join("\n").replace("\\\n", ""))
        }
        _ => None,
    }
}

fn is_for_tests(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    ["/tests", "/fakes", "/target/"].iter().any(|part| path.contains(part))
}

/// Every place in a directory, or the file itself, where a riddle is said.
fn riddles_below(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            riddles_below(&entry.unwrap().path(), found);
        }
        return;
    }
    if is_for_tests(path) {
        return;
    }
    let Some(text) = public_text(path) else { return };
    let text = text.to_lowercase();
    for (riddle, instead) in RIDDLES.iter().filter(|(riddle, _)| text.contains(riddle)) {
        found.push(format!("{}: {riddle:?}; say {instead:?}", path.display()));
    }
}

#[test]
fn no_riddle_is_told_to_people() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for place in PLACES {
        riddles_below(&top.join(place), &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The field that a sentence begins with, in code that says it right after this.
fn field_said_by(code: &str) -> Option<&str> {
    let code = code.trim_start().strip_prefix("format!(").unwrap_or(code).trim_start();
    let (field, _) = code.strip_prefix('"')?.split_once(": ")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ',' | ' ');
    // `{name} cannot be asked: ...` is a sentence on something else.
    (!field.is_empty() && field.chars().all(is_name) && field.split(", ").all(|one| !one.contains(' ')))
        .then_some(field)
}

/// How a client would read a sentence instead of `fields`, `type` and `status`.
const READING: [&str; 6] = [
    "detail.split",
    "detail.starts_with",
    "detail.strip_prefix",
    "detail.contains",
    "message.starts_with",
    "message.contains",
];

fn decided_on_words(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            decided_on_words(&entry.unwrap().path(), found);
        }
        return;
    }
    let parts = path.to_str().unwrap();
    if is_for_tests(path) || path.extension().is_none_or(|kind| kind != "rs") {
        return;
    }
    let Some(text) = public_text(path) else { return };
    for call in ["Problem::bad(", "Problem::conflict("] {
        let said = text.match_indices(call).filter_map(|(at, call)| field_said_by(&text[at + call.len()..]));
        found.extend(said.map(|field| format!("{parts}: {call}\"{field}: ...\"; say bad_at or conflict_at")));
    }
    if parts.contains("/ui/") || parts.contains("/bmsctl/") {
        let read = READING.iter().filter(|reading| text.contains(**reading));
        found.extend(
            read.map(|reading| format!("{parts}: {reading}; read the problem's fields, type or status")),
        );
    }
}

#[test]
fn a_field_is_named_and_never_read_out_of_a_sentence() {
    for (code, field) in [
        ("\"name: is empty\")", Some("name")),
        ("format!(\n\"cpus, memory_mib: {x}\")", Some("cpus, memory_mib")),
        ("\"this destroys data: tick the box\")", None),
        ("format!(\"{path} cannot be asked: {error}\")", None),
        ("said_of(field, message))", None),
    ] {
        assert_eq!(field_said_by(code), field, "{code}");
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    decided_on_words(&top.join("coordinator"), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
