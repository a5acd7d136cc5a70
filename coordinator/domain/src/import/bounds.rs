//! Decisions: how deep and how wide a YAML or JSON file is, before a tree is made of it.
//!
//! Whoever makes the tree calls itself for every level, so that two kilobytes of `- - - -` would use up its stack and end the
//! program. Here the same parser tells what begins and what ends, one after the other, and calls itself never; it stops at
//! the first level and at the first entry too many.

use yaml_rust2::{Event, parser::Parser};

use super::fields::Fault;

/// Most levels. A file has seven: the file, its servers, one server, its ports, one port, and two for what a port may get.
pub(super) const LEVELS_MAX: usize = 16;
/// Most names and values: 2,000 servers with a hundred each.
pub(super) const ENTRIES_MAX: usize = 200_000;

/// Refuses a file that no file of servers is. What is no YAML is not refused here: the reader says it better.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let refuse = |line: usize, message: String| Err(Fault { line, path: String::new(), message });
    let mut parser = Parser::new_from_str(text);
    let (mut level, mut entries) = (0_usize, 0_usize);
    while let Ok((event, mark)) = parser.next_token() {
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => level += 1,
            Event::MappingEnd | Event::SequenceEnd => level = level.saturating_sub(1),
            Event::Scalar(..) | Event::Alias(..) => entries += 1,
            Event::StreamEnd => return Ok(()),
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
        }
        if level > LEVELS_MAX {
            let message = format!("is nested deeper than {LEVELS_MAX} levels; a list of servers is not");
            return refuse(mark.line(), message);
        }
        if entries > ENTRIES_MAX {
            let message = format!("the file has more than {ENTRIES_MAX} names and values: split it");
            return refuse(mark.line(), message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::{FILE_BYTES_MAX, Format, parse, parse_as};

    /// Each way to nest without end, so many levels deep.
    fn nested(way: usize, levels: usize) -> String {
        let indented = |each: &str| -> String {
            (0..levels).map(|level| format!("{}{each}\n", " ".repeat(level))).collect()
        };
        match way {
            0 => format!("nodes:\n {}x\n", "- ".repeat(levels)),
            1 => format!("nodes:\n {}x\n", "-\t".repeat(levels)),
            2 => format!("{}x: y\n", "? ".repeat(levels)),
            3 => indented("a:"),
            4 => indented("-"),
            5 => format!("---\n{}x\n", "- ".repeat(levels)),
            6 => format!("--- {}x\n", "- ".repeat(levels)),
            7 => format!("nodes: {}", "[".repeat(levels)),
            8 => format!("nodes: {}1{}", "{a: ".repeat(levels), "}".repeat(levels)),
            9 => format!("{{\"nodes\": {}{}}}", "[".repeat(levels), "]".repeat(levels)),
            10 => (0..levels).map(|level| format!("{0}? a\n{0}:\n", " ".repeat(level))).collect(),
            11 => indented("- a:"),
            12 => indented("a:").replace('\n', "\r"),
            13 => format!("? a\n: {}x\n", "- ".repeat(levels)),
            _ => format!("nodes:\n {}x\n", "- ? ".repeat(levels / 2)),
        }
    }

    const WAYS: usize = 15;

    #[test]
    fn no_depth_ends_the_program() {
        for way in 0..WAYS {
            // Ways with growing indentation are long: the deepest that fit are tried.
            for levels in [20, 300, 1000, 2000] {
                let text = nested(way, levels);
                assert!(text.len() <= FILE_BYTES_MAX, "way {way} is too long to be tried");
                assert!(parse(&text).is_err(), "way {way} with {levels} levels is taken");
                assert!(parse_as(&text, Format::Csv).is_err(), "way {way} with {levels} levels is a table");
            }
        }
    }

    #[test]
    fn depth_is_told_with_its_line() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(check(text).err().map(|fault| fault.line), expected, "{text:?}");
        };
        check("nodes:\n- name: a\n  ports:\n  - {name: eth0}\n", None);
        check(&format!("a: 1\nb:\n {}x\n", "- ".repeat(LEVELS_MAX)), Some(3));
        check(&format!("b:\n {}x\n", "- ".repeat(LEVELS_MAX - 1)), None);
        // Levels that are closed count no more.
        check(&"- - - - x\n".repeat(50), None);
        check("name: a - - - - - - - - - - - - - - - - - - b\n", None);
    }

    #[test]
    fn width_and_length_are_bounded() {
        let check = |text: String, words: &str| {
            let fault = &parse(&text).unwrap_err()[0];
            assert!(fault.message.contains(words), "{fault}");
        };
        check(format!("nodes: [{}1]", "1,".repeat(ENTRIES_MAX)), "names and values");
        let keys: String = (0..ENTRIES_MAX).map(|key| format!("k{key}: 1\n")).collect();
        check(keys, "names and values");
        check(format!("nodes: {}", "x".repeat(FILE_BYTES_MAX)), "bytes; at most");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_file_is_answered(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["- ", "? ", ": ", "\n", " ", "  ", "a", "nodes:", "[", "]", "{", "}", ",", "\"",
                    "'", "|", ">", "#", "&a ", "*a", "!t ", "\t", "\r", "---", "...", "%", "\u{2028}", "é"]),
                0..200,
            ),
            times in 1_usize..60,
        ) {
            let text = pieces.concat().repeat(times);
            let _ = parse(&text);
            let _ = parse_as(&text, Format::Csv);
        }
    }
}
