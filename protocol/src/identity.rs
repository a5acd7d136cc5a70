//! Decisions: whether what a BMC says of itself is what is known of a server.
//!
//! Firmware, BMC and Redfish write the same sixteen bytes in different orders. SMBIOS 2.6 and later has the first three fields
//! with the low byte first (section 7.2.1), RFC 9562 has the high byte first, and IPMI 2.0 (section 20.8) has all sixteen
//! reversed; BMCs do any of these.
//!
//! What must stay true: a difference in anything that only one machine has means another machine, whatever else is equal; a
//! value that is missing, or that vendors write on many machines, proves nothing either way; a firmware's version is never
//! looked at. A certificate is not looked at either: vendors ship one and the same on many BMCs, and it is renewed without the
//! machine being another. Where one is pinned, TLS refuses every other one before anything is asked.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hardware::BmcIdentity;

/// UUIDs that firmware writes when it has none: they are on thousands of machines. Those of sixteen equal bytes are too.
const NOBODYS: [u128; 5] = [
    0x0300_0200_0400_0500_0006_0007_0008_0009,
    0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f,
    0x1234_5678_1234_5678_90ab_cdde_efaa_bbcc,
    0x1111_1111_2222_3333_4444_5555_5555_5555,
    0x4c4c_4544_0000_2010_8020_80c0_4f20_2020,
];

/// What firmware writes instead of a serial number or a model, in small letters.
const NOBODYS_WORDS: [&str; 14] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "system serial number",
    "chassis serial number",
    "system product name",
    "not specified",
    "not available",
    "not applicable",
    "unknown",
    "none",
    "null",
    "0123456789",
    "123456789",
];

/// A serial number with fewer characters than this is nobody's.
const SERIAL_CHARS_MIN: usize = 4;

/// A machine's UUID in one of its spellings.
#[derive(Clone, Copy, Debug)]
pub struct HardwareUuid(Uuid);

impl HardwareUuid {
    /// Reads one; none: it is not one, or is no machine's own.
    pub fn read(text: &str) -> Option<Self> {
        let uuid = Self(Uuid::try_parse(text.trim()).ok()?);
        let bytes = uuid.0.as_bytes();
        let is_nobodys = bytes.iter().all(|byte| *byte == bytes[0])
            || uuid.spellings().iter().any(|spelling| NOBODYS.contains(&spelling.as_u128()));
        (!is_nobodys).then_some(uuid)
    }

    /// Whether it is the same machine's, in whatever spelling.
    pub fn is_of_the_same_machine_as(self, other: Self) -> bool {
        self.spellings().contains(&other.0)
    }

    /// One form for all spellings of it, by which it is found among many.
    pub(crate) fn canonical(self) -> Uuid {
        let all = self.spellings().into_iter().flat_map(|spelling| Self(spelling).spellings());
        all.min().unwrap_or(self.0)
    }

    fn spellings(self) -> [Uuid; 4] {
        let swapped = |uuid: Uuid| Uuid::from_bytes(uuid.to_bytes_le());
        let mut reversed = self.0.into_bytes();
        reversed.reverse();
        let reversed = Uuid::from_bytes(reversed);
        [self.0, swapped(self.0), reversed, swapped(reversed)]
    }
}

impl fmt::Display for HardwareUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// By what a server is recognised. Empty: nothing is known of it yet, and no answer is another machine's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedIdentity {
    /// What its BMC says of itself when it is asked in the language in which it is asked now. What differs is another machine.
    pub bmc: BmcIdentity,
    /// UUIDs that others gave of it: its firmware, or its BMC in another language. Met, they prove that it is this server; not met,
    /// they prove nothing, because a BMC may have a UUID of its own.
    pub uuids: Vec<String>,
    /// Serial numbers that others gave of it, in the same way.
    pub serials: Vec<String>,
}

/// What an answer says of who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It is this server.
    Same,
    /// It is another machine.
    Another {
        /// What differs, such as `UUID`.
        field: &'static str,
    },
    /// It may be this server or another one.
    ProvesNothing,
}

