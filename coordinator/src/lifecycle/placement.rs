//! Decisions: the network of each single port of a server, from the network that the server belongs on.

use protocol::network::BootNetwork;

use crate::port::WantedNetwork;

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

#[cfg(test)]
mod tests {
    use super::*;

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
