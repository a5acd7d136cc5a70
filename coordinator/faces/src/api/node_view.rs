//! Values: a server of the inventory as the API shows it.

use std::collections::HashMap;

use api_types::{
    Bmc, BootProgress, Hardware, HardwareDisk, HardwareNic, HealthReason, Node, NodePort, NotWatched,
    PowerState, RootDisk,
};
use domain::{
    health::{Health, Reason, Source},
    import::said_of_bmc,
    lifecycle::outlook::{Outlook, Seen, outlook},
    records::{Port, Server},
    rim::{ObservedNetwork, WantedNetwork},
    upkeep::restore::Restore,
};
use protocol::{hardware::HardwareReport, id::ServerId, power::PowerReading, root_device::RootDeviceHints};

use super::{password_view::password_view, time::time};

/// A server as administrators see it. `away`: why its rack's agent is not connected. `endings`: what the tenancies wait for that are to end.
/// `update`: how far the update of its firmware is.
pub(super) fn node_view(
    server: Server,
    away: Option<String>,
    endings: &HashMap<ServerId, String>,
    health: Health,
    update: Option<String>,
) -> Node {
    let Health { word, not_known, reasons } = health;
    let unwatched = server.unwatched.as_ref();
    let (power, power_reason) = match (&away, server.power.as_ref().map(|seen| &seen.reading)) {
        (Some(away), _) => (PowerState::Unknown, Some(away.clone())),
        (None, None) => (PowerState::Unknown, Some("no reading has come yet".to_owned())),
        // What was read before nobody watched it is old.
        (None, Some(PowerReading::On | PowerReading::Off)) if unwatched.is_some() => {
            (PowerState::Unknown, unwatched.map(|unwatched| unwatched.reason.clone()))
        }
        (None, Some(PowerReading::On)) => (PowerState::On, None),
        (None, Some(PowerReading::Off)) => (PowerState::Off, None),
        (None, Some(PowerReading::Unreachable { reason })) => (PowerState::Unreachable, Some(reason.clone())),
    };
    let boots = server.ports.iter().find(|port| port.pxe_enabled).or(server.ports.first());
    let node = server.node.as_ref();
    let Outlook { waiting_for, next } = outlook(&Seen {
        node,
        power: server.confirmed,
        agent_away: away.as_deref(),
        waiting: server.waiting.as_deref(),
        boot_stage: server.boot_stage,
        ramdisk_runs: server.ramdisk.is_some(),
        forgetting: server.forgetting,
        ending: endings.get(&server.id).map(String::as_str),
    });
    let waiting_for = match &server.bmc_doubt {
        None if server.certificate_question().is_some() => {
            Some("the certificate that its BMC shows to be accepted by an administrator".to_owned())
        }
        None => waiting_for,
        Some(_) => {
            Some("its BMC to be proved to be its own, or to be accepted by an administrator".to_owned())
        }
    };
    let question = server.certificate_question().map(|question| question.fingerprint().to_string());
    let traces = server.upkeep.traces.as_ref();
    let traces =
        traces.and_then(|traces| traces.note(&server.name).or(traces.hold_words(&server.name, None)));
    let has_changes = traces.is_some();
    let notes = server.upkeep.restore.iter().filter_map(Restore::note).chain(traces);
    let notes = notes.chain(server.certificate_words()).chain(update).collect();
    let password = password_view(&server);
    let resource_class = server.class().to_owned();
    let hints = node.map(|node| node.root_device.clone()).unwrap_or_default();
    let since_us = node.and_then(|node| node.since_us).unwrap_or(server.created_us);
    Node {
        state_since: time(since_us),
        waiting_for,
        next,
        deployed: node.is_some_and(|node| node.instance_id.is_some()),
        maintenance_reason: node.and_then(|node| node.maintenance_reason.clone()),
        id: server.id.0,
        rack: server.rack.to_string(),
        boot_mode: server.boot_mode.into(),
        boot: server
            .boot_stage
            .map(|reached| BootProgress { stage: reached.stage.into(), network: reached.network.into() }),
        provision_state: node.map_or(String::new(), |node| node.provision_state.to_string()),
        power,
        power_reason,
        health: word.into(),
        health_not_known: not_known,
        health_reasons: reasons.iter().map(reason_view).collect(),
        not_watched: unwatched.map(|unwatched| NotWatched {
            why: unwatched.why.into(),
            reason: unwatched.reason.clone(),
            since: time(unwatched.since_us),
        }),
        network_wanted: boots.and_then(|port| port.wanted.as_ref()).map(wanted_text),
        network_observed: boots.and_then(|port| port.observed.as_ref()).map(observed_text),
        notes,
        last_error: node.and_then(|node| node.last_error.clone()),
        maintenance: node.is_some_and(|node| node.maintenance),
        instance: node.and_then(|node| node.instance_id),
        bmc: Bmc {
            protocol: (&server.bmc.protocol).into(),
            address: server.bmc.address.clone(),
            port: server.bmc.port,
            username: server.bmc.username.clone(),
            identity: server.identity.as_ref().map(ToString::to_string),
            settings: said_of_bmc(&server.bmc),
            password,
            has_changes,
            certificate_in_question: question,
        },
        ports: server.ports.iter().map(|port| port_view(port, server.hardware.as_ref())).collect(),
        hardware: server.hardware.map(|found| hardware_view(found, &hints)),
        name: server.name,
        resource_class,
        pool: server.pool,
        // What is waited for now says more than what was refused before.
        reason: server.waiting.or(server.reason),
    }
}

