//! Decisions: when a console's file is full, and which of the older files are given up for the room they take.

use std::collections::HashMap;

/// A file that has so many bytes is followed by another one.
pub const FILE_BYTES_MAX: u64 = 512 << 10;
/// Bytes that are kept of one server.
pub const SERVER_BYTES_MAX: u64 = 8 << 20;
/// Bytes that are kept of all servers of the rack.
pub const TOTAL_BYTES_MAX: u64 = 4 << 30;

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub server: String,
    /// When it was begun, in microseconds since 1970; its name, too.
    pub begun_us: u64,
    /// How long it is.
    pub bytes: u64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of one server.
    pub server: u64,
    /// Of all.
    pub total: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { server: SERVER_BYTES_MAX, total: TOTAL_BYTES_MAX }
    }
}

/// Which files are given up: the oldest of a server that has too much, then the oldest of all. The newest of each server stays: it is
/// being written.
pub fn given_up(files: &[Kept], room: Room) -> Vec<Kept> {
    let mut files: Vec<&Kept> = files.iter().collect();
    files.sort_by_key(|file| file.begun_us);
    let (mut newest, mut of_server) = (HashMap::<&str, u64>::new(), HashMap::<&str, u64>::new());
    for file in &files {
        newest.insert(&file.server, file.begun_us);
        *of_server.entry(&file.server).or_default() += file.bytes;
    }
    files.retain(|file| newest.get(file.server.as_str()) != Some(&file.begun_us));
    let mut total: u64 = of_server.values().sum();
    let mut gone = Vec::new();
    let mut take = |file: &Kept, total: &mut u64| {
        *total -= file.bytes;
        gone.push(file.clone());
    };
    files.retain(|file| {
        let own = of_server.entry(&file.server).or_default();
        let has_too_much = *own > room.server;
        if has_too_much {
            *own -= file.bytes;
            take(file, &mut total);
        }
        !has_too_much
    });
    for file in files {
        if total > room.total {
            take(file, &mut total);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_what_is_written_stays() {
        let file =
            |server: &str, begun_us: u64, bytes: u64| Kept { server: server.to_owned(), begun_us, bytes };
        let check = |files: &[Kept], room: (u64, u64), gone: &[(&str, u64)]| {
            let found = given_up(files, Room { server: room.0, total: room.1 });
            let found: Vec<(&str, u64)> =
                found.iter().map(|file| (file.server.as_str(), file.begun_us)).collect();
            assert_eq!(found, gone, "{files:?}");
        };
        let files =
            [file("b", 3, 10), file("a", 1, 10), file("a", 2, 10), file("a", 4, 10), file("b", 5, 10)];
        check(&files, (30, 50), &[]);
        check(&files, (20, 50), &[("a", 1)]);
        // Who has too much gives first, whatever is older.
        let files_of_two =
            [file("b", 1, 10), file("b", 9, 10), file("a", 2, 30), file("a", 3, 30), file("a", 4, 10)];
        check(&files_of_two, (40, 60), &[("a", 2)]);
        check(&files, (30, 40), &[("a", 1)]);
        check(&files, (30, 25), &[("a", 1), ("a", 2), ("b", 3)]);
        // The newest of each stays, whatever it has.
        check(&files, (1, 1), &[("a", 1), ("a", 2), ("b", 3)]);
        check(&[], (1, 1), &[]);
    }
}
