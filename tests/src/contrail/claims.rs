//! Decisions: claims on VLANs, which the server keeps beside its objects: what makes one, whom it refuses, what releases it.
//!
//! Nobody can read a claim. It is made by the request that binds an interface to a VLAN, and released by the deletion of
//! that interface *while its group refers to it*; unbinding releases nothing. What a group of ours claims dies with the
//! group, which never comes back; a group that a person made keeps it. In an enterprise-style fabric a tag claims the
//! network in the whole fabric too, one network for one VLAN, and that outlives every group.
//!
//! The real server's oddities are kept: they are what a client meets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{refusal::Refusal, store::Store};

/// All claims, by what is claimed. The value says who claims it: an interface, a network or a VLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims(BTreeMap<String, String>);

impl Claims {
    /// Makes a claim, unless there is one: then that one's value.
    fn create(&mut self, path: &str, value: impl ToString) -> Result<(), String> {
        match self.0.get(path) {
            Some(taken) => Err(taken.clone()),
            None => {
                self.0.insert(path.to_owned(), value.to_string());
                Ok(())
            }
        }
    }

    /// Changes a claim. One that is not there is an error that the server did not foresee.
    fn update(&mut self, path: &str, value: impl ToString) -> Result<(), Refusal> {
        match self.0.get_mut(path) {
            Some(old) => {
                *old = value.to_string();
                Ok(())
            }
            None => Err(Refusal::new(500, "kazoo.exceptions.NoNodeError")),
        }
    }

    fn delete(&mut self, path: &str) {
        self.0.remove(path);
    }
}

/// What an interface was bound as until now, by what the server stores of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Its tag; 0: none.
    pub tag: u64,
    /// Whether it was untagged; none: neither tagged nor with a native VLAN.
    pub untagged: Option<bool>,
}

/// One claim that a binding makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The interface.
    pub interface: Uuid,
    /// Its network.
    pub network: Uuid,
    /// The group that it is bound to.
    pub group: Uuid,
    /// The group's fabric.
    pub fabric: Uuid,
    /// Whether the fabric is of the enterprise style.
    pub enterprise: bool,
    /// The VLAN: native if untagged, otherwise the tag; never 0.
    pub vlan: u64,
    /// Whether the frames carry no tag.
    pub untagged: bool,
    /// What the interface was bound as.
    pub before: Before,
}

fn untagged(group: Uuid) -> String {
    format!("group/{group}/untagged")
}

/// Of the service provider style.
fn tagged(group: Uuid, network: Uuid, vlan: u64) -> String {
    format!("group/{group}/network/{network}/vlan/{vlan}")
}

/// Of the enterprise style: `holder` is a group or a fabric.
fn network_of(holder: Uuid, network: Uuid) -> String {
    format!("holder/{holder}/network/{network}")
}

/// Of the enterprise style: `holder` is a group or a fabric.
fn vlan_of(holder: Uuid, vlan: impl std::fmt::Display) -> String {
    format!("holder/{holder}/vlan/{vlan}")
}

/// Makes the claims of a binding, or says whose claim is in the way.
pub fn take(store: &mut Store, claim: &Claim) -> Result<(), Refusal> {
    match (claim.enterprise, claim.untagged) {
        (true, true) => take_untagged(store, claim),
        (true, false) => take_tag(store, claim),
        (false, _) => take_of_provider(store, claim),
    }
}

/// Whether the claim of an interface still means something: the interface exists.
fn alive(store: &Store, interface: &str) -> bool {
    Uuid::parse_str(interface).is_ok_and(|id| store.get(id).is_some())
}

fn take_of_provider(store: &mut Store, claim: &Claim) -> Result<(), Refusal> {
    let Claim { group, network, vlan, before, .. } = *claim;
    let path = if claim.untagged { untagged(group) } else { tagged(group, network, vlan) };
    match store.claims.create(&path, claim.interface) {
        Ok(()) if before.tag != 0 && before.tag != vlan => {
            if claim.untagged {
                return Ok(());
            }
            // The former tag's claim stays, in nobody's name.
            store.claims.update(&tagged(group, network, before.tag), "nobody")
        }
        Ok(()) => {
            if before.untagged == Some(true) && !claim.untagged {
                store.claims.delete(&untagged(group));
            }
            Ok(())
        }
        Err(holder) if !alive(store, &holder) => Ok(()),
        Err(_) if claim.untagged && before.untagged == Some(false) => {
            store.claims.delete(&tagged(group, network, before.tag));
            Ok(())
        }
        Err(_) if claim.untagged && before.untagged == Some(true) => Ok(()),
        Err(holder) if claim.untagged => Err(Refusal::new(
            400,
            format!("Virtual machine interface:({holder}) already exists for virtual port group:({group})"),
        )),
        Err(holder) => Err(in_network(&holder, claim)),
    }
}

