//! Values: orders for a BMC to and from the wire.

use super::{
    InvalidMessage,
    bmc_facts::{from_wire, to_wire},
    known, present, unspecified,
};
use crate::{bmc_facts::FactsPart, bmc_order::BmcOrder, grpc as wire, redfish::read::secure_boot::KeysReset};

impl From<BmcOrder> for wire::BmcOrder {
    fn from(order: BmcOrder) -> Self {
        use wire::bmc_order::Order;
        let order = match order {
            BmcOrder::Light { is_on } => Order::Light(is_on),
            BmcOrder::Interrupt => Order::Interrupt(wire::Interrupt {}),
            BmcOrder::SecureBoot { is_enabled } => Order::SecureBoot(is_enabled),
            BmcOrder::ResetKeys { reset } => Order::ResetKeys(wire::KeysReset::from(reset).into()),
            BmcOrder::SetBios { settings } => Order::SetBios(wire::SetBios { settings: to_wire(settings) }),
            BmcOrder::ResetBios => Order::ResetBios(wire::ResetBios {}),
            BmcOrder::InsertMedia { drive, image, is_write_protected } => {
                Order::InsertMedia(wire::InsertMedia { drive, image, is_write_protected })
            }
            BmcOrder::EjectMedia { drive } => Order::EjectMedia(wire::EjectMedia { drive }),
            BmcOrder::LimitPower { watts } => Order::LimitPower(wire::LimitPower { watts }),
            BmcOrder::Look { part } => Order::Look(wire::FactsPart::from(part).into()),
        };
        Self { order: Some(order) }
    }
}

impl TryFrom<wire::BmcOrder> for BmcOrder {
    type Error = InvalidMessage;
    fn try_from(order: wire::BmcOrder) -> Result<Self, InvalidMessage> {
        use wire::bmc_order::Order;
        Ok(match present("BmcOrder.order", order.order)? {
            Order::Light(is_on) => Self::Light { is_on },
            Order::Interrupt(wire::Interrupt {}) => Self::Interrupt,
            Order::SecureBoot(is_enabled) => Self::SecureBoot { is_enabled },
            Order::ResetKeys(number) => Self::ResetKeys { reset: keys_reset(number)? },
            Order::SetBios(wire::SetBios { settings }) => Self::SetBios { settings: from_wire(settings)? },
            Order::ResetBios(wire::ResetBios {}) => Self::ResetBios,
            Order::InsertMedia(wire::InsertMedia { drive, image, is_write_protected }) => {
                Self::InsertMedia { drive, image, is_write_protected }
            }
            Order::EjectMedia(wire::EjectMedia { drive }) => Self::EjectMedia { drive },
            Order::LimitPower(wire::LimitPower { watts }) => Self::LimitPower { watts },
            Order::Look(number) => Self::Look { part: part(number)? },
        })
    }
}

impl From<KeysReset> for wire::KeysReset {
    fn from(reset: KeysReset) -> Self {
        match reset {
            KeysReset::ToDefault => Self::ToDefault,
            KeysReset::DeleteAll => Self::DeleteAll,
            KeysReset::DeletePlatformKey => Self::DeletePlatformKey,
        }
    }
}

fn keys_reset(number: i32) -> Result<KeysReset, InvalidMessage> {
    Ok(match known("BmcOrder.reset_keys", number)? {
        wire::KeysReset::Unspecified => return Err(unspecified("BmcOrder.reset_keys")),
        wire::KeysReset::ToDefault => KeysReset::ToDefault,
        wire::KeysReset::DeleteAll => KeysReset::DeleteAll,
        wire::KeysReset::DeletePlatformKey => KeysReset::DeletePlatformKey,
    })
}

impl From<FactsPart> for wire::FactsPart {
    fn from(part: FactsPart) -> Self {
        match part {
            FactsPart::System => Self::System,
            FactsPart::Firmware => Self::Firmware,
            FactsPart::SecureBoot => Self::SecureBoot,
            FactsPart::Media => Self::Media,
            FactsPart::Bios => Self::Bios,
        }
    }
}

fn part(number: i32) -> Result<FactsPart, InvalidMessage> {
    Ok(match known("BmcOrder.look", number)? {
        wire::FactsPart::Unspecified => return Err(unspecified("BmcOrder.look")),
        wire::FactsPart::System => FactsPart::System,
        wire::FactsPart::Firmware => FactsPart::Firmware,
        wire::FactsPart::SecureBoot => FactsPart::SecureBoot,
        wire::FactsPart::Media => FactsPart::Media,
        wire::FactsPart::Bios => FactsPart::Bios,
    })
}
