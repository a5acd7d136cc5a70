//! Decisions: what switches say of the ports that a server is plugged into.

use ramdisk::lldp::{TEXT_CHARS_MAX, parse};

/// A neighbour's words are short and can be shown.
pub fn run(data: &[u8]) {
    let Some(found) = parse(data) else { return };
    for text in [&found.switch, &found.switch_id, &found.port, &found.port_description] {
        assert!(text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control), "{text:?}");
    }
}
