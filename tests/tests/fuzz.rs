//! Every parser of `tests::fuzz` on its corpus and on a fixed number of changed copies of it, on a small stack.
//!
//! An input that fails is shown as hex with its target's name: mend the parser, and put the input into the corpus. While a
//! target runs, its input also stands in a file, for a stack that overflows ends the process without a word.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use protocol::hex;
use tests::fuzz::{TARGETS, Target, by_name, mutate::Mutator};

/// Small enough that a parser that calls itself for every level of its input is found out.
const STACK_BYTES: usize = 512 << 10;
/// So that the changes are the same on every machine.
const SEED: u64 = 2026;
/// Most bytes of one target's corpus.
const CORPUS_BYTES_MAX: usize = 1 << 20;
/// A target that takes so much longer than its second stalls.
const STALLED_AFTER: Duration = Duration::from_secs(100);

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs one input, which stands in the file meanwhile.
fn run(target: &Target, input: &[u8], under_way: &File) {
    under_way.set_len(0).and_then(|()| under_way.write_all_at(input, 0)).unwrap();
    let outcome = std::panic::catch_unwind(|| (target.run)(input));
    assert!(outcome.is_ok(), "{} fails on {}", target.name, hex::encode(input));
}

#[track_caller]
fn survives(name: &'static str) {
    let target = by_name(name).unwrap();
    let under_way = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let (ended, end) = mpsc::channel::<()>();
    let runs = {
        let under_way = File::create(&under_way).unwrap();
        move || {
            let _ended = ended;
            let corpus = corpus(name);
            assert!(!corpus.is_empty(), "{name} has no corpus");
            corpus.iter().for_each(|input| run(target, input, &under_way));
            let mut mutator = Mutator::new(SEED);
            (0..target.rounds)
                .for_each(|_| run(target, &mutator.next(&corpus, target.bytes_max), &under_way));
        }
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(runs).unwrap();
    if end.recv_timeout(STALLED_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("{name} stalls on {}", hex::encode(fs::read(&under_way).unwrap_or_default()));
    }
    assert!(thread.join().is_ok(), "{name} failed: see above");
    let _ = fs::remove_file(under_way);
}

#[test]
fn every_target_has_its_test_and_its_corpus_is_small() {
    let text = include_str!("fuzz.rs");
    for target in TARGETS {
        let name = target.name;
        assert!(text.contains(&format!("fn {name}()")), "{name} has no test here");
        let bytes: usize = corpus(name).iter().map(Vec::len).sum();
        assert!((1..=CORPUS_BYTES_MAX).contains(&bytes), "the corpus of {name} has {bytes} bytes");
    }
}

#[test]
fn agent_message() {
    survives("agent_message");
}

#[test]
fn boot_arguments() {
    survives("boot_arguments");
}

#[test]
fn certificate() {
    survives("certificate");
}

#[test]
fn cloud_answers() {
    survives("cloud_answers");
}

#[test]
fn config_drive() {
    survives("config_drive");
}

#[test]
fn config_files() {
    survives("config_files");
}

#[test]
fn contrail_objects() {
    survives("contrail_objects");
}

#[test]
fn coordinator_message() {
    survives("coordinator_message");
}

#[test]
fn dhcp() {
    survives("dhcp");
}

#[test]
fn dhcp6() {
    survives("dhcp6");
}

#[test]
fn erase_certificate() {
    survives("erase_certificate");
}

#[test]
fn image_upload() {
    survives("image_upload");
}

#[test]
fn ipmi_calls() {
    survives("ipmi_calls");
}

#[test]
fn ipmi_machines() {
    survives("ipmi_machines");
}

#[test]
fn ipmi_packets() {
    survives("ipmi_packets");
}

#[test]
fn ipxe_script() {
    survives("ipxe_script");
}

#[test]
fn iso9660() {
    survives("iso9660");
}

#[test]
fn journal() {
    survives("journal");
}

#[test]
fn lldp() {
    survives("lldp");
}

#[test]
fn names() {
    survives("names");
}

#[test]
fn partition_tables() {
    survives("partition_tables");
}

#[test]
fn pool_conditions() {
    survives("pool_conditions");
}

#[test]
fn qcow2() {
    survives("qcow2");
}

#[test]
fn ramdisk_commands() {
    survives("ramdisk_commands");
}

#[test]
fn ramdisk_dhcp() {
    survives("ramdisk_dhcp");
}

#[test]
fn ramdisk_frames() {
    survives("ramdisk_frames");
}

#[test]
fn redfish() {
    survives("redfish");
}

#[test]
fn sandesh() {
    survives("sandesh");
}

#[test]
fn server_file() {
    survives("server_file");
}

#[test]
fn server_table() {
    survives("server_table");
}

#[test]
fn tftp() {
    survives("tftp");
}

#[test]
fn tftp_transfer() {
    survives("tftp_transfer");
}
