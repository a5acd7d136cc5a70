//! Values: what a BMC says of its own health and of its maker (sections 20.2, 20.4, 20.8).

use super::{
    Malformed, Privilege,
    call::{Command, Kind},
    message::NETFN_APP,
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[SelfTest::KIND, DeviceGuid::KIND, ColdReset::KIND];

/// Get Self Test Results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTest;

/// How the BMC's test of itself went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTestResult {
    /// No error.
    Passed,
    /// This controller has no such test.
    NotImplemented,
    /// Data or devices cannot be used; the bits say which (table 20-5).
    Corrupted(u8),
    /// A fatal fault of the hardware; the number is the maker's.
    Fatal(u8),
    /// Something of the maker's own.
    Other {
        /// First byte.
        code: u8,
        /// Second byte.
        detail: u8,
    },
}

/// The bits of [`SelfTestResult::Corrupted`], from bit 0.
const CORRUPTED: [&str; 8] = [
    "the controller's operational firmware",
    "the controller's boot code",
    "an internal use area of the FRU data",
    "the SDR repository is empty",
    "the bus to the chassis' sensors",
    "the FRU data",
    "the SDR repository",
    "the event log",
];

impl std::fmt::Display for SelfTestResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SelfTestResult::Passed => f.write_str("passed"),
            SelfTestResult::NotImplemented => f.write_str("not implemented"),
            SelfTestResult::Corrupted(bits) => {
                let what = CORRUPTED.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
                let what: Vec<&str> = what.map(|(_, what)| *what).collect();
                write!(f, "failed: {}", what.join(", "))
            }
            SelfTestResult::Fatal(detail) => write!(f, "fatal hardware fault {detail:#04x}"),
            SelfTestResult::Other { code, detail } => {
                write!(f, "the maker's own result {code:#04x} {detail:#04x}")
            }
        }
    }
}

impl Command for SelfTest {
    const KIND: &'static Kind = &Kind::reads("Get Self Test Results", NETFN_APP, 0x04);
    type Answer = SelfTestResult;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(answer: &SelfTestResult) -> Vec<u8> {
        match answer {
            SelfTestResult::Passed => vec![0x55, 0],
            SelfTestResult::NotImplemented => vec![0x56, 0],
            SelfTestResult::Corrupted(bits) => vec![0x57, *bits],
            SelfTestResult::Fatal(detail) => vec![0x58, *detail],
            SelfTestResult::Other { code, detail } => vec![*code, *detail],
        }
    }

    fn parse_answer(data: &[u8]) -> Result<SelfTestResult, Malformed> {
        let [code, detail] = Reader::new("Get Self Test Results answer", data).array()?;
        Ok(match code {
            0x55 => SelfTestResult::Passed,
            0x56 => SelfTestResult::NotImplemented,
            0x57 => SelfTestResult::Corrupted(detail),
            0x58 => SelfTestResult::Fatal(detail),
            _ => SelfTestResult::Other { code, detail },
        })
    }
}

/// Get Device GUID: the BMC's own, as "Get System GUID" is the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceGuid;

impl Command for DeviceGuid {
    const KIND: &'static Kind = &Kind::reads("Get Device GUID", NETFN_APP, 0x08);
    type Answer = [u8; 16];

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(guid: &[u8; 16]) -> Vec<u8> {
        guid.to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<[u8; 16], Malformed> {
        Reader::new("Get Device GUID answer", data).array()
    }
}

/// Cold Reset: the BMC starts anew and forgets its sessions. The server runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdReset;

impl Command for ColdReset {
    const KIND: &'static Kind =
        &Kind::reads("Cold Reset", NETFN_APP, 0x02).needs(Privilege::Administrator).only_once();
    type Answer = ();

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Enterprise numbers of makers that are met in racks (IANA's list), with the name that people know them by.
const MAKERS: [(u32, &str); 28] = [
    (2, "IBM"),
    (9, "Cisco"),
    (11, "HP"),
    (42, "Sun"),
    (119, "NEC"),
    (161, "Motorola"),
    (311, "Microsoft"),
    (343, "Intel"),
    (373, "Tyan"),
    (674, "Dell"),
    (2011, "Huawei"),
    (2623, "ASUSTeK"),
    (4128, "Arm"),
    (5703, "NVIDIA Networking (Mellanox)"),
    (5771, "Cisco"),
    (6569, "Inventec"),
    (6653, "Tyan"),
    (7154, "OpenIPMI"),
    (7244, "Quanta"),
    (8542, "Nokia"),
    (10368, "Fujitsu"),
    (10876, "Supermicro"),
    (15370, "Gigabyte"),
    (19046, "Lenovo"),
    (20974, "American Megatrends"),
    (37945, "Inspur"),
    (47196, "HPE"),
    (49622, "ASRock Rack"),
];

/// The name of the maker with this enterprise number; none: it is not in our short list.
pub fn maker(enterprise: u32) -> Option<&'static str> {
    MAKERS.binary_search_by_key(&enterprise, |(number, _)| *number).ok().map(|index| MAKERS[index].1)
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(SelfTest, SelfTestResult::Corrupted(0x81));
        check(SelfTest, SelfTestResult::Other { code: 1, detail: 2 });
        check(DeviceGuid, [7; 16]);
        check(ColdReset, ());
    }

    #[test]
    fn makers_are_found_and_results_are_told_in_words() {
        assert!(MAKERS.is_sorted_by_key(|(number, _)| *number));
        assert_eq!((maker(674), maker(10876), maker(1)), (Some("Dell"), Some("Supermicro"), None));
        let said = |bytes: [u8; 2]| SelfTest::parse_answer(&bytes).unwrap().to_string();
        assert_eq!(said([0x55, 0]), "passed");
        assert_eq!(said([0x57, 0x82]), "failed: the controller's boot code, the event log");
        assert_eq!(said([0x99, 3]), "the maker's own result 0x99 0x03");
    }
}
