//! Decisions: the file system of a configuration drive.

use faces::ramdisk_api::iso9660::replace;

const NAME: &str = "network_data.json";
const CONTENT: &[u8] = b"{\"links\": []}";
const SECTOR: usize = 2048;

/// A replaced file costs its own sectors and what rounds the image up, and can be replaced again.
pub fn run(data: &[u8]) {
    if let Ok(changed) = replace(data, NAME, CONTENT) {
        assert_eq!(changed.len(), data.len().next_multiple_of(SECTOR) + SECTOR);
        let again = replace(&changed, NAME, CONTENT).expect("what was found once is found again");
        assert_eq!(again.len(), changed.len() + SECTOR);
    }
}
