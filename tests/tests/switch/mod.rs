//! A switch with two servers and an agent, and frames that are known again, for the tests of the switch.

pub mod leaf;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use contrail::{Config as Site, Contrail};
use domain::rim::{Fabric, ServerPort, SwitchPort, WantedNetwork};
use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use tests::{
    contrail::{
        Config, Standin,
        config::{COMMIT_MS, FixedNetwork, Port, Switch},
        switch::Style,
    },
    netns::Netns,
    vlan::Ear,
};
use uuid::Uuid;

pub const PROVISIONING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Provisioning);
pub const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);
/// Longest wait for the switch to follow.
pub const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// A switch port that is in no server: nothing is plugged into it.
pub const EMPTY_PORT: &str = "xe-0/0/3";
/// TCP port of the agents' boot files. That nobody listens is an answer as well.
const BOOT_FILES: u16 = 80;

/// A switch with two servers and an agent on both isolated networks.
pub struct World {
    prefix: &'static str,
    pub fabric: Netns,
    pub agent: Netns,
    pub servers: Vec<Netns>,
    pub standin: Standin,
    pub contrail: Contrail,
    pub log: tempfile::TempDir,
}

pub fn mac(number: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, number])
}

async fn cable(inside: &Netns, name: &str, mac: Option<MacAddr>, fabric: &Netns, outside: &str) {
    let address = mac.map(|mac| format!("address {mac} ")).unwrap_or_default();
    let line = format!(
        "link add {name} {address}type veth peer name {outside} netns {}\nlink set {name} up\n",
        fabric.0
    );
    inside.ip_batch(&line).await.unwrap();
}

impl World {
    pub async fn build(prefix: &'static str, style: Style) -> Self {
        let log = tempfile::tempdir().unwrap();
        let fabric = Netns::create(&format!("{prefix}-fabric")).await.unwrap();
        let agent = Netns::create(&format!("{prefix}-agent")).await.unwrap();
        for (bridge, interface, address) in
            [("br-prov", "prov0", "198.18.1.1/24"), ("br-clean", "clean0", "198.18.2.1/24")]
        {
            let outside = format!("agent-{interface}");
            cable(&agent, interface, None, &fabric, &outside).await;
            agent.ip(&["address", "add", address, "dev", interface]).await.unwrap();
            let lines = format!(
                "link add {bridge} type bridge forward_delay 0\nlink set {bridge} up\n\
                 link set {outside} master {bridge}\nlink set {outside} up\n"
            );
            fabric.ip_batch(&lines).await.unwrap();
        }
        let mut servers = Vec::new();
        let mut ports = Vec::new();
        for number in 1..=2u8 {
            let ns = Netns::create(&format!("{prefix}-srv{number}")).await.unwrap();
            let tap = format!("tap-srv{number}");
            cable(&ns, "eth0", Some(mac(number)), &fabric, &tap).await;
            let lines = format!(
                "address add 198.18.1.{0}/24 dev eth0\naddress add 198.18.2.{0}/24 dev eth0\n",
                10 + number
            );
            ns.ip_batch(&lines).await.unwrap();
            servers.push(ns);
            ports.push(Port { switch: "qfx1".into(), port: format!("xe-0/0/{number}"), tap: Some(tap) });
        }
        ports.push(Port { switch: "qfx1".into(), port: EMPTY_PORT.into(), tap: None });
        let fixed = |name: &str, bridge: &str| FixedNetwork {
            fq_name: ["default-domain", "bms", name].map(str::to_owned).to_vec(),
            bridge: bridge.into(),
            isolated: true,
        };
        let config = Config {
            ports,
            enterprise: style == Style::Enterprise,
            switch: Some(Switch {
                namespace: fabric.0.clone(),
                gateway_prefix: prefix.into(),
                networks: vec![fixed("provisioning", "br-prov"), fixed("cleaning", "br-clean")],
                log: log.path().join("moves.jsonl"),
                commit_ms: COMMIT_MS,
            }),
            ..Config::api_only(&[])
        };
        let standin = Standin::start(config).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        contrail.ensure_site().await.unwrap();
        Self { prefix, fabric, agent, servers, standin, contrail, log }
    }

