//! Decisions: which passwords BMCs take, as their makers write it.

use protocol::secret::Secret;

/// Which of the kinds of characters (capitals, small letters, digits, signs) a password must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// None of them.
    Any,
    /// All four.
    All,
    /// A letter, a digit, and two of capitals, small letters and signs.
    LetterDigitAndTwo,
}

/// The rules of one BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Characters at least.
    pub least: usize,
    /// Characters at most.
    pub most: usize,
    /// The signs that it takes.
    pub signs: &'static str,
    /// The kinds that it wants.
    pub kinds: Kinds,
    /// Equal characters in a row at most.
    pub row_most: usize,
    /// So many former passwords are not taken again.
    pub former: usize,
}

impl Rules {
    /// Dell iDRAC 9 (User's Guide 3.3, "Recommended characters in user names and passwords").
    pub const IDRAC: Self = Self {
        least: 1,
        most: 20,
        signs: "'-!\"#$%&()*,./:;?@[\\]^_`{|}~+<=>",
        kinds: Kinds::All,
        row_most: usize::MAX,
        former: 0,
    };
    /// Lenovo XCC, complex passwords required (XClarity Controller 3, "Account security policy settings").
    pub const XCC: Self = Self {
        least: 8,
        most: 255,
        signs: "~`!@#$%^&*()-+={}[]|:;\"'<>,?/._",
        kinds: Kinds::LetterDigitAndTwo,
        row_most: 2,
        former: 10,
    };
    /// The same where a site has set the minimum length to 20.
    pub const XCC_LONG: Self = Self { least: 20, ..Self::XCC };
    /// Nothing but that passwords have 20 characters or more.
    pub const TWENTY_LEAST: Self = Self { least: 20, kinds: Kinds::Any, row_most: usize::MAX, ..Self::XCC };

    /// Why it does not take a password; none: it does.
    pub fn fault(&self, password: &str, former: &[Secret]) -> Option<&'static str> {
        let count = password.chars().count();
        let has = |is_kind: fn(&char) -> bool| password.chars().any(|letter| is_kind(&letter));
        let (capital, small) = (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase));
        let (digit, sign) = (has(char::is_ascii_digit), has(char::is_ascii_punctuation));
        let has_kinds = match self.kinds {
            Kinds::Any => true,
            Kinds::All => capital && small && digit && sign,
            Kinds::LetterDigitAndTwo => {
                let of_three = [capital, small, sign].into_iter().filter(|is_there| *is_there).count();
                (capital || small) && digit && of_three >= 2
            }
        };
        let is_taken = |letter: char| letter.is_ascii_alphanumeric() || self.signs.contains(letter);
        let last = former.iter().rev().take(self.former);
        match () {
            () if count < self.least => Some("The password is too short."),
            () if count > self.most => Some("The password is too long."),
            () if !password.chars().all(is_taken) => {
                Some("The password has a character that is not allowed.")
            }
            () if !has_kinds => Some("The password lacks a kind of characters."),
            () if longest_row(password) > self.row_most => {
                Some("The password repeats a character too often.")
            }
            () if last.into_iter().any(|old| old.reveal() == password) => {
                Some("The password was used before.")
            }
            () => None,
        }
    }
}

/// How often a character stands behind itself, at most.
fn longest_row(text: &str) -> usize {
    let (mut longest, mut row, mut before) = (0, 0, None);
    for letter in text.chars() {
        row = if before == Some(letter) { row + 1 } else { 1 };
        before = Some(letter);
        longest = longest.max(row);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_fault() {
        let former = ["Old-1-Old", "Older-1-Older"].map(Secret::new);
        let check = |rules: Rules, password: &str, expected: Option<&str>| {
            let fault = rules.fault(password, &former);
            assert_eq!(
                fault.is_some(),
                expected.is_some(),
                "{password}: {fault:?} is not {expected:?} of {rules:?}"
            );
            assert!(
                fault.unwrap_or_default().contains(expected.unwrap_or_default()),
                "{password}: {fault:?}"
            );
        };
        check(Rules::IDRAC, "aB3-", None);
        check(Rules::IDRAC, "aB3-aB3-aB3-aB3-aB3-x", Some("too long"));
        check(Rules::IDRAC, "aB3aB3aB3", Some("lacks a kind"));
        check(Rules::IDRAC, "aB3 -aB3", Some("not allowed"));
        check(Rules::IDRAC, "Old-1-Old", None);
        check(Rules::XCC, "aB3-aB3", Some("too short"));
        check(Rules::XCC, "aB3aB3aB3", None);
        check(Rules::XCC, "abcdefg3", Some("lacks a kind"));
        check(Rules::XCC, "aBcdefgh", Some("lacks a kind"));
        check(Rules::XCC, "aB3-xxxy", Some("repeats"));
        check(Rules::XCC, "Older-1-Older", Some("used before"));
        check(Rules::XCC_LONG, "aB3-aB3-aB3-aB3-aB3", Some("too short"));
        check(Rules::TWENTY_LEAST, "aaaaaaaaaaaaaaaaaaaa", None);
    }
}
