//! Edges: BMCs that were found and are in the list of factory passwords: each is given its own, once, and what comes of it is stored.
//!
//! What must stay true: that a password is given is stored before it leaves; the agent's answer finds its line by the order's id, also after a
//! restart.

use domain::{
    discovery::{Entry, entry::BmcHalf},
    events::EventKind,
    factory_password::{Found, Give, Line, Place, Stage, find, give},
};
use protocol::{
    discovery::{Claim, Credential, FoundBmc, Order, OrderTask},
    id::RackId,
};
use store::{Inventory, InventoryError};
use uuid::Uuid;

use super::{Discovery, intake::tell};

/// BMCs that are given their password in one round.
const CLAIMS_MAX: usize = 64;

impl Discovery {
    /// Gives BMCs that were found, and that nobody could log in to, the passwords that the list has for them.
    pub async fn claim_round(&self) -> Result<(), InventoryError> {
        let entries = self.entries().await?;
        let waits = |entry: &&Entry| {
            entry.bmc.as_ref().is_some_and(|bmc| bmc.password.is_none() && !bmc.marks.is_empty())
        };
        let waiting: Vec<&Entry> = entries.iter().filter(|entry| !entry.ignored).filter(waits).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let lines = self.inventory.factory_passwords().await?;
        let mut given = 0;
        for entry in waiting {
            let Some(bmc) = &entry.bmc else { continue };
            match find(&lines, &entry.rack, &bmc.marks) {
                Found::Nobody => {}
                Found::Contradiction(why) => self.not_given(entry, bmc, why).await?,
                Found::One(_) if given >= CLAIMS_MAX => break,
                Found::One(line) => given += usize::from(self.claim(entry, bmc, line).await?),
            }
        }
        Ok(())
    }

    /// Whether it was given now.
    async fn claim(&self, entry: &Entry, bmc: &BmcHalf, line: &Line) -> Result<bool, InventoryError> {
        let place = Place { rack: entry.rack.clone(), address: bmc.address.clone(), port: bmc.port };
        let refused_us = (!bmc.problem.is_empty()).then_some(entry.last_us);
        let now_us = self.inventory.clock().now_us();
        match give(&line.stage, &place, refused_us, now_us) {
            Give::NotBefore(_) => return Ok(false),
            Give::Never(why) => {
                self.not_given(entry, bmc, why).await?;
                return Ok(false);
            }
            Give::Now => {}
        }
        // Nobody to carry it out: it is no try.
        let (Ok(_), Ok(address)) = (self.agents.run_of(&entry.rack), bmc.address.parse()) else {
            return Ok(false);
        };
        let Some(password) = self.inventory.open_factory_password(line.id).await? else { return Ok(false) };
        let order = Uuid::new_v4();
        let stage = Stage::Given { place: place.clone(), at_us: now_us, order, problem: None };
        if !self.inventory.set_factory_stage(line, &stage).await? {
            return Ok(false);
        }
        let credential = Credential { username: line.whose.username.clone(), password };
        let task =
            OrderTask::Claim(Claim { address, port: bmc.port, protocol: bmc.protocol.clone(), credential });
        let text = format!("the BMC at {place} is tried by its factory password ({})", line.whose);
        tell(&self.inventory, &entry.rack, text).await;
        if let Err(error) = self.agents.order(&entry.rack, Order { id: order, task }).await {
            let problem = Some(error.to_string());
            let given = Line { stage, ..line.clone() };
            let stage = Stage::Given { place, at_us: now_us, order, problem };
            self.inventory.set_factory_stage(&given, &stage).await?;
        }
        Ok(true)
    }

    /// Says once why a BMC is not given the password that the list may have for it.
    async fn not_given(&self, entry: &Entry, bmc: &BmcHalf, why: String) -> Result<(), InventoryError> {
        if bmc.problem == why {
            return Ok(());
        }
        let text = format!("the BMC at {} in rack {}: {why}", bmc.address, entry.rack);
        let noted = Entry { bmc: Some(BmcHalf { problem: why, ..bmc.clone() }), ..entry.clone() };
        self.inventory.put_discoveries(&[noted], &[]).await?;
        self.inventory.record_event(None, Some(entry.rack.clone()), EventKind::Alarm, text).await;
        Ok(())
    }
}

/// Takes in what came of a try, if the order was one. The BMC with the credential that it has accepted, if it has.
pub(super) async fn tried(
    inventory: &Inventory,
    rack: &RackId,
    order: Uuid,
    found: &FoundBmc,
) -> Result<Option<BmcHalf>, InventoryError> {
    let Some(line) = inventory.factory_password_of(order).await? else { return Ok(None) };
    let Stage::Given { place, .. } = line.stage.clone() else { return Ok(None) };
    let is_it =
        (&place.rack, place.address.as_str(), place.port) == (rack, &found.address.to_string(), found.port);
    if !is_it {
        return Ok(None);
    }
    let at_us = inventory.clock().now_us();
    let whose = &line.whose;
    let (stage, text) = match (found.credential, found.is_refused) {
        (Some(_), _) => (
            Stage::Accepted { place: place.clone(), at_us },
            format!(
                "the BMC at {place} accepted its factory password ({whose}); it is changed as soon as its server is enrolled"
            ),
        ),
        (None, true) => (
            Stage::Refused { place: place.clone(), at_us, problem: found.problem.clone() },
            format!(
                "the BMC at {place} refused its factory password ({whose}), which is not tried again: remove the line from the list, and \
                 import the right one"
            ),
        ),
        (None, false) => (
            Stage::Given { place: place.clone(), at_us, order, problem: Some(found.problem.clone()) },
            format!(
                "the BMC at {place} could not be tried by its factory password ({whose}): {}",
                found.problem
            ),
        ),
    };
    inventory.set_factory_stage(&line, &stage).await?;
    let kind = if found.credential.is_some() { EventKind::Discovery } else { EventKind::Alarm };
    inventory.record_event(None, Some(rack.clone()), kind, text).await;
    let accepted = match found.credential {
        Some(_) => {
            inventory.open_factory_password(line.id).await?.map(|password| (line.whose.username, password))
        }
        None => None,
    };
    let (username, password) = accepted.unzip();
    Ok(Some(BmcHalf {
        address: place.address,
        port: place.port,
        protocol: found.protocol.clone(),
        identity: found.identity.clone(),
        problem: found.problem.clone(),
        username,
        password,
        // What was heard before any log-in stays known.
        marks: Vec::new(),
    }))
}
