//! Decisions: IPMI's event log, sensor records, inventories, console and bridging, as functions of any bytes.

use protocol::ipmi::{
    bridge,
    call::Call,
    fru::{Inventory, reading::extent},
    lan::Parameter,
    message::{CompletionCode, RequestMessage},
    sdr::{
        self,
        record::{Body, Record},
        walk::{Ask, STEPS_MAX, Walk},
    },
    sel, sensor,
    sol::{
        Setting,
        packet::{End, SolPacket},
    },
    words,
};

/// What can be read can be written; what can be written is read as the same; every walk ends.
pub fn run(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else { return };
    match kind % 8 {
        0 => requests(bytes),
        1 => log(bytes),
        2 => record(bytes),
        3 => repository(bytes),
        4 => inventory(bytes),
        5 => console(bytes),
        6 => drop(bridge::answer(bytes)),
        _ => settings(bytes),
    }
}

fn requests(bytes: &[u8]) {
    let [netfn, command, data @ ..] = bytes else { return };
    let message = RequestMessage { netfn: *netfn, command: *command, sequence: 0, data };
    if let Ok(call) = Call::parse(&message) {
        assert_eq!(call.encode(), (*netfn, *command, data.to_vec()));
    }
}

fn log(bytes: &[u8]) {
    for bytes in bytes.as_chunks::<{ sel::RECORD_BYTES }>().0 {
        let record = sel::record::Record::parse(bytes);
        assert_eq!(record.build(), *bytes);
        if let sel::record::Body::Event { event, .. } = record.body {
            assert!(!event.words().is_empty());
            let _ = event.crossing();
        }
    }
}

fn record(bytes: &[u8]) {
    let Ok(record) = Record::parse(bytes) else { return };
    let again = Record::parse(&record.build());
    // Texts of other alphabets become Latin 1, and may be cut.
    if let (Body::Sensor(sensor), Ok(Record { body: Body::Sensor(again), .. })) = (&record.body, &again) {
        assert_eq!((sensor.key, sensor.formula, sensor.unit), (again.key, again.formula, again.unit));
        assert!(sensor.each().count() <= 15);
        for raw in 0..=u8::MAX {
            assert!(sensor.formula.and_then(|formula| formula.value(raw)).is_none_or(f64::is_finite));
        }
    }
}

/// The input is what the BMC answers, again and again.
fn repository(bytes: &[u8]) {
    let pieces: Vec<&[u8]> = super::pieces(bytes).collect();
    let mut pieces = pieces.into_iter().cycle();
    let mut walk = Walk::default();
    for _ in 0..=STEPS_MAX {
        let Ok(Some(ask)) = walk.ask() else { return };
        let piece = pieces.next().unwrap_or_default();
        match ask {
            Ask::Reserve => walk.reserved(Ok(1)),
            Ask::Part(_) => {
                let answer = match piece {
                    [code, ..] if *code >= 0xc0 => Err(CompletionCode(*code)),
                    piece => Call::parse_answer::<sdr::GetPart>(piece).map_err(|_| CompletionCode(0xff)),
                };
                if walk.read(answer).is_err() {
                    return;
                }
            }
        }
    }
    panic!("a walk does not end");
}

fn inventory(bytes: &[u8]) {
    let _ = extent(bytes);
    if let Ok(inventory) = Inventory::parse(bytes) {
        let _ = Inventory::parse(&inventory.build());
    }
}

fn console(bytes: &[u8]) {
    for end in [End::Console, End::Bmc] {
        if let Ok(packet) = SolPacket::parse(bytes, end) {
            assert_eq!(SolPacket::parse(&packet.build(end), end), Ok(packet));
        }
    }
}

fn settings(bytes: &[u8]) {
    let Some((&number, data)) = bytes.split_first() else { return };
    if let Ok(parameter) = Parameter::parse(number, data) {
        assert_eq!(Parameter::parse(parameter.number(), &parameter.build()), Ok(parameter));
    }
    let _ = Setting::parse(number, data);
    if let [states, event_type, sensor_type, ..] = *data {
        let _ = words::states(event_type, sensor_type, u16::from(states) << 4);
        let _ = (sensor::Crossed::of(states.into()), words::sensor_type(sensor_type));
    }
}
