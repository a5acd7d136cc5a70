//! Edges: `inventory` by Redfish: who the BMC is, and what the server is made of.

use protocol::redfish::read::hardware::Storage;
use serde_json::Value;

use super::{
    super::{
        super::{failure::Failure, output::Answer},
        inventory::of_identity,
    },
    value,
};
use crate::bmc::{Bmc, Inventory, RedfishBmc};

pub(in super::super) async fn run(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let identity = bmc.identity().await?;
    let found = bmc.inventory().await?;
    let mut answer = Answer::fields(of_identity(&identity));
    let draw = bmc.power_control().await.ok().and_then(|control| control.draw_w);
    let mut add = |name: &str, words: String| answer.rows.push(vec![name.to_owned(), words]);
    for (name, words) in rows(&found) {
        add(name, words);
    }
    if let Some(draw) = draw {
        add("power draw", format!("{draw} W"));
    }
    if let (Value::Object(fields), Value::Object(parts)) = (&mut answer.json, value(&found)) {
        fields.extend(parts);
        fields.insert("power_draw_w".to_owned(), draw.into());
    }
    Ok(answer)
}

/// A line for each part.
fn rows(found: &Inventory) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for it in &found.processors {
        let count = |count: Option<u64>, what: &str| count.map(|count| format!("{count} {what}"));
        rows.push((
            "processor",
            line(&[
                Some(it.name.clone()),
                it.model.clone(),
                count(it.cores, "cores"),
                count(it.mhz, "MHz"),
                some(it.status.words()),
            ]),
        ));
    }
    for it in &found.memory {
        let gib = it.mib.map(|mib| format!("{} GiB", mib / 1024));
        let serial = it.serial.as_ref().map(|serial| format!("serial {serial}"));
        rows.push((
            "memory",
            line(&[
                Some(it.name.clone()),
                gib,
                it.kind.clone(),
                it.part.clone(),
                serial,
                some(it.status.words()),
            ]),
        ));
    }
    for it in &found.storage {
        storage(it, &mut rows);
    }
    for it in &found.interfaces {
        let mac = it.mac.map(|mac| mac.to_string());
        rows.push((
            "interface",
            line(&[Some(it.name.clone()), mac, it.link.clone(), some(it.addresses.join(" "))]),
        ));
    }
    for it in &found.ports {
        let mac = it.mac.map(|mac| mac.to_string());
        let speed = it.mbps.map(|mbps| format!("{mbps} Mbit/s"));
        let neighbour = it.neighbour.as_ref().map(|neighbour| format!("at {}", neighbour.words()));
        rows.push((
            "port",
            line(&[Some(format!("{} {}", it.adapter, it.name)), mac, it.link.clone(), speed, neighbour]),
        ));
    }
    rows.extend(found.missing.iter().map(|reason| ("not read", reason.clone())));
    rows
}

fn storage(it: &Storage, rows: &mut Vec<(&'static str, String)>) {
    rows.push((
        "storage",
        line(&[Some(it.name.clone()), it.model.clone(), it.firmware.clone(), some(it.status.words())]),
    ));
    for drive in &it.drives {
        let serial = drive.serial.as_ref().map(|serial| format!("serial {serial}"));
        let fails = drive.fails_soon.filter(|fails| *fails).map(|_| "expects to fail".to_owned());
        rows.push((
            "drive",
            line(&[
                Some(drive.name.clone()),
                drive.model.clone(),
                bytes(drive.bytes),
                drive.protocol.clone(),
                serial,
                fails,
                some(drive.status.words()),
            ]),
        ));
    }
    for volume in &it.volumes {
        rows.push((
            "volume",
            line(&[
                Some(volume.name.clone()),
                volume.raid.clone(),
                bytes(volume.bytes),
                some(volume.status.words()),
            ]),
        ));
    }
}

fn bytes(bytes: Option<u64>) -> Option<String> {
    bytes.map(|bytes| format!("{} GB", bytes / 1_000_000_000))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn line(words: &[Option<String>]) -> String {
    words.iter().flatten().cloned().collect::<Vec<_>>().join(", ")
}
