//! Edges: tenants' ports against the stand-in of the VNC API: addresses by its IPAM, security groups, tags, and what a refusal leaves.

use std::net::IpAddr;

use contrail::{Config as Site, Contrail};
use domain::rim::{
    Fabric, FabricError, NewTenantPort, ObservedNetwork, ServerPort, SiteObjectState, SwitchPort,
    TenantNetwork, TenantNetworks, WantedNetwork,
};
use protocol::{id::ServerId, network::BootNetwork};
use serde_json::json;
use tests::contrail::{Config, Standin, kind::Kind, request::Request};
use uuid::Uuid;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);

struct World {
    standin: Standin,
    contrail: Contrail,
    /// Hosts .2 to .6, of which one is Contrail's own; .1 is the gateway's.
    tiny: TenantNetwork,
}

impl World {
    async fn start() -> Self {
        let standin = Standin::start(Config::api_only(&[("qfx1", "xe-0/0/0")])).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        let made = contrail.ensure_site().await.unwrap();
        assert!(made.iter().all(|object| object.state == SiteObjectState::Made), "{made:?}");
        let tiny = contrail.ensure_network(PROJECT, "acme", "tiny", "192.0.2.0/29").await.unwrap();
        Self { standin, contrail, tiny }
    }

    fn wanted(&self, id: u128, address: Option<&str>) -> NewTenantPort {
        let address = address.map(|text| text.parse().unwrap());
        NewTenantPort {
            address,
            ..NewTenantPort::plain(Uuid::from_u128(id), self.tiny.id, &format!("srv{id}"))
        }
    }

    async fn ask(&self, id: u128, address: Option<&str>) -> Result<IpAddr, FabricError> {
        self.contrail.ensure_tenant_port(&self.wanted(id, address)).await.map(|port| port.address)
    }

    fn create(&self, kind: &str, body: serde_json::Value) -> Uuid {
        let kind = Kind::of(kind).unwrap();
        let made = self.standin.shared.perform(&Request::Create(kind, json!({ kind.name: body }))).unwrap();
        serde_json::from_value(made.unwrap()[kind.name]["uuid"].clone()).unwrap()
    }

    /// The address of the tiny network where Contrail's own DHCP and DNS answer, and the four that are left.
    fn addresses(&self) -> (String, Vec<String>) {
        let store = self.standin.shared.store();
        let ipam = &store.get(self.tiny.id).unwrap().refs_to("network-ipam").next().unwrap().attr;
        let service = ipam["ipam_subnets"][0]["dns_server_address"].as_str().unwrap().to_owned();
        let hosts = (2..7).map(|host| format!("192.0.2.{host}")).filter(|host| *host != service).collect();
        (service, hosts)
    }

    fn count(&self, kind: &str) -> usize {
        self.standin.shared.store().of_kind(kind).count()
    }
}

fn port() -> ServerPort {
    ServerPort::alone(
        ServerId(Uuid::from_u128(42)),
        "eth0",
        "52:54:00:00:00:01".parse().unwrap(),
        SwitchPort { switch: "qfx1".into(), port: "xe-0/0/0".into(), switch_id: None, fabric: None },
    )
}

