//! Edges: `fru`: the inventories of the server and of the parts that its sensor records name.

use jiff::Timestamp;
use protocol::ipmi::{
    fru::{Inventory, multi::MultiRecord},
    sdr::record::Body,
};
use serde_json::{Value, json};

use super::super::{failure::Failure, output::Answer};
use crate::bmc::{CallError, IpmiBmc};

/// Inventories that are read of one BMC.
const INVENTORIES_MAX: usize = 64;

pub(super) async fn run(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let mut rows = vec![];
    let mut json = vec![];
    for (device, name) in devices(bmc).await? {
        let fields = match bmc.inventory(device).await {
            Ok(Some(inventory)) => fields(&inventory),
            Ok(None) => continue,
            Err(CallError::Bmc(error)) => return Err(error.into()),
            // Of a part that is not there.
            Err(error) => vec![("not readable".to_owned(), protocol::error_chain::chain(&error))],
        };
        let object =
            fields.iter().map(|(field, value)| (field.replace(' ', "_"), Value::from(value.as_str())));
        json.push(json!({ "device": device, "name": name, "fields": Value::Object(object.collect()) }));
        rows.extend(fields.into_iter().map(|(field, value)| vec![name.clone(), field, value]));
    }
    Ok(Answer { header: &["part", "field", "value"], rows, json: Value::Array(json) })
}

/// Numbers and names of the BMC's own inventory and of those that its records name.
async fn devices(bmc: &IpmiBmc) -> Result<Vec<(u8, String)>, Failure> {
    let mut devices = vec![(0, "server".to_owned())];
    let records = match bmc.sensor_records().await {
        Ok((records, _)) => records,
        Err(CallError::Bmc(error)) => return Err(error.into()),
        // Without records there is the BMC's own.
        Err(_) => vec![],
    };
    for record in records {
        let Body::FruLocator(locator) = record.body else { continue };
        let is_new = devices.iter().all(|(device, _)| *device != locator.device);
        // Others are behind other controllers, or on a bus of their own.
        if locator.is_logical && locator.channel == 0 && is_new && devices.len() < INVENTORIES_MAX {
            devices.push((locator.device, locator.name));
        }
    }
    Ok(devices)
}

/// What an inventory says, field by field.
pub(super) fn fields(inventory: &Inventory) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = vec![];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            fields.push((name.to_owned(), value));
        }
    };
    let extra = |extra: &[String]| extra.join("; ");
    if let Some(chassis) = &inventory.chassis {
        add("chassis part", chassis.part.clone());
        add("chassis serial", chassis.serial.clone());
        add("chassis extra", extra(&chassis.extra));
    }
    if let Some(board) = &inventory.board {
        add("board maker", board.manufacturer.clone());
        add("board product", board.product.clone());
        add("board serial", board.serial.clone());
        add("board part", board.part.clone());
        add("board made", board.made().map(date).unwrap_or_default());
        add("board extra", extra(&board.extra));
    }
    if let Some(product) = &inventory.product {
        add("product maker", product.manufacturer.clone());
        add("product name", product.name.clone());
        add("product model", product.model.clone());
        add("product version", product.version.clone());
        add("product serial", product.serial.clone());
        add("product asset tag", product.asset.clone());
        add("product extra", extra(&product.extra));
    }
    for record in &inventory.records {
        let (name, value) = record_words(record);
        add(&name, value);
    }
    for fault in &inventory.faults {
        add("fault", fault.to_string());
    }
    fields
}

fn record_words(record: &MultiRecord) -> (String, String) {
    let volts = |ten_mv: i32| f64::from(ten_mv) / 100.0;
    match record {
        MultiRecord::PowerSupply(supply) => (
            "power supply".to_owned(),
            format!(
                "{} W, input {} to {} V{}",
                supply.capacity_w,
                volts(supply.input_low_10mv.into()),
                volts(supply.input_high_10mv.into()),
                if supply.is_hot_swap { ", hot swap" } else { "" }
            ),
        ),
        MultiRecord::DcOutput(output) => (
            format!("output {}", output.number),
            format!(
                "{} V, up to {} A",
                volts(output.nominal_10mv.into()),
                f64::from(output.current_max_ma) / 1000.0
            ),
        ),
        MultiRecord::ManagementAccess { text, .. } => ("management access".to_owned(), text.clone()),
        MultiRecord::Other { kind, bytes } => {
            (format!("record {kind:#04x}"), format!("{} bytes", bytes.len()))
        }
    }
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}
