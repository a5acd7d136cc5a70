//! Edges: drives that are not there, which answer with the bytes of the standards.

use std::{cell::RefCell, collections::VecDeque};

use super::*;
use crate::erase::ata::tests::{answer, page};

/// A drive that answers what it is told to, in order, and remembers what it was asked.
#[derive(Default)]
struct Fake {
    /// ATA's command code and its feature, SCSI's operation code and its service action, or NVMe's opcode and dword 10.
    asked: RefCell<Vec<(u8, u32)>>,
    scsi: RefCell<VecDeque<(ScsiReply, Vec<u8>)>>,
    nvme: RefCell<VecDeque<(u16, Vec<u8>)>>,
}

impl Fake {
    fn ata(replies: &[ScsiReply]) -> Self {
        let scsi = replies.iter().map(|reply| (reply.clone(), Vec::new())).collect();
        Self { scsi: RefCell::new(scsi), ..Self::default() }
    }

    fn asked(&self) -> Vec<(u8, u32)> {
        self.asked.borrow().clone()
    }
}

fn fill(bytes: Bytes<'_>, data: &[u8]) {
    if let Bytes::From(buffer) = bytes {
        buffer[..data.len()].copy_from_slice(data);
    }
}

impl Pass for Fake {
    fn scsi(&self, command: &[u8], bytes: Bytes<'_>, _wait: Duration) -> io::Result<ScsiReply> {
        let asked = match command[0] {
            0x85 => (command[14], u32::from(command[4])),
            code => (code, u32::from(command[1] & 0x1f)),
        };
        self.asked.borrow_mut().push(asked);
        let (reply, data) = self.scsi.borrow_mut().pop_front().expect("one question too many");
        fill(bytes, &data);
        Ok(reply)
    }

    fn nvme(&self, command: NvmeCommand, bytes: Bytes<'_>, _wait: Duration) -> io::Result<u16> {
        self.asked.borrow_mut().push((command.opcode, command.dword_10));
        let (status, data) = self.nvme.borrow_mut().pop_front().expect("one question too many");
        fill(bytes, &data);
        Ok(status)
    }

    fn pause(&self) {}
}

const OK: u8 = 0x50;
const SIZE: u64 = 1 << 30;

fn good() -> ScsiReply {
    ScsiReply::default()
}

fn aborted() -> ScsiReply {
    ScsiReply { status: 2, sense: vec![0x70, 0, 0xb, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0] }
}

fn facts(words: &[(usize, u16)]) -> Drive {
    Drive::Ata(ata::Facts::parse(&page(words)).unwrap())
}

#[test]
fn an_ata_drive_gets_a_password_is_erased_and_keeps_none() {
    let check = |words: &[(usize, u16)], replies: &[ScsiReply], codes: &[u8], refused: Option<&str>| {
        let (fake, meter) = (Fake::ata(replies), Meter::new(SIZE));
        let done = facts(words).erase(&fake, EraseMethod::AtaSecurityEnhanced, &meter, SIZE);
        assert_eq!(fake.asked().iter().map(|(code, _)| *code).collect::<Vec<_>>(), codes);
        match (done, refused) {
            (Ok(()), None) => {}
            (Err(why), Some(part)) => assert!(why.contains(part), "{why}"),
            (done, refused) => panic!("{done:?}, not {refused:?}"),
        }
    };
    let prepared = answer(OK, 0, 0);
    check(&[(128, 0x21)], &[good(), prepared.clone(), good()], &[0xf1, 0xf3, 0xf4], None);
    // An erase that fails leaves no password behind.
    let failing = [good(), prepared.clone(), aborted(), good()];
    check(&[(128, 0x21)], &failing, &[0xf1, 0xf3, 0xf4, 0xf6], Some("sense b/00/00"));
    // Cut off by a power cut: locked with our password.
    check(&[(128, 0x27)], &[good(), prepared, good()], &[0xf2, 0xf3, 0xf4], None);
    check(&[(128, 0x27)], &[aborted()], &[0xf2], Some("locked with a password that is not known"));
}

#[test]
fn an_ata_sanitize_is_done_when_the_drive_says_so() {
    let check = |replies: &[ScsiReply], is_done: bool| {
        let (fake, meter) = (Fake::ata(replies), Meter::new(SIZE));
        let done = facts(&[(59, 0xf000)]).erase(&fake, EraseMethod::AtaSanitizeBlock, &meter, SIZE);
        assert_eq!(done.is_ok(), is_done, "{done:?}");
        assert_eq!(fake.asked()[0], (0xb4, 0x12));
        meter.read().0
    };
    let runs = answer(OK, 1 << 14, 0x8000);
    let half = check(&[answer(OK, 1 << 14, 0), runs.clone(), runs.clone(), answer(OK, 1 << 15, 0)], true);
    assert_eq!(half, SIZE / 2);
    check(&[answer(OK, 1 << 14, 0), runs.clone(), answer(OK, 0, 0)], false);
    check(&[answer(0x51, 0, 0)], false);
    // A drive that is deaf for a moment is asked again.
    check(&[answer(OK, 1 << 14, 0), aborted(), runs, answer(OK, 1 << 15, 0)], true);
}