fn reason_view(reason: &Reason) -> HealthReason {
    HealthReason {
        severity: reason.severity.into(),
        source: (&reason.source).into(),
        entry: match reason.source {
            Source::Entry(number) => Some(number),
            Source::Sensor(_) | Source::Log => None,
        },
        text: reason.text.clone(),
        since: time(reason.since_us),
    }
}

fn wanted_text(network: &WantedNetwork) -> String {
    match network {
        WantedNetwork::Boot(network) => network.as_str().to_owned(),
        WantedNetwork::Tenant(port) => format!("tenant {port}"),
        WantedNetwork::Nothing => "none".to_owned(),
    }
}

fn observed_text(network: &ObservedNetwork) -> String {
    match network {
        ObservedNetwork::Nothing => "none".to_owned(),
        ObservedNetwork::Boot(network) => network.as_str().to_owned(),
        ObservedNetwork::Tenant(port) => format!("tenant {port}"),
        ObservedNetwork::Bond { with } => format!("bond with {with}"),
        ObservedNetwork::Other { description } => format!("other: {description}"),
    }
}

fn port_view(port: &Port, hardware: Option<&HardwareReport>) -> NodePort {
    let nic = hardware.and_then(|found| found.nics.iter().find(|nic| nic.mac == port.mac));
    NodePort {
        name: port.name.clone(),
        mac: port.mac.to_string(),
        switch: port.link.switch.clone(),
        port: port.link.port.clone(),
        pxe_enabled: port.pxe_enabled,
        network_wanted: port.wanted.as_ref().map(wanted_text),
        network_observed: port.observed.as_ref().map(observed_text),
        observed_at: port.observed_us.and_then(time),
        carrier: nic.map(|nic| nic.carrier),
        speed_mbps: nic.map(|nic| nic.speed_mbps).filter(|speed| *speed > 0),
    }
}

/// Which disk the next image goes to: by the function that a deploy asks.
pub(super) fn root_disk(found: &HardwareReport, hints: &RootDeviceHints) -> RootDisk {
    match hints.root_disk(&found.disks) {
        Ok(disk) if hints.is_empty() => RootDisk {
            name: Some(disk.name.clone()),
            text: format!("{disk}, as no root device hint says otherwise"),
        },
        Ok(disk) => RootDisk {
            name: Some(disk.name.clone()),
            text: format!("{disk}, by the root device hints {hints}"),
        },
        Err(none) => RootDisk { name: None, text: none.to_string() },
    }
}

fn hardware_view(found: HardwareReport, hints: &RootDeviceHints) -> Hardware {
    Hardware {
        root_disk: Some(root_disk(&found, hints)),
        system: format!("{} {}", found.system.manufacturer, found.system.product).trim().to_owned(),
        serial: found.system.serial,
        cpus: found.cpu.count,
        cpu_model: found.cpu.model,
        memory_mib: found.memory_mib,
        disks: found
            .disks
            .into_iter()
            .map(|d| HardwareDisk {
                place: d.place().to_owned(),
                name: d.name,
                size_bytes: d.size_bytes,
                model: d.model,
                serial: d.serial,
                transport: d.transport,
                wwn: d.wwn,
                sector_bytes: d.sector_bytes,
                physical_sector_bytes: d.physical_sector_bytes,
                paths: d.paths,
                marks: d.marks.into_iter().map(String::from).collect(),
                firmware: d.firmware,
                health: d.health.as_str().to_owned(),
                used_percent: d.used_percent,
                says: d.says,
            })
            .collect(),
        nics: found
            .nics
            .into_iter()
            .map(|n| HardwareNic {
                name: n.name,
                mac: n.mac.to_string(),
                carrier: n.carrier,
                speed_mbps: n.speed_mbps,
            })
            .collect(),
        faults: found.faults,
        secure_boot: found.secure_boot,
    }
}