/// Compares what is known of a server with what a BMC says of itself.
pub fn compare(expected: &ExpectedIdentity, seen: &BmcIdentity) -> Likeness {
    let known = &expected.bmc;
    let uuid = both(HardwareUuid::read(&known.guid), HardwareUuid::read(&seen.guid))
        .map(|(one, other)| one.is_of_the_same_machine_as(other));
    let serial = both(own_serial(&known.serial), own_serial(&seen.serial)).map(|(one, other)| one == other);
    for (equal, field) in [(uuid, "UUID"), (serial, "serial number")] {
        if equal == Some(false) {
            return Likeness::Another { field };
        }
    }
    if uuid == Some(true) || serial == Some(true) || is_known_from_others(expected, seen) {
        return Likeness::Same;
    }
    // Nothing of its own is left to go by. Two of one model may be two machines, but two models are.
    for (one, other, field) in [
        (&known.manufacturer, &seen.manufacturer, "manufacturer"),
        (&known.product, &seen.product, "product"),
    ] {
        if both(model(one), model(other)).is_some_and(|(one, other)| one != other) {
            return Likeness::Another { field };
        }
    }
    Likeness::ProvesNothing
}

fn is_known_from_others(expected: &ExpectedIdentity, seen: &BmcIdentity) -> bool {
    let uuid = HardwareUuid::read(&seen.guid).is_some_and(|seen| {
        let others = expected.uuids.iter().filter_map(|uuid| HardwareUuid::read(uuid));
        others.into_iter().any(|uuid| uuid.is_of_the_same_machine_as(seen))
    });
    let serial = own_serial(&seen.serial).is_some_and(|seen| {
        expected.serials.iter().filter_map(|serial| own_serial(serial)).any(|s| s == seen)
    });
    uuid || serial
}

/// Whether anything in it is one machine's own, so that it can be recognised by it.
pub fn is_usable(identity: &BmcIdentity) -> bool {
    HardwareUuid::read(&identity.guid).is_some() || own_serial(&identity.serial).is_some()
}

fn both<T>(one: Option<T>, other: Option<T>) -> Option<(T, T)> {
    one.zip(other)
}

/// A serial number as it is compared; none: it is no machine's own.
pub(crate) fn own_serial(text: &str) -> Option<String> {
    let serial = model(text)?;
    (serial.chars().count() >= SERIAL_CHARS_MIN).then_some(serial)
}

/// A model's name as it is compared; none: the firmware has none.
fn model(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let mut letters = text.chars();
    let is_one_letter = letters.next().is_none_or(|first| letters.all(|letter| letter == first));
    (!is_one_letter && !NOBODYS_WORDS.contains(&text.as_str())).then_some(text)
}

