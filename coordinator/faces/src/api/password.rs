//! Decisions: passwords of rescue systems: one that is given is looked at, else one is made.

use protocol::secret::Secret;
use rand::RngExt;

/// Fewest and most characters of a password that is given.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;
/// Letters and digits that nobody takes for others; 20 of them are worth 113 bits.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const MADE_LENGTH: usize = 20;

/// The password, when it can be one; else why not.
pub(super) fn checked(password: Secret) -> Result<Secret, String> {
    let text = password.reveal();
    let good = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
    if good && LENGTH.contains(&text.len()) {
        return Ok(password);
    }
    let (least, most) = LENGTH.into_inner();
    Err(format!(
        "must have {least} to {most} printable ASCII characters, neither beginning nor ending with a space"
    ))
}

/// A new one.
pub(super) fn made() -> Secret {
    let mut random = rand::rng();
    let letter = |_| char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    Secret::new((0..MADE_LENGTH).map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_looked_at_or_made() {
        let check = |text: &str, expected: bool| {
            let answer = checked(Secret::new(text));
            assert_eq!(answer.is_ok(), expected, "{text:?}");
            let shown = answer.err().unwrap_or_default();
            assert!(text.is_empty() || !shown.contains(text), "a password is not repeated: {shown}");
        };
        check("correct horse battery", true);
        check("short", false);
        check("", false);
        check(" blanks at the ends ", false);
        check("ends with a line\n", false);
        check("groß genug wäre es", false);
        check(&"x".repeat(129), false);
        let (one, other) = (made(), made());
        assert!(checked(one.clone()).is_ok() && one != other);
    }
}
