//! Edges: `probe`: which BMC answers, what it offers, which quirks of its like are heeded, and which ways of logging in it takes.
//!
//! Each way is tried by itself, so that one that fails does not hide behind the next. A refused log-in counts at the BMC: a way is
//! tried once, and after a wrong password no other.

use protocol::{
    hardware::BmcIdentity,
    ipmi::{self, CipherSuite},
    quirk::Quirk,
    spec::{BmcEndpoint, BmcProtocol},
};
use serde_json::{Value, json};

use super::{
    super::{
        failure::Failure,
        output::Answer,
        reach::{REDFISH_PORT, Reached, Way},
    },
    inventory,
};
use crate::bmc::{
    self, BmcError,
    quirks::{Deviations, Maker},
};

/// One thing that was tried.
struct Tried {
    what: String,
    came_of_it: String,
    worked: bool,
}

pub(super) async fn run(bmc: &Reached) -> Result<Answer, Failure> {
    let mut tried = vec![];
    let (mut who, mut last) = (None, None);
    for (protocol, port) in ways(&bmc.endpoint) {
        let endpoint = BmcEndpoint { protocol, port, ..bmc.endpoint.clone() };
        let what = name(&endpoint.protocol);
        match bmc::connect_with(&endpoint, bmc.options).identity().await {
            Ok(identity) => {
                tried.push(Tried { what, came_of_it: "logged in".to_owned(), worked: true });
                who.get_or_insert(identity);
            }
            Err(error) => {
                let stops = matches!(error, BmcError::Credentials { .. });
                let failure = Failure::Bmc(error);
                tried.push(Tried { what, came_of_it: failure.sentence(), worked: false });
                // Every further one would count at the BMC.
                last = Some(failure);
                if stops {
                    break;
                }
            }
        }
    }
    match (who, last) {
        // What was tried last says why nothing worked.
        (None, Some(failure)) => Err(failure),
        (who, _) => {
            let offers = match bmc.way() {
                Way::Redfish(it) => it.offers().await.ok(),
                Way::Ipmi(_) => None,
            };
            Ok(answer(&tried, who.as_ref(), offers.as_deref()))
        }
    }
}

/// Every way that there is: all cipher suites one by one, then Redfish at its usual port; or Redfish alone where that was asked for.
fn ways(endpoint: &BmcEndpoint) -> Vec<(BmcProtocol, u16)> {
    let port = endpoint.port;
    match &endpoint.protocol {
        BmcProtocol::Ipmi { .. } => {
            let suites =
                CipherSuite::ALL.iter().map(|suite| BmcProtocol::Ipmi { cipher_suite: Some(suite.id()) });
            let mut ways: Vec<_> = suites.map(|suite| (suite, port)).collect();
            // At another port nobody knows where Redfish would be.
            if port == ipmi::PORT {
                let redfish = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false };
                ways.push((redfish, REDFISH_PORT));
            }
            ways
        }
        redfish @ BmcProtocol::Redfish { .. } => vec![(redfish.clone(), port)],
    }
}

fn name(protocol: &BmcProtocol) -> String {
    match protocol {
        BmcProtocol::Ipmi { cipher_suite: Some(id) } => format!("IPMI 2.0, cipher suite {id}"),
        BmcProtocol::Ipmi { cipher_suite: None } => "IPMI 2.0".to_owned(),
        BmcProtocol::Redfish { http: true, .. } => "Redfish by HTTP".to_owned(),
        BmcProtocol::Redfish { http: false, .. } => "Redfish by HTTPS".to_owned(),
    }
}

fn answer(tried: &[Tried], who: Option<&BmcIdentity>, offers: Option<&[&str]>) -> Answer {
    let mut rows: Vec<Vec<String>> =
        tried.iter().map(|tried| vec![tried.what.clone(), tried.came_of_it.clone()]).collect();
    let quirks = who.map(|who| Deviations::of(&Maker::from(who), &[]));
    let mut who: Vec<(&str, String)> = who.map(inventory::of_identity).unwrap_or_default();
    let heeded: Vec<Quirk> =
        Quirk::ALL.into_iter().filter(|quirk| quirks.as_ref().is_some_and(|it| it.has(*quirk))).collect();
    if quirks.is_some() && heeded.is_empty() {
        who.push(("quirks heeded", "none is known of its like".to_owned()));
    }
    who.extend(offers.iter().map(|offers| ("offers", offers.join(", "))));
    rows.extend(
        who.iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| vec![(*name).to_owned(), value.clone()]),
    );
    rows.extend(heeded.iter().map(|quirk| vec![format!("quirk {quirk}"), quirk.remedy().to_owned()]));
    let each =
        |tried: &Tried| json!({ "tried": tried.what, "worked": tried.worked, "answer": tried.came_of_it });
    let who: serde_json::Map<String, Value> =
        who.into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect();
    let quirks: Vec<&str> = heeded.iter().map(|quirk| quirk.name()).collect();
    let tried: Vec<Value> = tried.iter().map(each).collect();
    let json = json!({ "tried": tried, "bmc": who, "quirks": quirks, "offers": offers });
    Answer { header: &["tried or known", "answer"], rows, json }
}