    pub async fn remove(self) {
        let prefix = self.prefix;
        self.standin.stop().await;
        let left: Vec<_> =
            std::fs::read_dir("/run/netns").unwrap().flatten().map(|it| it.file_name()).collect();
        for ns in self.servers.iter().chain([&self.agent, &self.fabric]) {
            ns.delete().await.unwrap();
        }
        let gateways: Vec<_> =
            left.iter().filter(|it| it.to_string_lossy().starts_with(&format!("{prefix}-gw-"))).collect();
        assert!(gateways.is_empty(), "the stand-in left {gateways:?}");
    }

    pub async fn bridge_of(&self, tap: &str) -> Option<String> {
        let link = std::path::Path::new("/sys/class/net").join(tap).join("master");
        let text = self.fabric.run("readlink", &[link.to_str().unwrap()]).await.ok()?;
        text.trim().rsplit('/').next().map(str::to_owned)
    }

    /// Moves the port by the API and waits until the switch has followed; returns how long that took after the API.
    pub async fn go(&self, server: u8, to: WantedNetwork, bridge: &str) -> Duration {
        let seen = self.contrail.move_port(&port(server), &to).await.unwrap();
        assert!(seen.is(&to), "{seen:?}");
        self.on(&format!("tap-srv{server}"), Some(bridge)).await
    }

    /// Waits until the interface is on the bridge, or on none.
    pub async fn on(&self, tap: &str, bridge: Option<&str>) -> Duration {
        let started = Instant::now();
        while self.bridge_of(tap).await.as_deref() != bridge {
            let moves = self.standin.moves();
            assert!(started.elapsed() < FOLLOW_MAX, "{tap} is not on {bridge:?}; moves: {moves:#?}");
        }
        started.elapsed()
    }

    /// The port group of a switch port of qfx1.
    pub fn group_of(&self, port: &str) -> String {
        let store = self.standin.shared.store();
        let name = ["default-global-system-config", "qfx1", port].map(str::to_owned);
        let port = store.by_name("physical-interface", &name).unwrap().id;
        store.back_refs(port).find(|it| it.kind == "virtual-port-group").unwrap().name().to_owned()
    }

    /// Waits until one reaches the other: a port that was just moved may have no link yet.
    pub async fn meets(&self, from: &Netns, to: &str) {
        let started = Instant::now();
        while !self.reaches(from, to).await {
            assert!(started.elapsed() < FOLLOW_MAX, "{} does not reach {to}", from.0);
        }
    }

    /// Whether one reaches the other at the port of boot files, which ours lets pass on every network.
    pub async fn reaches(&self, from: &Netns, to: &str) -> bool {
        from.reaches(SocketAddr::new(to.parse().unwrap(), BOOT_FILES)).await
    }
}

pub fn port(server: u8) -> ServerPort {
    ServerPort::alone(
        ServerId(Uuid::from_u128(server.into())),
        "eth0",
        mac(server),
        SwitchPort { switch: "qfx1".into(), port: format!("xe-0/0/{server}"), switch_id: None, fabric: None },
    )
}

/// EtherType of frames that nobody but these tests sends (IEEE 802, for experiments).
const OURS: u16 = 0x88b5;
/// The beginning of the addresses from which our frames are sent; the last byte is a frame's mark.
const SENDER: [u8; 5] = [0x02, 0, 0, 0, 0xaa];

/// A frame for everybody, from an address by which it is known again, behind these words of tags.
pub fn marked(mark: u8, tags: &[u16]) -> Vec<u8> {
    frame(mark, &[tags, &[OURS]].concat(), &[])
}

/// A frame for everybody: these words after the addresses, then this.
pub fn frame(mark: u8, words: &[u16], payload: &[u8]) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &SENDER, &[mark]].concat();
    words.iter().for_each(|word| frame.extend(word.to_be_bytes()));
    frame.extend(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// The marks of our frames that came in here, with their tags, up to the one that was sent last.
pub async fn marks(ear: &Ear, last: u8) -> Vec<(u8, Vec<Option<u16>>)> {
    let started = Instant::now();
    loop {
        let ours = ear.seen().into_iter().filter(|seen| seen.source.0.starts_with(&SENDER) && !seen.outgoing);
        let heard: Vec<_> = ours.map(|seen| (seen.source.0[5], seen.vlans())).collect();
        if heard.iter().any(|(mark, _)| *mark == last) {
            return heard;
        }
        assert!(started.elapsed() < FOLLOW_MAX, "frame {last} never came: {heard:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
