//! The account of disks: every way in which one can be missed, as data.

use protocol::{
    erase::{ErasePolicy, ReadBack},
    hardware::Disk,
    step::{ErasedDisk, METHOD_LEFT_OUT, VERIFIED_BYTES_MIN},
};

use super::{Account, Erasure, Exception, KnownDisk, Standing, account, inspected, order};
use crate::disks::{Erase, Thoroughness};

const GIB: u64 = 1 << 30;

/// A disk with a serial number; with none, one of those that cannot be told apart.
fn disk(name: &str, serial: &str, gib: u64) -> Disk {
    Disk { name: format!("/dev/{name}"), serial: serial.into(), size_bytes: gib * GIB, ..Disk::default() }
}

/// The register after one inspection.
fn register(disks: &[Disk]) -> Vec<KnownDisk> {
    inspected(vec![], disks, 1).disks
}

fn word() -> Exception {
    Exception { at_us: 2, by: "alice".into(), reason: "went back to its maker".into() }
}

fn excepted(mut known: Vec<KnownDisk>, number: u32) -> Vec<KnownDisk> {
    let disk = known.iter_mut().find(|known| known.number == number).unwrap();
    disk.exception = Some(word());
    known
}

fn done(disk: Disk) -> ErasedDisk {
    ErasedDisk {
        name: disk.name.clone(),
        method: "zeroes".into(),
        erased_bytes: disk.size_bytes,
        verified_bytes: disk.size_bytes.min(VERIFIED_BYTES_MIN),
        disk: Some(disk),
        ..ErasedDisk::default()
    }
}

fn failing(disk: Disk, failure: &str) -> ErasedDisk {
    ErasedDisk { name: disk.name.clone(), disk: Some(disk), failure: failure.into(), ..ErasedDisk::default() }
}

/// Every disk must be accounted for; `refusals` are parts of the sentence that says which is not, none: the server is clean.
fn check(known: &[KnownDisk], seen: &[ErasedDisk], refusals: &[&str]) -> Account {
    let account = account(Erase::Disks, Thoroughness::default(), known, seen);
    let said = account.refusal("srv1");
    match &said {
        None => assert!(refusals.is_empty(), "clean, though {refusals:?}"),
        Some(said) => {
            assert!(!refusals.is_empty(), "{said}");
            for part in refusals {
                assert!(said.contains(part), "no {part:?} in: {said}");
            }
        }
    }
    account
}

#[test]
fn every_way_in_which_a_disk_can_be_missed_fails_the_clean_with_its_name() {
    let [a, b] = [disk("sda", "A1", 4), disk("sdb", "B2", 8)];
    let both = register(&[a.clone(), b.clone()]);
    check(&both, &[done(a.clone()), done(b.clone())], &[]);
    // Names change from boot to boot.
    check(&both, &[done(disk("sda", "B2", 8)), done(disk("sdb", "A1", 4))], &[]);
    // Never inspected; a controller without a driver; one disk fewer, or late for good; another one; one more.
    check(&[], &[], &["no inspection has found a disk of it", "bmsctl node inspect srv1"]);
    check(&[], &[done(a.clone())], &["no inspection has found a disk of it", "/dev/sda (serial A1, 4.2 GB)"]);
    check(
        &both,
        &[],
        &["disk 1 (serial A1, 4.2 GB) was found by an inspection and is missing now", "disk 2 (serial B2"],
    );
    let gone =
        ["disk 2 (serial B2, 8.5 GB) was found by an inspection and is missing", "node disk except srv1 2"];
    check(&both, &[done(a.clone())], &gone);
    let other = disk("sdb", "C3", 8);
    let strange = "/dev/sdb (serial C3, 8.5 GB) is present but was never inspected";
    check(&both, &[done(a.clone()), done(other.clone())], &[gone[0], strange]);
    check(&both, &[done(a.clone()), done(b.clone()), done(other.clone())], &[strange]);
    // Read-only, a bad sector, a failed read-back: one that fails hides no other.
    let account = check(
        &both,
        &[failing(a.clone(), "it is read-only"), done(b.clone())],
        &["/dev/sda (serial A1, 4.2 GB) is not erased: it is read-only", "node disk except srv1 1"],
    );
    assert_eq!(account.erased.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2]);
    check(
        &both,
        &[done(a.clone()), failing(b.clone(), "read /dev/sdb at bytes 0 to 7: error")],
        &["serial B2", "at bytes 0 to 7"],
    );
    check(
        &both,
        &[done(a.clone()), done(b.clone()), failing(other, "it is read-only")],
        &[strange, "serial C3, 8.5 GB) is not erased"],
    );
    // Erased in part, or not read back, or left out though nobody said so.
    check(
        &both,
        &[done(a.clone()), ErasedDisk { erased_bytes: GIB, ..done(b.clone()) }],
        &["serial B2", "1073741824 of its 8589934592 bytes"],
    );
    check(
        &both,
        &[done(a.clone()), ErasedDisk { verified_bytes: 4096, ..done(b.clone()) }],
        &["serial B2", "4096 bytes were read back"],
    );
    check(
        &both,
        &[done(a.clone()), ErasedDisk { method: METHOD_LEFT_OUT.into(), ..done(b.clone()) }],
        &["serial B2", "no exclusion of it is recorded"],
    );
    // Smaller than it was: what is beyond its new end is not erased.
    check(
        &both,
        &[done(a.clone()), done(disk("sdb", "B2", 6))],
        &["disk 2 (serial B2", "8589934592 bytes and has 6442450944 now"],
    );
    // A program of before does not say which disk it was.
    let old = ErasedDisk { disk: None, ..done(b) };
    check(
        &both,
        &[done(a), old],
        &["did not identify the disk /dev/sdb; update the agent", "disk 2 (serial B2"],
    );
}

