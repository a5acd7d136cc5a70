//! Decisions: which image files make room for another one.

use std::{path::PathBuf, time::SystemTime};

/// A file in the cache's directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// When it was used last.
    pub used: SystemTime,
    /// Its length.
    pub bytes: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// The files to remove, those first that were used least recently, until `bytes` more fit into `max_bytes`. What is still being
/// downloaded, and the file of the image that room is made for, stay.
pub(super) fn victims(mut held: Vec<Held>, bytes: u64, max_bytes: u64, keep: &str) -> Vec<Held> {
    held.sort();
    let mut total = held.iter().fold(0_u64, |total, file| total.saturating_add(file.bytes));
    let mut victims = Vec::new();
    for file in held {
        if total.saturating_add(bytes) <= max_bytes {
            break;
        }
        if file.path.extension().is_none() && !file.path.ends_with(keep) {
            total -= file.bytes;
            victims.push(file);
        }
    }
    victims
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_least_recently_goes_until_there_is_room() {
        let held = |used_s, bytes, name: &str| Held {
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(used_s),
            bytes,
            path: PathBuf::from("/images").join(name),
        };
        let files =
            [held(3, 30, "c"), held(1, 10, "a"), held(2, 20, "b"), held(0, 5, "d.part"), held(0, 5, "k")];
        let check = |bytes, expected: &[&str]| {
            let gone = victims(files.to_vec(), bytes, 100, "k");
            let names: Vec<_> = gone.iter().filter_map(|file| file.path.file_name()?.to_str()).collect();
            assert_eq!(names, expected, "{bytes}");
        };
        check(0, &[]);
        check(30, &[]);
        check(31, &["a"]);
        check(41, &["a", "b"]);
        check(60, &["a", "b"]);
        check(61, &["a", "b", "c"]);
        // More than there is room for: whoever asks has compared it with the cache before.
        check(u64::MAX, &["a", "b", "c"]);
    }
}
