//! Decisions: what follows from a power reading that arrives: what is confirmed, and whether somebody must be told.

use protocol::power::{PowerCause, PowerReading};

use super::decision::Confirmed;

/// What is stored of a server's power beside the reading itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerRecord {
    /// The newest reading that was an answer.
    pub confirmed: Option<Confirmed>,
    /// Since when it is off, by the coordinator's clock.
    pub off_since_us: Option<u64>,
    /// It went off unasked, and Ironic was not told yet.
    pub untold_off: bool,
    /// When its isolation was last complete; forgotten when it is on again.
    pub isolated_us: Option<u64>,
}

/// The record after a reading. The same reading again changes nothing, so a replay is harmless.
pub fn after_reading(
    before: PowerRecord,
    reading: &PowerReading,
    cause: PowerCause,
    now_us: u64,
) -> PowerRecord {
    match (reading, before.confirmed) {
        (PowerReading::Unreachable { .. }, _) | (PowerReading::Off, Some(Confirmed::Off)) => before,
        (PowerReading::On, _) => PowerRecord {
            confirmed: Some(Confirmed::On),
            off_since_us: None,
            untold_off: false,
            isolated_us: None,
        },
        (PowerReading::Off, Some(Confirmed::On) | None) => PowerRecord {
            confirmed: Some(Confirmed::Off),
            off_since_us: Some(now_us),
            // A first reading of "off" after "on" was seen by nobody, so nobody asked for it either.
            untold_off: match cause {
                PowerCause::Unasked | PowerCause::First => true,
                PowerCause::Commanded => false,
            },
            isolated_us: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_repeats_change_nothing() {
        use PowerCause::{Commanded, First, Unasked};
        let unreachable = PowerReading::Unreachable { reason: "no answer".to_owned() };
        let mut record = PowerRecord::default();
        let mut check = |reading: &PowerReading, cause, now, confirmed, untold, since| {
            record = after_reading(record, reading, cause, now);
            assert_eq!(record.confirmed, confirmed, "at {now}");
            assert_eq!((record.untold_off, record.off_since_us), (untold, since), "at {now}");
        };
        check(&unreachable, First, 1, None, false, None);
        check(&PowerReading::On, First, 2, Some(Confirmed::On), false, None);
        check(&unreachable, Unasked, 3, Some(Confirmed::On), false, None);
        check(&PowerReading::Off, Unasked, 4, Some(Confirmed::Off), true, Some(4));
        check(&PowerReading::Off, First, 5, Some(Confirmed::Off), true, Some(4));
        check(&PowerReading::On, Commanded, 6, Some(Confirmed::On), false, None);
        check(&PowerReading::Off, Commanded, 7, Some(Confirmed::Off), false, Some(7));
        check(&PowerReading::Off, Unasked, 8, Some(Confirmed::Off), false, Some(7));
    }
}
