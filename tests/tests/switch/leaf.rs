//! What a leaf does under Contrail's device manager, by frames: it filters what servers send by security groups, has one number for
//! one network, and takes its commits one after another, whole or not at all. The objects are made by hand.

use std::time::{Duration, Instant};

use contrail::security::boot_entries;
use openstack::client::http_client;
use serde_json::{Value, json};
use tests::{
    contrail::{
        commits::{CommitTime, Told},
        kind::Kind,
        leaf::Outcome,
        request::Request,
        switch::Style,
    },
    vlan::{Ear, packet::PacketSocket},
};
use uuid::Uuid;

use super::{EMPTY_PORT, FOLLOW_MAX, World, frame, marks};

const AGENT: [u8; 4] = [198, 18, 2, 1];
const NEIGHBOUR: [u8; 4] = [198, 18, 2, 77];
const BROADCAST: [u8; 4] = [255; 4];
const PROVISIONING: &str = "provisioning";
const CLEANING: &str = "cleaning";

impl World {
    fn make(&self, kind: &str, body: &Value) -> Uuid {
        let made = Request::Create(Kind::of(kind).unwrap(), json!({ kind: body }));
        let made = self.standin.shared.perform(&made).unwrap().unwrap();
        serde_json::from_value(made[kind]["uuid"].clone()).unwrap()
    }

    /// Puts an interface of a network of ours onto a switch port; its untagged frames have this number.
    fn plug(&self, port: &str, network: &str, vlan: u16) -> Uuid {
        let profile = json!({ "local_link_information": [{ "switch_info": "qfx1", "port_id": port }] });
        let pair = |key: &str, value: String| json!({ "key": key, "value": value });
        let bindings = json!([
            pair("vnic_type", "baremetal".into()),
            pair("tor_port_vlan_id", vlan.to_string()),
            pair("profile", profile.to_string()),
        ]);
        let name = format!("{}-{network}", port.replace('/', "-"));
        let body = json!({
            "fq_name": ["default-domain", "bms", name], "parent_type": "project",
            "virtual_network_refs": [{ "to": ["default-domain", "bms", network] }],
            "virtual_machine_interface_bindings": { "key_value_pair": bindings },
        });
        self.make("virtual-machine-interface", &body)
    }

    fn unplug(&self, interface: Uuid) {
        let kind = Kind::of("virtual-machine-interface").unwrap();
        self.standin.shared.perform(&Request::Delete(kind, interface)).unwrap();
    }

    /// Lets an object refer to a security group, or not any more.
    fn refer(&self, kind: &str, id: Uuid, group: Uuid, operation: &str) {
        let body = json!({ "type": kind, "uuid": id, "operation": operation,
            "ref-type": "security-group", "ref-uuid": group, "ref-fq-name": null, "attr": null });
        self.standin.shared.perform(&Request::RefUpdate(body)).unwrap();
    }

    fn group_id(&self, port: &str) -> Uuid {
        let (name, store) = (self.group_of(port), self.standin.shared.store());
        store.of_kind("virtual-port-group").find(|group| group.name() == name).unwrap().id
    }

    /// Waits until the switch has done this many commits and is not at another one.
    async fn committed(&self, at_least: u64) -> Told {
        let started = Instant::now();
        loop {
            let told = self.standin.switches().into_iter().find(|it| it.switch == "qfx1");
            if let Some(told) = told.filter(|it| it.commits >= at_least && !it.busy) {
                return told;
            }
            assert!(started.elapsed() < FOLLOW_MAX, "{:?}", self.standin.switches());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where the admin address tells of the switches.
    fn switches(&self) -> String {
        format!("http://{}/switches", self.standin.admin)
    }

    fn commits(&self) -> u64 {
        self.standin.switches().iter().map(|told| told.commits).sum()
    }
}

/// An IPv4 packet (RFC 791 section 3.1) with two ports. Bridges check whether its header is good.
fn packet(mark: u8, protocol: u8, to: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 198, 18, 2, 11];
    header.extend(to);
    let words = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = words.sum::<u32>();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat());
    header.extend([0, 8, 0, 0]);
    frame(mark, &[0x0800], &header)
}