#[test]
fn disks_that_cannot_be_told_apart_are_counted() {
    let alike = |name: &str| disk(name, "", 4);
    let three = register(&[alike("vda"), alike("vdb"), alike("vdc")]);
    check(&three, &[done(alike("vdx")), done(alike("vdy")), done(alike("vdz"))], &[]);
    check(
        &three,
        &[done(alike("vda")), done(alike("vdb"))],
        &["disk 3 (4.2 GB) was found by an inspection and is missing"],
    );
    check(
        &three,
        &[done(alike("vda")), done(alike("vdb")), done(disk("vdc", "", 5))],
        &["disk 3 (4.2 GB)", "/dev/vdc (5.3 GB) is present"],
    );
    // A controller that gives all its disks one name, and a disk that is seen by two paths.
    let shared = register(&[disk("sda", "S", 4), disk("sdb", "S", 8)]);
    check(&shared, &[done(disk("sda", "S", 8)), done(disk("sdb", "S", 4))], &[]);
    check(&shared, &[done(disk("sda", "S", 8))], &["disk 1 (serial S, 4.2 GB) was found by an inspection"]);
    // One of them is left out: an erased one is that which is owed.
    let one_less = excepted(three, 1);
    check(
        &one_less,
        &[failing(alike("vda"), "it is read-only"), done(alike("vdb")), done(alike("vdc"))],
        &[],
    );
    check(&one_less, &[done(alike("vdb")), done(alike("vdc"))], &[]);
    check(&one_less, &[done(alike("vdb"))], &["was found by an inspection and is missing"]);
}

#[test]
fn a_disk_is_left_out_by_a_recorded_word_only_and_the_record_names_both() {
    let [a, b] = [disk("sda", "A1", 4), disk("sdb", "B2", 8)];
    let known = excepted(register(&[a.clone(), b.clone()]), 2);
    let left = ErasedDisk { method: METHOD_LEFT_OUT.into(), erased_bytes: 0, ..done(b.clone()) };
    for seen in [
        vec![done(a.clone())],
        vec![done(a.clone()), left],
        vec![done(a.clone()), failing(b.clone(), "broken")],
    ] {
        let evidence = check(&known, &seen, &[]).evidence();
        assert_eq!(
            evidence,
            "disk 1, /dev/sda (serial A1, 4.2 GB): zeroes, 4294967296 bytes erased, 134217728 read back; disk 2 (serial \
             B2, 8.5 GB) excluded by alice: went back to its maker"
        );
    }
    let order = order(&known, Thoroughness::default()).unwrap();
    assert_eq!((order.expected, order.left_out), (vec![a.clone()], vec![b]));
    // The word is of this disk, not of the place in which it was.
    check(&known, &[done(a), done(disk("sdb", "C3", 8))], &["was never inspected"]);
    assert_eq!(super::order(&[], Thoroughness::default()), None);
}

#[test]
fn an_erase_of_the_ends_is_held_to_the_same_account() {
    let a = disk("sda", "A1", 4);
    let ends = |disk: Disk| ErasedDisk { erased_bytes: 2 << 20, verified_bytes: 2 << 20, ..done(disk) };
    let faults = |known: &[KnownDisk], seen: &[ErasedDisk]| {
        account(Erase::Metadata, Thoroughness::default(), known, seen).faults.len()
    };
    let one = register(std::slice::from_ref(&a));
    assert_eq!(faults(&one, &[ends(a.clone())]), 0);
    assert_eq!(faults(&one, &[]), 1);
    assert_eq!(faults(&one, &[ends(a.clone()), ends(disk("sdb", "B2", 8))]), 1);
    assert_eq!(faults(&one, &[ErasedDisk { verified_bytes: 1, ..ends(a.clone()) }]), 1);
    assert_eq!(faults(&one, &[ErasedDisk { erased_bytes: 0, verified_bytes: 0, ..ends(a) }]), 1);
}