#[tokio::test]
async fn a_server_and_a_virtual_machine_never_have_the_same_address() {
    let world = World::start().await;
    let (service, hosts) = world.addresses();
    let network = ["default-domain", "acme", "tiny"];
    let vm = json!({"fq_name": ["default-domain", "acme", "vm-port"], "parent_type": "project", "display_name": "vm1",
        "virtual_network_refs": [{"to": network}]});
    world.create("virtual-machine-interface", vm);
    let ip = json!({"fq_name": ["vm-ip"], "virtual_network_refs": [{"to": network}], "instance_ip_address": hosts[1],
        "virtual_machine_interface_refs": [{"to": ["default-domain", "acme", "vm-port"]}]});
    world.create("instance-ip", ip);

    let error = world.ask(1, Some(&hosts[1])).await.unwrap_err();
    assert!(
        matches!(&error, FabricError::AddressTaken { holder, network, .. } if holder == "vm1" && network == "tiny"),
        "{error}"
    );
    world.contrail.delete_tenant_port(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(world.ask(1, Some(&hosts[2])).await.unwrap().to_string(), hosts[2]);
    assert_eq!(world.ask(1, Some(&hosts[2])).await.unwrap().to_string(), hosts[2], "repeated");
    for (unfit, word) in
        [("192.0.2.1", "gateway"), (service.as_str(), "Contrail's own"), ("192.0.2.8", "outside")]
    {
        let error = world.ask(2, Some(unfit)).await.unwrap_err();
        assert!(
            matches!(error, FabricError::UnfitAddress { .. }) && error.to_string().contains(word),
            "{error}"
        );
    }
    assert_eq!(world.count("virtual-machine-interface"), 2, "an unfit address makes no port");
    let given =
        [world.ask(2, None).await.unwrap(), world.ask(3, None).await.unwrap()].map(|it| it.to_string());
    assert_eq!(given, [hosts[3].clone(), hosts[0].clone()], "from the top, around what is taken");

    let error = world.ask(4, None).await.unwrap_err();
    assert!(matches!(error, FabricError::NoAddressLeft { used: 4, .. }), "{error}");
    world.contrail.delete_tenant_port(Uuid::from_u128(4)).await.unwrap();
    let all = world.contrail.network_addresses(world.tiny.id).await.unwrap();
    let names: Vec<_> = all.used.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((all.free, names), (0, vec!["srv3", "vm1", "srv1", "srv2"]));

    let error = world.contrail.delete_network(world.tiny.id).await.unwrap_err();
    assert!(
        matches!(&error, FabricError::InUse { by, .. } if by.contains("srv1") && by.contains("vm1")),
        "{error}"
    );
    world.contrail.delete_tenant_port(Uuid::from_u128(2)).await.unwrap();
    assert_eq!(world.contrail.network_addresses(world.tiny.id).await.unwrap().free, 1);
    assert_eq!(world.ask(5, None).await.unwrap().to_string(), hosts[3], "given back, given again");
    world.standin.stop().await;
}

#[tokio::test]
async fn a_tenants_security_group_stays_on_its_port_through_every_isolation() {
    let world = World::start().await;
    let name = ["default-domain", "acme", "web"];
    let group = world.create(
        "security-group",
        json!({"fq_name": name, "parent_type": "project", "security_group_entries": {"policy_rule": []}}),
    );
    let groups = world.contrail.security_groups(Some(PROJECT)).await.unwrap();
    assert_eq!(
        groups.iter().map(|group| (group.id, group.name.as_str())).collect::<Vec<_>>(),
        [(group, "web")]
    );
    let id = Uuid::from_u128(1);
    let wanted = NewTenantPort { security_groups: vec![group], ..world.wanted(1, None) };
    world.contrail.ensure_tenant_port(&wanted).await.unwrap();
    let tenant = WantedNetwork::Tenant(id);
    for to in [tenant, CLEANING, WantedNetwork::Nothing, tenant, CLEANING] {
        assert!(world.contrail.move_port(&port(), &to).await.unwrap().is(&to));
        let store = world.standin.shared.store();
        assert!(store.get(id).unwrap().refers_to(group), "the group went with a move to {to:?}");
        let boot = store.by_name("security-group", &["default-domain", "bms", "bms-boot"].map(str::to_owned));
        let ours = store.of_kind("virtual-machine-interface").find(|it| it.id != id);
        assert_eq!(ours.is_some(), to == CLEANING);
        assert!(ours.is_none_or(|ours| ours.refers_to(boot.unwrap().id)), "our port has no security group");
    }
    let unknown = NewTenantPort { security_groups: vec![Uuid::nil()], ..world.wanted(2, None) };
    let error = world.contrail.ensure_tenant_port(&unknown).await.unwrap_err();
    assert!(matches!(error, FabricError::NotFound { what: "security group", .. }), "{error}");
    world.standin.stop().await;
}

#[tokio::test]
async fn a_tagged_port_is_attached_with_its_tag_and_seen_with_it() {
    let world = World::start().await;
    let id = Uuid::from_u128(1);
    let wanted = NewTenantPort { vlan: Some(100), ..world.wanted(1, None) };
    world.contrail.ensure_tenant_port(&wanted).await.unwrap();
    let tenant = WantedNetwork::Tenant(id);
    for to in [tenant, CLEANING, tenant] {
        assert!(world.contrail.move_port(&port(), &to).await.unwrap().is(&to));
    }
    let store = world.standin.shared.store();
    let attr = &store.get(id).unwrap().refs_to("virtual-port-group").next().unwrap().attr;
    assert_eq!(*attr, json!({"vlan_tag": 100}));
    let ours = store.get(id).unwrap().properties["virtual_machine_interface_properties"].clone();
    assert_eq!(ours, json!({"sub_interface_vlan_tag": 100}), "the property stays with every binding");
    let kind = Kind::of("virtual-machine-interface").unwrap();
    let body = json!({kind.name: {"virtual_machine_interface_properties": {"sub_interface_vlan_tag": 200}}});
    world.standin.shared.perform(&Request::Update(kind, id, body)).unwrap();
    let seen = world.contrail.observe_port(&port()).await.unwrap();
    assert!(
        matches!(&seen, ObservedNetwork::Other { description } if description.contains("VLAN")),
        "{seen:?}"
    );
    world.standin.stop().await;
}

#[tokio::test]
async fn a_site_is_set_up_once_and_corrected() {
    let world = World::start().await;
    let states = async || {
        let objects = world.contrail.ensure_site().await.unwrap();
        objects.into_iter().map(|object| (object.kind, object.state)).collect::<Vec<_>>()
    };
    use SiteObjectState::{Corrected, Found};
    let kinds = ["project", "security-group", "virtual-network", "virtual-network"].map(str::to_owned);
    let expected = |group| kinds.clone().into_iter().zip([Found, group, Found, Found]).collect::<Vec<_>>();
    assert_eq!(states().await, expected(Found));
    let kind = Kind::of("security-group").unwrap();
    let store = world.standin.shared.store();
    let group = store.of_kind(kind.name).find(|group| group.name() == "bms-boot").unwrap().id;
    let body = json!({kind.name: {"security_group_entries": {"policy_rule": []}}});
    world.standin.shared.perform(&Request::Update(kind, group, body)).unwrap();
    assert_eq!(states().await, expected(Corrected));
    assert_eq!(states().await, expected(Found));
    world.standin.stop().await;
}
