//! Values: parts of what a BMC says of itself.

use proptest::{collection::btree_map, collection::vec, option, prelude::*};
use protocol::{
    bmc_facts::{BiosFacts, FirmwareItem, MediaSlot, PartFacts, PowerLimit, SecureBootFacts, SystemFacts},
    redfish::read::bios::{Setting, Settings},
};

use super::text;

pub fn settings() -> impl Strategy<Value = Settings> {
    let setting = prop_oneof![
        any::<bool>().prop_map(Setting::Flag),
        any::<i64>().prop_map(|number| Setting::Number(number.into())),
        text().prop_map(Setting::Word),
        Just(Setting::Unset),
    ];
    btree_map(text(), setting, 0..4)
}

fn limit() -> impl Strategy<Value = PowerLimit> {
    let watts = || option::of(any::<u32>());
    (watts(), watts()).prop_map(|(limit_w, most_w)| PowerLimit { limit_w, most_w })
}

/// Any part.
pub fn part() -> impl Strategy<Value = PartFacts> {
    let flag = || option::of(any::<bool>());
    prop_oneof![
        (text(), text(), text(), flag(), any::<bool>(), option::of(limit())).prop_map(
            |(manager_version, bios_version, boot_mode, light, can_nmi, power_limit)| PartFacts::System(
                SystemFacts { manager_version, bios_version, boot_mode, light, can_nmi, power_limit }
            )
        ),
        (settings(), settings(), any::<u32>()).prop_map(|(attributes, pending, left_out)| PartFacts::Bios(
            BiosFacts { attributes, pending, left_out }
        )),
        (flag(), flag(), text()).prop_map(|(is_enabled, was_enabled, mode)| PartFacts::SecureBoot(
            SecureBootFacts { is_enabled, was_enabled, mode }
        )),
        vec(
            (text(), vec(text(), 0..3), text(), any::<bool>())
                .prop_map(|(id, kinds, image, is_inserted)| { MediaSlot { id, kinds, image, is_inserted } }),
            0..3
        )
        .prop_map(PartFacts::Media),
        vec(
            (text(), text(), text(), any::<bool>()).prop_map(|(id, name, version, is_updateable)| {
                FirmwareItem { id, name, version, is_updateable }
            }),
            0..3
        )
        .prop_map(PartFacts::Firmware),
    ]
}

/// One of every kind.
pub fn examples() -> Vec<PartFacts> {
    let setting = |name: &str, setting| (name.to_owned(), setting);
    vec![
        PartFacts::System(SystemFacts {
            manager_version: "2.78".into(),
            bios_version: "U30 v2.1".into(),
            boot_mode: "UEFI".into(),
            light: Some(false),
            can_nmi: true,
            power_limit: None,
        }),
        PartFacts::Firmware(vec![FirmwareItem {
            id: "BIOS".into(),
            name: "System ROM".into(),
            version: "U30 v2.1".into(),
            is_updateable: true,
        }]),
        PartFacts::SecureBoot(SecureBootFacts {
            is_enabled: Some(true),
            was_enabled: Some(false),
            mode: "UserMode".into(),
        }),
        PartFacts::Media(vec![MediaSlot {
            id: "Cd".into(),
            kinds: vec!["CD".into(), "DVD".into()],
            image: "http://192.0.2.9/a.iso".into(),
            is_inserted: true,
        }]),
        PartFacts::Bios(BiosFacts {
            attributes: Settings::from([
                setting("Cores", Setting::Number(8.into())),
                setting("Mode", Setting::Word("Uefi".into())),
                setting("Turbo", Setting::Flag(true)),
                setting("Unset", Setting::Unset),
            ]),
            pending: Settings::from([setting("Cores", Setting::Number(4.into()))]),
            left_out: 2,
        }),
    ]
}
