//! Edges: an NVMe disk that is asked, and its answers (NVM Express base specification 1.4: 5.15.2, 5.14.1.2, 5.25).

use super::{
    Asking,
    asked::Asked,
    tcg::{self, Locks},
    text::{name, text},
};
use crate::erase::{
    command::NvmeCommand,
    nvme::{IDENTIFY_BYTES, identify_controller, identify_namespace},
};

/// Bytes of the SMART log.
const SMART_BYTES: usize = 512;
/// What the critical warning's bits say; the temperature passes by itself, and is told without a verdict.
const WARNINGS: [(u8, &str); 4] = [
    (0, "its spare blocks are below their threshold"),
    (2, "it has become unreliable by errors of media or inside"),
    (3, "it takes no more writes"),
    (4, "the backup of its volatile memory has failed"),
];
const HOT: u8 = 1;

/// Asks a drive.
pub fn ask(drive: &Asking<'_>, namespace: u32) -> Asked {
    let mut asked = Asked::default();
    let Some(controller) = drive.nvme::<IDENTIFY_BYTES>(identify_controller()) else { return asked };
    read_controller(&controller, &mut asked);
    if let Some(own) = drive.nvme::<IDENTIFY_BYTES>(identify_namespace(namespace)) {
        asked.wwn = namespace_name(&own);
    }
    if let Some(log) = drive.nvme::<SMART_BYTES>(smart_log()) {
        read_smart(&log, &mut asked);
    }
    if has_security(&controller)
        && let Some(answer) = drive.nvme::<{ tcg::DISCOVERY_BYTES }>(discovery())
        && let Some(locks) = Locks::parse(&answer)
    {
        locks.tell(&mut asked);
    }
    asked
}

fn read_controller(page: &[u8; IDENTIFY_BYTES], asked: &mut Asked) {
    asked.serial = text(&page[4..24]);
    asked.model = text(&page[24..64]);
    asked.firmware = text(&page[64..72]);
}

/// Security Send and Receive, of the optional admin commands.
fn has_security(page: &[u8; IDENTIFY_BYTES]) -> bool {
    page[256] & 1 != 0
}

/// By the 128-bit name, or else the 64-bit one.
fn namespace_name(page: &[u8; IDENTIFY_BYTES]) -> String {
    let long = name("eui", &page[104..120]);
    if long.is_empty() { name("eui", &page[120..128]) } else { long }
}

fn read_smart(log: &[u8; SMART_BYTES], asked: &mut Asked) {
    let is = |bit: u8| log[0] & 1 << bit != 0;
    let reasons: Vec<_> = WARNINGS.into_iter().filter(|(bit, _)| is(*bit)).map(|(_, words)| words).collect();
    asked.set_health(&reasons);
    asked.used_percent = Some(log[5]);
    if is(HOT) {
        asked.says.push("it is too hot or too cold".to_owned());
    }
    if log[5] >= 100 {
        asked.says.push(format!("{} % of its rated life is used", log[5]));
    }
}

fn smart_log() -> NvmeCommand {
    let dwords = (SMART_BYTES / 4 - 1) as u32;
    NvmeCommand { opcode: 0x02, namespace: u32::MAX, dword_10: dwords << 16 | 0x02, dword_11: 0 }
}

/// Security Receive.
fn discovery() -> NvmeCommand {
    let dword_10 = u32::from(tcg::PROTOCOL) << 24 | u32::from(tcg::DISCOVERY) << 8;
    NvmeCommand { opcode: 0x82, namespace: 0, dword_10, dword_11: tcg::DISCOVERY_BYTES as u32 }
}

#[cfg(test)]
mod tests {
    use protocol::hardware::DiskHealth;

    use super::*;

    #[test]
    fn a_controller_says_who_it_is() {
        let mut page = [0; IDENTIFY_BYTES];
        page[4..24].copy_from_slice(b"S64GNX0R         12 ");
        page[24..64].copy_from_slice(format!("{:40}", "SAMSUNG MZQL2960HCJR-00A07").as_bytes());
        page[64..72].copy_from_slice(b"GDC5602Q");
        let mut asked = Asked::default();
        read_controller(&page, &mut asked);
        assert_eq!((asked.serial.as_str(), asked.firmware.as_str()), ("S64GNX0R 12", "GDC5602Q"));
        assert_eq!(asked.model, "SAMSUNG MZQL2960HCJR-00A07");
        let mut own = [0; IDENTIFY_BYTES];
        assert_eq!(namespace_name(&own), "");
        own[120..128].copy_from_slice(&[0, 0x25, 0x38, 1, 2, 3, 4, 5]);
        assert_eq!(namespace_name(&own), "eui.0025380102030405");
        own[104] = 0x36;
        assert_eq!(namespace_name(&own), "eui.36000000000000000000000000000000");
    }

    #[test]
    fn a_critical_warning_is_told_with_its_reason_and_heat_is_no_verdict() {
        let check = |warning: u8, used: u8, health: DiskHealth, words: &str| {
            let mut log = [0; SMART_BYTES];
            (log[0], log[5]) = (warning, used);
            let mut asked = Asked::default();
            read_smart(&log, &mut asked);
            assert_eq!((asked.health, asked.used_percent), (health, Some(used)));
            assert_eq!(asked.says.join("; "), words, "{warning:#x}");
        };
        check(0, 3, DiskHealth::Good, "");
        check(1, 3, DiskHealth::Failing, "failing: its spare blocks are below their threshold");
        check(1 << 1, 3, DiskHealth::Good, "it is too hot or too cold");
        check(
            1 << 2 | 1 << 3,
            3,
            DiskHealth::Failing,
            "failing: it has become unreliable by errors of media or inside, it takes no more writes",
        );
        check(0, 104, DiskHealth::Good, "104 % of its rated life is used");
    }

    #[test]
    fn questions_have_the_bits_of_the_specification() {
        assert_eq!((smart_log().opcode, smart_log().dword_10), (0x02, 0x007f_0002));
        let receive = discovery();
        assert_eq!((receive.opcode, receive.dword_10, receive.dword_11), (0x82, 0x0100_0100, 2048));
    }
}
