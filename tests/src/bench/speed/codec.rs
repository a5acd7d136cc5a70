//! Edges: the bare loop that our IPMI client is held against: the same codec and the same session machine over one socket in one thread,
//! with nothing else: no pace, no quirks, no account, no runtime, no wait for a single datagram.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use protocol::{
    ipmi::{
        CipherSuite, PACKET_BYTES_MAX, Privilege,
        client::{Client, ClientConfig, ClientEvent, ProofRole, Retry},
        command::{Request, Response},
        rmcp::console_session_id,
    },
    spec::BmcEndpoint,
};

use super::{cost, jobs::Measured};

/// Longest wait for a datagram.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// So many sessions have a question under way.
const AT_ONCE: usize = 64;
/// The loop sleeps so long for the answers of all of them together.
const NAP: Duration = Duration::from_micros(500);

struct Bare {
    socket: UdpSocket,
    peers: Vec<(Client, SocketAddr)>,
    by_id: HashMap<u32, usize>,
}

/// So many readings of each BMC, after the log-ins.
pub fn measure(endpoints: &[BmcEndpoint], rounds: usize) -> anyhow::Result<Measured> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_read_timeout(Some(WAIT_MAX))?;
    let mut bare = Bare { socket, peers: Vec::new(), by_id: HashMap::new() };
    for endpoint in endpoints {
        bare.log_in(endpoint)?;
    }
    bare.socket.set_nonblocking(true)?;
    let used = cost::own()?;
    for _ in 0..rounds {
        for start in (0..endpoints.len()).step_by(AT_ONCE) {
            bare.round(start..(start + AT_ONCE).min(endpoints.len()))?;
        }
    }
    let used = cost::own()?.saturating_sub(used);
    Ok(Measured::from([("kept_us".to_owned(), cost::micros_each(used, rounds * endpoints.len()))]))
}

impl Bare {
    fn log_in(&mut self, endpoint: &BmcEndpoint) -> anyhow::Result<()> {
        let config = ClientConfig {
            username: endpoint.username.clone(),
            password: endpoint.password.clone(),
            suites: vec![CipherSuite::Seventeen],
            privilege: Privilege::Operator,
            k_g: None,
            proof_role: ProofRole::default(),
            pads_name: false,
            retry: Retry { first: WAIT_MAX, tries: 1 },
            seed: rand::random(),
        };
        let client = Client::new(config, Instant::now());
        let peer = SocketAddr::new(endpoint.address.parse()?, endpoint.port);
        let at = self.peers.len();
        self.by_id.insert(client.console_id(), at);
        self.peers.push((client, peer));
        loop {
            self.send(at)?;
            match self.peers[at].0.poll_event() {
                Some(ClientEvent::Opened(_)) => return Ok(()),
                Some(other) => bail!("logging in: {other:?}"),
                // What comes before a session has an id is for the one that logs in.
                None => drop(self.receive(Some(at))?.context("a virtual BMC does not answer")?),
            }
        }
    }

    fn send(&mut self, at: usize) -> anyhow::Result<()> {
        let (client, peer) = &mut self.peers[at];
        while let Some(datagram) = client.poll_transmit() {
            self.socket.send_to(&datagram, *peer)?;
        }
        Ok(())
    }

    /// Whose datagram has come; none: there is none.
    fn receive(&mut self, to: Option<usize>) -> anyhow::Result<Option<usize>> {
        let mut buffer = [0; PACKET_BYTES_MAX + 1];
        let length = match self.socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("receiving"),
        };
        let datagram = &buffer[..length];
        let by_id = || console_session_id(datagram).and_then(|id| self.by_id.get(&id).copied());
        let at = to.or_else(by_id).context("a datagram of no session")?;
        self.peers[at].0.handle_packet(datagram, Instant::now());
        Ok(Some(at))
    }

    /// One question to each of these, and their answers.
    fn round(&mut self, peers: std::ops::Range<usize>) -> anyhow::Result<()> {
        for at in peers.clone() {
            let asked = self.peers[at].0.request(Request::ChassisStatus, Instant::now());
            ensure!(asked.is_ok(), "a session is over");
            self.send(at)?;
        }
        let (mut left, began) = (peers.len(), Instant::now());
        while left > 0 {
            let Some(at) = self.receive(None)? else {
                ensure!(began.elapsed() < WAIT_MAX, "a virtual BMC does not answer");
                std::thread::sleep(NAP);
                continue;
            };
            match self.peers[at].0.poll_event() {
                Some(ClientEvent::Answered(_, Ok(Response::ChassisStatus(status)))) if !status.on => {
                    left -= 1
                }
                other => bail!("a virtual BMC answers {other:?}"),
            }
        }
        Ok(())
    }
}
