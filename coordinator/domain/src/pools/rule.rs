//! Decisions: which pool a server belongs into, and when its class may be changed.

use serde::{Deserialize, Serialize};

use super::{condition::Condition, facts::Facts};
use crate::lifecycle::{Node, ProvisionState};

/// Pools of one coordinator.
pub const POOLS_MAX: usize = 200;
/// Conditions of one pool.
pub const CONDITIONS_MAX: usize = 20;
/// Longest name of a pool or resource class, as Ironic takes it.
const NAME_BYTES_MAX: usize = 80;

/// A pool: servers that fulfil all conditions get the resource class, unless an earlier pool takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What a flavor asks for.
    pub resource_class: String,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

/// Why a pool is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A name cannot be one.
    #[error("{text:?} must have 1 to {NAME_BYTES_MAX} letters, digits, -, _ or .")]
    Name {
        /// Which.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// It would take every server by accident.
    #[error("give 1 to {CONDITIONS_MAX} conditions; name=* takes every server")]
    Conditions,
}

impl PoolError {
    /// The field of a pool that it is about, as the API calls it.
    pub fn field(&self) -> &'static str {
        match self {
            PoolError::Name { field, .. } => field,
            PoolError::Conditions => "match",
        }
    }
}

impl Pool {
    /// Checks what was asked for.
    pub fn check(&self) -> Result<(), PoolError> {
        for (field, text) in [("name", &self.name), ("resource_class", &self.resource_class)] {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(good) {
                return Err(PoolError::Name { field, text: text.clone() });
            }
        }
        if (1..=CONDITIONS_MAX).contains(&self.conditions.len()) {
            Ok(())
        } else {
            Err(PoolError::Conditions)
        }
    }

    /// Whether a server with these facts fulfils all conditions.
    pub fn takes(&self, facts: &Facts) -> bool {
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

/// Where a server belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The pool; none takes it.
    pub pool: Option<String>,
    /// The class that the pool gives; none: that of the import file.
    pub class: Option<String>,
}

/// The first pool that takes a server decides.
pub fn decide(pools: &[Pool], facts: &Facts) -> Decision {
    let first = pools.iter().find(|pool| pool.takes(facts));
    Decision {
        pool: first.map(|pool| pool.name.clone()),
        class: first.map(|pool| pool.resource_class.clone()),
    }
}

/// Whether a node's class may be changed now; if not, why. Ironic allows it in these states, and for a node that somebody
/// uses Nova would count wrongly.
pub fn may_change(node: Option<&Node>) -> Result<(), String> {
    let Some(node) = node else { return Err("Ironic has no node for it yet".to_owned()) };
    if let Some(instance) = node.instance_id {
        return Err(format!("it carries the tenant's server {instance}"));
    }
    match node.provision_state {
        ProvisionState::Enroll | ProvisionState::Manageable | ProvisionState::Available => {}
        _ => return Err(format!("it is {}", node.provision_state)),
    }
    match &node.reservation {
        Some(holder) => Err(format!("Ironic's conductor {holder} is busy with it")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::{super::condition::tests::facts, *};

    fn pool(name: &str, conditions: &[&str]) -> Pool {
        Pool {
            name: name.to_owned(),
            resource_class: format!("{name}-class"),
            conditions: conditions.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn the_first_pool_that_takes_a_server_decides() {
        let large = || pool("large", &["cpus>=64"]);
        let qemu = || pool("qemu", &["manufacturer=QEMU", "cpus>=1"]);
        let rest = || pool("rest", &["name=*"]);
        let check = |pools: Vec<Pool>, expected: Option<&str>| {
            let decision = decide(&pools, &facts());
            assert_eq!(decision.pool.as_deref(), expected);
            assert_eq!(decision.class, expected.map(|name| format!("{name}-class")));
        };
        check(vec![large(), qemu(), rest()], Some("qemu"));
        check(vec![rest(), qemu()], Some("rest"));
        check(vec![large()], None);
        check(vec![], None);
    }

    #[test]
    fn a_bad_pool_is_refused_with_its_field() {
        let check = |pool: Pool, field: &str, words: &str| {
            let error = pool.check().unwrap_err();
            assert!(error.field() == field && error.to_string().contains(words), "{error:?}");
        };
        check(pool("", &["cpus>=1"]), "name", "\"\" must have");
        check(pool("a b", &["cpus>=1"]), "name", "\"a b\" must have");
        check(Pool { resource_class: "x/y".into(), ..pool("a", &["cpus>=1"]) }, "resource_class", "\"x/y\"");
        check(pool("a", &[]), "match", "give 1 to 20");
        assert_eq!(pool("a", &["cpus>=1"]).check(), Ok(()));
    }

    #[test]
    fn a_server_in_use_keeps_its_class() {
        let check = |state: &str, change: fn(&mut Node), expected: Option<&str>| {
            let mut node = Node::in_state(ServerId(Uuid::nil()), ProvisionState::from(state));
            change(&mut node);
            let found = may_change(Some(&node)).err();
            assert_eq!(found.is_some(), expected.is_some(), "{state}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        };
        check("manageable", |_| {}, None);
        check("available", |_| {}, None);
        check("available", |n| n.instance_id = Some(Uuid::nil()), Some("tenant's server"));
        check("available", |n| n.reservation = Some("c1".into()), Some("c1 is busy"));
        check("active", |_| {}, Some("active"));
        check("cleaning", |_| {}, Some("cleaning"));
        check("brewing", |_| {}, Some("brewing"));
        assert!(may_change(None).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_rules_one_pool_or_none_takes_a_server(bounds in proptest::collection::vec(0u64..10, 0..6), cpus in 0u64..10) {
            let pools: Vec<Pool> =
                bounds.iter().enumerate().map(|(n, bound)| pool(&format!("p{n}"), &[&format!("cpus>={bound}")])).collect();
            let decision = decide(&pools, &Facts { cpus, ..facts() });
            let expected = bounds.iter().position(|bound| cpus >= *bound).map(|n| format!("p{n}"));
            prop_assert_eq!(decision.pool, expected);
        }
    }
}
