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

/// The files to remove, those first that were used least recently, until `bytes` more fit into `max_bytes` beside the `promised`
/// ones, which are the whole lengths of the downloads under way; their files are not among those held. None: there would be no
/// room even without any of them, so none has to go yet.
pub(super) fn victims(mut held: Vec<Held>, bytes: u64, promised: u64, max_bytes: u64) -> Option<Vec<Held>> {
    let room = max_bytes.checked_sub(promised)?.checked_sub(bytes)?;
    held.sort();
    let mut total = held.iter().fold(0_u64, |total, file| total.saturating_add(file.bytes));
    let mut victims = Vec::new();
    for file in held {
        if total <= room {
            break;
        }
        total = total.saturating_sub(file.bytes);
        victims.push(file);
    }
    Some(victims)
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
        let files = [held(3, 30, "c"), held(1, 10, "a"), held(2, 20, "b"), held(0, 5, "left.part")];
        let check = |bytes, promised, expected: Option<&[&str]>| {
            let gone = victims(files.to_vec(), bytes, promised, 100);
            let names = gone.as_ref().map(|gone| {
                gone.iter().filter_map(|file| file.path.file_name()?.to_str()).collect::<Vec<_>>()
            });
            assert_eq!(names.as_deref(), expected, "{bytes} beside {promised}");
        };
        check(0, 0, Some(&[]));
        check(35, 0, Some(&[]));
        check(36, 0, Some(&["left.part"]));
        check(41, 0, Some(&["left.part", "a"]));
        check(70, 0, Some(&["left.part", "a", "b"]));
        check(71, 0, Some(&["left.part", "a", "b", "c"]));
        check(100, 0, Some(&["left.part", "a", "b", "c"]));
        // A download under way counts as whole from its start.
        check(10, 25, Some(&[]));
        check(10, 26, Some(&["left.part"]));
        check(10, 90, Some(&["left.part", "a", "b", "c"]));
        check(10, 91, None);
        check(0, 101, None);
        check(u64::MAX, 1, None);
    }
}
