//! Values: orders for a BMC.

use proptest::prelude::*;
use protocol::{
    bmc_facts::FactsPart,
    bmc_order::BmcOrder,
    redfish::read::{
        bios::{Setting, Settings},
        secure_boot::KeysReset,
    },
};

use super::{facts::settings, text};

/// Any order.
pub fn order() -> impl Strategy<Value = BmcOrder> {
    prop_oneof![
        any::<bool>().prop_map(|is_on| BmcOrder::Light { is_on }),
        Just(BmcOrder::Interrupt),
        any::<bool>().prop_map(|is_enabled| BmcOrder::SecureBoot { is_enabled }),
        prop::sample::select(&KeysReset::ALL[..]).prop_map(|reset| BmcOrder::ResetKeys { reset }),
        settings().prop_map(|settings| BmcOrder::SetBios { settings }),
        Just(BmcOrder::ResetBios),
        (text(), text(), any::<bool>()).prop_map(|(drive, image, is_write_protected)| {
            BmcOrder::InsertMedia { drive, image, is_write_protected }
        }),
        text().prop_map(|drive| BmcOrder::EjectMedia { drive }),
        proptest::option::of(any::<u32>()).prop_map(|watts| BmcOrder::LimitPower { watts }),
        prop::sample::select(&FactsPart::ALL[..]).prop_map(|part| BmcOrder::Look { part }),
    ]
}

/// One of every kind, with the name of its file.
pub fn examples() -> Vec<(&'static str, BmcOrder)> {
    let settings = Settings::from([
        ("Cores".to_owned(), Setting::Number(4.into())),
        ("Turbo".to_owned(), Setting::Flag(false)),
    ]);
    let image = "http://192.0.2.9/a.iso".to_owned();
    vec![
        ("down-order-light", BmcOrder::Light { is_on: true }),
        ("down-order-interrupt", BmcOrder::Interrupt),
        ("down-order-secure-boot", BmcOrder::SecureBoot { is_enabled: true }),
        ("down-order-reset-keys", BmcOrder::ResetKeys { reset: KeysReset::DeletePlatformKey }),
        ("down-order-set-bios", BmcOrder::SetBios { settings }),
        ("down-order-reset-bios", BmcOrder::ResetBios),
        (
            "down-order-insert-media",
            BmcOrder::InsertMedia { drive: "Cd".to_owned(), image, is_write_protected: true },
        ),
        ("down-order-limit-power", BmcOrder::LimitPower { watts: Some(500) }),
        ("down-order-eject-media", BmcOrder::EjectMedia { drive: "Cd".to_owned() }),
        ("down-order-look", BmcOrder::Look { part: FactsPart::Bios }),
    ]
}