/// Every frame that a server may try, and whether the filter of a boot lets it pass.
fn tries() -> Vec<(Vec<u8>, bool)> {
    const ICMP: u8 = 1;
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let packets = [
        (UDP, BROADCAST, (68, 67), true),
        (UDP, AGENT, (68, 67), true),
        (UDP, AGENT, (2070, 69), true),
        (UDP, AGENT, (2070, 40000), true),
        (TCP, AGENT, (40000, 80), true),
        (TCP, AGENT, (40000, 8444), true),
        // Nobody heeds the rules' source ports.
        (TCP, AGENT, (22, 80), true),
        // Whatever comes from the ports of DHCP and DNS passes, to anybody: so does upstream.
        (UDP, NEIGHBOUR, (67, 68), true),
        (UDP, NEIGHBOUR, (53, 123), true),
        (UDP, AGENT, (2070, 123), false),
        (UDP, NEIGHBOUR, (2070, 69), false),
        (UDP, NEIGHBOUR, (2070, 40000), false),
        (UDP, BROADCAST, (2070, 40000), false),
        (TCP, AGENT, (40000, 22), false),
        (TCP, NEIGHBOUR, (40000, 80), false),
        (TCP, NEIGHBOUR, (67, 68), false),
        (ICMP, AGENT, (0x0800, 0), false),
        (ICMP, NEIGHBOUR, (0x0800, 0), false),
    ];
    let packets = packets.into_iter().zip(1u8..);
    let mut all: Vec<_> = packets
        .map(|((protocol, to, ports, passes), mark)| (packet(mark, protocol, to, ports), passes))
        .collect();
    // An IPv6 packet with nothing in it (RFC 8200 sections 3 and 4.7).
    let empty = [0x86dd, 0x6000, 0, 0, 0x3b40];
    for (words, passes) in [(&[0x88b5][..], false), (&empty[..], false), (&[0x0806][..], true)] {
        let mark = u8::try_from(all.len() + 1).unwrap();
        all.push((frame(mark, words, &[]), passes));
    }
    all
}

/// Sends everything from a server, and says which frames came to the agent.
async fn arrived(world: &World, server: usize) -> Vec<u8> {
    let ear = Ear::open(&world.agent, "clean0").unwrap();
    let socket = PacketSocket::open(&world.servers[server], "eth0").unwrap();
    let all = tries();
    all.iter().for_each(|(frame, _)| socket.send(frame).unwrap());
    // The last one, ARP, passes always.
    let heard = marks(&ear, u8::try_from(all.len()).unwrap()).await;
    heard.into_iter().map(|(mark, _)| mark).collect()
}

fn expected(filtered: bool) -> Vec<u8> {
    (1u8..).zip(tries()).filter(|(_, (_, passes))| *passes || !filtered).map(|(mark, _)| mark).collect()
}

