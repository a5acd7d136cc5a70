//! Values: the areas of texts: chassis, board, product (FRU sections 10 to 12).

use super::{
    super::{
        Malformed,
        field::{END, build_field, read_field},
        wire::Reader,
    },
    UNIT, VERSION, checksum,
};

/// Fields that are read of one area; more are nowhere seen.
const FIELDS_MAX: usize = 64;
/// English.
const LANGUAGE: u8 = 25;

/// The chassis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chassis {
    /// Kind, as SMBIOS numbers them: 0x17 is a rack-mount chassis.
    pub kind: u8,
    /// Part number.
    pub part: String,
    /// Serial number.
    pub serial: String,
    /// Fields of the maker's own.
    pub extra: Vec<String>,
}

/// The board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// When it was made, in minutes since 1996-01-01 00:00; 0 is unspecified. 24 bits.
    pub made_minutes: u32,
    /// Maker.
    pub manufacturer: String,
    /// Product name.
    pub product: String,
    /// Serial number.
    pub serial: String,
    /// Part number.
    pub part: String,
    /// Id of the file that the inventory was made from.
    pub file: String,
    /// Fields of the maker's own.
    pub extra: Vec<String>,
}

/// The product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// Maker.
    pub manufacturer: String,
    /// Name.
    pub name: String,
    /// Part or model number.
    pub model: String,
    /// Version.
    pub version: String,
    /// Serial number.
    pub serial: String,
    /// Asset tag.
    pub asset: String,
    /// Id of the file that the inventory was made from.
    pub file: String,
    /// Fields of the maker's own.
    pub extra: Vec<String>,
}

/// Seconds from 1970 to the day that a board's date is counted from.
const EPOCH_1996: i64 = 820_454_400;

impl Board {
    /// When it was made, in seconds since 1970; none: unspecified.
    pub fn made(&self) -> Option<i64> {
        (self.made_minutes != 0).then(|| EPOCH_1996 + i64::from(self.made_minutes) * 60)
    }
}

/// The area's own bytes, behind version and length.
fn own<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let [version, length] = Reader::new(what, bytes).array()?;
    let length = usize::from(length) * UNIT;
    let area = bytes.get(..length).filter(|_| length >= UNIT).ok_or(Malformed::new(what, "is too short"))?;
    match (version & 0x0f, checksum(area)) {
        (VERSION, 0) => Ok(&area[2..length - 1]),
        (VERSION, _) => Err(Malformed::new(what, "has a wrong checksum")),
        _ => Err(Malformed::new(what, "is of another version")),
    }
}

/// The fields up to the end's mark. An area without the mark ends with its last byte, as some makers have it.
fn fields(reader: &mut Reader<'_>) -> Vec<String> {
    let mut fields = vec![];
    while fields.len() < FIELDS_MAX {
        match read_field(reader) {
            Ok(Some(field)) => fields.push(field),
            Ok(None) | Err(_) => break,
        }
    }
    fields
}

/// So many fields with a meaning, empty where the area has fewer, and the rest.
fn named<const N: usize>(reader: &mut Reader<'_>) -> ([String; N], Vec<String>) {
    let mut all = fields(reader).into_iter();
    let named = std::array::from_fn(|_| all.next().unwrap_or_default());
    (named, all.collect())
}

fn build(head: &[u8], named: &[&String], extra: &[String]) -> Vec<u8> {
    let mut area = vec![VERSION, 0];
    area.extend(head);
    named.iter().copied().chain(extra).for_each(|field| area.extend(build_field(field)));
    area.push(END);
    area.resize((area.len() + 1).next_multiple_of(UNIT) - 1, 0);
    area[1] = ((area.len() + 1) / UNIT) as u8;
    area.push(checksum(&area));
    area
}

impl Chassis {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("FRU chassis area", own("FRU chassis area", bytes)?);
        let kind = reader.u8()?;
        let ([part, serial], extra) = named(&mut reader);
        Ok(Self { kind, part, serial, extra })
    }

    pub(super) fn build(&self) -> Vec<u8> {
        build(&[self.kind], &[&self.part, &self.serial], &self.extra)
    }
}

impl Board {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("FRU board area", own("FRU board area", bytes)?);
        let [_language, m0, m1, m2] = reader.array()?;
        let ([manufacturer, product, serial, part, file], extra) = named(&mut reader);
        let made_minutes = u32::from_le_bytes([m0, m1, m2, 0]);
        Ok(Self { made_minutes, manufacturer, product, serial, part, file, extra })
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let [m0, m1, m2, _] = self.made_minutes.to_le_bytes();
        let named = [&self.manufacturer, &self.product, &self.serial, &self.part, &self.file];
        build(&[LANGUAGE, m0, m1, m2], &named, &self.extra)
    }
}

impl Product {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("FRU product area", own("FRU product area", bytes)?);
        reader.u8()?;
        let ([manufacturer, name, model, version, serial, asset, file], extra) = named(&mut reader);
        Ok(Self { manufacturer, name, model, version, serial, asset, file, extra })
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let named = [
            &self.manufacturer,
            &self.name,
            &self.model,
            &self.version,
            &self.serial,
            &self.asset,
            &self.file,
        ];
        build(&[LANGUAGE], &named, &self.extra)
    }
}
