//! Decisions: whether a BMC is given the password of its line now.

use std::time::Duration;

use super::{Place, Stage};

/// After a try of which nothing is known, and after log-ins that the BMC has refused, it is left alone for so long: BMCs count refusals within such
/// a time.
pub const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Whether it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Give {
    /// Now.
    Now,
    /// Not before this time, in microseconds since 1970.
    NotBefore(u64),
    /// Not by itself: why.
    Never(String),
}

/// Decides it for a BMC at a place, where log-ins were refused last at a time, if any.
pub fn give(stage: &Stage, place: &Place, refused_us: Option<u64>, now_us: u64) -> Give {
    let after = |at_us: u64| {
        let then_us = at_us.saturating_add(u64::try_from(AGAIN_AFTER.as_micros()).unwrap_or(u64::MAX));
        if now_us < then_us { Give::NotBefore(then_us) } else { Give::Now }
    };
    match stage {
        Stage::Waiting => refused_us.map_or(Give::Now, after),
        Stage::Given { place: known, at_us, .. } | Stage::Accepted { place: known, at_us }
            if known == place =>
        {
            after(refused_us.unwrap_or_default().max(*at_us))
        }
        Stage::Given { place: known, .. } | Stage::Accepted { place: known, .. } => Give::Never(format!(
            "its factory password was given to the BMC at {known} already, and is given to nobody else: if that is the same BMC, remove the \
             line from the list and import it again"
        )),
        Stage::Refused { place: known, .. } => Give::Never(format!(
            "its factory password was refused by the BMC at {known}, and is not tried again: remove the line from the list, and import the \
             right one"
        )),
        Stage::Claimed { node, .. } => Give::Never(format!(
            "its factory password was claimed for {node} already: if its BMC was set back to its factory's settings, remove the line from the \
             list and import it again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const AFTER_US: u64 = 15 * 60 * 1_000_000;

    fn place(last: u8) -> Place {
        Place { rack: "rack1".parse().unwrap(), address: format!("198.51.100.{last}"), port: 623 }
    }

    #[test]
    fn a_password_is_given_to_one_place_and_a_wrong_one_once() {
        let check = |stage: Stage, refused_us: Option<u64>, now_us: u64, expected: Give| {
            assert_eq!(give(&stage, &place(1), refused_us, now_us), expected, "{stage:?}");
        };
        let given = |last| Stage::Given { place: place(last), at_us: 5, order: Uuid::nil(), problem: None };
        check(Stage::Waiting, None, 5, Give::Now);
        // The scan has tried others there.
        check(Stage::Waiting, Some(5), 6, Give::NotBefore(5 + AFTER_US));
        check(Stage::Waiting, Some(5), 5 + AFTER_US, Give::Now);
        for stage in [given(1), Stage::Accepted { place: place(1), at_us: 5 }] {
            check(stage.clone(), None, 6, Give::NotBefore(5 + AFTER_US));
            check(stage.clone(), Some(7), 8, Give::NotBefore(7 + AFTER_US));
            check(stage, None, 5 + AFTER_US, Give::Now);
        }
        for stage in [
            given(2),
            Stage::Accepted { place: place(2), at_us: 5 },
            Stage::Refused { place: place(1), at_us: 5, problem: String::new() },
            Stage::Claimed { node: "n1".to_owned(), at_us: 5 },
        ] {
            let never = give(&stage, &place(1), None, u64::MAX);
            assert!(matches!(never, Give::Never(_)), "{stage:?}: {never:?}");
        }
    }
}
