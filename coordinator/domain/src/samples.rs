//! Values: records as tests need them, here and in the crates above.

use protocol::{
    boot::BootMode,
    id::ServerId,
    power::{PowerCause, PowerReading},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use uuid::Uuid;

use crate::{
    discovery::Rule,
    lifecycle::{Confirmed, Node, NodePower, ProvisionState},
    records::{NewPort, NewServer, Port, SeenPower, Server, TenantServer, TenantServerState},
    rim::{ObservedNetwork, SwitchPort},
};

/// The tenant's port.
pub const TENANT: Uuid = Uuid::from_u128(0x7e);
/// The tenant's server in Nova.
pub const INSTANCE: Uuid = Uuid::from_u128(0x15);

/// A server for the tests, with one port.
pub fn new_server() -> NewServer {
    NewServer {
        name: "n1".to_owned(),
        rack: "rack1".parse().unwrap(),
        bmc: BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: Some(3) },
            address: "198.51.100.11".to_owned(),
            port: 623,
            username: "admin".to_owned(),
            password: Secret::new("hunter2"),
            settings: Default::default(),
        },
        ports: vec![NewPort {
            name: "eth0".to_owned(),
            mac: "52:54:00:00:00:0b".parse().unwrap(),
            link: SwitchPort {
                switch: "leaf1".into(),
                port: "xe-0/0/1".into(),
                switch_id: None,
                fabric: None,
            },
            pxe_enabled: true,
        }],
        boot_mode: BootMode::Bios,
        resource_class: "gold".to_owned(),
        properties: Default::default(),
    }
}

/// That server, enrolled a moment ago.
pub fn server() -> Server {
    let NewServer { name, rack, bmc, ports, boot_mode, resource_class, properties } = new_server();
    let ports = ports.into_iter().map(|port| {
        let NewPort { name, mac, link, pxe_enabled } = port;
        Port { name, mac, link, pxe_enabled, wanted: None, observed: None, observed_us: None }
    });
    Server {
        id: ServerId(Uuid::from_u128(1)),
        name,
        rack,
        bmc,
        facade_password: Secret::new("facade"),
        boot_mode,
        resource_class,
        properties,
        secure_boot: None,
        created_us: 1,
        ports: ports.collect(),
        identity: None,
        bmc_doubt: None,
        bmc_proved_us: None,
        hardware: None,
        power: None,
        unwatched: None,
        confirmed: None,
        off_since_us: None,
        untold_off: false,
        boot_stage: None,
        ramdisk: None,
        node: None,
        ports_given: false,
        adopted: None,
        isolated_us: None,
        intent: None,
        boot_given: None,
        waiting: None,
        reason: None,
        trouble: None,
        forgetting: false,
        pool: None,
        pool_class: None,
        pool_facts: None,
        pool_untold: false,
        upkeep: Default::default(),
    }
}

/// That server, in this state of Ironic's.
pub fn server_in(state: &str) -> Server {
    let mut server = server();
    server.node = Some(Node::in_state(server.id, ProvisionState::from(state)));
    server
}

/// That server, deployed and on, on its tenant's network.
pub fn deployed_server() -> Server {
    let mut server = server();
    let mut node = Node::in_state(server.id, ProvisionState::from("active"));
    node.instance_id = Some(INSTANCE);
    node.power_state = Some(NodePower::On);
    server.node = Some(node);
    server.power = Some(SeenPower { reading: PowerReading::On, cause: PowerCause::Commanded, at_us: 1 });
    server.confirmed = Some(Confirmed::On);
    server.ports_given = true;
    server.ports[0].observed = Some(ObservedNetwork::Tenant(TENANT));
    server.ports[0].observed_us = Some(1);
    server
}

/// A server of a project's, on no machine.
pub fn tenant_server(id: Uuid) -> TenantServer {
    TenantServer {
        id,
        instance: None,
        project_id: "p1".to_owned(),
        name: "web".to_owned(),
        flavor: String::new(),
        image: String::new(),
        network: Uuid::nil(),
        port: None,
        address: None,
        node: None,
        state: TenantServerState::Active,
        reason: None,
        created_us: 1,
    }
}

/// A rule for the lab's rack.
pub fn rule() -> Rule {
    Rule {
        name: "lab".into(),
        rack: Some("rack1".parse().unwrap()),
        ranges: vec!["198.51.100.8/29".into()],
        manufacturer: Some("qemu*".into()),
        product: None,
        switch_ports: vec!["leaf1:xe-0/0/3-5".into()],
        node_name: "{rack}-{serial}".into(),
        resource_class: "baremetal".into(),
        username: Some("admin".into()),
        password: Some(Secret::new("secret")),
    }
}
