//! Decisions: everything in a picture that cannot all be true.

use std::collections::BTreeMap;

use protocol::{mac::MacAddr, power::PowerReading};
use uuid::Uuid;

use super::{
    finding::{Finding, FindingKind as Kind, Severity},
    picture::{IronicNode, Known, Picture, Tenant},
    tenancies::tenancies,
};
use crate::{
    adoption::FoundInterface,
    records::{Port, TenantServerState},
    rim::{WantedNetwork, describe_wanted},
};

/// Compares everybody with everybody. The worst comes first.
pub fn findings(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(nodes) = &picture.ironic {
        ironic_and_inventory(picture, nodes, &mut found);
        if let Some(servers) = &picture.nova {
            found.extend(tenancies(picture, nodes, servers));
        }
    }
    if let Some(interfaces) = &picture.interfaces {
        for known in &picture.known {
            ports(known, interfaces, &mut found);
        }
        for tenant in &picture.tenants {
            addresses(tenant, interfaces, &mut found);
        }
        macs(picture, interfaces, &mut found);
        without_owner(picture, interfaces, &mut found);
    }
    found.sort_by(|a, b| (a.severity, &a.server, a.what).cmp(&(b.severity, &b.server, b.what)));
    found
}

fn ironic_and_inventory(picture: &Picture, nodes: &[IronicNode], found: &mut Vec<Finding>) {
    for node in nodes {
        let Some(known) = picture.known.iter().find(|known| known.server.id == node.id) else {
            let remedy = "import it (bmsctl node import) under that name after deleting the node in Ironic, or leave it to \
                          whoever created it";
            found.push(Finding {
                ironic: format!("node {} is {}", node.id, node.state),
                seen: "not in the inventory".to_owned(),
                ..Finding::new(Severity::Warning, Kind::NodeUnknown, &node.name, remedy)
            });
            continue;
        };
        let reading = known.server.power.as_ref().filter(|_| known.agent_is_here).map(|seen| &seen.reading);
        let differs = match (node.power.as_deref(), reading) {
            (Some("power off"), Some(PowerReading::On)) => Some("on"),
            (Some("power on"), Some(PowerReading::Off)) => Some("off"),
            _ => None,
        };
        if let Some(seen) = differs {
            let remedy = "wait a minute; if it persists, find out who changes the power of the server besides Ironic (its \
                          buttons, its BMC), and set the power state that it should have";
            found.push(Finding {
                ironic: node.power.clone().unwrap_or_default(),
                seen: format!("its BMC says {seen}"),
                ..Finding::new(Severity::Error, Kind::PowerDiffers, &known.server.name, remedy)
            });
        }
    }
    for known in picture.known.iter().filter(|known| !known.server.forgetting) {
        if nodes.iter().all(|node| node.id != known.server.id) {
            found.push(Finding {
                ironic: "no such node".to_owned(),
                seen: format!("{} is in the inventory", known.server.id),
                ..Finding::new(
                    Severity::Warning,
                    Kind::NodeMissing,
                    &known.server.name,
                    "it is created automatically within a minute; otherwise the server's reason says why not",
                )
            });
        }
    }
}

fn ports(known: &Known, interfaces: &[FoundInterface], found: &mut Vec<Finding>) {
    let Some(places) = &known.places else { return };
    for (port, place) in known.server.ports.iter().zip(places) {
        let here: Vec<&FoundInterface> =
            interfaces.iter().filter(|interface| interface.is_on(&port.link)).collect();
        let fits = match (here.as_slice(), place) {
            ([], WantedNetwork::Nothing) => true,
            ([one], WantedNetwork::Boot(network)) => one.isolated == Some(*network),
            ([one], WantedNetwork::Tenant(id)) => one.id == *id,
            (_, WantedNetwork::Nothing | WantedNetwork::Boot(_) | WantedNetwork::Tenant(_)) => false,
        };
        if !fits {
            found.push(elsewhere(known, port, &here, place));
        }
    }
}

fn elsewhere(known: &Known, port: &Port, here: &[&FoundInterface], place: &WantedNetwork) -> Finding {
    let names: Vec<_> = here.iter().map(ToString::to_string).collect();
    let remedy = "it is moved automatically within a minute; if it persists, remove whatever holds the switch port in Contrail";
    Finding {
        contrail: match names.as_slice() {
            [] => "on no network".to_owned(),
            names => names.join("; "),
        },
        ironic: known.server.node.as_ref().map(|node| node.provision_state.to_string()).unwrap_or_default(),
        seen: format!("{} at {} belongs on {}", port.name, port.link, describe_wanted(place)),
        ..Finding::new(Severity::Error, Kind::PortElsewhere, &known.server.name, remedy)
    }
}

