//! Values: an inventory of a field replaceable unit, and the commands that read it (chapter 34; FRU specification 1.0, revision 1.3).
//!
//! ```text
//!   header -> chassis, board, product: texts      (area)
//!         `-> multirecord: power supply, ...      (multi)
//! ```

pub mod area;
pub mod multi;
pub mod reading;

use self::{
    area::{Board, Chassis, Product},
    multi::MultiRecord,
};
use super::{
    Malformed,
    call::{Command, Kind, NETFN_STORAGE},
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[AreaInfo::KIND, ReadData::KIND];

/// Get FRU Inventory Area Info, of the inventory with this number; 0 is the BMC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaInfo(pub u8);

/// Size of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes.
    pub bytes: u16,
    /// Whether it is read by words of two bytes.
    pub by_words: bool,
}

impl Command for AreaInfo {
    const KIND: &'static Kind = &Kind::reads("Get FRU Inventory Area Info", NETFN_STORAGE, 0x10);
    type Answer = Size;

    fn build(&self) -> Vec<u8> {
        vec![self.0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Reader::new("Get FRU Inventory Area Info request", data).u8().map(Self)
    }

    fn build_answer(size: &Size) -> Vec<u8> {
        let mut data = size.bytes.to_le_bytes().to_vec();
        data.push(u8::from(size.by_words));
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Size, Malformed> {
        let mut reader = Reader::new("Get FRU Inventory Area Info answer", data);
        Ok(Size { bytes: reader.u16()?, by_words: reader.u8()? & 1 != 0 })
    }
}

/// Read FRU Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadData {
    /// Number of the inventory.
    pub device: u8,
    /// From where, in bytes or words.
    pub offset: u16,
    /// How many bytes or words.
    pub count: u8,
}

impl Command for ReadData {
    const KIND: &'static Kind = &Kind::reads("Read FRU Data", NETFN_STORAGE, 0x11);
    type Answer = Vec<u8>;

    fn build(&self) -> Vec<u8> {
        let [low, high] = self.offset.to_le_bytes();
        vec![self.device, low, high, self.count]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Read FRU Data request", data);
        Ok(Self { device: reader.u8()?, offset: reader.u16()?, count: reader.u8()? })
    }

    fn build_answer(bytes: &Vec<u8>) -> Vec<u8> {
        let bytes = &bytes[..bytes.len().min(0xff)];
        let mut data = vec![bytes.len() as u8];
        data.extend(bytes);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new("Read FRU Data answer", data);
        // A count of bytes or of words; what was sent is what counts.
        reader.u8()?;
        Ok(reader.rest().to_vec())
    }
}

/// Two's complement of the sum, so that everything with its checksum adds up to 0.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// What an inventory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Of the chassis.
    pub chassis: Option<Chassis>,
    /// Of the board.
    pub board: Option<Board>,
    /// Of the product.
    pub product: Option<Product>,
    /// The records behind them.
    pub records: Vec<MultiRecord>,
    /// Parts that could not be read, and why.
    pub faults: Vec<Malformed>,
}

/// Bytes of the common header (FRU section 8).
pub const HEADER_BYTES: usize = 8;
/// Offsets are counted in so many bytes.
const UNIT: usize = 8;
/// The format's version.
const VERSION: u8 = 1;

/// Where the areas begin, in bytes; none: there is no such area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    chassis: Option<usize>,
    board: Option<usize>,
    product: Option<usize>,
    multi: Option<usize>,
}

impl Places {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header: [u8; HEADER_BYTES] = Reader::new("FRU header", bytes).array()?;
        if header[0] & 0x0f != VERSION {
            return Err(Malformed::new("FRU header", "is of another version, or the inventory is empty"));
        }
        if checksum(&header) != 0 {
            return Err(Malformed::new("FRU header", "has a wrong checksum"));
        }
        let place = |index: usize| (header[index] != 0).then(|| usize::from(header[index]) * UNIT);
        Ok(Self { chassis: place(2), board: place(3), product: place(4), multi: place(5) })
    }
}

