//! Edges: the power button, by which a BMC asks an operating system to shut down. Only a system that is a tenant's heeds it.

use std::{fs, io::Read, thread};

use crate::system;

/// `struct input_event` on 64-bit systems: 16 bytes of time, type, code, value.
const EVENT_BYTES: usize = 24;
const KEY_EVENT: u16 = 1;
const KEY_POWER: u16 = 116;

/// Watches every input device on a thread of its own.
pub fn watch() {
    for entry in fs::read_dir("/dev/input").into_iter().flatten().flatten() {
        let Ok(mut device) = fs::File::open(entry.path()) else { continue };
        thread::spawn(move || {
            let mut event = [0; EVENT_BYTES];
            while device.read_exact(&mut event).is_ok() {
                let half = |at: usize| u16::from_le_bytes([event[at], event[at + 1]]);
                if half(16) == KEY_EVENT && half(18) == KEY_POWER {
                    system::power_off();
                }
            }
        });
    }
}
