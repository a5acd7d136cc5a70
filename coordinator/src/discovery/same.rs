//! Decisions: whether two hardware UUIDs are those of one machine.
//!
//! Firmware, BMC and Redfish write the same sixteen bytes in different orders. SMBIOS 2.6 and later has the first three fields
//! with the low byte first (section 7.2.1), RFC 9562 has the high byte first, and IPMI 2.0 (section 20.8) has all sixteen
//! reversed; BMCs do any of these.

use uuid::Uuid;

/// UUIDs that firmware writes when it has none: they are on thousands of machines.
const NOBODYS: [u128; 4] =
    [0, u128::MAX, 0x0300_0200_0400_0500_0006_0007_0008_0009, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f];

/// A machine's UUID in one of its spellings.
#[derive(Clone, Copy, Debug)]
pub struct HardwareUuid(Uuid);

impl HardwareUuid {
    /// Reads one; none: it is not one, or is no machine's own.
    pub fn read(text: &str) -> Option<Self> {
        let uuid = Self(Uuid::try_parse(text.trim()).ok()?);
        let is_nobodys = uuid.spellings().iter().any(|spelling| NOBODYS.contains(&spelling.as_u128()));
        (!is_nobodys).then_some(uuid)
    }

    /// Whether it is the same machine's, in whatever spelling.
    pub fn is_of_the_same_machine_as(self, other: Self) -> bool {
        self.spellings().contains(&other.0)
    }

    fn spellings(self) -> [Uuid; 4] {
        let swapped = |uuid: Uuid| Uuid::from_bytes(uuid.to_bytes_le());
        let mut reversed = self.0.into_bytes();
        reversed.reverse();
        let reversed = Uuid::from_bytes(reversed);
        [self.0, swapped(self.0), reversed, swapped(reversed)]
    }
}

impl std::fmt::Display for HardwareUuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_machine_is_recognised_in_every_spelling() {
        let check = |one: &str, other: &str, same: bool| {
            let read = |text| HardwareUuid::read(text).unwrap();
            assert_eq!(read(one).is_of_the_same_machine_as(read(other)), same, "{one} {other}");
            assert_eq!(read(other).is_of_the_same_machine_as(read(one)), same, "{other} {one}");
        };
        let plain = "00112233-4455-6677-8899-aabbccddeeff";
        check(plain, "00112233-4455-6677-8899-AABBCCDDEEFF", true);
        check(plain, "33221100-5544-7766-8899-aabbccddeeff", true);
        check(plain, "ffeeddcc-bbaa-9988-7766-554433221100", true);
        check(plain, "00112233-4455-6677-8899-aabbccddeefe", false);
        for nobodys in [
            "",
            "none",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
        ] {
            assert!(HardwareUuid::read(nobodys).is_none(), "{nobodys}");
        }
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
    }
}
