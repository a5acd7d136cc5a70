//! Decisions: texts as drives write them: padded with blanks, and now and then with anything.

/// Longest text that a drive has room for (ATA's model).
const TEXT_BYTES_MAX: usize = 40;

/// What can be read of it, without the padding.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(TEXT_BYTES_MAX);
    let printable = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { ' ' };
    let text: String = bytes[..end].iter().map(printable).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same of ATA's words, the first letter of each in its upper half.
pub fn swapped(bytes: &[u8]) -> String {
    let letters: Vec<u8> = bytes.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    text(&letters)
}

/// A name of digits with the word for its kind; empty: it is all zeroes, or all ones, which is no name.
pub fn name(kind: &str, bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xff) {
        return String::new();
    }
    format!("{kind}.{}", protocol::hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_what_cannot_be_read_is_left_out() {
        assert_eq!(text(b"  ST4000NM  0035\0junk"), "ST4000NM 0035");
        assert_eq!(text(b"\x1b[2Jevil\xff"), "[2Jevil");
        assert_eq!(text(&[b'x'; 99]).len(), TEXT_BYTES_MAX);
        assert_eq!(swapped(b"TS04 0"), "ST400");
        assert_eq!(swapped(b"a"), "");
        assert_eq!([name("eui", &[0; 8]), name("naa", &[0xff; 8])], [String::new(), String::new()]);
        assert_eq!(name("naa", &[0x50, 0, 0xc5]), "naa.5000c5");
    }
}