/// For people: what there is of it.
impl fmt::Display for BmcIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{} {}", self.manufacturer.trim(), self.product.trim());
        let mut parts: Vec<String> = Vec::new();
        parts.extend(Some(name.trim().to_owned()).filter(|name| !name.is_empty()));
        parts.extend(Some(format!("UUID {}", self.guid)).filter(|_| !self.guid.is_empty()));
        parts.extend(Some(format!("serial number {}", self.serial)).filter(|_| !self.serial.is_empty()));
        if parts.is_empty() {
            return f.write_str("a BMC that does not identify itself");
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
    const OTHER: &str = "00112233-4455-6677-8899-aabbccddeefe";

    fn bmc(guid: &str, serial: &str, product: &str) -> BmcIdentity {
        BmcIdentity {
            guid: guid.into(),
            serial: serial.into(),
            product: product.into(),
            ..BmcIdentity::default()
        }
    }

    #[test]
    fn one_machine_is_recognised_in_every_spelling() {
        let check = |one: &str, other: &str, same: bool| {
            let read = |text| HardwareUuid::read(text).unwrap();
            assert_eq!(read(one).is_of_the_same_machine_as(read(other)), same, "{one} {other}");
            assert_eq!(read(other).is_of_the_same_machine_as(read(one)), same, "{other} {one}");
        };
        check(GUID, "00112233-4455-6677-8899-AABBCCDDEEFF", true);
        check(GUID, "33221100-5544-7766-8899-aabbccddeeff", true);
        check(GUID, "ffeeddcc-bbaa-9988-7766-554433221100", true);
        check(GUID, OTHER, false);
        for nobodys in [
            "",
            "none",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "20202020-2020-2020-2020-202020202020",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
            "4C4C4544-0000-2010-8020-80C04F202020",
        ] {
            assert!(HardwareUuid::read(nobodys).is_none(), "{nobodys}");
        }
    }

    #[test]
    fn what_differs_is_another_machine_and_what_is_missing_proves_nothing() {
        let check = |known: BmcIdentity, seen: BmcIdentity, expected: Likeness| {
            let expect = ExpectedIdentity { bmc: known.clone(), ..ExpectedIdentity::default() };
            assert_eq!(compare(&expect, &seen), expected, "{known}; {seen}");
        };
        let another = |field| Likeness::Another { field };
        check(bmc(GUID, "", ""), bmc(GUID, "", ""), Likeness::Same);
        check(bmc(GUID, "", ""), bmc("ffeeddcc-bbaa-9988-7766-554433221100", "", ""), Likeness::Same);
        check(bmc(GUID, "", ""), bmc(OTHER, "", ""), another("UUID"));
        // Nodes of one enclosure may share a serial number, and a vendor's boards a UUID: a difference counts for more.
        check(bmc(GUID, "ABC1234", ""), bmc(OTHER, "ABC1234", ""), another("UUID"));
        check(bmc(GUID, "ABC1234", ""), bmc(GUID, "ABC1235", ""), another("serial number"));
        check(bmc("", "ABC1234", ""), bmc("", " abc1234 ", ""), Likeness::Same);
        check(bmc("", "ABC1234", ""), bmc(GUID, "", ""), Likeness::ProvesNothing);
        check(bmc("", "", ""), bmc(GUID, "ABC1234", "X"), Likeness::ProvesNothing);
        check(bmc(GUID, "ABC1234", ""), bmc("", "", ""), Likeness::ProvesNothing);
        for nobodys in
            ["To be filled by O.E.M.", "Default string", "0000000000", "xxxxxxxx", "n/a", "0123456789"]
        {
            check(bmc("", "ABC1234", ""), bmc("", nobodys, ""), Likeness::ProvesNothing);
            check(bmc("", nobodys, ""), bmc("", nobodys, ""), Likeness::ProvesNothing);
        }
        let nobodys = "00000000-0000-0000-0000-000000000000";
        check(bmc(nobodys, "", ""), bmc(nobodys, "", ""), Likeness::ProvesNothing);
        check(bmc(GUID, "", ""), bmc(nobodys, "", ""), Likeness::ProvesNothing);
        // A model tells machines apart only where nothing better does: firmware renames it.
        check(bmc("", "", "R640"), bmc("", "", "R740"), another("product"));
        check(bmc("", "", "R640"), bmc("", "", "R640"), Likeness::ProvesNothing);
        check(bmc("", "", "R640"), bmc("", "", ""), Likeness::ProvesNothing);
        check(bmc(GUID, "", "R640"), bmc(GUID, "", "R640 II"), Likeness::Same);
        let firmware = |version: &str| BmcIdentity { firmware: version.into(), ..bmc("", "", "R640") };
        check(firmware("1.00"), firmware("2.10"), Likeness::ProvesNothing);
    }

    #[test]
    fn what_others_say_of_it_proves_it_and_never_the_contrary() {
        let expected = ExpectedIdentity {
            bmc: bmc("", "", "R640"),
            uuids: vec!["33221100-5544-7766-8899-aabbccddeeff".into()],
            serials: vec!["ABC1234".into()],
        };
        assert_eq!(compare(&expected, &bmc(GUID, "", "0x0100")), Likeness::Same);
        assert_eq!(compare(&expected, &bmc("", "abc1234", "0x0100")), Likeness::Same);
        assert_eq!(compare(&expected, &bmc(OTHER, "XYZ9876", "R640")), Likeness::ProvesNothing);
    }

    proptest! {
        #[test]
        fn sameness_goes_both_ways(bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
            let (one, other) = (HardwareUuid(Uuid::from_bytes(bytes)), HardwareUuid(Uuid::from_bytes(other)));
            prop_assert_eq!(one.is_of_the_same_machine_as(other), other.is_of_the_same_machine_as(one));
            for spelling in one.spellings() {
                prop_assert!(one.is_of_the_same_machine_as(HardwareUuid(spelling)));
            }
        }

        #[test]
        fn any_words_are_compared(one in "\\PC{0,20}", other in "\\PC{0,20}") {
            let expected = ExpectedIdentity { bmc: bmc(&one, &one, &one), ..ExpectedIdentity::default() };
            let _ = compare(&expected, &bmc(&other, &other, &other));
            // A machine is never another one than itself.
            let itself = compare(&expected, &bmc(&one, &one, &one));
            let is_another = matches!(itself, Likeness::Another { .. });
            prop_assert!(!is_another);
        }
    }
}