fn addresses(tenant: &Tenant, interfaces: &[FoundInterface], found: &mut Vec<Finding>) {
    let is_made = match tenant.server.state {
        TenantServerState::Building | TenantServerState::Active => true,
        TenantServerState::Requested | TenantServerState::Deleting | TenantServerState::Error => false,
    };
    for port in tenant.ports.iter().filter(|_| is_made) {
        let Some(interface) = interfaces.iter().find(|interface| interface.id == port.id) else {
            found.push(Finding {
                contrail: format!("no interface {}", port.id),
                seen: "the tenant's server has this port".to_owned(),
                ..Finding::new(
                    Severity::Error,
                    Kind::PortMissing,
                    &tenant.server.name,
                    "its power-on will be refused: restore the interface under its uuid, or give the server back",
                )
            });
            continue;
        };
        if let Some(address) = port.address.filter(|address| !interface.addresses.contains(address)) {
            found.push(Finding {
                contrail: format!("{interface} has {}", interface.addresses_text()),
                seen: format!("the server was given {address}"),
                ..Finding::new(
                    Severity::Error,
                    Kind::AddressDiffers,
                    &tenant.server.name,
                    "correct the interface's address in Contrail: the server uses the one that it was given",
                )
            });
        }
    }
}

fn macs(picture: &Picture, interfaces: &[FoundInterface], found: &mut Vec<Finding>) {
    let mut by_mac: BTreeMap<MacAddr, Vec<&FoundInterface>> = BTreeMap::new();
    for interface in interfaces {
        // Between two moves an interface of ours and a tenant's have the server's address by turns; only one is attached.
        for mac in interface.macs.iter().filter(|_| interface.isolated.is_none()) {
            by_mac.entry(*mac).or_default().push(interface);
        }
    }
    for (mac, holders) in by_mac.into_iter().filter(|(mac, holders)| holders.len() > 1 && mac.0 != [0; 6]) {
        let known = picture.known.iter().find(|known| known.server.ports.iter().any(|port| port.mac == mac));
        let server = known.map_or_else(|| mac.to_string(), |known| known.server.name.clone());
        let names: Vec<_> = holders.iter().map(ToString::to_string).collect();
        found.push(Finding {
            contrail: format!("{mac} is used by {}", names.join("; ")),
            ..Finding::new(
                Severity::Error,
                Kind::MacTwice,
                &server,
                "delete the wrong interface: two interfaces with the same MAC address disturb each other",
            )
        });
    }
}

