//! Edges: Placement's API, as much of it as tells what Nova's scheduler would find.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;

use super::{Caller, Service, call::Call, error::Error, session::Session};
use domain::url_text::query;

/// API version that is asked for: forbidden traits came with 1.22.
pub const MICROVERSION: &str = "placement 1.22";

/// The placement service.
#[derive(Clone, Debug)]
pub struct Placement {
    session: Session,
}

impl Placement {
    /// Asks with the given session; its user must be one who may read allocation candidates, by default an administrator.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// Whether the scheduler would find at least one node for a flavor with these extra specs now. Nova tells Placement of a
    /// node that became available only from time to time (`update_resources_interval`, 60 s by default).
    pub async fn has_candidates(&self, extra_specs: &BTreeMap<String, String>) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Candidates {
            allocation_requests: Vec<serde::de::IgnoredAny>,
        }
        let path = format!("/allocation_candidates?{}", asked(extra_specs));
        let call = Call::new(Service::Placement, Method::GET, path, "ask what may be scheduled".to_owned())
            .header("openstack-api-version", MICROVERSION)
            .caller(Caller::Service);
        match self.session.json::<Candidates>(call).await {
            Ok(answer) => Ok(!answer.allocation_requests.is_empty()),
            // A class or trait that no node has had yet is unknown to Placement, and a bad request.
            Err(Error::Refused { code: 400, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The query that the scheduler makes of a flavor: every resource of which it takes some, every trait that it names.
fn asked(extra_specs: &BTreeMap<String, String>) -> String {
    let part = |prefix: &'static str| {
        extra_specs.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    };
    let resources: Vec<_> = part("resources:")
        .filter(|(_, amount)| *amount != "0")
        .map(|(name, amount)| format!("{name}:{amount}"))
        .collect();
    let traits: Vec<_> = part("trait:")
        .filter_map(|(name, wish)| match wish {
            "required" => Some(name.to_owned()),
            "forbidden" => Some(format!("!{name}")),
            _ => None,
        })
        .collect();
    let (resources, traits) = (resources.join(","), traits.join(","));
    let mut pairs = vec![("limit", "1"), ("resources", resources.as_str())];
    if !traits.is_empty() {
        pairs.push(("required", traits.as_str()));
    }
    query(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_what_the_scheduler_asks() {
        let check = |specs: &[(&str, &str)], expected: &str| {
            let specs = specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(asked(&specs), expected);
        };
        check(
            &[("resources:VCPU", "0"), ("resources:CUSTOM_GOLD", "1"), ("capabilities:boot_mode", "uefi")],
            "limit=1&resources=CUSTOM_GOLD%3A1",
        );
        check(
            &[("resources:CUSTOM_GOLD", "1"), ("trait:A", "required"), ("trait:B", "forbidden")],
            "limit=1&resources=CUSTOM_GOLD%3A1&required=A%2C%21B",
        );
    }
}
