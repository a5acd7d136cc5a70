//! Decisions: what a BMC may be ordered beside power and boot, by the state of its server. The table, with its reasons, is in
//! `docs/decisions/0024-what-a-bmc-may-be-ordered.md`.

use protocol::{bmc_order::BmcOrder, power::PowerReading};

use super::{
    role::{Role, role},
    state::{Node, ProvisionState},
};
use crate::{
    media_sources::MediaSources,
    rim::{Refusal, RefusalKind},
};

/// What an order touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Nothing that a server or its tenant would notice: the light, and a mere look.
    Nothing,
    /// How fast it may run, which is the site's to say, whoever has the server.
    Draw,
    /// The system that runs now.
    Running,
    /// What the server will boot or trust.
    Boots,
    /// The same, by an image at this address that stays in a drive.
    Image(&'a str),
}

/// What this order touches.
pub fn reach(order: &BmcOrder) -> Reach<'_> {
    match order {
        BmcOrder::Light { .. } | BmcOrder::Look { .. } => Reach::Nothing,
        BmcOrder::LimitPower { .. } => Reach::Draw,
        BmcOrder::Interrupt => Reach::Running,
        BmcOrder::SecureBoot { .. }
        | BmcOrder::ResetKeys { .. }
        | BmcOrder::SetBios { .. }
        | BmcOrder::ResetBios
        | BmcOrder::EjectMedia { .. } => Reach::Boots,
        BmcOrder::InsertMedia { image, .. } => Reach::Image(image),
    }
}

/// A server that somebody orders something of.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// Its name, for the message.
    pub name: &'a str,
    /// The node as Ironic shows it now.
    pub node: &'a Node,
    /// Its power as it was read last.
    pub power: Option<&'a PowerReading>,
    /// Whether its ports were given to us.
    pub ports_given: bool,
}

/// In whose hands a server is, for whoever would change what it boots or trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hands {
    /// In ours, with a clean before anybody else has it.
    Ours,
    /// In ours, and the next to have it is its tenant, or just was.
    OnTheWay,
    /// It was never given to us, and may be in use.
    Unknown,
    /// A tenant has it, or what is left of a tenancy.
    Tenants,
    /// Its state is a word that this program does not know.
    NotUnderstood,
}

/// Whether a tenant would find something of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stays {
    No,
    InADrive,
}

/// Whether an order may be given now; else why not.
pub fn permitted_order(order: &BmcOrder, of: Ordered<'_>, sources: &MediaSources) -> Result<(), Refusal> {
    let permitted = match reach(order) {
        Reach::Nothing | Reach::Draw => Ok(()),
        Reach::Running => interruptible(of),
        Reach::Boots => changeable(of, Stays::No),
        Reach::Image(image) => sources.admit(image).and_then(|()| changeable(of, Stays::InADrive)),
    };
    permitted
        .map_err(|why| Refusal { kind: RefusalKind::State, message: format!("{order} is refused: {why}") })
}

/// An interrupt is for a system of a tenant that runs: a ramdisk of ours would only be cut off in its step.
fn interruptible(of: Ordered<'_>) -> Result<(), String> {
    let Ordered { name, node, power, .. } = of;
    match role(node) {
        Role::Tenant | Role::Rescued if power == Some(&PowerReading::Off) => {
            Err(format!("{name} is off, so there is no system to interrupt; power it on first"))
        }
        Role::Tenant | Role::Rescued => Ok(()),
        Role::Found
        | Role::Adopted
        | Role::Parked
        | Role::TakenBack
        | Role::Ramdisk(..)
        | Role::HandOver
        | Role::Returning
        | Role::Unknown => Err(format!(
            "{name} is {}, and an NMI is for the running system of an active server; what a ramdisk says is on its console: bmsctl \
             console {name}",
            node.provision_state
        )),
    }
}

/// What a server boots or trusts is changed while it is in our hands; what stays behind for a tenant to find, not so late.
fn changeable(of: Ordered<'_>, stays: Stays) -> Result<(), String> {
    let (name, state) = (of.name, &of.node.provision_state);
    match hands(of.node, of.ports_given) {
        Hands::Ours => Ok(()),
        Hands::OnTheWay if stays == Stays::No => Ok(()),
        Hands::OnTheWay => Err(format!(
            "{name} is {state}, and its tenant would find the image in the drive; do it while it is manageable or being cleaned"
        )),
        Hands::Unknown => Err(format!(
            "{name} is {state} and was never handed over to BMS Manager: it may be in use; inspect it or adopt it first"
        )),
        Hands::Tenants => Err(format!(
            "{name} is {state}: what a server boots or trusts is changed only while no tenant has it; do it while it is manageable, \
             available or being cleaned, or by a step of a clean or a deployment"
        )),
        Hands::NotUnderstood => {
            Err(format!("{name} is in the provision state {state:?}, which BMS Manager does not know"))
        }
    }
}

