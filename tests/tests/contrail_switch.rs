//! Edges: the stand-in's switch with real interfaces: frames prove where a port is, and that nothing but the objects
//! moves it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use coordinator::{
    contrail::{Config as Site, Contrail},
    port::{Fabric, NewTenantPort, ServerPort, SwitchPort, TenantNetworks, WantedNetwork},
};
use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use pxe::dhcp::{
    option::{MESSAGE_TYPE, Options, REQUESTED_ADDRESS},
    packet::{MAX_LEN, Op, Packet},
};
use serde_json::json;
use tests::{
    contrail::{
        Config, Standin, VirtualMachine,
        config::{FixedNetwork, Port, Switch, tenant_bridge},
        kind::Kind,
        request::Request,
    },
    netns::Netns,
};
use uuid::Uuid;

const PREFIX: &str = "ctsw";
const PROVISIONING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Provisioning);
const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);
/// Longest wait for the switch to follow.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

struct World {
    fabric: Netns,
    agent: Netns,
    servers: Vec<Netns>,
    standin: Standin,
    contrail: Contrail,
    log: tempfile::TempDir,
}

fn mac(number: u8) -> MacAddr {
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
    async fn build() -> Self {
        let log = tempfile::tempdir().unwrap();
        let fabric = Netns::create(&format!("{PREFIX}-fabric")).await.unwrap();
        let agent = Netns::create(&format!("{PREFIX}-agent")).await.unwrap();
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
            let ns = Netns::create(&format!("{PREFIX}-srv{number}")).await.unwrap();
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
        let fixed = |name: &str, bridge: &str| FixedNetwork {
            fq_name: ["default-domain", "bms", name].map(str::to_owned).to_vec(),
            bridge: bridge.into(),
            isolated: true,
        };
        let config = Config {
            ports,
            switch: Some(Switch {
                namespace: fabric.0.clone(),
                gateway_prefix: PREFIX.into(),
                networks: vec![fixed("provisioning", "br-prov"), fixed("cleaning", "br-clean")],
                log: log.path().join("moves.jsonl"),
            }),
            ..Config::api_only(&[])
        };
        let standin = Standin::start(config).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        contrail.ensure_site().await.unwrap();
        Self { fabric, agent, servers, standin, contrail, log }
    }

    async fn remove(self) {
        self.standin.stop().await;
        let left: Vec<_> =
            std::fs::read_dir("/run/netns").unwrap().flatten().map(|it| it.file_name()).collect();
        for ns in self.servers.iter().chain([&self.agent, &self.fabric]) {
            ns.delete().await.unwrap();
        }
        let gateways: Vec<_> =
            left.iter().filter(|it| it.to_string_lossy().starts_with(&format!("{PREFIX}-gw-"))).collect();
        assert!(gateways.is_empty(), "the stand-in left {gateways:?}");
    }

    async fn bridge_of(&self, tap: &str) -> Option<String> {
        let link = std::path::Path::new("/sys/class/net").join(tap).join("master");
        let text = self.fabric.run("readlink", &[link.to_str().unwrap()]).await.ok()?;
        text.trim().rsplit('/').next().map(str::to_owned)
    }

    /// Moves the port by the API and waits until the switch has followed; returns how long that took after the API.
    async fn go(&self, server: u8, to: WantedNetwork, bridge: &str) -> Duration {
        let seen = self.contrail.move_port(&port(server), &to).await.unwrap();
        assert!(seen.is(&to), "{seen:?}");
        let started = Instant::now();
        let tap = format!("tap-srv{server}");
        while self.bridge_of(&tap).await.as_deref() != Some(bridge) {
            let moves = self.standin.moves();
            assert!(started.elapsed() < FOLLOW_MAX, "{tap} is not on {bridge}; moves: {moves:#?}");
        }
        started.elapsed()
    }

    async fn reaches(&self, from: &Netns, to: &str) -> bool {
        from.run("ping", &["-c", "1", "-W", "1", to]).await.is_ok()
    }
}

fn port(server: u8) -> ServerPort {
    ServerPort {
        server: ServerId(Uuid::from_u128(server.into())),
        name: "eth0".into(),
        mac: mac(server),
        link: SwitchPort {
            switch: "qfx1".into(),
            port: format!("xe-0/0/{server}"),
            switch_id: None,
            fabric: None,
        },
    }
}

