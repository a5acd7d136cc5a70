//! Tests of which disk an image goes to.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn disk(name: &str, gib: u64) -> Disk {
    Disk {
        name: format!("/dev/{name}"),
        size_bytes: gib << 30,
        serial: format!("S-{name}"),
        ..Disk::default()
    }
}

fn found(disks: &[Disk], hints: &Value) -> Result<String, String> {
    let hints = RootDeviceHints::from_json(hints);
    hints.root_disk(disks).map(|disk| disk.name.clone()).map_err(|error| error.to_string())
}

#[test]
fn without_hints_it_is_the_smallest_disk_that_was_made_for_a_system() {
    let check = |disks: &[Disk], expected: Result<&str, &str>| match (found(disks, &Value::Null), expected) {
        (Ok(name), Ok(expected)) => assert_eq!(name, format!("/dev/{expected}"), "{disks:?}"),
        (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
        (found, expected) => panic!("{found:?}, not {expected:?}"),
    };
    let marked = |name: &str, mark: DiskMark| Disk { marks: vec![mark], ..disk(name, 5) };
    let unfit = [
        Disk { removable: true, ..disk("sdr", 5) },
        Disk { read_only: true, ..disk("sdp", 5) },
        disk("sd0", 0),
        marked("mmcblk0boot0", DiskMark::EmmcBoot),
        marked("sdv", DiskMark::BmcVirtual),
    ];
    let with = |disks: &[Disk]| unfit.iter().chain(disks).cloned().collect::<Vec<_>>();
    check(&with(&[disk("sda", 100), disk("sdb", 10), disk("sdc", 3)]), Ok("sdb"));
    check(&with(&[disk("sdb", 10), disk("sda", 10)]), Ok("sda"));
    check(&with(&[disk("sda", 4)]), Ok("sda"));
    check(&with(&[disk("sda", 1), disk("sdb", 3)]), Ok("sdb"));
    check(&unfit, Err("no disk is fit for an image, and no root device hint names one; there are: /dev/sd0"));
    check(&unfit, Err("/dev/sdv (serial S-sdv, 5.3 GB), virtual medium of the BMC"));
    check(&[], Err("there are: none"));
}

#[test]
fn a_locked_disk_is_never_taken_and_a_failing_one_only_when_it_is_named() {
    let marked = |name: &str, mark: DiskMark, says: &str| Disk {
        marks: vec![mark],
        says: vec![says.to_owned()],
        ..disk(name, 10)
    };
    let locked = marked("sda", DiskMark::Locked, "locked: by TCG Opal 2");
    let failing = marked("sdb", DiskMark::Failing, "failing: SMART says so");
    let both = [locked.clone(), failing.clone()];
    let check =
        |disks: &[Disk], hints: Value, expected: Result<&str, &str>| match (found(disks, &hints), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, format!("/dev/{expected}"), "{hints}"),
            (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        };
    check(&[both.to_vec(), vec![disk("sdc", 20)]].concat(), Value::Null, Ok("sdc"));
    check(&both, Value::Null, Err("/dev/sda (serial S-sda, 10.7 GB), locked: by TCG Opal 2"));
    check(&both, Value::Null, Err("failing: SMART says so"));
    check(&both, json!({"serial": "S-sdb"}), Ok("sdb"));
    check(&both, json!({"serial": "S-sda"}), Err("which is locked: by TCG Opal 2"));
    check(&[failing], json!({"size": 10}), Err("says that it is failing: a hint must name it"));
    check(
        &[Disk { says: vec![], ..locked }],
        json!({"name": "/dev/sda"}),
        Err("is locked: it gives nothing"),
    );
}

#[test]
fn hints_are_read_as_they_are_meant() {
    let ssd = Disk {
        model: "SSDSC2KB48".into(),
        vendor: "ATA".into(),
        wwn: "naa.55cd2e41500fa3b8".into(),
        hctl: "2:0:0:0".into(),
        by_path: "pci-0000:00:1f.2-ata-1".into(),
        transport: "sata".into(),
        ..disk("sda", 447)
    };
    let volume = Disk {
        model: "PERC H755 Front".into(),
        vendor: "DELL".into(),
        rotational: true,
        wwn: "naa.6000d31003fb9600000000000000000f".into(),
        hctl: "0:2:1:0".into(),
        ..disk("sdb", 1000)
    };
    let nvme = Disk { wwn: "eui.0025385b71b0ac5b".into(), transport: "nvme".into(), ..disk("nvme0n1", 2000) };
    let disks = [ssd, volume, nvme];
    let check = |hints: Value, expected: Result<&str, &str>| match (found(&disks, &hints), expected) {
        (Ok(name), Ok(expected)) => assert_eq!(name, format!("/dev/{expected}"), "{hints}"),
        (Err(error), Err(words)) => assert!(error.contains(words), "{error}, not {words}"),
        (found, expected) => panic!("{hints}: {found:?}, not {expected:?}"),
    };
    let no_match = Err("no disk matches the root device hints");
    check(json!({}), Ok("sda"));
    check(json!({"size": 1000}), Ok("sdb"));
    check(json!({"size": "1000"}), Ok("sdb"));
    check(json!({"size": "== 1000"}), Ok("sdb"));
    check(json!({"size": ">= 448"}), Ok("sdb"));
    check(json!({"size": "> 1000"}), Ok("nvme0n1"));
    check(json!({"size": ">1000"}), Ok("nvme0n1"));
    check(json!({"size": "= 448"}), Ok("sdb"));
    check(json!({"size": "< 447"}), no_match);
    check(json!({"size": "<= 447"}), Ok("sda"));
    check(json!({"size": "!= 447"}), Ok("sdb"));
    check(json!({"size": "<or> 5 <or> 2000"}), Ok("nvme0n1"));
    check(json!({"rotational": true}), Ok("sdb"));
    check(json!({"rotational": "No"}), Ok("sda"));
    check(json!({"serial": "s-SDB"}), Ok("sdb"));
    check(json!({"serial": "s== S-nvme0n1"}), Ok("nvme0n1"));
    check(json!({"serial": "s!= S-sda"}), Ok("sdb"));
    check(json!({"serial": "<or> x <or> S-sdb"}), Ok("sdb"));
    check(json!({"serial": "6000d31003fb9600000000000000000f"}), Ok("sdb"));
    check(json!({"serial": "S-sd"}), no_match);
    check(json!({"model": "<in> H755"}), Ok("sdb"));
    check(json!({"model": "PERC H755 Front"}), Ok("sdb"));
    check(json!({"model": "<all-in> front perc"}), Ok("sdb"));
    check(json!({"model": "<all-in> front hp"}), no_match);
    check(json!({"model": "s>= q"}), Ok("sda"));
    check(json!({"vendor": "dell"}), Ok("sdb"));
    check(json!({"vendor": "s!= ata"}), Ok("sdb"));
    check(json!({"wwn": "0x55cd2e41500fa3b8"}), Ok("sda"));
    check(json!({"wwn": "naa.55CD2E41500FA3B8"}), Ok("sda"));
    check(json!({"wwn": "0x6000d31003fb9600"}), Ok("sdb"));
    check(json!({"wwn": "eui.0025385b71b0ac5b"}), Ok("nvme0n1"));
    check(json!({"wwn_with_extension": "0x6000d31003fb9600000000000000000f"}), Ok("sdb"));
    check(json!({"wwn_with_extension": "0x55cd2e41500fa3b8"}), Ok("sda"));
    check(json!({"wwn_vendor_extension": "0x000000000000000f"}), Ok("sdb"));
    check(json!({"name": "/dev/sdb"}), Ok("sdb"));
    check(json!({"name": "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"}), Ok("sda"));
    check(json!({"by_path": "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"}), Ok("sda"));
    check(json!({"hctl": "0:2:1:0"}), Ok("sdb"));
    check(json!({"tran": "nvme"}), Ok("nvme0n1"));
    check(json!({"rotational": false, "size": ">= 1000"}), Ok("nvme0n1"));
    check(json!({"rotational": true, "vendor": "ata"}), no_match);
    check(
        json!({"serial": "gone"}),
        Err("the root device hints serial \"gone\"; there are: /dev/sda (WWN naa.55cd"),
    );

    check(json!({"colour": "red"}), Err("hint colour = \"red\" is none that there is"));
    check(json!({"size": "big"}), Err("is no whole number of GiB above 0"));
    check(json!({"size": 0}), Err("is no whole number of GiB above 0"));
    check(json!({"size": "<in> 4"}), Err("compares a number as a text"));
    check(json!({"rotational": "perhaps"}), Err("neither true nor false"));
    check(json!({"model": ">= x"}), Err("operators for texts begin with s"));
    check(json!({"model": "s=="}), Err("an operator and no value"));
    check(json!({"model": " "}), Err("is empty"));
}

#[test]
fn what_was_not_made_for_a_system_is_taken_only_by_its_name() {
    let stick = Disk { removable: true, ..disk("sda", 8) };
    let protected = Disk { read_only: true, ..disk("sdb", 16) };
    let disks = [stick, protected, disk("sdc", 100)];
    let check = |hints: Value, expected: Result<&str, &str>| match (found(&disks, &hints), expected) {
        (Ok(name), Ok(expected)) => assert_eq!(name, format!("/dev/{expected}"), "{hints}"),
        (Err(error), Err(words)) => assert!(error.contains(words), "{error}, not {words}"),
        (found, expected) => panic!("{hints}: {found:?}, not {expected:?}"),
    };
    check(json!({"size": ">= 1"}), Ok("sdc"));
    check(json!({"size": "8"}), Err("mean /dev/sda (serial S-sda, 8.5 GB), which is removable"));
    check(json!({"serial": "S-sda"}), Ok("sda"));
    check(json!({"serial": "S-sdb"}), Err("mean /dev/sdb (serial S-sdb, 17.1 GB), which takes no writes"));
}

proptest! {
    #[test]
    fn no_text_panics(hint in "(size|serial|rotational|wwn|x)", text in "(s?[<>=!]{1,2}|<or>|<in>|<all-in>)? ?\\PC{0,12}") {
        let disks = [Disk { wwn: format!("naa.{text}"), serial: text.clone(), ..disk("sda", 9) }];
        let _ = found(&disks, &json!({hint: text}));
    }
}