fn in_network(holder: &str, claim: &Claim) -> Refusal {
    let Claim { network, vlan, .. } = claim;
    Refusal::new(
        400,
        format!(
            "Virtual machine interface:({holder}) already exists in virtual network:({network}) with vlan({vlan})"
        ),
    )
}

fn take_untagged(store: &mut Store, claim: &Claim) -> Result<(), Refusal> {
    let Claim { group, fabric, network, vlan, before, .. } = *claim;
    match store.claims.create(&untagged(group), claim.interface) {
        Ok(()) => {
            // From tagged to untagged, the server looks for the tag's claims under the native VLAN's number.
            if before.untagged == Some(false) {
                for holder in [group, fabric] {
                    store.claims.delete(&network_of(holder, network));
                    store.claims.delete(&vlan_of(holder, vlan));
                }
            }
            Ok(())
        }
        Err(holder) if !alive(store, &holder) || before.untagged == Some(true) => Ok(()),
        Err(holder) => Err(Refusal::new(
            400,
            format!(
                "Virtual machine interface:({holder}) already exists with virtual network:({network}) with \
                 vlan({vlan})"
            ),
        )),
    }
}

fn take_tag(store: &mut Store, claim: &Claim) -> Result<(), Refusal> {
    let Claim { group, network, vlan, .. } = *claim;
    let taken = match store.claims.create(&network_of(group, network), vlan) {
        Ok(()) => return take_vlan(store, claim),
        Err(taken) => taken,
    };
    let holder = store.claims.0.get(&vlan_of(group, &taken)).cloned().unwrap_or_default();
    if holder != claim.interface.to_string() {
        return Err(Refusal::new(
            400,
            format!(
                "vlan:({taken}) already exists in virtual port group:({group}) with virtual network:({network})"
            ),
        ));
    }
    if taken == vlan.to_string() { Ok(()) } else { take_vlan(store, claim) }
}

fn take_vlan(store: &mut Store, claim: &Claim) -> Result<(), Refusal> {
    let Claim { group, fabric, network, vlan, before, .. } = *claim;
    match store.claims.create(&vlan_of(group, vlan), claim.interface) {
        Err(holder) if alive(store, &holder) => return Err(in_network(&holder, claim)),
        Err(_) => return Ok(()),
        Ok(()) => {}
    }
    if before.tag != 0 && before.tag != vlan {
        store.claims.update(&network_of(group, network), vlan)?;
        store.claims.update(&network_of(fabric, network), vlan)?;
        let taken = store.claims.create(&vlan_of(fabric, vlan), network);
        if taken.is_err_and(|other| other != network.to_string()) {
            return Err(in_fabric(claim));
        }
        store.claims.delete(&vlan_of(group, before.tag));
        store.claims.delete(&vlan_of(fabric, before.tag));
        return Ok(());
    }
    match store.claims.create(&network_of(fabric, network), vlan) {
        Err(other) if other != vlan.to_string() => return Err(in_fabric(claim)),
        Err(_) => {}
        Ok(()) => {
            let taken = store.claims.create(&vlan_of(fabric, vlan), network);
            if taken.is_err_and(|other| other != network.to_string()) {
                return Err(in_fabric(claim));
            }
        }
    }
    if before.untagged == Some(true) {
        store.claims.delete(&untagged(group));
    }
    Ok(())
}

/// One network has one VLAN in a fabric, and one VLAN one network.
fn in_fabric(claim: &Claim) -> Refusal {
    let Claim { network, vlan, fabric, .. } = claim;
    Refusal::new(
        400,
        format!("Virtual network:({network}) with other vlan({vlan}) already exists in fabric:({fabric})"),
    )
}

/// What a deleted interface had, as the server works it out from what it stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The group that referred to it.
    pub group: Uuid,
    /// The group's fabric.
    pub fabric: Uuid,
    /// Whether the fabric is of the enterprise style.
    pub enterprise: bool,
    /// Its network.
    pub network: Uuid,
    /// Its tag; 0: none.
    pub tag: u64,
    /// Whether it was untagged with a native VLAN.
    pub untagged: bool,
}

