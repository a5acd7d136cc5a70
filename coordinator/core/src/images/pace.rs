//! Decisions: how slowly and for how long a file may come, and why one is cut off. Only the time that its sender is waited
//! for counts for its speed: a Glance that is slow is not the sender's fault.

use std::time::Duration;

/// So many bytes, or the rest of the file, must come ...
pub const LEAST_BYTES: usize = 64 << 10;
/// ... in so much waiting: about 1 KiB a second, which no line that can carry an image fails.
pub const LEAST_TIME: Duration = Duration::from_secs(60);
/// Longest time for one file, whatever its speed: 1 TiB, the largest, at 100 Mbit/s.
pub const UPLOAD_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why a file is not taken to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection broke.
    #[error("the connection was lost; upload the file again")]
    Broken,
    /// It comes too slowly.
    #[error(
        "the upload was cut off after {came} bytes: at least {LEAST_BYTES} bytes must arrive in {} s; upload the file \
         again over a better connection",
        LEAST_TIME.as_secs()
    )]
    Slow {
        /// Bytes that came.
        came: u64,
    },
    /// It comes for too long.
    #[error("the upload was cut off after {} h; upload a smaller file, or a qcow2", UPLOAD_TIME_MAX.as_secs() / 3600)]
    Long,
    /// Whoever sends it may not any more.
    #[error("{0}")]
    Gone(String),
}

/// How a sender keeps up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    came: u64,
    /// Since the last so many bytes.
    bytes: usize,
    waited: Duration,
}

impl Pace {
    /// How long the next bytes may take, when the file began so long ago; or why none are waited for.
    pub fn may_wait(&self, age: Duration) -> Result<Duration, Cut> {
        let left = LEAST_TIME.saturating_sub(self.waited).min(UPLOAD_TIME_MAX.saturating_sub(age));
        if left.is_zero() { Err(self.why(age)) } else { Ok(left) }
    }

    /// Why it is cut off, when nothing came in that time.
    pub fn why(&self, age: Duration) -> Cut {
        if age >= UPLOAD_TIME_MAX { Cut::Long } else { Cut::Slow { came: self.came } }
    }

    /// So many bytes came after so much waiting.
    pub fn came(&mut self, bytes: usize, waited: Duration) {
        self.came = self.came.saturating_add(bytes as u64);
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.bytes >= LEAST_BYTES {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_a_least_speed_and_a_longest_time() {
        let check = |bytes: usize, every_s: u64, glance_s: u64, expected: Option<Cut>| {
            let (mut pace, mut age) = (Pace::default(), Duration::ZERO);
            let (every, glance) = (Duration::from_secs(every_s), Duration::from_secs(glance_s));
            let cut = (0..2000).find_map(|_| {
                let left = match pace.may_wait(age) {
                    Ok(left) => left,
                    Err(cut) => return Some(cut),
                };
                age += every.min(left);
                if every >= left {
                    return Some(pace.why(age));
                }
                pace.came(bytes, every);
                age += glance;
                None
            });
            assert_eq!(cut, expected, "{bytes} bytes every {every:?}, taken every {glance:?}");
        };
        let slow = |came: usize| Some(Cut::Slow { came: came as u64 });
        // A byte in time bought another minute until now.
        check(1, 59, 0, slow(1));
        check(1, 1, 0, slow(59));
        check(0, 1, 0, slow(0));
        check(1, 60, 0, slow(0));
        check(LEAST_BYTES / 60, 1, 0, slow(LEAST_BYTES / 60 * 59));
        check(LEAST_BYTES / 30, 1, 0, None);
        check(LEAST_BYTES, 40, 0, None);
        // A Glance that takes a minute for each piece is not the sender's fault.
        check(1024, 0, 60, Some(Cut::Long));
        check(1024, 0, 40, None);
        check(LEAST_BYTES, 59, 0, Some(Cut::Long));
    }
}
