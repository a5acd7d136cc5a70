//! Decisions: contradictions over time: one that stays is told once, and so is its end. Ironic and Nova are told one after the other, so
//! one that passes by itself at once is told to nobody.

use super::finding::{Finding, FindingKind};

/// How long a contradiction may pass by itself. With the time between two looks it is told within a minute.
pub const PASSES_WITHIN_US: u64 = 25_000_000;

/// A contradiction that was seen, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The server, by name.
    pub server: String,
    /// What contradicts.
    pub what: FindingKind,
    /// When it was first seen, in microseconds since 1970.
    pub since_us: u64,
    /// Whether it was told.
    pub told: bool,
}

/// What has changed with a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is seen for the first time.
    Begins(Episode),
    /// It stays: now it is to be told.
    Stays(Episode, Finding),
    /// It is over.
    Ends(Episode),
}

/// What has changed between what was stored and what is found now.
pub fn changes(stored: &[Episode], found: &[Finding], now_us: u64) -> Vec<Change> {
    let is = |episode: &Episode, finding: &Finding| {
        (episode.server.as_str(), episode.what) == (finding.server.as_str(), finding.what)
    };
    let mut changes = Vec::new();
    for finding in found {
        match stored.iter().find(|episode| is(episode, finding)) {
            None => changes.push(Change::Begins(Episode {
                server: finding.server.clone(),
                what: finding.what,
                since_us: now_us,
                told: false,
            })),
            Some(episode) if !episode.told && now_us.saturating_sub(episode.since_us) >= PASSES_WITHIN_US => {
                changes.push(Change::Stays(Episode { told: true, ..episode.clone() }, finding.clone()));
            }
            Some(_) => {}
        }
    }
    let over = stored.iter().filter(|episode| found.iter().all(|finding| !is(episode, finding)));
    changes.extend(over.cloned().map(Change::Ends));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Severity;

    #[test]
    fn what_stays_is_told_once_and_so_is_its_end() {
        let finding = Finding::new(Severity::Error, FindingKind::InstanceUnknownToNova, "n1", "reclaim it");
        let found = [finding.clone()];
        let begun = Episode { server: "n1".to_owned(), what: finding.what, since_us: 5_000_000, told: false };
        let told = Episode { told: true, ..begun.clone() };
        let check = |stored: &[Episode], found: &[Finding], now_s: u64, expected: &[Change]| {
            assert_eq!(changes(stored, found, now_s * 1_000_000), expected, "{stored:?} {now_s}");
        };
        check(&[], &[], 5, &[]);
        check(&[], &found, 5, &[Change::Begins(begun.clone())]);
        check(std::slice::from_ref(&begun), &found, 29, &[]);
        check(std::slice::from_ref(&begun), &found, 30, &[Change::Stays(told.clone(), finding)]);
        check(std::slice::from_ref(&told), &found, 300, &[]);
        check(std::slice::from_ref(&told), &[], 301, &[Change::Ends(told.clone())]);
        check(std::slice::from_ref(&begun), &[], 6, &[Change::Ends(begun.clone())]);
    }
}