/// Asks DHCP from inside the namespace; none when nobody answers in time.
fn ask_dhcp(ns: &Netns, mac: MacAddr, kind: u8, asked: Option<Ipv4Addr>) -> Option<Packet> {
    let mut options = Options::default();
    options.append(MESSAGE_TYPE, &[kind]);
    if let Some(asked) = asked {
        options.append(REQUESTED_ADDRESS, &asked.octets());
    }
    let none = Ipv4Addr::UNSPECIFIED;
    let request = Packet {
        op: Op::Request,
        xid: 7,
        secs: 0,
        flags: 0x8000,
        ciaddr: none,
        yiaddr: none,
        siaddr: none,
        giaddr: none,
        mac,
        file: vec![],
        options,
    };
    let made = ns.within(move || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(b"eth0"))?;
        socket.bind(&SocketAddr::from((none, 68)).into())?;
        let socket = std::net::UdpSocket::from(socket);
        socket.set_read_timeout(Some(Duration::from_millis(700)))?;
        Ok(socket)
    });
    let socket = made.unwrap();
    for _ in 0..4 {
        socket.send_to(&request.build(), (Ipv4Addr::BROADCAST, 67)).unwrap();
        let mut bytes = [0; MAX_LEN];
        if let Ok((length, _)) = socket.recv_from(&mut bytes) {
            return Packet::parse(&bytes[..length]).ok();
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_prove_where_a_port_is() {
    let world = World::build().await;
    let [srv1, srv2] = world.servers.as_slice() else { panic!("two servers") };
    assert!(!world.reaches(srv1, "198.18.1.1").await, "a port on no network reaches nobody");

    world.go(1, PROVISIONING, "br-prov").await;
    world.go(2, PROVISIONING, "br-prov").await;
    assert!(world.reaches(srv1, "198.18.1.1").await && world.reaches(srv2, "198.18.1.1").await);
    assert!(!world.reaches(srv1, "198.18.1.12").await, "servers on an isolated network are isolated");
    world.go(1, CLEANING, "br-clean").await;
    assert!(world.reaches(srv1, "198.18.2.1").await);
    assert!(!world.reaches(srv1, "198.18.1.1").await);

    let network = world
        .contrail
        .ensure_network("0123456789abcdef0123456789abcdef", "acme", "web", "192.0.2.0/24")
        .await
        .unwrap();
    let tenant = Uuid::new_v4();
    let address = world
        .contrail
        .ensure_tenant_port(&NewTenantPort::plain(tenant, network.id, "srv1"))
        .await
        .unwrap()
        .address;
    world.go(1, WantedNetwork::Tenant(tenant), &tenant_bridge(network.id)).await;
    let offer = ask_dhcp(srv1, mac(1), 1, None).expect("an offer");
    assert_eq!(
        (offer.options.get(MESSAGE_TYPE), offer.yiaddr.to_string()),
        (Some(&[2][..]), address.to_string())
    );
    let ack = ask_dhcp(srv1, mac(1), 3, Some(offer.yiaddr)).expect("an acknowledgement");
    assert_eq!((ack.options.get(MESSAGE_TYPE), ack.yiaddr), (Some(&[5][..]), offer.yiaddr));
    assert_eq!(ack.options.get(1), Some(&[255, 255, 255, 0][..]), "netmask");
    assert_eq!(ack.options.get(3), Some(&[192, 0, 2, 1][..]), "gateway");
    let nak = ask_dhcp(srv1, mac(1), 3, Some(Ipv4Addr::new(192, 0, 2, 9))).expect("a refusal");
    assert_eq!(nak.options.get(MESSAGE_TYPE), Some(&[6][..]));
    assert!(ask_dhcp(srv1, mac(9), 1, None).is_none(), "no answer to a MAC address without an address");

    srv1.ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"]).await.unwrap();
    let vm =
        VirtualMachine::attach(&world.standin.url(), &world.fabric, network.id, "ctsw-vm").await.unwrap();
    assert!(world.reaches(&vm.ns, &address.to_string()).await);
    assert!(world.reaches(&vm.ns, "192.0.2.1").await, "the gateway answers");

    let moves = world.standin.moves().len();
    let kind = Kind::of("virtual-machine-interface").unwrap();
    let to = &world.contrail.config().provisioning;
    let bare = |to: serde_json::Value| {
        Request::Update(kind, tenant, json!({kind.name: {"virtual_network_refs": [{"to": to}]}}))
    };
    world.standin.shared.perform(&bare(json!(to))).unwrap();
    world.go(2, CLEANING, "br-clean").await;
    assert_eq!(world.standin.moves()[moves..].iter().filter(|it| it.tap == "tap-srv1").count(), 0);
    assert!(world.reaches(&vm.ns, &address.to_string()).await, "a bare change of the network moves nothing");
    world.standin.shared.perform(&bare(json!(["default-domain", "acme", "web"]))).unwrap();

    world.go(1, CLEANING, "br-clean").await;
    assert!(!world.reaches(&vm.ns, &address.to_string()).await, "the server has left the tenant's network");
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(world.go(1, PROVISIONING, "br-prov").await);
        times.push(world.go(1, CLEANING, "br-clean").await);
    }
    times.sort();
    eprintln!(
        "switch follows the api after: median {:?}, longest {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );

    world.contrail.release_port(&port(1)).await.unwrap();
    let started = Instant::now();
    while world.bridge_of("tap-srv1").await.is_some() {
        assert!(started.elapsed() < FOLLOW_MAX, "the released port is still on a network");
    }
    let log = std::fs::read_to_string(world.log.path().join("moves.jsonl")).unwrap();
    assert_eq!(log.lines().count(), world.standin.moves().len());
    vm.detach().await.unwrap();
    world.contrail.delete_tenant_port(tenant).await.unwrap();
    world.contrail.delete_network(network.id).await.unwrap();
    world.remove().await;
}
