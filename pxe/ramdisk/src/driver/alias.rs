//! Decisions: whether a pattern of a module (`pci:v00008086d*`) is about a device, as depmod writes and kmod reads them (fnmatch).

/// Whether the whole text matches the pattern: `*` is any text, `?` any character, `[a-f0]` one of these.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where to go on when it goes wrong: behind the last star, and the text that the star has not swallowed yet.
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at + 1, from));
            at += 1;
        } else if let Some(next) = one(pattern, at, text[from]) {
            (at, from) = (next, from + 1);
        } else if let Some((behind, swallowed)) = retry {
            retry = Some((behind, swallowed + 1));
            (at, from) = (behind, swallowed + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The place in the pattern behind what takes this character; none: it does not.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => {
            let length = pattern[at..].iter().position(|end| *end == b']')?;
            in_class(&pattern[at + 1..at + length], byte).then_some(at + length + 1)
        }
        plain => (*plain == byte).then_some(at + 1),
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let mut rest = class;
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            [b'-', last, after @ ..] => {
                if (*first..=*last).contains(&byte) {
                    return true;
                }
                after
            }
            _ if *first == byte => return true,
            _ => after,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_about_the_devices_that_they_name() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        let e1000e = "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00";
        check("pci:v00008086d000010D3sv*sd*bc*sc*i*", e1000e, true);
        check("pci:v00008086d000010D4sv*sd*bc*sc*i*", e1000e, false);
        check("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true);
        check("pci:v*d*sv*sd*bc01sc06i01*", e1000e, false);
        check("scsi:t-0x00*", "scsi:t-0x00", true);
        check("usb:v*p*d[0-2]*dc*", "usb:v1234p1d1dc00", true);
        check("usb:v*p*d[3-9a]*dc*", "usb:v1234p1d1dc00", false);
        check("a[b", "ab", false);
        check("a?c", "abc", true);
        check("", "", true);
        check("*", "", true);
        check("abc", "ab", false);
        check("ab", "abc", false);
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in r"[\[\]*?\-a-c]{0,30}", text in "[a-c]{0,60}") {
            let _ = matches(&pattern, &text);
        }
    }
}
