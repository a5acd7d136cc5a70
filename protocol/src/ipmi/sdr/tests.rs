//! Tests of the repository's commands and records.

use proptest::{collection::vec, prelude::*};

use super::{
    super::call::proof::check,
    GetPart, Info, Part, RepositoryInfo, Reserve,
    formula::{Curve, Factors, Format, Formula},
    record::*,
    unit::Unit,
};

const NAME: &str = "[!-~]([ -~]{0,14}[!-~])?";

fn body() -> impl Strategy<Value = Body> {
    let key = any::<[u8; 3]>().prop_map(|[owner, lun, number]| SensorKey { owner, lun, number });
    let entity = any::<[u8; 2]>().prop_map(|[id, instance]| Entity { id, instance });
    let unit = (0..0x40_u8, any::<u8>(), any::<u8>()).prop_map(|(shape, base, modifier)| Unit {
        shape,
        base,
        modifier,
    });
    let factors = (-512..512_i16, -512..512_i16, -8..8_i8, -8..8_i8)
        .prop_map(|(m, b, b_exponent, r_exponent)| Factors { m, b, b_exponent, r_exponent });
    let formula =
        factors.prop_map(|factors| Formula { format: Format::TwosComplement, curve: Curve::Square, factors });
    let sensor = (
        key.clone(),
        entity.clone(),
        unit,
        any::<[u8; 2]>(),
        any::<[u8; 2]>(),
        proptest::option::of(formula),
        1..16_u8,
        0..128_u8,
        NAME,
    )
        .prop_flat_map(
            |(key, entity, unit, [sensor_type, event_type], hysteresis, formula, shared, suffix, name)| {
                any::<bool>().prop_map(move |is_full| {
                    let (formula, shared, suffix) =
                        if is_full { (formula, 1, 0) } else { (None, shared, suffix) };
                    let name = name.clone();
                    Body::Sensor(Sensor {
                        key,
                        entity,
                        sensor_type,
                        event_type,
                        unit,
                        formula,
                        // FFh reads as none, and a compact record has its own elsewhere.
                        hysteresis: if is_full { hysteresis.map(|raw| raw % 0xff) } else { [0; 2] },
                        is_full,
                        shared,
                        suffix,
                        name,
                    })
                })
            },
        );
    let event_only = (key, entity.clone(), any::<[u8; 2]>(), NAME).prop_map(
        |(key, entity, [sensor_type, event_type], name)| {
            Body::EventOnly(EventOnly { key, entity, sensor_type, event_type, name })
        },
    );
    let fru = (any::<[u8; 2]>(), any::<bool>(), 0..16_u8, entity.clone(), NAME).prop_map(
        |([address, device], is_logical, channel, entity, name)| {
            Body::FruLocator(FruLocator { address, device, is_logical, channel, entity, name })
        },
    );
    let mc = (any::<[u8; 2]>(), 0..16_u8, entity, NAME).prop_map(
        |([address, capabilities], channel, entity, name)| {
            Body::McLocator(McLocator { address, channel, capabilities, entity, name })
        },
    );
    let other =
        (0x13..0xff_u8, vec(any::<u8>(), 0..40)).prop_map(|(kind, bytes)| Body::Other { kind, bytes });
    prop_oneof![sensor, event_only, fru, mc, other]
}

proptest! {
    #[test]
    fn records_come_back(id: u16, body in body()) {
        let record = Record { id, body };
        let bytes = record.build();
        prop_assert_eq!(length(bytes[..5].try_into().unwrap()), bytes.len());
        prop_assert_eq!(Record::parse(&bytes), Ok(record));
    }

    #[test]
    fn any_bytes_are_taken(kind in 0..0x14_u8, bytes in vec(any::<u8>(), 0..80)) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(3) { *byte = kind; }
        if let Ok(Record { body: Body::Sensor(sensor), .. }) = Record::parse(&bytes) {
            prop_assert!(sensor.each().count() <= 15);
        }
    }
}

#[test]
fn sensors_that_share_a_record_have_numbers_and_names_of_their_own() {
    let entity = Entity { id: 4, instance: 1 };
    let key = SensorKey { owner: 0x20, lun: 0, number: 0x60 };
    let unit = Unit { shape: 0, base: 0, modifier: 0 };
    let shared = Sensor {
        key,
        entity,
        sensor_type: 0x0d,
        event_type: 0x6f,
        unit,
        formula: None,
        hysteresis: [0; 2],
        is_full: false,
        shared: 3,
        suffix: 1,
        name: "Drive ".into(),
    };
    let each: Vec<(u8, String)> = shared.each().map(|sensor| (sensor.key.number, sensor.name)).collect();
    assert_eq!(each, [(0x60, "Drive 1".into()), (0x61, "Drive 2".into()), (0x62, "Drive 3".into())]);
}

#[test]
fn commands_and_answers_come_back() {
    let info = RepositoryInfo { records: 2, free_bytes: 3, last_added: 4, last_erased: 5, support: 2 };
    check(Info, info);
    check(Reserve, 7);
    let part = Part { next: 2, bytes: vec![1, 2] };
    check(GetPart { reservation: 7, id: 1, offset: 5, count: 16 }, part);
}