/// The table.
fn hands(node: &Node, ports_given: bool) -> Hands {
    use ProvisionState as S;
    match &node.provision_state {
        S::Enroll | S::Verifying | S::Manageable | S::AdoptFailed => match (node.instance_id, ports_given) {
            (Some(_), _) => Hands::Tenants,
            (None, true) => Hands::Ours,
            (None, false) => Hands::Unknown,
        },
        S::Inspecting
        | S::InspectWait
        | S::InspectFailed
        | S::Cleaning
        | S::CleanWait
        | S::CleanHold
        | S::CleanFailed => Hands::Ours,
        // At its last step the ports are on their way to the tenant, and its system starts at any moment.
        S::Deploying if role(node) == Role::HandOver => Hands::Tenants,
        // Ironic takes back at the end of a tenancy what it has set at its beginning, such as Secure Boot.
        S::Available | S::Deploying | S::WaitCallBack | S::DeployHold | S::Deleting => Hands::OnTheWay,
        S::Adopting
        | S::DeployFailed
        | S::Active
        | S::Error
        | S::Rescue
        | S::Rescuing
        | S::RescueWait
        | S::RescueFailed
        | S::Unrescuing
        | S::UnrescueFailed
        | S::Servicing
        | S::ServiceWait
        | S::ServiceHold
        | S::ServiceFailed => Hands::Tenants,
        S::Unknown(_) => Hands::NotUnderstood,
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::*;

    const IMAGE: &str = "https://images.example/a.iso";

    fn sources() -> MediaSources {
        MediaSources::new(["https://images.example/"]).unwrap()
    }

    fn insert(image: &str) -> BmcOrder {
        BmcOrder::InsertMedia { drive: "Cd".into(), image: image.into(), is_write_protected: true }
    }

    fn changes() -> [BmcOrder; 5] {
        [
            BmcOrder::SecureBoot { is_enabled: true },
            BmcOrder::ResetKeys { reset: protocol::redfish::read::secure_boot::KeysReset::DeleteAll },
            BmcOrder::SetBios { settings: Default::default() },
            BmcOrder::ResetBios,
            BmcOrder::EjectMedia { drive: "Cd".into() },
        ]
    }

    fn states() -> impl Iterator<Item = ProvisionState> {
        ProvisionState::KNOWN.iter().cloned().chain([ProvisionState::Unknown("brewing".into())])
    }

    fn permitted(order: &BmcOrder, node: &Node, power: Option<PowerReading>, ports_given: bool) -> bool {
        let of = Ordered { name: "rack1-7", node, power: power.as_ref(), ports_given };
        permitted_order(order, of, &sources()).is_ok()
    }

    #[test]
    fn what_a_server_boots_or_trusts_is_changed_in_our_hands_only() {
        let ours = [
            "enroll",
            "verifying",
            "manageable",
            "adopt failed",
            "inspecting",
            "inspect wait",
            "inspect failed",
            "cleaning",
            "clean wait",
            "clean hold",
            "clean failed",
        ];
        let on_the_way = ["available", "deploying", "wait call-back", "deploy hold", "deleting"];
        let new = ["enroll", "verifying", "manageable", "adopt failed"];
        for state in states() {
            let word = state.as_str().to_owned();
            let node = Node::in_state(ServerId::random(), state);
            for order in changes() {
                let expected = ours.contains(&&*word) || on_the_way.contains(&&*word);
                assert_eq!(permitted(&order, &node, None, true), expected, "{word}: {order}");
                let expected = expected && !new.contains(&&*word);
                assert_eq!(permitted(&order, &node, None, false), expected, "{word}, never given: {order}");
            }
            assert_eq!(permitted(&insert(IMAGE), &node, None, true), ours.contains(&&*word), "{word}");
            assert!(permitted(&BmcOrder::Light { is_on: true }, &node, None, false), "{word}");
            assert!(permitted(&BmcOrder::LimitPower { watts: Some(400) }, &node, None, false), "{word}");
        }
        let handing_over = Node {
            deploy_step: Some("boot_instance".into()),
            ..Node::in_state(ServerId::random(), ProvisionState::Deploying)
        };
        let with_tenant = Node {
            instance_id: Some(Uuid::from_u128(1)),
            ..Node::in_state(ServerId::random(), ProvisionState::Manageable)
        };
        for node in [handing_over, with_tenant] {
            assert!(changes().iter().all(|order| !permitted(order, &node, None, true)), "{node:?}");
        }
    }

    #[test]
    fn an_interrupt_is_for_a_tenants_running_system() {
        for state in states() {
            let node = Node::in_state(ServerId::random(), state.clone());
            let is_tenants = ["active", "rescue"].contains(&state.as_str());
            let check = |power: Option<PowerReading>, expected: bool| {
                assert_eq!(permitted(&BmcOrder::Interrupt, &node, power, true), expected, "{state}");
            };
            check(Some(PowerReading::On), is_tenants);
            check(None, is_tenants);
            check(Some(PowerReading::Off), false);
        }
    }

    #[test]
    fn an_image_comes_from_a_source_of_the_site() {
        let node = Node::in_state(ServerId::random(), ProvisionState::Manageable);
        let of = Ordered { name: "rack1-7", node: &node, power: None, ports_given: true };
        let refusal = permitted_order(&insert("http://192.0.2.1/a.iso"), of, &sources()).unwrap_err();
        assert!(refusal.message.contains("facade.media_from"), "{refusal}");
        assert_eq!(refusal.kind, RefusalKind::State);
    }
}
