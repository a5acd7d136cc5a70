//! Decisions: how the servers of a flavor stand, from stored facts alone.

use domain::{
    lifecycle::ProvisionState,
    pools::traits,
    records::Server,
    rim::{Flavor, custom_resource},
};

/// How many of a flavor's servers stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ready for a tenant.
    pub free: u32,
    /// With a tenant, or on the way there.
    pub used: u32,
    /// Between two tenants.
    pub cleaning: u32,
    /// Somebody must look at them.
    pub broken: u32,
    /// Not offered yet: being enrolled or inspected, or held back by an administrator.
    pub preparing: u32,
}

enum Standing {
    Free,
    Used,
    Cleaning,
    Broken,
    Preparing,
}

/// How the servers that a flavor takes stand.
pub fn count(flavor: &Flavor, servers: &[Server]) -> Counts {
    let mut counts = Counts::default();
    for server in servers.iter().filter(|server| takes(flavor, server)) {
        let counter = match standing(server) {
            Standing::Free => &mut counts.free,
            Standing::Used => &mut counts.used,
            Standing::Cleaning => &mut counts.cleaning,
            Standing::Broken => &mut counts.broken,
            Standing::Preparing => &mut counts.preparing,
        };
        *counter = counter.saturating_add(1);
    }
    counts
}

/// Whether Nova would choose this server for the flavor, were it free: its class is asked for, and it has every trait.
pub fn takes(flavor: &Flavor, server: &Server) -> bool {
    let own = traits(server);
    flavor.resource() == Some(custom_resource(server.class()).as_str())
        && flavor.traits().into_iter().all(|wanted| own.contains(wanted))
}

fn standing(server: &Server) -> Standing {
    use ProvisionState as State;
    let Some(node) = &server.node else { return Standing::Preparing };
    if server.forgetting {
        return Standing::Preparing;
    }
    match &node.provision_state {
        State::Active
        | State::Deploying
        | State::WaitCallBack
        | State::DeployHold
        | State::Adopting
        | State::Rescue
        | State::Rescuing
        | State::RescueWait
        | State::Unrescuing
        | State::Servicing
        | State::ServiceWait
        | State::ServiceHold => Standing::Used,
        State::Cleaning | State::CleanWait | State::CleanHold | State::Deleting if !node.maintenance => {
            Standing::Cleaning
        }
        State::Available if node.instance_id.is_some() => Standing::Used,
        State::Available if !node.maintenance => Standing::Free,
        State::Enroll | State::Verifying | State::Manageable | State::Inspecting | State::InspectWait
            if !node.maintenance =>
        {
            Standing::Preparing
        }
        // The rest is in maintenance, has failed, or is not known to this program.
        State::Cleaning
        | State::CleanWait
        | State::CleanHold
        | State::Deleting
        | State::Available
        | State::Enroll
        | State::Verifying
        | State::Manageable
        | State::Inspecting
        | State::InspectWait
        | State::AdoptFailed
        | State::InspectFailed
        | State::CleanFailed
        | State::DeployFailed
        | State::Error
        | State::RescueFailed
        | State::UnrescueFailed
        | State::ServiceFailed
        | State::Unknown(_) => Standing::Broken,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use domain::{lifecycle::Node, rim::FlavorSpec};
    use store::{Inventory, clock::TestClock, secret::Sealer};
    use uuid::Uuid;

    use super::*;
    use crate::bench::new_server;

    fn flavor(class: &str, traits: &[&str]) -> Flavor {
        let spec = FlavorSpec {
            name: "metal".into(),
            id: None,
            vcpus: 1,
            ram_mb: 1,
            disk_gb: 1,
            resource_class: class.into(),
            traits: traits.iter().map(|name| (*name).to_owned()).collect(),
            capabilities: BTreeMap::new(),
            projects: Vec::new(),
        };
        serde_json::from_value(serde_json::json!({
            "id": "1", "name": "metal", "vcpus": 1, "ram": 1, "disk": 1, "extra_specs": spec.extra_specs(),
        }))
        .unwrap()
    }

    async fn server() -> Server {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        inventory.put_server(&new_server()).await.unwrap()
    }

    #[tokio::test]
    async fn every_server_of_a_flavor_is_counted_once() {
        let mut server = server().await;
        let check = |server: &Server, expected: [u32; 5]| {
            let Counts { free, used, cleaning, broken, preparing } =
                count(&flavor("gold", &[]), std::slice::from_ref(server));
            assert_eq!([free, used, cleaning, broken, preparing], expected, "{:?}", server.node);
        };
        check(&server, [0, 0, 0, 0, 1]);
        for (state, expected) in [
            ("available", [1, 0, 0, 0, 0]),
            ("active", [0, 1, 0, 0, 0]),
            ("deploying", [0, 1, 0, 0, 0]),
            ("rescue", [0, 1, 0, 0, 0]),
            ("deleting", [0, 0, 1, 0, 0]),
            ("clean wait", [0, 0, 1, 0, 0]),
            ("clean failed", [0, 0, 0, 1, 0]),
            ("deploy failed", [0, 0, 0, 1, 0]),
            ("brewing", [0, 0, 0, 1, 0]),
            ("manageable", [0, 0, 0, 0, 1]),
            ("inspect wait", [0, 0, 0, 0, 1]),
        ] {
            let mut node = Node::in_state(server.id, ProvisionState::from(state));
            server.node = Some(node.clone());
            check(&server, expected);
            node.maintenance = true;
            server.node = Some(node.clone());
            check(&server, if expected[1] == 1 { expected } else { [0, 0, 0, 1, 0] });
        }
        let mut node = Node::in_state(server.id, ProvisionState::Available);
        node.instance_id = Some(Uuid::nil());
        server.node = Some(node);
        check(&server, [0, 1, 0, 0, 0]);
        let known = ProvisionState::KNOWN.iter();
        for state in known {
            server.node = Some(Node::in_state(server.id, state.clone()));
            let counts = count(&flavor("gold", &[]), std::slice::from_ref(&server));
            let Counts { free, used, cleaning, broken, preparing } = counts;
            assert_eq!(free + used + cleaning + broken + preparing, 1, "{state}");
        }
    }

    #[tokio::test]
    async fn a_flavor_takes_servers_of_its_class_and_manufacturer() {
        let mut server = server().await;
        let check = |server: &Server, class: &str, traits: &[&str], expected: bool| {
            assert_eq!(takes(&flavor(class, traits), server), expected, "{class} {traits:?}");
        };
        check(&server, "gold", &[], true);
        check(&server, "silver", &[], false);
        check(&server, "gold", &["CUSTOM_MANUFACTURER_QEMU"], false);
        let mut hardware = protocol::hardware::HardwareReport::default();
        hardware.system.manufacturer = "QEMU".into();
        server.hardware = Some(hardware);
        check(&server, "gold", &["CUSTOM_MANUFACTURER_QEMU"], true);
        check(&server, "gold", &["CUSTOM_MANUFACTURER_DELL"], false);
        server.pool_class = Some("silver-1".into());
        check(&server, "gold", &[], false);
        check(&server, "silver-1", &[], true);
        check(&server, "silver_1", &[], true);
    }
}