#[test]
fn what_hides_behind_the_end_of_an_ata_drive_is_uncovered_or_named() {
    let sectors = 0x1000;
    let Drive::Ata(both) = facts(&[(82, 1 << 10), (83, 3 << 10 | 1 << 14)]) else { panic!() };
    let mut overlay = vec![0; ata::PAGE_BYTES];
    overlay[6..8].copy_from_slice(&0x2fff_u16.to_le_bytes());
    let look = |replies: Vec<(ScsiReply, Vec<u8>)>| {
        let fake = Fake { scsi: RefCell::new(replies.into()), ..Fake::default() };
        uncover(&fake, &both)
    };
    let native = |last: u64| (answer(OK, 0, last), vec![]);
    let (told, changed) =
        look(vec![native(0x1fff), (answer(OK, 0, 0x1fff), vec![]), (good(), overlay.clone())]);
    assert!(changed && told.len() == 2, "{told:?}");
    assert_eq!(told[0], format!("a host protected area of {} bytes was uncovered", 512 * 0x1000));
    assert!(told[1].contains(&format!("hides {} bytes", 512 * 0x1000)), "{told:?}");
    let (told, changed) = look(vec![native(0x1fff), (answer(0x51, 0, 0), vec![]), (aborted(), vec![])]);
    assert!(!changed && told.len() == 1 && told[0].contains("could not be uncovered"), "{told:?}");
    assert_eq!(look(vec![native(sectors - 1), (aborted(), vec![])]), (vec![], false));
}

#[test]
fn a_sanitize_of_before_a_power_cut_is_waited_for_and_a_failed_one_left() {
    let log = |state: u8, share: u16| {
        let share = share.to_le_bytes();
        (0, vec![share[0], share[1], state, 0])
    };
    let mut controller = vec![0; nvme::IDENTIFY_BYTES];
    (controller[256], controller[328]) = (2, 0b010);
    let identified = [(0, controller), (0, vec![])];
    let look: Vec<_> = identified.into_iter().chain([log(2, 1), log(2, 2), log(1, 0)]).collect();
    let fake = Fake { nvme: RefCell::new(look.into()), ..Fake::default() };
    let meter = Meter::new(SIZE);
    let drive = Drive::look(&fake, Interface::Nvme(1), &meter);
    assert!(fake.nvme.borrow().is_empty(), "it goes on while a sanitize runs");
    assert_eq!(drive.stand(EraseMethod::NvmeSanitizeBlock, &[]), Stand::Offered);
    assert_eq!(drive.stand(EraseMethod::AtaSecurity, &[]), Stand::Foreign);

    fake.asked.borrow_mut().clear();
    fake.nvme.borrow_mut().extend([log(3, 0), (0, vec![]), (0, vec![]), log(2, 0x4000), log(1, 0)]);
    drive.erase(&fake, EraseMethod::NvmeSanitizeBlock, &meter, SIZE).unwrap();
    let asked: Vec<_> = fake.asked().into_iter().filter(|(opcode, _)| *opcode == 0x84).collect();
    assert_eq!(asked, [(0x84, 1), (0x84, 2)], "out of the failure first");
    fake.nvme.borrow_mut().extend([log(0, 0), (0x4001, vec![])]);
    let why = drive.erase(&fake, EraseMethod::NvmeSanitizeBlock, &meter, SIZE).unwrap_err();
    assert!(why.contains("invalid opcode"), "{why}");
}

#[test]
fn a_scsi_sanitize_runs_until_request_sense_says_nothing_of_it() {
    let sense = |key: u8, asc: u8, ascq: u8| {
        (good(), vec![0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0x80, 0x80, 0])
    };
    let run = |replies: Vec<(ScsiReply, Vec<u8>)>| {
        let fake = Fake { scsi: RefCell::new(replies.into()), ..Fake::default() };
        let done = Drive::Scsi.erase(&fake, EraseMethod::ScsiSanitizeCrypto, &Meter::new(SIZE), SIZE);
        (done, fake.asked())
    };
    let offered = (good(), vec![0, 3]);
    let begun = (good(), vec![]);
    let idle = sense(0, 0, 0);
    let (done, asked) =
        run(vec![offered.clone(), idle.clone(), begun.clone(), sense(2, 4, 0x1b), idle.clone()]);
    assert_eq!(done, Ok(()));
    assert_eq!(asked, [(0xa3, 0x0c), (0x03, 0), (0x48, 3), (0x03, 0), (0x03, 0)]);
    assert!(run(vec![offered.clone(), idle.clone(), begun, sense(3, 0x31, 3)]).0.is_err());
    assert!(run(vec![offered, idle, (aborted(), vec![])]).0.is_err());
    let (done, asked) = run(vec![(good(), vec![0, 1])]);
    assert_eq!((done, asked.len()), (Err("the device does not offer it".to_owned()), 1));
}
