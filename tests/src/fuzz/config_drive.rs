//! Decisions: a configuration drive as Ironic passes it on.

use faces::ramdisk_api::config_drive::decode;
use protocol::step::CONFIG_DRIVE_BYTES_MAX;

/// Whatever is packed, what comes out is bounded.
pub fn run(data: &[u8]) {
    if let Ok(content) = decode(&String::from_utf8_lossy(data)) {
        assert!((1..=CONFIG_DRIVE_BYTES_MAX).contains(&content.len()));
    }
}
