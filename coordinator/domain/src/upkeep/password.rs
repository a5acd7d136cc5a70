//! Decisions: a password that every BMC takes, made of random bytes.
//!
//! 16 characters, because IPMI's short form ends there (section 22.30) and some BMCs have room for no more. Capitals, small letters,
//! digits and one dash, because some ask for each of them; no other signs, because each is refused by somebody; no letters that people
//! mistake for others when they read them aloud; never three equal ones in a row.

use protocol::secret::Secret;

/// Its length.
pub const LENGTH: usize = 16;
/// Random bytes that it is made of: two for each character, and two for each place that is exchanged.
pub const RANDOM_BYTES: usize = 2 * LENGTH + 2 * LENGTH;

const CAPITALS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const SMALL: &[u8] = b"abcdefghijkmnopqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const DASH: u8 = b'-';

/// A password of these random bytes.
pub fn password(random: &[u8; RANDOM_BYTES]) -> Secret {
    let mut numbers = random.chunks_exact(2).map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])));
    let mut number = move || numbers.next().unwrap_or_default();
    let mut text = [0_u8; LENGTH];
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
    for last in (1..LENGTH).rev() {
        text.swap(last, number() % (last + 1));
    }
    keep_dash_inside(&mut text);
    break_rows(&mut text);
    Secret::new(text.iter().map(|letter| char::from(*letter)).collect::<String>())
}

/// A dash at an end is lost where passwords are copied.
fn keep_dash_inside(text: &mut [u8; LENGTH]) {
    for (end, inside) in [(0, 1), (LENGTH - 1, LENGTH - 2)] {
        if text[end] == DASH {
            text.swap(end, inside);
        }
    }
}

/// Of three equal characters in a row the last is exchanged for another.
fn break_rows(text: &mut [u8; LENGTH]) {
    for place in 2..LENGTH {
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
        fn every_bmc_takes_it(random in proptest::array::uniform32(any::<u8>()), more in proptest::array::uniform32(any::<u8>())) {
            let mut all = [0; RANDOM_BYTES];
            all[..32].copy_from_slice(&random);
            all[32..].copy_from_slice(&more);
            let made = password(&all);
            let text = made.reveal().as_bytes();
            prop_assert_eq!(text.len(), LENGTH);
            for class in [CAPITALS, SMALL, DIGITS, &[DASH]] {
                prop_assert!(text.iter().any(|letter| class.contains(letter)), "{}", made.reveal());
            }
            prop_assert!(text.iter().all(|letter| LETTERS.contains(letter) || *letter == DASH));
            prop_assert!(text[0] != DASH && text[LENGTH - 1] != DASH);
            prop_assert!(text.windows(3).all(|row| row[0] != row[1] || row[1] != row[2]), "{}", made.reveal());
        }
    }

    #[test]
    fn other_bytes_make_another_one() {
        assert_ne!(password(&[1; RANDOM_BYTES]), password(&[2; RANDOM_BYTES]));
    }
}
