//! Decisions: whether every server that a flavor may bring has interfaces enough for what a tenant asks.
//!
//! Nova chooses the server, and knows nothing of its interfaces. So each node says by traits how many it has, and a flavor for
//! servers with several asks for the trait. A flavor that might bring a server with too few is refused before anything is
//! made, because nothing good could follow.

use std::collections::{BTreeMap, BTreeSet};

/// Most interfaces that a trait tells.
pub const NICS_MAX: usize = 8;

/// The trait of servers with at least so many interfaces.
pub fn trait_name(nics: usize) -> String {
    format!("CUSTOM_BMS_NICS_{nics}")
}

/// Traits of a node with so many interfaces. One is what every server has.
pub fn traits_of(nics: usize) -> BTreeSet<String> {
    (2..=nics.min(NICS_MAX)).map(trait_name).collect()
}

/// How many interfaces a flavor makes sure of, by the trait that its extra specs ask for.
pub fn asked_by_flavor(extra_specs: &BTreeMap<String, String>) -> usize {
    let asks = |nics: &usize| {
        let spec = format!("trait:{}", trait_name(*nics));
        extra_specs.get(&spec).is_some_and(|value| value == "required")
    };
    (2..=NICS_MAX).rev().find(asks).unwrap_or(1)
}

/// Refuses a request for `networks` networks when a server of the flavor might have fewer interfaces. `nics` are the interfaces of
/// each server of its class.
pub fn check(flavor: &str, networks: usize, sure_of: usize, nics: &[usize]) -> Result<(), String> {
    let fitting: Vec<usize> = nics.iter().copied().filter(|nics| *nics >= sure_of).collect();
    let Some(fewest) = fitting.iter().min().copied() else { return Ok(()) };
    if networks <= fewest {
        return Ok(());
    }
    let most = fitting.iter().max().copied().unwrap_or(fewest);
    let has = if fewest == most { format!("{fewest}") } else { format!("{fewest} to {most}") };
    let remedy = if most >= networks {
        format!(
            "use a flavor whose servers all have {networks} (an administrator can create one that requires the trait {})",
            trait_name(networks)
        )
    } else {
        "use fewer networks or another flavor".to_owned()
    };
    Err(format!(
        "{networks} networks need {networks} network interfaces, but the servers of flavor {flavor} have {has}; \
         {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_that_might_bring_too_few_interfaces_is_refused() {
        let check = |networks, sure_of, nics: &[usize], expected: Option<&str>| match (
            check("metal", networks, sure_of, nics),
            expected,
        ) {
            (Ok(()), None) => {}
            (Err(said), Some(part)) => assert!(said.contains(part), "{said}"),
            (found, expected) => panic!("{networks} {sure_of} {nics:?}: {found:?}, expected {expected:?}"),
        };
        check(1, 1, &[1, 2], None);
        check(2, 1, &[2, 2], None);
        check(2, 1, &[1, 2], Some("have 1 to 2; use a flavor whose servers all have 2"));
        check(2, 1, &[1, 2], Some("CUSTOM_BMS_NICS_2"));
        check(2, 2, &[1, 2], None);
        check(3, 2, &[1, 2], Some("have 2; use fewer networks"));
        check(2, 1, &[], None);
    }

    #[test]
    fn traits_tell_every_number_up_to_the_one_there_is() {
        assert!(traits_of(1).is_empty());
        assert_eq!(traits_of(3), BTreeSet::from([trait_name(2), trait_name(3)]));
        let specs = BTreeMap::from([("trait:CUSTOM_BMS_NICS_2".to_owned(), "required".to_owned())]);
        assert_eq!((asked_by_flavor(&specs), asked_by_flavor(&BTreeMap::new())), (2, 1));
    }
}
