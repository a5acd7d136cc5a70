//! Values: on what terms each of our listeners talks: how many places it has, and how long silence may last.
//!
//! Every listener has places of its own: those of the REST API and the pages, which anybody may reach, are never taken from
//! Ironic's or from the agents'.

use std::time::Duration;

use ipnet::IpNet;
use protocol::places::Bounds;

/// Connections of the REST API and the pages. A browser and `bmsctl` have one or two.
pub const API_PLACES: usize = 1024;
/// Connections of one client of the REST API, unless `api.connections_per_peer` says otherwise: an office behind one
/// address has a few dozen browsers.
pub const API_PLACES_OF_PEER: usize = 64;
/// Connections of the facades. Ironic opens one for each Redfish request and closes it again.
pub const FACADE_PLACES: usize = 1024;
/// Connections of one conductor: as many as it has workers (300), and some on their way out.
pub const FACADE_PLACES_OF_PEER: usize = 512;
/// Connections of agents: one or two per rack, and one for each image on its way.
pub const AGENTS_PLACES: usize = 1024;
/// Connections of agents from one address: racks may share one by address translation.
pub const AGENTS_PLACES_OF_PEER: usize = 512;
/// Connections of those who read the figures.
pub const METRICS_PLACES: usize = 16;
/// Connections of one of them.
pub const METRICS_PLACES_OF_PEER: usize = 8;
/// Connections that have become WebSockets and hold no place of a listener any more: consoles that are watched.
pub const WEBSOCKETS: usize = 64;
/// Files beside the listeners' connections: the database, connections to OpenStack and Contrail, uploads, and those
/// connections that have made room and are about to be closed.
pub const OWN_FILES: usize = 768;
/// Files that we may need in all; below the hard limit of old shells, 4096.
pub const FILES_NEEDED: usize =
    API_PLACES + FACADE_PLACES + AGENTS_PLACES + METRICS_PLACES + WEBSOCKETS + OWN_FILES;

/// From the accepted connection to the first whole head of a request, TLS handshake included.
pub const FIRST_HEAD_MAX: Duration = Duration::from_secs(10);
/// HTTP/1: from an answer to the next whole head on the same connection.
pub const HEAD_MAX: Duration = Duration::from_secs(30);
/// For how long a connection on which nothing is asked for is kept.
pub const IDLE_MAX: Duration = Duration::from_secs(60);
/// The same for an agent's, which has shown its certificate.
pub const AGENT_IDLE_MAX: Duration = Duration::from_secs(900);
/// For how long nothing may come of a request under way, and nothing of its answer be taken. Longer than Glance may need to
/// store an image; streams of events say a word every 15 s.
pub const STALL_MAX: Duration = Duration::from_secs(900);
/// HTTP/2: a silent client is probed this often.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// HTTP/2: and is cut off when it does not answer within this time.
pub const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(10);
/// How slowly a request's body may come. An upload's own time of silence, 60 s, ends first and says so in its own words.
pub const BODY_PACE: BodyPace =
    BodyPace { silence: Duration::from_secs(65), grace: Duration::from_secs(65), bytes_per_second: 256 };

/// How slowly a request's body may come. Only the time counts in which we wait for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPace {
    /// Longest time without a byte.
    pub silence: Duration,
    /// Waiting in all that is always granted.
    pub grace: Duration,
    /// And one second more for each so many bytes that have come. Not 0.
    pub bytes_per_second: u64,
}

impl BodyPace {
    /// For how long the next bytes are waited for, when so many have come and so long was waited for them.
    pub fn patience(&self, received: u64, waited: Duration) -> Duration {
        let earned = Duration::from_secs(received / self.bytes_per_second.max(1));
        self.silence.min(self.grace.saturating_add(earned).saturating_sub(waited))
    }
}

