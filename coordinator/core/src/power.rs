//! Edges: a power reading, taken in: stored with what follows from it, unless it is in doubt whose it is.

use domain::{
    boots::What,
    events::{EventKind, Told},
    identity::{Doubt, InDoubt, reading_in_doubt},
    lifecycle::{
        Confirmed, Facts, PowerFacts, isolation_is_due,
        power::{PowerRecord, after_reading},
    },
    records::{PowerUpdate, SeenPower, Server},
};
use protocol::power::{PowerCause, PowerReading};
use store::{Inventory, InventoryError};

use crate::visits::Wake;

/// Stores a reading of a server's power. Says whether it ended a doubt, so that its agent must be told who is expected now.
pub async fn take_power(
    inventory: &Inventory,
    wake: &Wake,
    server: &Server,
    seen: SeenPower,
) -> Result<bool, InventoryError> {
    let Some(doubt) = &server.bmc_doubt else {
        return store(inventory, wake, server, seen).await.map(|()| false);
    };
    match reading_in_doubt(server, doubt, &seen.reading) {
        InDoubt::Kept(now) => {
            keep(inventory, server, doubt, &now).await?;
            Ok(false)
        }
        InDoubt::Ends(identity) => {
            inventory.end_bmc_doubt(server, Some(&identity)).await?;
            let text = format!(
                "the BMC at {} is assumed to belong to {}: nothing contradicts it, and its reading has not changed",
                server.bmc.place(),
                server.name
            );
            inventory.record(server.id, EventKind::Power, text).await;
            store(inventory, wake, server, seen).await?;
            Ok(true)
        }
    }
}

/// The doubt stays; that a reading was held back against what was known is an alarm, once.
async fn keep(
    inventory: &Inventory,
    server: &Server,
    before: &Doubt,
    now: &Doubt,
) -> Result<(), InventoryError> {
    if before == now {
        return Ok(());
    }
    inventory.set_bmc_doubt(server, now).await?;
    if let Doubt::Changed { heard: Some(_), reading: Some(_), .. } = now {
        inventory.record(server.id, EventKind::Alarm, server.words_of(now)).await;
    }
    Ok(())
}

async fn store(
    inventory: &Inventory,
    wake: &Wake,
    server: &Server,
    seen: SeenPower,
) -> Result<(), InventoryError> {
    let now_us = inventory.clock().now_us();
    let before = PowerRecord {
        confirmed: server.confirmed,
        off_since_us: server.off_since_us,
        untold_off: server.untold_off,
        isolated_us: server.isolated_us,
    };
    let after = after_reading(before, &seen.reading, seen.cause, now_us);
    // A silent BMC gives ever new reasons: only the beginning of its silence is news.
    let same = |known: &PowerReading| std::mem::discriminant(known) == std::mem::discriminant(&seen.reading);
    // What is not watched has been told with its reason.
    let told = server.unwatched.is_some() && matches!(seen.reading, PowerReading::Unreachable { .. });
    let changed = !told && server.power.as_ref().is_none_or(|known| !same(&known.reading));
    let update = PowerUpdate {
        seen: seen.clone(),
        confirmed: after.confirmed,
        off_since_us: after.off_since_us,
        untold_off: after.untold_off,
        isolated_us: after.isolated_us,
    };
    inventory.set_power(server.id, &update).await?;
    // Isolation must not wait for the event to be stored, nor behind anything else.
    if server.confirmed != after.confirmed && calls_for_isolation(server, after.confirmed) {
        wake.isolate(server.id);
    }
    wake.wake(server.id);
    if seen.reading == PowerReading::Off {
        // The agent forgets a boot with the power.
        inventory.set_boot_given(server.id, None).await?;
    }
    if changed && seen.reading == PowerReading::Off {
        inventory.mark_boot(server.id, seen.at_us, What::PowerOff).await?;
    }
    if changed {
        match (&seen.reading, inventory.open_update(server.id).await?) {
            // A BMC that takes new firmware restarts: that is no alarm, and its end is told.
            (PowerReading::Unreachable { .. }, Some(update)) if update.is_under_way() => {
                let text = "its BMC is silent while its firmware is updated; it restarts as a rule";
                inventory.record(server.id, EventKind::Upkeep, text).await;
            }
            (_, _) => {
                let (kind, text, told) = describe(&seen.reading, seen.cause);
                inventory.record_told(server.id, kind, text, told).await;
            }
        }
    }
    Ok(())
}

/// Whether a server that has just been read so must leave its tenant's network, whoever the tenant is.
fn calls_for_isolation(server: &Server, confirmed: Option<Confirmed>) -> bool {
    let facts = server.facts(None, true);
    let power = PowerFacts { confirmed, ..facts.power };
    confirmed == Some(Confirmed::Off) && isolation_is_due(&Facts { power, ..facts })
}

fn describe(reading: &PowerReading, cause: PowerCause) -> (EventKind, String, Option<Told>) {
    let why = match cause {
        PowerCause::Commanded => "as asked",
        PowerCause::Unasked => "nobody asked",
        PowerCause::First => "first reading",
    };
    match reading {
        PowerReading::On => (EventKind::Power, format!("power is on, {why}"), Some(Told::PowerOn)),
        PowerReading::Off => (EventKind::Power, format!("power is off, {why}"), Some(Told::PowerOff)),
        PowerReading::Unreachable { reason } => {
            let text = format!("the power is not known: {reason}");
            (EventKind::Alarm, text, Told::of_kind(EventKind::Alarm))
        }
    }
}
