//! Decisions: the inventories of a virtual BMC.

use std::collections::BTreeMap;

use protocol::ipmi::{
    call::Call,
    fru::{
        AreaInfo, Inventory, ReadData, Size,
        area::{Board, Chassis, Product},
        multi::{DcOutput, MultiRecord, PowerSupply},
    },
    message::CompletionCode,
};

/// Bytes of each inventory, most of them unused.
const SIZE: usize = 2048;

/// The inventories, by their numbers.
#[derive(Debug, Default)]
pub struct Inventories(pub BTreeMap<u8, Vec<u8>>);

impl Inventories {
    pub(super) fn example() -> Self {
        Self(BTreeMap::from([(0, padded(&server())), (1, padded(&power_supply()))]))
    }

    pub(super) fn answer(
        &mut self,
        call: &Call,
        answer_bytes_max: usize,
    ) -> Option<Result<Vec<u8>, CompletionCode>> {
        let find = |device: u8| self.0.get(&device).ok_or(CompletionCode(0xcb));
        call.serve(|AreaInfo(device)| Ok(Size { bytes: find(device)?.len() as u16, by_words: false }))
            .or_else(|| {
                call.serve(|read: ReadData| {
                    let bytes = find(read.device)?;
                    let (from, count) = (usize::from(read.offset), usize::from(read.count));
                    if count > answer_bytes_max {
                        return Err(CompletionCode(0xca));
                    }
                    let bytes = bytes.get(from..(from + count).min(bytes.len()));
                    Ok(bytes.ok_or(CompletionCode(0xc9))?.to_vec())
                })
            })
    }
}

fn padded(inventory: &Inventory) -> Vec<u8> {
    let mut bytes = inventory.build();
    bytes.resize(SIZE, 0xff);
    bytes
}

/// Of the server.
pub(super) fn server() -> Inventory {
    let text = str::to_owned;
    Inventory {
        chassis: Some(Chassis { kind: 0x17, part: text("CH-4711"), serial: text("CHS0001"), extra: vec![] }),
        board: Some(Board {
            // 2025-06-01 00:00.
            made_minutes: 15_471_360,
            manufacturer: text("Virtual Boards"),
            product: text("VB-1"),
            serial: text("BRD0001"),
            part: text("VB1-01"),
            file: String::new(),
            extra: vec![text("rev B")],
        }),
        product: Some(Product {
            manufacturer: text("Virtual Servers"),
            name: text("Bare Metal One"),
            model: text("BM1"),
            version: text("1.2"),
            serial: text("SRV0001"),
            asset: text("RACK1-U7"),
            file: String::new(),
            extra: vec![],
        }),
        records: vec![MultiRecord::ManagementAccess { kind: 1, text: text("https://bmc.example") }],
        faults: vec![],
    }
}

fn power_supply() -> Inventory {
    let product = Product {
        manufacturer: "Virtual Power".to_owned(),
        name: "VP-750".to_owned(),
        serial: "PSU0001".to_owned(),
        ..Product::default()
    };
    let supply = PowerSupply {
        capacity_w: 750,
        peak_va: 900,
        input_low_10mv: 9000,
        input_high_10mv: 26400,
        is_hot_swap: true,
    };
    let output = DcOutput {
        number: 1,
        is_standby: false,
        nominal_10mv: 1200,
        current_min_ma: 0,
        current_max_ma: 62000,
    };
    Inventory {
        product: Some(product),
        records: vec![MultiRecord::PowerSupply(supply), MultiRecord::DcOutput(output)],
        ..Inventory::default()
    }
}
