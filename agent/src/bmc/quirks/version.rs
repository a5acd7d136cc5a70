//! Values: firmware versions, as far as they can be put in an order.

/// The numbers of a version, such as 3, 45 for "3.45" or "iLO 5 v3.45"; none: it says no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

/// Most numbers that are looked at.
const NUMBERS_MAX: usize = 6;

impl Version {
    /// Reads the first word of the text that begins with a digit, or with "v" and a digit, and has a dot; else one without a dot.
    pub fn of(text: &str) -> Self {
        let words = text.split_whitespace().map(|word| word.trim_start_matches(['v', 'V']));
        let mut words = words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        let word = words.clone().find(|word| word.contains('.')).or_else(|| words.next());
        let numbers = word.unwrap_or_default().split(|letter: char| !letter.is_ascii_digit());
        let numbers = numbers.filter(|digits| !digits.is_empty()).take(NUMBERS_MAX);
        Self(numbers.map(|digits| digits.parse().unwrap_or(u32::MAX)).collect())
    }

    /// Whether it says anything.
    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_put_in_the_order_of_their_numbers() {
        let check = |text: &str, expected: &[u32]| assert_eq!(Version::of(text).0, expected, "{text:?}");
        check("3.45", &[3, 45]);
        check("iLO 5 v2.72", &[2, 72]);
        check("01.73.12", &[1, 73, 12]);
        check("6.10.30.00 (Build 5)", &[6, 10, 30, 0]);
        check("TEI392M 2.40", &[2, 40]);
        check("12", &[12]);
        check("99999999999", &[u32::MAX]);
        check("unknown", &[]);
        check("", &[]);
        assert!(Version::of("2.9") < Version::of("2.10") && Version::of("2.10") < Version::of("2.10.1"));
    }
}
