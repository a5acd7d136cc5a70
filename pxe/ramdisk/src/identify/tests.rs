//! Edges: drives that are not there, each asked by the commands of its kind.

use std::io;

use protocol::hardware::DiskHealth;

use super::*;
use crate::erase::{
    ata::tests::{answer, page},
    command::{NvmeCommand, ScsiReply},
};

/// What a fake drive answers to a command; none: it does not know it.
type Answers<'a> = dyn Fn(&[u8]) -> Option<(ScsiReply, Vec<u8>)> + 'a;

/// NVMe commands are given to it as their opcode and the lowest byte of dword 10.
struct Fake<'a>(&'a Answers<'a>);

impl Fake<'_> {
    fn answer(&self, command: &[u8], bytes: Bytes<'_>) -> ScsiReply {
        let Some((reply, data)) = (self.0)(command) else {
            // ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE.
            let sense = vec![0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0];
            return ScsiReply { status: 2, sense };
        };
        if let Bytes::From(buffer) = bytes {
            let length = data.len().min(buffer.len());
            buffer[..length].copy_from_slice(&data[..length]);
        }
        reply
    }
}

impl Pass for Fake<'_> {
    fn scsi(&self, command: &[u8], bytes: Bytes<'_>, _wait: Duration) -> io::Result<ScsiReply> {
        Ok(self.answer(command, bytes))
    }

    fn nvme(&self, command: NvmeCommand, bytes: Bytes<'_>, _wait: Duration) -> io::Result<u16> {
        let reply = self.answer(&[command.opcode, command.dword_10 as u8], bytes);
        Ok(u16::from(reply.status))
    }

    fn pause(&self) {}
}

fn good(data: Vec<u8>) -> Option<(ScsiReply, Vec<u8>)> {
    Some((ScsiReply::default(), data))
}

/// Level 0 discovery of an Opal drive with these bits of its locking feature.
fn opal(flags: u8) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes.extend([0, 2, 0x10, 12, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([2, 3, 0x10, 4, 0, 0, 0, 0]);
    bytes[3] = bytes.len() as u8 - 4;
    bytes
}

#[test]
fn an_ata_drive_is_asked_for_its_page_its_health_and_its_locks() {
    let check = |lba: u64, flags: u8, health: DiskHealth, locked: bool| {
        let asked = ask_by(
            &Fake(&|command| match (command[0], command.get(14)) {
                (0x85, Some(0xec)) => {
                    good(page(&[(82, 1), (85, 1), (48, 1 << 14 | 1), (23, 0x5331), (217, 1)]).to_vec())
                }
                (0x85, Some(0xb0)) => Some((answer(0x50, 0, lba), Vec::new())),
                (0xa2, _) => good(opal(flags)),
                _ => None,
            }),
            Interface::Ata,
        );
        assert_eq!((asked.firmware.as_str(), asked.rotational), ("S1", Some(false)));
        assert_eq!((asked.health, asked.locked), (health, locked), "{asked:?}");
    };
    check(0x00c2_4f00, 0b0001, DiskHealth::Good, false);
    check(0x002c_f400, 0b0111, DiskHealth::Failing, true);
    check(0, 0b0011, DiskHealth::Unsaid, false);
}

#[test]
fn an_nvme_drive_is_asked_for_its_locks_only_if_it_has_the_command() {
    let check = |admin: u8, locked: bool| {
        let asked = ask_by(
            &Fake(&|command| {
                let mut controller = vec![0; 4096];
                controller[64..68].copy_from_slice(b"1.0 ");
                controller[256] = admin;
                match command {
                    [0x06, 1] => good(controller),
                    [0x02, 2] => good(vec![0; 512]),
                    [0x82, _] => good(opal(0b0111)),
                    _ => None,
                }
            }),
            Interface::Nvme(1),
        );
        assert_eq!((asked.firmware.as_str(), asked.health), ("1.0", DiskHealth::Good));
        assert_eq!((asked.locked, asked.used_percent), (locked, Some(0)));
    };
    check(0, false);
    check(1, true);
}

#[test]
fn a_scsi_device_is_asked_for_its_locks_only_if_it_says_that_it_knows_the_command() {
    let check = |support: u8, locked: bool| {
        let asked = ask_by(
            &Fake(&|command| match command {
                [0x12, 0, ..] => {
                    let mut page = vec![b' '; 36];
                    page[16..23].copy_from_slice(b"ST18000");
                    page[32..36].copy_from_slice(b"E004");
                    good(page)
                }
                [0x12, 1, 0x80, ..] => good(vec![0, 0x80, 0, 4, b'Z', b'R', b'5', b'1']),
                [0x4d, ..] => good(vec![0x2f, 0, 0, 8, 0, 0, 3, 4, 0x5d, 0x32, 30, 0]),
                [0xa3, ..] => good(vec![0, support]),
                [0xa2, ..] => good(opal(0b0111)),
                _ => None,
            }),
            Interface::Scsi,
        );
        assert_eq!((asked.model.as_str(), asked.serial.as_str()), ("ST18000", "ZR51"));
        assert_eq!((asked.firmware.as_str(), asked.health), ("E004", DiskHealth::Failing));
        assert_eq!((asked.locked, asked.rotational), (locked, None));
    };
    check(1, false);
    check(3, true);
}

#[test]
fn who_does_not_answer_says_nothing() {
    for interface in [Interface::Nvme(1), Interface::Ata, Interface::Scsi, Interface::Plain] {
        assert_eq!(ask_by(&Fake(&|_| None), interface), Asked::default(), "{interface:?}");
    }
}
