//! Decisions: the network of each single port of a server, from the network that the server belongs on.

use protocol::network::BootNetwork;
use uuid::Uuid;

use crate::rim::WantedNetwork;

/// What of a port matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// The first port that boots from the network: it carries the tenant's address.
    Primary,
    /// Another port that may boot from the network.
    Boots,
    /// A port that never boots from the network.
    Spare,
}

/// Uses of a server's ports, in order, from their `pxe_enabled` flags. Without any flag the first port is the primary one.
pub fn port_uses(pxe_enabled: &[bool]) -> Vec<PortUse> {
    let primary = pxe_enabled.iter().position(|enabled| *enabled).unwrap_or(0);
    let one = |(index, enabled): (usize, &bool)| match (index == primary, enabled) {
        (true, _) => PortUse::Primary,
        (false, true) => PortUse::Boots,
        (false, false) => PortUse::Spare,
    };
    pxe_enabled.iter().enumerate().map(one).collect()
}

/// Where one port belongs when its server belongs on `wanted`. A port without a part in it is never left where a tenant could
/// reach it: it is parked while our ramdisk may run, and on no network while a tenant's system may.
pub fn network_of_port(wanted: WantedNetwork, port: PortUse) -> WantedNetwork {
    let parked = WantedNetwork::Boot(BootNetwork::Cleaning);
    match (wanted, port) {
        (WantedNetwork::Boot(_), PortUse::Primary | PortUse::Boots) => wanted,
        (WantedNetwork::Boot(_), PortUse::Spare) => parked,
        (WantedNetwork::Tenant(_), PortUse::Primary) => wanted,
        (WantedNetwork::Tenant(_), PortUse::Boots | PortUse::Spare) => WantedNetwork::Nothing,
        (WantedNetwork::Nothing, PortUse::Primary | PortUse::Boots | PortUse::Spare) => wanted,
    }
}

/// Where each port belongs when its server belongs on `wanted`, in the ports' order. `tenant` are the tenant's ports: the first one is
/// for the primary port, the others for the server's other ports as they come. None: the server has fewer ports than that.
pub fn networks_of_ports(
    wanted: WantedNetwork,
    uses: &[PortUse],
    tenant: &[Uuid],
) -> Option<Vec<WantedNetwork>> {
    let is_tenants = match wanted {
        WantedNetwork::Tenant(_) => true,
        WantedNetwork::Boot(_) | WantedNetwork::Nothing => false,
    };
    let mut others = tenant.iter().skip(1);
    let mut networks = Vec::with_capacity(uses.len());
    for port_use in uses {
        let next = if is_tenants && *port_use != PortUse::Primary { others.next() } else { None };
        networks.push(match next {
            Some(port) => WantedNetwork::Tenant(*port),
            None => network_of_port(wanted, *port_use),
        });
    }
    (!is_tenants || others.next().is_none()).then_some(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_port_has_a_port_of_the_server_or_nothing_is_moved() {
        use WantedNetwork::{Boot, Nothing, Tenant};
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let check = |wanted, flags: &[bool], tenant: &[Uuid], expected: Option<Vec<WantedNetwork>>| {
            assert_eq!(
                networks_of_ports(wanted, &port_uses(flags), tenant),
                expected,
                "{flags:?} {tenant:?}"
            );
        };
        check(Tenant(a), &[true, false], &[a], Some(vec![Tenant(a), Nothing]));
        check(Tenant(a), &[true, false], &[a, b], Some(vec![Tenant(a), Tenant(b)]));
        check(Tenant(a), &[false, true, false], &[a, b], Some(vec![Tenant(b), Tenant(a), Nothing]));
        check(Tenant(a), &[true], &[a, b], None);
        check(Tenant(a), &[true, true], &[a, b, c], None);
        check(Tenant(a), &[true], &[], Some(vec![Tenant(a)]));
        let cleaning = Boot(BootNetwork::Cleaning);
        let provisioning = Boot(BootNetwork::Provisioning);
        check(provisioning, &[true, false], &[a, b, c], Some(vec![provisioning, cleaning]));
        check(Nothing, &[true, false], &[a], Some(vec![Nothing, Nothing]));
    }

    #[test]
    fn one_port_carries_the_tenant() {
        let check =
            |flags: &[bool], expected: &[PortUse]| assert_eq!(port_uses(flags), expected, "{flags:?}");
        check(&[], &[]);
        check(&[false], &[PortUse::Primary]);
        check(&[true, true], &[PortUse::Primary, PortUse::Boots]);
        check(&[false, true, false], &[PortUse::Spare, PortUse::Primary, PortUse::Spare]);
    }
}
