//! Decisions: when a console's file is full, and which of the older files are given up for the room they take.

use std::{collections::HashMap, time::Duration};

/// A file that has so many bytes is followed by another one.
pub const FILE_BYTES_MAX: u64 = 512 << 10;
/// Bytes that are kept of one server.
pub const SERVER_BYTES_MAX: u64 = 8 << 20;
/// Bytes that are kept of all servers of the rack.
pub const TOTAL_BYTES_MAX: u64 = 4 << 30;

/// For so many days what was printed is kept, unless the site says otherwise.
pub const KEEP_DAYS: u16 = 30;

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub server: String,
    /// When it was begun, in microseconds since 1970; its name, too.
    pub begun_us: u64,
    /// When it was written to last, in microseconds since 1970.
    pub ended_us: u64,
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
    /// For how long.
    pub age: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            server: SERVER_BYTES_MAX,
            total: TOTAL_BYTES_MAX,
            age: Duration::from_hours(24 * u64::from(KEEP_DAYS)),
        }
    }
}

/// Which files are given up: those that are too old, the oldest of a server that has too much, then the oldest of all. The newest of
/// each server makes room for nobody: it is being written. It, too, ends by its age.
pub fn given_up(files: &[Kept], room: Room, now_us: u64) -> Vec<Kept> {
    let since_us = now_us.saturating_sub(u64::try_from(room.age.as_micros()).unwrap_or(u64::MAX));
    let (old, mut files): (Vec<&Kept>, Vec<&Kept>) = files.iter().partition(|file| file.ended_us < since_us);
    files.sort_by_key(|file| file.begun_us);
    let (mut newest, mut of_server) = (HashMap::<&str, u64>::new(), HashMap::<&str, u64>::new());
    for file in &files {
        newest.insert(&file.server, file.begun_us);
        *of_server.entry(&file.server).or_default() += file.bytes;
    }
    files.retain(|file| newest.get(file.server.as_str()) != Some(&file.begun_us));
    let mut total: u64 = of_server.values().sum();
    let mut gone: Vec<Kept> = old.into_iter().cloned().collect();
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
        let file = |server: &str, begun_us: u64, bytes: u64| Kept {
            server: server.to_owned(),
            begun_us,
            ended_us: begun_us,
            bytes,
        };
        let check = |files: &[Kept], room: (u64, u64), gone: &[(&str, u64)]| {
            let room = Room { server: room.0, total: room.1, ..Room::default() };
            let found = given_up(files, room, 10);
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

    #[test]
    fn what_is_too_old_goes_even_if_nothing_was_printed_since() {
        let day_us = 24 * 3600 * 1_000_000;
        let file = |begun: u64, ended: u64| Kept {
            server: "a".to_owned(),
            begun_us: begun * day_us,
            ended_us: ended * day_us,
            bytes: 1,
        };
        let check = |now: u64, gone: &[u64]| {
            let room = Room { age: Duration::from_hours(24 * 7), ..Room::default() };
            let found = given_up(&[file(1, 2), file(2, 9)], room, now * day_us);
            let found: Vec<u64> = found.iter().map(|file| file.begun_us / day_us).collect();
            assert_eq!(found, gone, "on day {now}");
        };
        check(9, &[]);
        check(10, &[1]);
        check(16, &[1]);
        check(17, &[1, 2]);
    }
}
