//! Decisions: a password that every BMC takes, made of random bytes.
//!
//! 16 characters, because IPMI's short form ends there (section 22.30) and some BMCs have room for no more. Capitals, small letters,
//! digits and one dash, because some ask for each of them; no other signs, because each is refused by somebody; no letters that people
//! mistake for others when they read them aloud; never three equal ones in a row.

use protocol::{command::PasswordLength, secret::Secret};

/// Its length, where the BMC wants no other.
pub const LENGTH: usize = 16;
/// The shortest that is made: shorter ones are guessed.
pub const LENGTH_MIN: usize = 12;
/// The longest that is made.
pub const LENGTH_MAX: usize = 64;
/// Random bytes that the longest is made of: two for each character, and two for each place that is exchanged.
pub const RANDOM_BYTES: usize = 2 * LENGTH_MAX + 2 * LENGTH_MAX;

const CAPITALS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const SMALL: &[u8] = b"abcdefghijkmnopqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const DASH: u8 = b'-';

/// The length that a BMC takes, as near to [`LENGTH`] as it can be; an error: none that is good is taken.
pub fn fitting(wanted: PasswordLength) -> Result<usize, String> {
    let PasswordLength { min, max } = wanted;
    let [min, max] = [min, max].map(|one| usize::try_from(one).unwrap_or(usize::MAX));
    let (least, most) = (min.max(LENGTH_MIN), max.min(LENGTH_MAX));
    if least > most {
        return Err(format!(
            "its BMC takes passwords of {wanted}, and those made here have {LENGTH_MIN} to {LENGTH_MAX}: change the limits in the \
             BMC's settings, or set a password by hand and import it"
        ));
    }
    Ok(LENGTH.clamp(least, most))
}

/// A password of so many characters, of these random bytes.
pub fn password(random: &[u8; RANDOM_BYTES], length: usize) -> Secret {
    let length = length.clamp(LENGTH_MIN, LENGTH_MAX);
    let mut numbers = random.chunks_exact(2).map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])));
    let mut number = move || numbers.next().unwrap_or_default();
    let mut text = vec![0_u8; length];
    for (place, letter) in text.iter_mut().enumerate() {
        let from = match place {
            0 => CAPITALS,
            1 => SMALL,
            2 => DIGITS,
            3 => &[DASH],
            _ => LETTERS,
        };
        *letter = from[number() % from.len()];
    }
    for last in (1..length).rev() {
        text.swap(last, number() % (last + 1));
    }
    keep_dash_inside(&mut text);
    break_rows(&mut text);
    Secret::new(text.iter().map(|letter| char::from(*letter)).collect::<String>())
}

/// A dash at an end is lost where passwords are copied.
fn keep_dash_inside(text: &mut [u8]) {
    for (end, inside) in [(0, 1), (text.len() - 1, text.len() - 2)] {
        if text[end] == DASH {
            text.swap(end, inside);
        }
    }
}

/// Of three equal characters in a row the last is exchanged for another.
fn break_rows(text: &mut [u8]) {
    for place in 2..text.len() {
        if text[place] == text[place - 1] && text[place] == text[place - 2] {
            let next = LETTERS.iter().position(|letter| *letter == text[place]).map_or(0, |at| at + 1);
            text[place] = LETTERS[next % LETTERS.len()];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_bmc_takes_it(random in proptest::collection::vec(any::<u8>(), RANDOM_BYTES), length in LENGTH_MIN..=LENGTH_MAX) {
            let all = <[u8; RANDOM_BYTES]>::try_from(random).unwrap();
            let made = password(&all, length);
            let text = made.reveal().as_bytes();
            prop_assert_eq!(text.len(), length);
            for class in [CAPITALS, SMALL, DIGITS, &[DASH]] {
                prop_assert!(text.iter().any(|letter| class.contains(letter)), "{}", made.reveal());
            }
            prop_assert!(text.iter().all(|letter| LETTERS.contains(letter) || *letter == DASH));
            prop_assert!(text[0] != DASH && text[length - 1] != DASH);
            prop_assert!(text.windows(3).all(|row| row[0] != row[1] || row[1] != row[2]), "{}", made.reveal());
        }
    }

    #[test]
    fn other_bytes_make_another_one() {
        assert_ne!(password(&[1; RANDOM_BYTES], LENGTH), password(&[2; RANDOM_BYTES], LENGTH));
    }

    #[test]
    fn its_length_is_what_the_bmc_takes() {
        let check = |min: u32, max: u32, expected: Option<usize>| {
            let fitting = fitting(PasswordLength { min, max });
            assert_eq!(fitting.clone().ok(), expected, "{min} to {max}: {fitting:?}");
        };
        check(0, u32::MAX, Some(16));
        check(8, 16, Some(16));
        check(8, 14, Some(14));
        check(20, 40, Some(20));
        check(0, 8, None);
        check(100, 200, None);
    }
}