/// Releases the claims of a deleted interface; and, in an enterprise-style fabric, those that other groups of the same
/// network and VLAN rely on.
pub fn release(store: &mut Store, release: &Release) {
    let Release { group, fabric, network, tag, .. } = *release;
    let claims = &mut store.claims;
    match (release.untagged, release.enterprise) {
        (true, _) => claims.delete(&untagged(group)),
        (false, false) => claims.delete(&tagged(group, network, tag)),
        (false, true) => {
            let vlan = claims.0.get(&network_of(group, network)).cloned().unwrap_or_default();
            for holder in [group, fabric] {
                claims.delete(&network_of(holder, network));
                claims.delete(&vlan_of(holder, &vlan));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FABRIC: Uuid = Uuid::from_u128(1);

    fn store() -> Store {
        let mut store = Store::default();
        for id in [100, 101, 102] {
            store.insert(super::super::store::Object {
                kind: "virtual-machine-interface".into(),
                id: Uuid::from_u128(id),
                fq_name: vec![],
                parent: None,
                properties: serde_json::Map::new(),
                refs: vec![],
            });
        }
        store
    }

    /// Interface, network, group, VLAN (negative: native), and what is said to it; nothing: it is let in.
    type Step = (u128, u128, u128, i64, &'static str);

    fn check(enterprise: bool, steps: &[Step]) {
        let mut store = store();
        for (interface, network, group, vlan, expected) in steps {
            let claim = Claim {
                interface: Uuid::from_u128(*interface),
                network: Uuid::from_u128(*network),
                group: Uuid::from_u128(*group),
                fabric: FABRIC,
                enterprise,
                vlan: vlan.unsigned_abs(),
                untagged: *vlan < 0,
                before: Before::default(),
            };
            // As with a request: what is refused leaves nothing.
            let mut next = store.clone();
            let said = match take(&mut next, &claim) {
                Ok(()) => String::new(),
                Err(refusal) => refusal.text,
            };
            if said.is_empty() {
                store = next;
            }
            let fits = if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
            assert!(fits, "{enterprise} {steps:?}, {claim:?}: expected {expected:?}, got {said:?}");
        }
    }

    #[test]
    fn a_group_has_one_untagged_interface_and_one_for_each_tag() {
        for enterprise in [true, false] {
            check(enterprise, &[(100, 10, 20, -4094, ""), (101, 11, 20, 100, ""), (102, 12, 20, 200, "")]);
            check(enterprise, &[(100, 10, 20, -4094, ""), (101, 10, 21, -4094, "")]);
            // Who is gone claims nothing.
            check(enterprise, &[(999, 10, 20, -4094, ""), (101, 11, 20, -4094, "")]);
        }
        check(true, &[(100, 10, 20, -4094, ""), (101, 11, 20, -5, "already exists with virtual network:(")]);
        check(
            false,
            &[(100, 10, 20, -4094, ""), (101, 11, 20, -5, "already exists for virtual port group:(")],
        );
        // In enterprise style a tag is one network's; in the other, a network's tag is one interface's.
        check(true, &[(100, 10, 20, 100, ""), (101, 11, 20, 100, "already exists in virtual network:(")]);
        check(false, &[(100, 10, 20, 100, ""), (101, 11, 20, 100, "")]);
        check(false, &[(100, 10, 20, 100, ""), (101, 10, 20, 100, "already exists in virtual network:(")]);
        check(
            true,
            &[(100, 10, 20, 100, ""), (101, 10, 20, 100, "vlan:(100) already exists in virtual port")],
        );
        check(
            true,
            &[(100, 10, 20, 100, ""), (101, 10, 20, 200, "vlan:(100) already exists in virtual port")],
        );
        check(false, &[(100, 10, 20, 100, ""), (101, 10, 20, 200, "")]);
        // The same binding again.
        check(true, &[(100, 10, 20, 100, ""), (100, 10, 20, 100, "")]);
        check(false, &[(100, 10, 20, 100, ""), (100, 10, 20, 100, "already exists in virtual network:(")]);
    }

    #[test]
    fn in_an_enterprise_fabric_a_network_has_one_vlan_and_a_vlan_one_network() {
        let other = "with other vlan(";
        check(true, &[(100, 10, 20, 100, ""), (101, 10, 21, 100, ""), (102, 10, 22, 200, other)]);
        check(true, &[(100, 10, 20, 100, ""), (101, 11, 21, 100, other), (102, 11, 21, 200, "")]);
        check(false, &[(100, 10, 20, 100, ""), (101, 11, 21, 100, ""), (102, 10, 22, 200, "")]);
    }
}
