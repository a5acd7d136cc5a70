//! Edges: `inventory`: who a BMC is and what it manages, from all that tells it.

use protocol::{
    hardware::BmcIdentity,
    ipmi::{
        Privilege,
        dcmi::GetPowerReading,
        fru::Inventory,
        lan::{GetParameter, Parameter},
    },
};

use super::super::{failure::Failure, output::Answer};
use crate::bmc::{Bmc, CallError, IpmiBmc};

/// "The channel that this request comes by".
const THIS_CHANNEL: u8 = 0x0e;
/// Static IPv6 addresses that are asked for.
const V6_MAX: u8 = 8;

pub(super) async fn run(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let mut fields = of_identity(&bmc.identity().await?);
    if let Some(inventory) = known(bmc.inventory(0).await)?.flatten() {
        fields.extend(of_inventory(&inventory));
    }
    fields.extend(addresses(bmc).await?);
    if let Some(draw) = known(bmc.call(&GetPowerReading).await)? {
        fields.push(("power draw", format!("{} W (mean {} W)", draw.now_w, draw.mean_w)));
    }
    Ok(Answer::fields(fields))
}

/// What a BMC does not know is left out; silence is an error.
fn known<T>(answer: Result<T, CallError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Bmc(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Who a BMC says it is.
pub(super) fn of_identity(identity: &BmcIdentity) -> Vec<(&'static str, String)> {
    vec![
        ("BMC maker", maker_of(&identity.manufacturer)),
        ("BMC product", identity.product.clone()),
        ("BMC firmware", identity.firmware.clone()),
        ("system GUID", identity.guid.clone()),
        ("system serial", identity.serial.clone()),
    ]
}

/// With the name that people know it by.
fn maker_of(text: &str) -> String {
    let number = text.strip_prefix("IANA enterprise ").and_then(|number| number.parse().ok());
    match number.and_then(protocol::ipmi::device::maker) {
        Some(name) => format!("{name} ({text})"),
        None => text.to_owned(),
    }
}

fn of_inventory(inventory: &Inventory) -> Vec<(&'static str, String)> {
    let product = inventory.product.clone().unwrap_or_default();
    let board = inventory.board.clone().unwrap_or_default();
    let chassis = inventory.chassis.clone().unwrap_or_default();
    vec![
        ("server maker", product.manufacturer),
        ("server product", product.name),
        ("server model", product.model),
        ("server serial", product.serial),
        ("asset tag", product.asset),
        ("board product", board.product),
        ("board serial", board.serial),
        ("chassis serial", chassis.serial),
    ]
}

async fn addresses(bmc: &IpmiBmc) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut fields = vec![];
    for number in
        [Parameter::MAC, Parameter::ADDRESS, Parameter::SUBNET_MASK, Parameter::GATEWAY, Parameter::VLAN]
    {
        if let Some(value) = parameter(bmc, number, 0).await? {
            fields.extend(words(&value));
        }
    }
    let Some(Parameter::V6Counts { fixed, dynamic }) = parameter(bmc, Parameter::V6_COUNTS, 0).await? else {
        return Ok(fields);
    };
    for (number, count) in [(Parameter::V6_STATIC, fixed), (Parameter::V6_DYNAMIC, dynamic)] {
        for set in 0..count.min(V6_MAX) {
            let Some(value) = parameter(bmc, number, set).await? else { break };
            fields.extend(words(&value));
        }
    }
    Ok(fields)
}

/// None: the BMC has no such parameter, or does not tell it to a user below operator.
async fn parameter(bmc: &IpmiBmc, number: u8, set: u8) -> Result<Option<Parameter>, Failure> {
    let data = known(bmc.call(&GetParameter { channel: THIS_CHANNEL, parameter: number, set }).await)?;
    Ok(data.and_then(|data| Parameter::parse(number, &data).ok()))
}

fn words(parameter: &Parameter) -> Option<(&'static str, String)> {
    match parameter {
        Parameter::Mac(mac) => Some(("BMC MAC", mac.to_string())),
        Parameter::Address(address) => Some(("BMC IPv4", address.to_string())),
        Parameter::SubnetMask(mask) => Some(("IPv4 mask", mask.to_string())),
        Parameter::Gateway(gateway) => Some(("IPv4 gateway", gateway.to_string())),
        Parameter::Vlan(id) => {
            Some(("BMC VLAN", id.map_or_else(|| "untagged".to_owned(), |id| id.to_string())))
        }
        Parameter::V6Static(address) | Parameter::V6Dynamic(address) => {
            address.is_in_use().then(|| ("BMC IPv6", format!("{}/{}", address.address, address.prefix)))
        }
        Parameter::SetInProgress(_)
        | Parameter::Source(_)
        | Parameter::Families(_)
        | Parameter::V6Counts { .. } => None,
    }
}

/// A privilege in lower case, or "none".
pub(super) fn privilege(privilege: Option<Privilege>) -> String {
    privilege.map_or_else(|| "none".to_owned(), |privilege| privilege.name().to_lowercase())
}
