//! Edges: the stand-in's switch with real interfaces: frames prove where a port is, and that nothing but the objects
//! moves it.

mod switch;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use dhcproto::v4::{self, Decodable, DhcpOption, Encodable, MessageType, OptionCode};
use domain::rim::{Fabric, NewTenantPort, TenantNetworks, WantedNetwork};
use protocol::mac::MacAddr;
use pxe::dhcp::packet::MAX_LEN;
use serde_json::json;
use switch::{CLEANING, FOLLOW_MAX, PROVISIONING, World, mac, marked, marks, port};
use tests::{
    contrail::{
        VirtualMachine,
        config::tenant_bridge,
        kind::Kind,
        mover::{NOWHERE, vlan_device},
        request::Request,
        switch::Style,
    },
    netns::Netns,
    vlan::{Ear, VlanDevice, packet::PacketSocket},
};
use uuid::Uuid;

/// Asks DHCP from inside the namespace; none when nobody answers in time.
fn ask_dhcp(
    ns: &Netns,
    interface: &'static str,
    mac: MacAddr,
    kind: MessageType,
    asked: Option<Ipv4Addr>,
) -> Option<v4::Message> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut request = v4::Message::new_with_id(7, none, none, none, none, &mac.0);
    request.set_flags(v4::Flags::default().set_broadcast());
    request.opts_mut().insert(DhcpOption::MessageType(kind));
    if let Some(asked) = asked {
        request.opts_mut().insert(DhcpOption::RequestedIpAddress(asked));
    }
    let request = request.to_vec().unwrap();
    let made = ns.within(move || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.bind(&SocketAddr::from((none, 68)).into())?;
        let socket = std::net::UdpSocket::from(socket);
        socket.set_read_timeout(Some(Duration::from_millis(700)))?;
        Ok(socket)
    });
    let socket = made.unwrap();
    for _ in 0..4 {
        socket.send_to(&request, (Ipv4Addr::BROADCAST, 67)).unwrap();
        let mut bytes = [0; MAX_LEN];
        if let Ok((length, _)) = socket.recv_from(&mut bytes) {
            return v4::Message::from_bytes(&bytes[..length]).ok();
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_prove_where_a_port_is() {
    let world = World::build("ctsw", Style::Enterprise).await;
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
    let IpAddr::V4(address) = address else { panic!("{address} is no IPv4 address") };
    let offer = ask_dhcp(srv1, "eth0", mac(1), MessageType::Discover, None).expect("an offer");
    assert_eq!((offer.opts().msg_type(), offer.yiaddr()), (Some(MessageType::Offer), address));
    let request = |asked| ask_dhcp(srv1, "eth0", mac(1), MessageType::Request, Some(asked));
    let ack = request(address).expect("an acknowledgement");
    assert_eq!((ack.opts().msg_type(), ack.yiaddr()), (Some(MessageType::Ack), address));
    let mask = DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(ack.opts().get(OptionCode::SubnetMask), Some(&mask));
    let gateway = DhcpOption::Router(vec![Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(ack.opts().get(OptionCode::Router), Some(&gateway));
    let nak = request(Ipv4Addr::new(192, 0, 2, 9)).expect("a refusal");
    assert_eq!(nak.opts().msg_type(), Some(MessageType::Nak));
    assert!(
        ask_dhcp(srv1, "eth0", mac(9), MessageType::Discover, None).is_none(),
        "no answer to a MAC address without an address"
    );

    srv1.ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"]).await.unwrap();
    let vm =
        VirtualMachine::attach(&world.standin.url(), &world.fabric, network.id, "ctsw-vm").await.unwrap();
    world.meets(&vm.ns, &address.to_string()).await;
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

/// Sends many bytes over TCP, which the kernel sends as frames without a checksum, and too long, where it can.
async fn transfer(from: &Netns, to: &Netns, address: &str) -> usize {
    const BYTES: usize = 3 << 20;
    let at = SocketAddr::new(address.parse().unwrap(), 7777);
    let listener = to.within(move || Ok(std::net::TcpListener::bind(at)?)).unwrap();
    let sent = from.clone();
    let sender = std::thread::spawn(move || {
        sent.within(move || {
            let mut stream = std::net::TcpStream::connect_timeout(&at, FOLLOW_MAX)?;
            stream.set_write_timeout(Some(FOLLOW_MAX))?;
            Ok(std::io::Write::write_all(&mut stream, &vec![7; BYTES])?)
        })
    });
    let received = tokio::task::spawn_blocking(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(FOLLOW_MAX)).unwrap();
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut all).unwrap();
        all.len()
    });
    let received = received.await.unwrap();
    sender.join().unwrap().unwrap();
    assert_eq!(received, BYTES);
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tagged_port_passes_its_tag_and_no_other() {
    const TAG: u16 = 100;
    const SECOND_VLAN: &str = "500";
    let world = World::build("cttg", Style::Enterprise).await;
    let [srv1, srv2] = world.servers.as_slice() else { panic!("two servers") };
    let project = "0123456789abcdef0123456789abcdef";
    let web = world.contrail.ensure_network(project, "acme", "web", "192.0.2.0/24").await.unwrap();
    let db = world.contrail.ensure_network(project, "acme", "db", "203.0.113.0/24").await.unwrap();
    let tenant = Uuid::new_v4();
    let wanted = NewTenantPort { vlan: Some(TAG), ..NewTenantPort::plain(tenant, web.id, "srv1") };
    let address = world.contrail.ensure_tenant_port(&wanted).await.unwrap().address.to_string();
    let vm = VirtualMachine::attach(&world.standin.url(), &world.fabric, web.id, "cttg-vm").await.unwrap();
    let of_db = VirtualMachine::attach(&world.standin.url(), &world.fabric, db.id, "cttg-db").await.unwrap();
    let device = vlan_device("tap-srv1", TAG);

    world.go(1, WantedNetwork::Tenant(tenant), NOWHERE).await;
    world.on(&device, Some(&tenant_bridge(web.id))).await;
    let link = Ear::open(&world.fabric, "tap-srv1").unwrap();
    let _vlan = VlanDevice::start(srv1, "eth0", TAG, "eth0.100").unwrap();
    let lines = format!(
        "link set eth0.100 address {}\nlink set eth0.100 up\naddress add {address}/24 dev eth0.100\n",
        mac(1)
    );
    srv1.ip_batch(&lines).await.unwrap();
    let offer =
        ask_dhcp(srv1, "eth0.100", mac(1), MessageType::Discover, None).expect("an offer over the tag");
    assert_eq!(offer.yiaddr().to_string(), address);
    let untagged = ask_dhcp(srv1, "eth0", mac(1), MessageType::Discover, None);
    assert!(untagged.is_none(), "an answer without the tag");
    world.meets(&vm.ns, &address).await;
    vm.ns.run("ping", &["-c1", "-W1", "-Mdo", "-s1472", &address]).await.expect("the longest frames pass");
    transfer(&vm.ns, srv1, &address).await;
    transfer(srv1, &vm.ns, &vm.address.to_string()).await;
    of_db.ns.ip(&["address", "add", "192.0.2.77/24", "dev", "eth0"]).await.unwrap();
    assert!(!world.reaches(&of_db.ns, &address).await, "a machine of another network reaches it");
    let ip = link.seen().into_iter().filter(|seen| seen.ethertype == 0x0800).collect::<Vec<_>>();
    for outgoing in [true, false] {
        let vlans = ip.iter().filter(|seen| seen.outgoing == outgoing).map(|seen| seen.vlans());
        let (tagged, others): (Vec<_>, Vec<_>) = vlans.partition(|vlans| *vlans == [Some(TAG)]);
        assert!(tagged.len() > 100, "{} frames with the tag", tagged.len());
        // What was asked for without the tag, to no avail.
        assert!(others.iter().all(|vlans| vlans.is_empty() && !outgoing), "{others:?}");
    }

    // A neighbour on the same network, untagged, and everything that the server may try.
    let plain = Uuid::new_v4();
    world.contrail.ensure_tenant_port(&NewTenantPort::plain(plain, web.id, "srv2")).await.unwrap();
    world.go(2, WantedNetwork::Tenant(plain), &tenant_bridge(web.id)).await;
    let (at_vm, at_db) = (Ear::open(&vm.ns, "eth0").unwrap(), Ear::open(&of_db.ns, "eth0").unwrap());
    let (at_1, at_2) = (Ear::open(srv1, "eth0").unwrap(), Ear::open(srv2, "eth0").unwrap());
    let server = PacketSocket::open(srv1, "eth0").unwrap();
    let tries: [&[u16]; 9] = [
        &[],
        &[0x8100, 0],
        &[0x8100, 101],
        &[0x8100, 4095],
        &[0x88a8, TAG],
        &[0x8100, TAG, 0x8100, TAG],
        &[0x8100, TAG, 0x8100, 101],
        &[0x8100, 101, 0x8100, TAG],
        &[0x8100, TAG],
    ];
    let last = tries.len() as u8;
    for (tags, mark) in tries.iter().zip(1..) {
        server.send(&marked(mark, tags)).unwrap();
    }
    assert_eq!(marks(&at_vm, last).await, [(last, vec![])]);
    assert_eq!(marks(&at_2, last).await, [(last, vec![])]);

    // Nor is anything with a tag let in from the network, for the server or anybody else.
    let (machine, neighbour) =
        (PacketSocket::open(&vm.ns, "eth0").unwrap(), PacketSocket::open(srv2, "eth0").unwrap());
    for (socket, mark) in [(&machine, 21), (&neighbour, 24)] {
        socket.send(&marked(mark, &[0x8100, TAG])).unwrap();
        socket.send(&marked(mark + 1, &[0x8100, TAG, 0x8100, TAG])).unwrap();
        socket.send(&marked(mark + 2, &[])).unwrap();
    }
    assert_eq!(marks(&at_1, 26).await, [(23, vec![Some(TAG)]), (26, vec![Some(TAG)])]);
    assert_eq!(marks(&at_2, 23).await, [(last, vec![]), (23, vec![])]);

    // A second interface on the same port: untagged frames have a network then, and no frame changes over.
    let second = json!({"virtual-machine-interface": {
        "fq_name": ["default-domain", "acme", "second"], "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", "acme", "db"]}],
        "virtual_machine_interface_bindings": {"key_value_pair": [
            {"key": "vnic_type", "value": "baremetal"}, {"key": "tor_port_vlan_id", "value": SECOND_VLAN},
            {"key": "vpg", "value": world.group_of("xe-0/0/1")},
            {"key": "profile", "value": json!({"local_link_information":
                [{"switch_info": "qfx1", "port_id": "xe-0/0/1"}]}).to_string()},
        ]},
    }});
    let kind = Kind::of("virtual-machine-interface").unwrap();
    let made = world.standin.shared.perform(&Request::Create(kind, second)).unwrap().unwrap();
    world.on("tap-srv1", Some(&tenant_bridge(db.id))).await;
    world.on(&device, Some(&tenant_bridge(web.id))).await;
    world.meets(&vm.ns, &address).await;
    for (tags, mark) in [(&[][..], 31), (&[0x8100, 101], 32), (&[0x8100, TAG], 33), (&[], 34)] {
        server.send(&marked(mark, tags)).unwrap();
    }
    assert_eq!(marks(&at_db, 34).await, [(31, vec![]), (34, vec![])]);
    assert_eq!(marks(&at_vm, 33).await.last(), Some(&(33, vec![])));
    assert!(!marks(&at_vm, 33).await.iter().any(|(mark, _)| [31, 32, 34].contains(mark)));
    let second = serde_json::from_value(made["virtual-machine-interface"]["uuid"].clone()).unwrap();
    world.standin.shared.perform(&Request::Delete(kind, second)).unwrap();
    world.on("tap-srv1", Some(NOWHERE)).await;

    // Isolated: the tag leads nowhere any more.
    world.go(1, CLEANING, "br-clean").await;
    world.on(&device, None).await;
    server.send(&marked(41, &[0x8100, TAG])).unwrap();
    neighbour.send(&marked(42, &[])).unwrap();
    assert!(!marks(&at_vm, 42).await.iter().any(|(mark, _)| *mark == 41));
    assert!(!world.reaches(&vm.ns, &address).await);
    let moved = world.standin.moves().into_iter().filter(|it| it.tap == "tap-srv1").collect::<Vec<_>>();
    let mut tagged: Vec<_> = moved.iter().map(|it| it.tagged.keys().copied().collect::<Vec<_>>()).collect();
    tagged.dedup();
    assert_eq!(tagged, [vec![TAG], vec![]], "{moved:?}");

    world.go(1, WantedNetwork::Tenant(tenant), NOWHERE).await;
    world.on(&device, Some(&tenant_bridge(web.id))).await;
    world.meets(&vm.ns, &address).await;
    for server in 1..=2 {
        world.go(server, CLEANING, "br-clean").await;
        world.contrail.release_port(&port(server)).await.unwrap();
    }
    for (vm, port) in [(vm, tenant), (of_db, plain)] {
        vm.detach().await.unwrap();
        world.contrail.delete_tenant_port(port).await.unwrap();
    }
    world.contrail.delete_network(db.id).await.unwrap();
    world.contrail.delete_network(web.id).await.unwrap();
    world.remove().await;
}
