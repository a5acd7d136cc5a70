//! Edges: a finding of an agent, taken in: judged, stored, told.

use domain::{
    discovery::{
        entry::{BmcHalf, MachineHalf},
        merge::{Half, Verdict, judge},
    },
    events::EventKind,
};
use protocol::{
    discovery::{Finding, FoundBmc},
    id::RackId,
};
use store::{DISCOVERIES_MAX, Inventory, InventoryError};
use uuid::Uuid;

use super::{Orders, claim};

/// Takes a finding in. An error means that it is not stored and must come again.
pub async fn take_in(
    inventory: &Inventory,
    orders: &Orders,
    rack: &RackId,
    order: Uuid,
    finding: Finding,
) -> Result<(), InventoryError> {
    match finding {
        Finding::Bmc(found) => {
            let half = match claim::tried(inventory, rack, order, &found).await? {
                Some(tried) => tried,
                None => with_credential(orders, rack, order, *found),
            };
            let half = Half::Bmc(half);
            let verdict = settle(inventory, orders, rack, half).await?;
            orders.with_scan(rack, order, |scan| match verdict {
                Settled::Enrolled(name) if !scan.enrolled.contains(&name) => scan.enrolled.push(name),
                Settled::Enrolled(_) | Settled::Full => {}
                Settled::Pending => scan.pending = scan.pending.saturating_add(1),
            });
        }
        Finding::Machine { hardware } => {
            let half = Half::Machine(MachineHalf { hardware: *hardware });
            settle(inventory, orders, rack, half).await?;
            orders.with_window(rack, order, |window| window.machines = window.machines.saturating_add(1));
        }
        Finding::Progress { done, total } => {
            orders.with_scan(rack, order, |scan| (scan.done, scan.total) = (done, total));
        }
        Finding::ScanEnded { fault } => {
            let text = if fault.is_empty() {
                format!("scan {order} of rack {rack} is done")
            } else {
                format!("scan {order} of rack {rack} ended: {fault}")
            };
            orders.with_scan(rack, order, |scan| {
                scan.credentials.clear();
                scan.done = if fault.is_empty() { scan.total } else { scan.done };
                scan.ended = Some(fault);
            });
            tell(inventory, rack, text).await;
        }
        Finding::WindowEnded { reason } => {
            let text = format!("the discovery network of rack {rack} is closed: {reason}");
            orders.with_window(rack, order, |window| window.ended = Some(reason));
            tell(inventory, rack, text).await;
        }
    }
    Ok(())
}

/// The agent says which credential was accepted by its number; the credential itself never comes back.
fn with_credential(orders: &Orders, rack: &RackId, order: Uuid, found: FoundBmc) -> BmcHalf {
    let number = found.credential.and_then(|number| usize::try_from(number).ok());
    let accepted = number
        .and_then(|number| orders.with_scan(rack, order, |scan| scan.credentials.get(number).cloned())?);
    let (username, password) = accepted.map(|given| (given.username, given.password)).unzip();
    BmcHalf {
        address: found.address.to_string(),
        port: found.port,
        protocol: found.protocol,
        identity: found.identity,
        problem: found.problem,
        username,
        password,
        marks: found.marks,
    }
}

enum Settled {
    Enrolled(String),
    Pending,
    Full,
}

