//! Silence and slowness shut nobody out: thousands of connections that say nothing, half of something, or a byte each second,
//! while Ironic, an agent and a tenant go on being answered; and then all of them are closed by their timers.

mod silence_common;
mod ui_common;

use std::time::Duration;

use host::open_files;
use listen::{
    Terms,
    terms::{API_PLACES_OF_PEER, BodyPace, Timers},
};
use silence_common::{
    Site, Timed,
    flood::{Flood, Manner},
};

/// Longest wait for one answer, on two busy cores that also carry all of the silent ones.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Longest wait for the end of silent connections.
const END_MAX: Duration = Duration::from_secs(120);
/// For how long silence is borne while they are asked: long enough that nobody is answered because the silent ones have ended.
const SILENT_FOR: Duration = Duration::from_secs(20);
/// Silent connections in all.
const SILENT: usize = 3000;
/// Files of both ends of them, and the rest of the test's.
const FILES: u64 = 2 * SILENT as u64 + 1000;

fn timers(of: Duration) -> Timers {
    Timers {
        first_head: of,
        head: of,
        idle: of,
        stall: of,
        keep_alive_every: of,
        keep_alive_wait: of,
        body: Some(BodyPace { silence: of, grace: of, bytes_per_second: 256 }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ironic_agents_and_tenants_are_answered_whoever_is_silent() {
    open_files::raise_limit(FILES).unwrap();
    let site = Site::start(|terms| Terms { timers: timers(SILENT_FOR), ..terms }).await;
    let mut agent = site.agent().await;
    let flood = Flood::default();
    // To the API from a hundred addresses, more than it has places; to the others from a few, more than one may have.
    for number in 0..SILENT / 2 {
        flood.add(site.api, number % 100, Manner::ALL[number % Manner::ALL.len()]);
        if number % 2 == 0 {
            flood.add(site.facade, number % 2, Manner::ALL[number / 2 % Manner::ALL.len()]);
        } else {
            flood.add(site.agents, 0, Manner::WITHOUT_CERTIFICATE[number / 2 % 2]);
        }
    }
    flood.all_began().timed(END_MAX, "3000 silent connections begin").await;
    for _ in 0..3 {
        // From elsewhere, and from one of the addresses that have most connections.
        for from in [[127, 0, 0, 1], Flood::address(0)] {
            site.ironic_reads_power(from).timed(ANSWER_MAX, "ironic is answered").await;
            site.tenant_lists_servers(from).timed(ANSWER_MAX, "a tenant is answered").await;
        }
        agent.is_heard().timed(ANSWER_MAX, "the agent that was here is heard").await;
        let mut another = site.agent().timed(ANSWER_MAX, "an agent comes").await;
        another.is_heard().timed(ANSWER_MAX, "it is heard").await;
        agent = another;
    }
    flood.all_ended().timed(END_MAX, "all silent connections end").await;
    agent.is_heard().timed(ANSWER_MAX, "the agent is still heard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_manner_of_silence_ends_by_a_timer() {
    let site = Site::start(|terms| Terms { timers: timers(Duration::from_millis(500)), ..terms }).await;
    for manner in Manner::ALL {
        for to in [site.api, site.facade] {
            let flood = Flood::default();
            flood.add(to, 0, manner);
            flood.all_ended().timed(END_MAX, &format!("{manner:?} ends")).await;
        }
    }
    for manner in Manner::WITHOUT_CERTIFICATE {
        let flood = Flood::default();
        flood.add(site.agents, 0, manner);
        flood.all_ended().timed(END_MAX, &format!("{manner:?} ends at the agents' listener")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_may_have_more_connections_than_one_client() {
    let proxy = std::net::IpAddr::from(Flood::address(7));
    let terms = Terms::api(API_PLACES_OF_PEER, vec![proxy.into()]);
    let site = Site::start(|given| if given.name == "api" { terms.clone() } else { given }).await;
    for (nth, kept) in [(7, 2 * API_PLACES_OF_PEER), (8, API_PLACES_OF_PEER)] {
        let flood = Flood::default();
        for _ in 0..2 * API_PLACES_OF_PEER {
            flood.add(site.api, nth, Manner::Tcp);
        }
        flood.all_began().timed(END_MAX, "connections begin").await;
        flood.until_left(kept).timed(END_MAX, "those above the bound make room").await;
    }
}