/// How long silence may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// From the accepted connection to the first whole head.
    pub first_head: Duration,
    /// HTTP/1: from an answer to the next whole head.
    pub head: Duration,
    /// Nothing is asked for.
    pub idle: Duration,
    /// A request is under way, and nothing moves.
    pub stall: Duration,
    /// HTTP/2: time between probes of a silent client.
    pub keep_alive_every: Duration,
    /// HTTP/2: time for the answer to a probe.
    pub keep_alive_wait: Duration,
    /// How slowly bodies may come; none: as they like, which is for streams of agents alone.
    pub body: Option<BodyPace>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            first_head: FIRST_HEAD_MAX,
            head: HEAD_MAX,
            idle: IDLE_MAX,
            stall: STALL_MAX,
            keep_alive_every: KEEP_ALIVE_EVERY,
            keep_alive_wait: KEEP_ALIVE_WAIT,
            body: Some(BODY_PACE),
        }
    }
}

/// The terms of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it is called in the log.
    pub name: &'static str,
    /// How many may be connected.
    pub places: Bounds,
    /// How long silence may last.
    pub timers: Timers,
}

impl Terms {
    /// REST API and pages. `proxies` stand for many clients and may have all places.
    pub fn api(per_peer: usize, proxies: Vec<IpNet>) -> Self {
        Self::of("api", API_PLACES, per_peer, proxies)
    }

    /// Both facades.
    pub fn facade() -> Self {
        Self::of("facade", FACADE_PLACES, FACADE_PLACES_OF_PEER, Vec::new())
    }

    /// The agents' listener: streams that last, of clients that have shown a certificate.
    pub fn agents() -> Self {
        let terms = Self::of("agents", AGENTS_PLACES, AGENTS_PLACES_OF_PEER, Vec::new());
        Self { timers: Timers { idle: AGENT_IDLE_MAX, body: None, ..terms.timers }, ..terms }
    }

    /// Figures for Prometheus.
    pub fn metrics() -> Self {
        Self::of("metrics", METRICS_PLACES, METRICS_PLACES_OF_PEER, Vec::new())
    }

    fn of(name: &'static str, total: usize, per_peer: usize, trusted: Vec<IpNet>) -> Self {
        Self { name, places: Bounds { total, per_peer, trusted }, timers: Timers::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn every_listener_has_places_of_its_own_and_all_fit_an_old_shells_limit() {
        let all =
            [Terms::api(API_PLACES_OF_PEER, vec![]), Terms::facade(), Terms::agents(), Terms::metrics()];
        let places: usize = all.iter().map(|terms| terms.places.total).sum();
        assert_eq!(places + WEBSOCKETS + OWN_FILES, FILES_NEEDED);
        const { assert!(FILES_NEEDED <= 4096) };
        for Terms { name, places, timers } in all {
            assert!(places.per_peer <= places.total / 2, "one peer takes most places of {name}");
            assert_eq!((timers.first_head, timers.head), (10 * SECOND, 30 * SECOND), "{name}");
            assert_eq!(
                (timers.keep_alive_every, timers.keep_alive_wait),
                (10 * SECOND, 10 * SECOND),
                "{name}"
            );
            assert!(timers.idle <= timers.stall && timers.stall <= 900 * SECOND, "{name}");
            assert_eq!(timers.body.is_none(), name == "agents", "{name}");
        }
    }

    #[test]
    fn a_body_earns_its_time_by_what_comes() {
        let check = |received, waited: u64, expected: u64| {
            let found = BODY_PACE.patience(received, SECOND * u32::try_from(waited).unwrap());
            assert_eq!(found, Duration::from_secs(expected), "{received} bytes, {waited} s");
        };
        check(0, 0, 65);
        check(0, 64, 1);
        // One byte each second: it ends after little more than the grace.
        check(60, 60, 5);
        check(65, 65, 0);
        // A slow line, 1 KiB each second, may go on for ever.
        check(1024 * 3600, 3600, 65);
        check(u64::MAX, u64::from(u32::MAX), 65);
    }
}
