//! Decisions: names, addresses and ranges that people, files and other programs write.

use std::{fmt, str::FromStr};

use contrail::VlanRange;
use faces::redfish::path::Resource;
use protocol::{
    discovery::{AddressRange, RedfishPort},
    id::{RackId, ServerId},
    identity::HardwareUuid,
    mac::MacAddr,
};

/// What is read is shown so that it is read again as the same.
fn shown<T: FromStr + fmt::Display + fmt::Debug + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let Ok(again) = value.to_string().parse::<T>() else { panic!("{value} is not read again") };
    assert_eq!(again, value);
}

/// Every kind of name.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    shown::<MacAddr>(&text);
    shown::<RackId>(&text);
    shown::<ServerId>(&text);
    shown::<AddressRange>(&text);
    shown::<RedfishPort>(&text);
    shown::<VlanRange>(&text);
    let _ = Resource::parse(&text);
    if let Some(uuid) = HardwareUuid::read(&text) {
        assert!(
            HardwareUuid::read(&uuid.to_string()).is_some_and(|again| again.is_of_the_same_machine_as(uuid))
        );
    }
}