impl Inventory {
    /// From an inventory's bytes. A part that cannot be read is noted, and the others are read.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let places = Places::parse(bytes)?;
        let mut faults = vec![];
        let mut noted = |fault: Malformed| faults.push(fault);
        let from = |place: Option<usize>| place.map(|at| bytes.get(at..).unwrap_or_default());
        let chassis = from(places.chassis).and_then(|bytes| Chassis::parse(bytes).map_err(&mut noted).ok());
        let board = from(places.board).and_then(|bytes| Board::parse(bytes).map_err(&mut noted).ok());
        let product = from(places.product).and_then(|bytes| Product::parse(bytes).map_err(&mut noted).ok());
        let (records, fault) = from(places.multi).map(multi::parse_all).unwrap_or_default();
        faults.extend(fault);
        Ok(Self { chassis, board, product, records, faults })
    }

    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut header = [VERSION, 0, 0, 0, 0, 0, 0, 0];
        let mut body = vec![];
        let areas = [
            self.chassis.as_ref().map(Chassis::build),
            self.board.as_ref().map(Board::build),
            self.product.as_ref().map(Product::build),
            (!self.records.is_empty()).then(|| multi::build_all(&self.records)),
        ];
        for (index, area) in areas.into_iter().enumerate() {
            let Some(area) = area else { continue };
            header[index + 2] = ((HEADER_BYTES + body.len()) / UNIT) as u8;
            body.extend(area);
            body.resize(body.len().next_multiple_of(UNIT), 0);
        }
        header[7] = checksum(&header);
        [header.to_vec(), body].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::call::proof::check, *};

    const TEXT: &str = "([!-~]([ -~]{0,10}[!-~])?)?";

    prop_compose! {
        fn inventory()(
            texts in vec(TEXT, 16), extra in vec("[!-~]{2,9}", 0..3), kind in 0..0x20_u8, minutes in 0..(1_u32 << 24),
            there in any::<[bool; 4]>(), custom in vec(any::<u8>(), 0..20),
        ) -> Inventory {
            let text = |index: usize| texts[index].clone();
            Inventory {
                chassis: there[0].then(|| Chassis { kind, part: text(0), serial: text(1), extra: extra.clone() }),
                board: there[1].then(|| Board { made_minutes: minutes, manufacturer: text(2), product: text(3), serial: text(4), part: text(5), file: text(6), extra: extra.clone() }),
                product: there[2].then(|| Product { manufacturer: text(7), name: text(8), model: text(9), version: text(10), serial: text(11), asset: text(12), file: text(13), extra }),
                records: if there[3] { vec![MultiRecord::Other { kind: 0xc0, bytes: custom }] } else { vec![] },
                faults: vec![],
            }
        }
    }

    #[test]
    fn commands_and_answers_come_back() {
        check(AreaInfo(1), Size { bytes: 4096, by_words: true });
        check(ReadData { device: 1, offset: 513, count: 16 }, vec![1, 2, 3]);
    }

    proptest! {
        #[test]
        fn inventories_come_back(inventory in inventory()) {
            let bytes = inventory.build();
            prop_assert_eq!(reading::extent(&bytes) <= bytes.len(), true);
            prop_assert_eq!(Inventory::parse(&bytes), Ok(inventory));
        }

        #[test]
        fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..200), at in 0..200_usize, inventory in inventory()) {
            let _ = Inventory::parse(&bytes);
            let mut bent = inventory.build();
            let length = bent.len();
            bent[at % length] ^= 0x55;
            let _ = Inventory::parse(&bent);
            bent.truncate(at);
            let _ = (Inventory::parse(&bent), reading::extent(&bent));
        }
    }

    #[test]
    fn a_part_that_cannot_be_read_is_noted_and_the_others_are_read() {
        let board = Board {
            manufacturer: "Maker".into(),
            product: "Board".into(),
            serial: "B1".into(),
            ..Board::default()
        };
        let product = Product { name: "Server".into(), ..Product::default() };
        let mut bytes =
            Inventory { board: Some(board), product: Some(product.clone()), ..Inventory::default() }.build();
        bytes[HEADER_BYTES + 10] ^= 1;
        let read = Inventory::parse(&bytes).unwrap();
        assert_eq!((read.board, read.product), (None, Some(product)));
        assert_eq!(read.faults, [Malformed::new("FRU board area", "has a wrong checksum")]);
    }
}
