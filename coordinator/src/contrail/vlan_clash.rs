//! Edges: refuses VLAN ids that a leaf could not have beside what is on it. Where a fabric has one VLAN for a network and one network
//! for a VLAN (enterprise style), a second one makes Contrail refuse a binding, or a leaf its whole configuration; both come late, when
//! the server is being deployed already.

use serde::Deserialize;
use tracing::warn;

use super::{
    Contrail,
    native_vlan::Network,
    networks::NETWORK,
    vlans::{self, Clash, InUse, Note},
};
use crate::port::FabricError;

const FABRIC: &str = "fabric";

#[derive(Debug, Deserialize)]
struct Style {
    fabric_enterprise_style: Option<bool>,
}

impl Contrail {
    /// Refuses a tag that is kept for untagged frames, that is another network's, or that is not this network's.
    pub(super) async fn check_tag(&self, network: &[String], tag: u16) -> Result<(), FabricError> {
        let found = self.network_of(network).await?;
        let refused = |reason| {
            let operation = format!("make a port of network {} with VLAN tag {tag}", network.join(":"));
            Err(FabricError::Refused { operation, reason })
        };
        let (ours, range) = (self.config.native_vlans, self.config.tenant_native_vlans);
        let is_kept = range.contains(tag) || [ours.provisioning, ours.cleaning].contains(&tag);
        if is_kept && found.note().map(Note::vlan) != Some(tag) {
            return refused(format!(
                "this site reserves {range}, {} and {} for untagged networks; choose another tag",
                ours.provisioning, ours.cleaning
            ));
        }
        if !self.has_enterprise_style().await? {
            return Ok(());
        }
        let mut known = self.vlans_in_use().await?;
        known.extend(noted(&self.noted_by_others(found.uuid).await?));
        known.extend(noted(std::slice::from_ref(&found)));
        match vlans::clash(found.uuid, tag, &known) {
            None => Ok(()),
            Some(clash) => refused(self.told(&found, tag, clash).await?),
        }
    }

    /// Refuses an id that others have bound this network with although it is another network's: with it, each leaf that has both would
    /// refuse whatever is changed. That this network has several is for those to mend who bound it.
    pub(super) async fn check_theirs(
        &self,
        network: &Network,
        vlan: u16,
        in_use: &[InUse],
    ) -> Result<(), FabricError> {
        let ours = self.config.native_vlans;
        let why = if [ours.provisioning, ours.cleaning].contains(&vlan) {
            format!("VLAN {vlan} is an isolated network's (contrail.native_vlans)")
        } else {
            let mut others = noted(&self.noted_by_others(network.uuid).await?);
            others.extend(in_use.iter().filter(|one| one.network != network.uuid));
            match vlans::clash(network.uuid, vlan, &others) {
                None => return Ok(()),
                Some(clash) => self.told(network, vlan, clash).await?,
            }
        };
        Err(FabricError::Refused {
            operation: format!("give network {} a native VLAN", network.fq_name.join(":")),
            reason: format!(
                "an interface of it that is not ours is bound with {vlan}, but {why}; bind it with another one"
            ),
        })
    }

    /// Whether a fabric of this cloud has one VLAN for a network; so it is unless it says otherwise.
    async fn has_enterprise_style(&self) -> Result<bool, FabricError> {
        let fields = ("fields", "fabric_enterprise_style".to_owned());
        let fabrics: Vec<Style> = self.vnc.list(FABRIC, &[fields]).await?;
        Ok(fabrics.iter().any(|fabric| fabric.fabric_enterprise_style != Some(false)))
    }

    /// Another project's network is named in the log only: a tenant is told that it is not one of its own.
    async fn told(&self, network: &Network, vlan: u16, clash: Clash) -> Result<String, FabricError> {
        let other = match clash {
            Clash::Itself(own) => {
                return Ok(format!(
                    "it has VLAN {own} on switch ports already, and a leaf has one VLAN for a network; use tag {own} or none"
                ));
            }
            Clash::Other(other) => other,
        };
        let found: Option<Network> = self.vnc.get(NETWORK, other, "annotations").await?;
        let name = found.map(|other| other.fq_name).unwrap_or_default();
        warn!(network = network.fq_name.join(":"), vlan, other = %other, name = name.join(":"), "vlan is another network's");
        let is_own = name.split_last().map(|(_, project)| project)
            == network.fq_name.split_last().map(|(_, project)| project);
        Ok(if is_own {
            format!("VLAN {vlan} is the one of network {}", name.join(":"))
        } else {
            format!("VLAN {vlan} is the one of a network of another project")
        })
    }
}

fn noted(networks: &[Network]) -> Vec<InUse> {
    let noted = |one: &Network| Some(InUse { network: one.uuid, vlan: one.note()?.vlan() });
    networks.iter().filter_map(noted).collect()
}