async fn filters(prefix: &'static str, style: Style) {
    let world = World::build(prefix, style).await;
    let rules = boot_entries(&["198.18.2.1/32".to_owned()], &[80, 8444]);
    let group = world.make(
        "security-group",
        &json!({ "fq_name": ["default-domain", "bms", "by-hand"], "parent_type": "project",
            "security_group_entries": rules }),
    );
    let interfaces = [1, 2].map(|server| world.plug(&format!("xe-0/0/{server}"), CLEANING, 3002));
    for (tap, server) in ["tap-srv1", "tap-srv2"].into_iter().zip(&world.servers) {
        world.on(tap, Some("br-clean")).await;
        world.meets(server, "198.18.2.1").await;
    }
    assert_eq!([arrived(&world, 0).await, arrived(&world, 1).await], [expected(false), expected(false)]);

    // The first server has the group where this style looks for it, the second where the other style does.
    let of_group = |server: u8| ("virtual-port-group", world.group_id(&format!("xe-0/0/{server}")));
    let of_interface = |server: usize| ("virtual-machine-interface", interfaces[server - 1]);
    let ((kind, id), (other_kind, other)) = match style {
        Style::Enterprise => (of_group(1), of_interface(2)),
        Style::ServiceProvider => (of_interface(1), of_group(2)),
    };
    let before = world.commits();
    world.refer(other_kind, other, group, "ADD");
    world.refer(kind, id, group, "ADD");
    assert_eq!(world.committed(before + 1).await.last, Some(Outcome::Done));
    assert_eq!([arrived(&world, 0).await, arrived(&world, 1).await], [expected(true), expected(false)]);
    assert!(world.reaches(&world.servers[0], "198.18.2.1").await, "boot files are not to be had");

    let before = world.commits();
    world.refer(kind, id, group, "DELETE");
    world.committed(before + 1).await;
    assert_eq!(arrived(&world, 0).await, expected(false));
    world.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enterprise_fabric_filters_by_the_port_groups_security_groups() {
    filters("ctle", Style::Enterprise).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_provider_fabric_filters_by_the_interfaces_security_groups() {
    filters("ctls", Style::ServiceProvider).await;
}

/// Moves a server while a network on a third port has the number of another network.
async fn numbers(prefix: &'static str, style: Style) {
    let world = World::build(prefix, style).await;
    world.make(
        "virtual-network",
        &json!({ "fq_name": ["default-domain", "bms", "third"], "parent_type": "project" }),
    );
    let first = world.plug("xe-0/0/1", PROVISIONING, 3001);
    world.plug("xe-0/0/2", CLEANING, 3002);
    world.on("tap-srv1", Some("br-prov")).await;
    world.on("tap-srv2", Some("br-clean")).await;
    world.meets(&world.servers[0], "198.18.1.1").await;
    let before = world.committed(1).await.commits;

    let third = world.plug(EMPTY_PORT, "third", 3002);
    let told = world.committed(before + 1).await;
    let refused = match style {
        Style::Enterprise => {
            let words = told.refusal.clone().unwrap();
            assert!(words.contains("Duplicate vlan-id 3002") && words.contains("bms:third"), "{words}");
            true
        }
        Style::ServiceProvider => {
            assert_eq!((told.last, told.refusal), (Some(Outcome::Done), None));
            false
        }
    };
    let shown: Value =
        http_client(None).unwrap().get(world.switches()).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown[0]["last"] != json!("done"), refused, "{shown}");

    // Nothing at all moves on this leaf while it refuses, and everything once it does not.
    let before = world.commits();
    world.unplug(first);
    world.plug("xe-0/0/1", CLEANING, 3002);
    if refused {
        assert!(matches!(world.committed(before + 1).await.last, Some(Outcome::Refused(_))));
        assert_eq!(world.bridge_of("tap-srv1").await.as_deref(), Some("br-prov"));
        assert!(world.reaches(&world.servers[0], "198.18.1.1").await, "the server was cut off");
    }
    world.unplug(third);
    world.on("tap-srv1", Some("br-clean")).await;
    world.meets(&world.servers[0], "198.18.2.1").await;
    world.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_with_one_number_move_nothing_on_that_leaf() {
    numbers("ctnb", Style::Enterprise).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_provider_fabric_knows_no_numbers_of_untagged_networks() {
    numbers("ctns", Style::ServiceProvider).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_takes_its_time_and_the_next_one_waits_for_it() {
    const TAKES: Duration = Duration::from_millis(600);
    let world = World::build("ctct", Style::Enterprise).await;
    let before = world.committed(1).await.commits;
    let takes = CommitTime { commit_ms: u64::try_from(TAKES.as_millis()).unwrap() };
    let set = http_client(None).unwrap().put(world.switches()).json(&takes);
    set.send().await.unwrap().error_for_status().unwrap();

    let started = Instant::now();
    world.plug("xe-0/0/1", PROVISIONING, 3001);
    while !world.standin.switches()[0].busy {
        assert!(started.elapsed() < FOLLOW_MAX);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let meanwhile = Instant::now();
    world.plug("xe-0/0/2", PROVISIONING, 3001);
    world.on("tap-srv1", Some("br-prov")).await;
    assert!(started.elapsed() >= TAKES, "the first after {:?}", started.elapsed());
    world.on("tap-srv2", Some("br-prov")).await;
    assert!(meanwhile.elapsed() >= TAKES, "the second after {:?}", meanwhile.elapsed());
    assert_eq!(world.committed(before + 2).await.commits, before + 2);
    world.remove().await;
}
