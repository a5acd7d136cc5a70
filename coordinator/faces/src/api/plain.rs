//! Decisions: names that people give: of a bounded length, and with nothing in them that cannot be seen.
//!
//! A name stands in logs, on terminals and in tables of everybody who may see the thing. It is escaped there; but whoever
//! types such a name does it by mistake or means harm.

use protocol::text::{Shown, is_plain};

use crate::problem::Problem;

/// Refuses a name that is empty, has more characters than this, or has some that cannot be seen.
pub fn check_name(field: &str, text: &str, chars_max: usize) -> Result<(), Problem> {
    if text.is_empty() || text.chars().count() > chars_max {
        return Err(Problem::bad_at(field, format!("must have 1 to {chars_max} characters")));
    }
    if !is_plain(text) {
        return Err(Problem::bad_at(
            field,
            format!(
                "\"{}\" has characters that cannot be seen (control characters, ends of lines, marks of direction); leave them \
                 out",
                Shown(text)
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_as_it_is() {
        let check = |text: &str, expected: Result<(), &str>| match (check_name("name", text, 8), expected) {
            (Ok(()), Ok(())) => {}
            (Err(problem), Err(words)) => {
                assert!(problem.fields[0].field == "name" && problem.detail.contains(words), "{problem:?}");
                assert!(is_plain(&problem.detail), "{problem:?}");
                assert_eq!(problem.status, 400);
            }
            (found, expected) => panic!("{text:?}: {found:?}, expected {expected:?}"),
        };
        check("debian 1", Ok(()));
        check("größer 8", Ok(()));
        check("", Err("1 to 8 characters"));
        check("123456789", Err("1 to 8 characters"));
        for c in [
            '\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{9b}', '\u{200b}', '\u{2028}', '\u{202e}',
            '\u{2066}', '\u{feff}',
        ] {
            check(&format!("a{c}b"), Err("cannot be seen"));
        }
    }
}