#[test]
fn what_an_inspection_no_longer_sees_stays_owed_until_it_was_erased_or_somebody_speaks() {
    let [a, b] = [disk("sda", "A1", 4), disk("sdb", "B2", 8)];
    let known = register(&[a.clone(), b.clone()]);
    let standings =
        |known: &[KnownDisk]| known.iter().map(|known| (known.number, known.standing())).collect::<Vec<_>>();
    assert_eq!(standings(&known), [(1, Standing::Owed), (2, Standing::Owed)]);
    // The inspection of a server whose second controller has no driver.
    let after = inspected(known.clone(), std::slice::from_ref(&a), 2);
    assert_eq!(standings(&after.disks), [(1, Standing::Owed), (2, Standing::Missing)]);
    assert_eq!(after.missing().map(|known| known.number).collect::<Vec<_>>(), [2]);
    check(&after.disks, &[done(a.clone())], &["disk 2 (serial B2"]);
    // It comes back under its number, and its word stays with it.
    let back = inspected(after.disks, &[disk("sda", "B2", 8), disk("sdb", "A1", 4)], 3);
    assert_eq!(standings(&back.disks), [(1, Standing::Owed), (2, Standing::Owed)]);
    assert_eq!(back.disks[1].first_seen_us, 1);
    // Erased wholly, or left out, it is forgotten.
    let settled = |known: KnownDisk| KnownDisk { settled: true, ..known };
    for known in [vec![known[0].clone(), settled(known[1].clone())], excepted(known.clone(), 2)] {
        let after = inspected(known, std::slice::from_ref(&a), 2);
        assert_eq!((after.disks.len(), after.forgotten[0].number), (1, 2));
    }
    // A new one gets a number that nobody has had meanwhile.
    let after = inspected(known, &[a, b, disk("sdc", "C3", 8)], 2);
    assert_eq!(standings(&after.disks)[2], (3, Standing::Owed));
}

#[test]
fn a_disk_that_became_smaller_owes_its_old_size_until_it_is_settled() {
    let known = register(&[disk("sda", "A1", 8)]);
    let after = inspected(known.clone(), &[disk("sda", "A1", 6)], 2);
    assert_eq!(after.disks[0].disk.size_bytes, 8 * GIB);
    check(&after.disks, &[done(disk("sda", "A1", 6))], &["has 6442450944 now"]);
    let erasure = Erasure { at_us: 2, method: "zeroes".into(), erased_bytes: 8, verified_bytes: 8 };
    let settled: Vec<_> = known
        .into_iter()
        .map(|known| KnownDisk { settled: true, erased: Some(erasure.clone()), ..known })
        .collect();
    let after = inspected(settled.clone(), &[disk("sda", "A1", 6)], 3);
    assert_eq!((after.disks[0].disk.size_bytes, after.disks[0].settled), (6 * GIB, true));
    let after = inspected(settled, &[disk("sda", "A1", 9)], 3);
    assert_eq!((after.disks[0].disk.size_bytes, after.disks[0].settled), (9 * GIB, false));
}

#[test]
fn a_disk_that_was_listed_for_each_path_becomes_one_and_owes_what_any_of_them_owed() {
    let path = |name: &str, paths| Disk { wwn: "naa.5000c500".into(), paths, ..disk(name, "A1", 4) };
    let check = |settled: bool, seen: Disk, expected: &[(bool, bool)]| {
        let mut known = register(&[path("sda", 1), path("sdb", 1)]);
        known[0].settled = settled;
        let after: Vec<_> =
            inspected(known, &[seen], 2).disks.iter().map(|disk| (disk.present, disk.settled)).collect();
        assert_eq!(after, expected);
    };
    check(true, path("sda", 2), &[(true, false)]);
    check(false, path("sda", 2), &[(true, false)]);
    // Over one path it may as well be that one of two disks is gone.
    check(false, path("sda", 1), &[(true, false), (false, false)]);
    check(false, Disk { serial: "B2".into(), ..path("sda", 2) }, &[(true, false), (false, false)]);
}

#[test]
fn a_purge_that_was_none_and_a_full_read_back_that_was_a_sample_are_found_wanting() {
    let big = disk("sda", "a", 4);
    let one = register(std::slice::from_ref(&big));
    let wish = |policy, read_back| Thoroughness { policy, read_back, quick: false };
    let check = |wish: Thoroughness, method: &str, verified_bytes: u64, refusal: Option<&str>| {
        let erased = ErasedDisk { method: method.into(), verified_bytes, ..done(big.clone()) };
        let said = account(Erase::Disks, wish, &one, &[erased]).refusal("srv1");
        match (said, refusal) {
            (None, None) => {}
            (Some(said), Some(part)) => assert!(said.contains(part), "{said}"),
            (said, refusal) => panic!("{said:?}, not {refusal:?}"),
        }
    };
    let (clear, purge) = (ErasePolicy::Clear, ErasePolicy::Purge);
    let (sampled, full) = (ReadBack::Sampled, ReadBack::Full);
    check(wish(purge, sampled), "nvme_sanitize_block", GIB, None);
    for method in ["overwrite", "nvme_format", "zeroes", "metadata"] {
        check(
            wish(purge, sampled),
            method,
            GIB,
            Some(&format!("erased by {method}, which does not count as purge")),
        );
    }
    check(wish(clear, sampled), "zeroes", GIB, None);
    check(wish(clear, full), "overwrite", GIB, Some("only 1073741824 bytes were read back"));
    check(wish(clear, full), "overwrite", 4 * GIB, None);
    let order = order(&one, wish(purge, full)).unwrap();
    assert_eq!((order.policy, order.read_back), (purge, full));
}