async fn settle(
    inventory: &Inventory,
    orders: &Orders,
    rack: &RackId,
    half: Half,
) -> Result<Settled, InventoryError> {
    let _turn = orders.turn.lock().await;
    let (entries, servers) = (inventory.discoveries().await?, inventory.servers(None).await?);
    let by_boot = matches!(half, Half::Machine(_));
    let now_us = inventory.clock().now_us();
    match judge(rack, half, now_us, &entries, &servers, Uuid::new_v4()) {
        Verdict::Enrolled(name) => {
            if by_boot {
                let text = format!(
                    "{name} booted on the discovery network of rack {rack}; it is enrolled; check its cabling"
                );
                inventory.record_event(None, Some(rack.clone()), EventKind::Alarm, text).await;
            }
            Ok(Settled::Enrolled(name))
        }
        Verdict::Pending { is_new: true, .. } if entries.len() >= DISCOVERIES_MAX => {
            let text = format!(
                "{DISCOVERIES_MAX} machines are pending already, a newly found one was dropped; accept or forget some"
            );
            inventory.record_event(None, Some(rack.clone()), EventKind::Alarm, text).await;
            Ok(Settled::Full)
        }
        Verdict::Pending { entry, is_new, robbed, gone } => {
            let mut put = vec![*entry];
            put.extend(robbed.map(|entry| *entry));
            inventory.put_discoveries(&put, &gone).await?;
            if is_new && let Some(entry) = put.first() {
                let how = if by_boot { "booted on the discovery network" } else { "has a BMC that answers" };
                tell(inventory, rack, format!("an unknown machine of rack {rack} {how}: {}", entry.id)).await;
            }
            Ok(Settled::Pending)
        }
    }
}

pub(super) async fn tell(inventory: &Inventory, rack: &RackId, text: String) {
    inventory.record_event(None, Some(rack.clone()), EventKind::Discovery, text).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::{
        discovery::Credential, hardware::BmcIdentity, id::AgentBootId, secret::Secret, spec::BmcProtocol,
    };
    use store::{clock::TestClock, secret::Sealer};

    use super::*;
    use crate::discovery::orders::ScanRun;

    fn rack() -> RackId {
        "rack1".parse().unwrap()
    }

    fn scan(id: Uuid) -> ScanRun {
        let credential =
            |user: &str, word: &str| Credential { username: user.into(), password: Secret::new(word) };
        ScanRun {
            id,
            rack: rack(),
            run: AgentBootId(Uuid::nil()),
            began_us: 0,
            credentials: vec![credential("root", "wrong"), credential("admin", "right")],
            done: 0,
            total: 2,
            enrolled: Vec::new(),
            pending: 0,
            ended: None,
        }
    }

    fn found(address: [u8; 4], credential: Option<u32>) -> Finding {
        Finding::Bmc(Box::new(FoundBmc {
            address: address.into(),
            port: 623,
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            credential,
            identity: credential
                .map(|_| BmcIdentity { guid: Uuid::from_u128(77).to_string(), ..Default::default() }),
            problem: String::new(),
            marks: Vec::new(),
            is_refused: false,
        }))
    }

    #[tokio::test]
    async fn the_accepted_credential_is_kept_sealed_and_only_of_its_own_scan() {
        let inventory =
            Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        let (orders, id) = (Orders::default(), Uuid::from_u128(5));
        orders.began(scan(id));
        let take = async |rack: &RackId, order, finding| {
            take_in(&inventory, &orders, rack, order, finding).await.unwrap();
        };
        take(&rack(), id, found([198, 51, 100, 14], Some(1))).await;
        let entries = inventory.discoveries().await.unwrap();
        let bmc = entries[0].bmc.as_ref().unwrap();
        assert_eq!(
            (bmc.username.as_deref(), bmc.password.as_ref().unwrap().reveal()),
            (Some("admin"), "right")
        );
        // Another rack's agent cannot draw on this scan's credentials, and a number beyond them is nobody's.
        let other: RackId = "rack2".parse().unwrap();
        take(&other, id, found([198, 51, 100, 20], Some(0))).await;
        take(&rack(), id, found([198, 51, 100, 21], Some(9))).await;
        for entry in inventory.discoveries().await.unwrap() {
            let bmc = entry.bmc.unwrap();
            assert_eq!(bmc.password.is_some(), bmc.address == "198.51.100.14", "{}", bmc.address);
        }
        take(&rack(), id, Finding::ScanEnded { fault: String::new() }).await;
        orders.with_scan(&rack(), id, |scan| {
            assert!(scan.credentials.is_empty(), "they are forgotten with its end");
            assert_eq!((scan.done, scan.ended.as_deref()), (2, Some("")));
        });
    }
}