fn without_owner(picture: &Picture, interfaces: &[FoundInterface], found: &mut Vec<Finding>) {
    let is_tenants =
        |id: Uuid| {
            let of_records = picture.tenants.iter().any(|tenant| {
                tenant.server.port == Some(id) || tenant.ports.iter().any(|port| port.id == id)
            });
            of_records
                || picture.known.iter().any(|known| {
                    known.server.adopted.as_ref().is_some_and(|adopted| adopted.ports.contains(&id))
                })
        };
    let physical = |interface: &&FoundInterface| {
        interface.isolated.is_none() && (interface.bare_metal || !interface.switch_ports.is_empty())
    };
    for interface in interfaces.iter().filter(physical).filter(|interface| !is_tenants(interface.id)) {
        let on = |known: &&Known| known.server.ports.iter().any(|port| interface.is_on(&port.link));
        let known = picture.known.iter().find(on);
        let places: Vec<_> =
            interface.switch_ports.iter().map(|(switch, port)| format!("{switch}:{port}")).collect();
        let at = if places.is_empty() {
            "on no switch port".to_owned()
        } else {
            format!("at {}", places.join(", "))
        };
        found.push(Finding {
            contrail: format!("{interface}, {at}, with {}", interface.addresses_text()),
            seen: "it belongs to no known server".to_owned(),
            ..Finding::new(
                Severity::Warning,
                Kind::PortWithoutOwner,
                known.map_or(interface.name.as_str(), |known| &known.server.name),
                "adopt the server that runs there (bmsctl node adopt), or delete the interface if none does",
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use protocol::{id::ServerId, network::BootNetwork};

    use super::*;
    use crate::{
        records::{TenantPortRecord, TenantServer},
        samples::{self, INSTANCE, TENANT},
        survey::picture::NovaServer,
    };

    const NETWORK: Uuid = Uuid::from_u128(0x12);

    fn interface(id: Uuid) -> FoundInterface {
        FoundInterface {
            id,
            name: "web".into(),
            project_id: None,
            network: Some(NETWORK),
            network_name: "blue".into(),
            macs: vec!["52:54:00:00:00:0b".parse().unwrap()],
            addresses: vec!["192.0.2.10".parse().unwrap()],
            vlan: None,
            security_groups: Vec::new(),
            switch_ports: vec![("leaf1".into(), "xe-0/0/1".into())],
            isolated: None,
            bare_metal: true,
        }
    }

    /// A deployed server about which everybody agrees.
    fn peace() -> Picture {
        let server = samples::deployed_server();
        let tenant = TenantServer {
            instance: Some(INSTANCE),
            port: Some(TENANT),
            network: NETWORK,
            node: Some(server.id),
            ..samples::tenant_server(Uuid::from_u128(1))
        };
        let port = TenantPortRecord {
            id: TENANT,
            network: NETWORK,
            asked_address: None,
            address: Some("192.0.2.10".parse().unwrap()),
            vlan: None,
            security_groups: Vec::new(),
        };
        let node = IronicNode {
            id: server.id,
            name: "n1".into(),
            state: "active".into(),
            power: Some("power on".into()),
            instance: Some(INSTANCE),
        };
        let nova =
            NovaServer { id: INSTANCE, name: "web".into(), status: "ACTIVE".into(), node: Some(server.id) };
        Picture {
            known: vec![Known {
                places: Some(vec![WantedNetwork::Tenant(TENANT)]),
                server,
                agent_is_here: true,
            }],
            tenants: vec![Tenant { server: tenant, ports: vec![port] }],
            ironic: Some(vec![node]),
            nova: Some(vec![nova]),
            interfaces: Some(vec![interface(TENANT)]),
        }
    }

    #[test]
    fn every_contradiction_is_found_and_peace_is_silent() {
        let peace = peace();
        let check = |change: &dyn Fn(&mut Picture), expected: &[Kind]| {
            let mut picture = peace.clone();
            change(&mut picture);
            let found = findings(&picture);
            let kinds: Vec<_> = found.iter().map(|finding| finding.what).collect();
            assert_eq!(kinds, expected, "{found:#?}");
            assert!(found.iter().all(|finding| !finding.remedy.is_empty() && !finding.server.is_empty()));
        };
        fn node(picture: &mut Picture) -> &mut IronicNode {
            &mut picture.ironic.as_mut().unwrap()[0]
        }
        fn interfaces(picture: &mut Picture) -> &mut Vec<FoundInterface> {
            picture.interfaces.as_mut().unwrap()
        }
        let stranger = Uuid::from_u128(0x99);
        check(&|_| {}, &[]);
        check(&|p| *p = Picture { ironic: None, nova: None, interfaces: None, ..p.clone() }, &[]);
        check(&|p| p.nova = Some(Vec::new()), &[Kind::InstanceUnknownToNova]);
        check(
            &|p| {
                p.nova = Some(Vec::new());
                p.tenants[0].server.id = INSTANCE;
                p.tenants[0].server.instance = None;
                p.tenants[0].server.node = Some(p.known[0].server.id);
            },
            &[],
        );
        check(
            &|p| {
                node(p).instance = None;
                node(p).state = "available".into();
            },
            &[Kind::NovaServerOnOtherNode],
        );
        check(&|p| p.nova.as_mut().unwrap()[0].status = "ERROR".into(), &[Kind::NovaServerInError]);
        check(
            &|p| p.nova.as_mut().unwrap()[0].node = Some(ServerId(stranger)),
            &[Kind::NovaServerOnUnknownNode],
        );
        check(&|p| node(p).power = Some("power off".into()), &[Kind::PowerDiffers]);
        check(&|p| node(p).power = None, &[]);
        check(
            &|p| {
                node(p).power = Some("power off".into());
                p.known[0].agent_is_here = false;
            },
            &[],
        );
        check(&|p| interfaces(p)[0].switch_ports.clear(), &[Kind::PortElsewhere]);
        check(
            &|p| p.known[0].places = Some(vec![WantedNetwork::Boot(BootNetwork::Cleaning)]),
            &[Kind::PortElsewhere],
        );
        check(&|p| interfaces(p)[0].addresses = vec!["192.0.2.11".parse().unwrap()], &[Kind::AddressDiffers]);
        check(&|p| interfaces(p).clear(), &[Kind::PortElsewhere, Kind::PortMissing]);
        check(
            &|p| {
                let twin =
                    FoundInterface { switch_ports: Vec::new(), bare_metal: false, ..interface(stranger) };
                interfaces(p).push(twin);
            },
            &[Kind::MacTwice],
        );
        check(
            &|p| {
                let macs = vec!["52:54:00:00:00:99".parse().unwrap()];
                let switch_ports = vec![("leaf1".into(), "xe-0/0/9".into())];
                interfaces(p).push(FoundInterface { macs, switch_ports, ..interface(stranger) });
            },
            &[Kind::PortWithoutOwner],
        );
        check(
            &|p| {
                let other = IronicNode { id: ServerId(stranger), instance: None, ..node(p).clone() };
                p.ironic.as_mut().unwrap().push(other);
            },
            &[Kind::NodeUnknown],
        );
        check(
            &|p| {
                p.ironic = Some(Vec::new());
                p.nova = None;
            },
            &[Kind::NodeMissing],
        );
    }
}
