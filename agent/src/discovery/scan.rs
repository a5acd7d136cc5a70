//! Edges: a scan for BMCs: who answers in these ranges, and which of the given credentials it accepts.
//!
//! Gentle by construction: no log-in where nothing answered, where an enrolled server's BMC is, or where a BMC is known by a mark for which
//! there is a password of its own (`claim` tries that one, once); each credential once at each BMC, in the order given, with a pause between
//! them; an answer that is not a refusal of the credential ends the tries.

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::StreamExt;
use protocol::{
    bmc_mark::BmcMark,
    discovery::{
        ADDRESSES_MAX, CREDENTIALS_MAX, Claim, Credential, FoundBmc, RANGES_MAX, REDFISH_PORTS_MAX, Scan,
    },
    spec::{BmcEndpoint, BmcProtocol},
};

use super::{look, marks};
use crate::bmc::{self, BmcError, BmcOptions, LogIns, redfish::stranger};

/// Addresses that are asked at the same time.
pub const ADDRESSES_AT_ONCE: usize = 32;
/// Pause between two credentials at one BMC.
const TRY_PAUSE: Duration = Duration::from_secs(2);

/// What is wrong with an order; empty: nothing. The coordinator checks the same, but this program has its own bounds.
pub(super) fn fault(scan: &Scan) -> String {
    let addresses: u64 = scan.ranges.iter().map(|range| u64::from(range.count())).sum();
    if addresses > u64::from(ADDRESSES_MAX) || scan.ranges.len() > RANGES_MAX {
        return format!("the scan has {addresses} addresses in {} ranges, too many", scan.ranges.len());
    }
    if scan.credentials.len() > CREDENTIALS_MAX || scan.redfish.len() > REDFISH_PORTS_MAX {
        return format!(
            "the scan has {} credentials and {} ports for Redfish, too many",
            scan.credentials.len(),
            scan.redfish.len()
        );
    }
    String::new()
}

/// Asks every address. `found` is called for each BMC, `done` with each address that was asked. `neighbours`: Linux's ARP table.
pub(super) async fn run<F>(scan: &Scan, neighbours: &Path, found: impl Fn(FoundBmc) -> F, done: &AtomicU32)
where
    F: Future<Output = ()>,
{
    let awaited: HashSet<&BmcMark> = scan.listed.iter().collect();
    let addresses = scan.ranges.iter().flat_map(|range| range.addresses());
    futures::stream::iter(addresses)
        .for_each_concurrent(ADDRESSES_AT_ONCE, async |address| {
            if let Some(bmc) = ask(scan, &awaited, neighbours, address).await {
                found(bmc).await;
            }
            done.fetch_add(1, Ordering::Relaxed);
        })
        .await;
}

async fn ask(
    scan: &Scan,
    awaited: &HashSet<&BmcMark>,
    neighbours: &Path,
    address: Ipv4Addr,
) -> Option<FoundBmc> {
    let (speaks_ipmi, service) = tokio::join!(look::speaks_ipmi(address), first_port(scan, address));
    let (port, protocol, mut told) = match service {
        Some(found) => found,
        None if speaks_ipmi => (look::IPMI_PORT, BmcProtocol::Ipmi { cipher_suite: None }, Vec::new()),
        None => return None,
    };
    // It has just answered, so it is in there if it is of our own segment.
    let table = tokio::fs::read_to_string(neighbours).await.unwrap_or_default();
    told.extend(marks::neighbour(&table, address).map(BmcMark::Mac));
    if speaks_ipmi {
        told.extend(look::ipmi_guid(address).await);
    }
    let mut bmc = unknown(address, port, protocol);
    bmc.marks = marks::without_doubles(told);
    let is_awaited = bmc.marks.iter().any(|mark| awaited.contains(mark));
    if !scan.spare.contains(&address) && !is_awaited {
        try_credentials(&scan.credentials, &mut bmc).await;
    }
    tracing::info!(%address, port, credential = ?bmc.credential, problem = bmc.problem, "BMC found");
    Some(bmc)
}

/// Tries the one password that a list has for a BMC, once. Nothing is known of who answers there by now but what it showed before: a pinned
/// certificate is.
pub(super) async fn claim(claim: Claim) -> FoundBmc {
    let Claim { address, port, protocol, credential } = claim;
    let mut bmc = unknown(address, port, protocol);
    try_credentials(&[credential], &mut bmc).await;
    tracing::info!(%address, port, accepted = bmc.credential.is_some(), problem = bmc.problem, "BMC tried by its own password");
    bmc
}

fn unknown(address: Ipv4Addr, port: u16, protocol: BmcProtocol) -> FoundBmc {
    FoundBmc {
        address,
        port,
        protocol,
        credential: None,
        identity: None,
        problem: String::new(),
        marks: Vec::new(),
        is_refused: false,
    }
}

async fn first_port(scan: &Scan, address: Ipv4Addr) -> Option<(u16, BmcProtocol, Vec<BmcMark>)> {
    for at in &scan.redfish {
        if let Some(service) = stranger::service_at(address, *at).await {
            let stranger::Service { certificate_sha256, root } = service;
            let marks = marks::of_root(&root);
            let protocol = BmcProtocol::Redfish { system: None, certificate_sha256, http: at.http };
            return Some((at.port, protocol, marks));
        }
    }
    None
}

async fn try_credentials(credentials: &[Credential], bmc: &mut FoundBmc) {
    for (number, credential) in (0..).zip(credentials.iter().take(CREDENTIALS_MAX)) {
        if number > 0 {
            tokio::time::sleep(TRY_PAUSE).await;
        }
        let endpoint = BmcEndpoint {
            protocol: bmc.protocol.clone(),
            address: bmc.address.to_string(),
            port: bmc.port,
            username: credential.username.clone(),
            password: credential.password.clone(),
            settings: Default::default(),
        };
        // Tried once: a refusal is the answer.
        let log_ins = LogIns { in_call: false, ..LogIns::default() };
        let client = bmc::connect_as(&endpoint, BmcOptions::default(), log_ins);
        match client.identity().await {
            Ok(identity) => {
                (bmc.credential, bmc.identity) = (Some(number), Some(identity));
                bmc.problem.clear();
                bmc.is_refused = false;
                return;
            }
            Err(error @ BmcError::Credentials { .. }) => {
                (bmc.problem, bmc.is_refused) = (error.to_string(), true);
            }
            Err(error) => {
                // It took the credential, and does not say which of several systems is the server, or who it is.
                bmc.credential = client.has_let_in().await.then_some(number);
                bmc.problem = error.to_string();
                return;
            }
        }
    }
}
