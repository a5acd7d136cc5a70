//! Values: how commands end.

use protocol::{
    bmc_facts::FirmwareItem,
    command::{CommandResult, Failure, FailureKind, PasswordLength, Success},
    convert::FromAgent,
    footprint::{Footprint, Part},
    hardware::BmcIdentity,
    report::ReportBody,
    step::{ErasedDisk, StepOutput},
    update::{FirmwareSeen, UpdateStage},
};

use super::{
    COMMAND,
    erase::purged,
    hardware::{asked_disk, example_disk, example_disk_in_full, example_hardware},
    report,
};

/// One result of every kind.
pub(super) fn up() -> Vec<(&'static str, FromAgent)> {
    let ended = |outcome| report(ReportBody::Command(CommandResult { command: COMMAND, outcome }));
    vec![
        ("up-result-done", ended(Ok(Success::Done))),
        (
            "up-result-identity",
            ended(Ok(Success::Identity(BmcIdentity {
                manufacturer: "a".into(),
                product: "b".into(),
                firmware: "c".into(),
                guid: "d".into(),
                serial: String::new(),
            }))),
        ),
        ("up-result-step-done", ended(Ok(Success::Step(StepOutput::Done)))),
        (
            "up-result-footprint",
            ended(Ok(Success::Footprint(Footprint {
                users: vec!["2 admin".into()],
                boot_order: vec!["Boot0001".into()],
                secure_boot: Some(false),
                firmware: vec!["BMC 1.10".into()],
                unread: vec![Part::Firmware],
            }))),
        ),
        ("up-result-firmware-taken", ended(Ok(Success::FirmwareTaken { task: Some("/t/1".into()) }))),
        (
            "up-result-firmware-seen",
            ended(Ok(Success::FirmwareSeen(example_seen(UpdateStage::Running(Some(40)))))),
        ),
        (
            "up-result-firmware-failed",
            ended(Ok(Success::FirmwareSeen(example_seen(UpdateStage::Failed("no".into()))))),
        ),
        ("up-result-password-kept", ended(Ok(Success::PasswordKept { reason: "r".into(), length: None }))),
        (
            "up-result-password-length",
            ended(Ok(Success::PasswordKept {
                reason: "r".into(),
                length: Some(PasswordLength { min: 20, max: 40 }),
            })),
        ),
        ("up-result-handed-over", ended(Ok(Success::Step(StepOutput::HandedOver)))),
        (
            "up-result-inventory",
            ended(Ok(Success::Step(StepOutput::Inventory { hardware: Box::new(example_hardware()) }))),
        ),
        (
            "up-result-image-written",
            ended(Ok(Success::Step(StepOutput::ImageWritten {
                disk: "/dev/vda".into(),
                written_bytes: 5,
                virtual_bytes: 6,
            }))),
        ),
        (
            "up-result-erased",
            ended(Ok(Success::Step(StepOutput::Erased {
                disks: vec![ErasedDisk {
                    name: "/dev/vda".into(),
                    method: "discard".into(),
                    erased_bytes: 7,
                    verified_bytes: 8,
                    ..ErasedDisk::default()
                }],
            }))),
        ),
        (
            "up-result-erased-in-full",
            ended(Ok(Success::Step(StepOutput::Erased {
                disks: vec![ErasedDisk { disk: Some(example_disk_in_full()), ..ErasedDisk::default() }],
            }))),
        ),
        (
            "up-result-erased-or-not",
            ended(Ok(Success::Step(StepOutput::Erased {
                disks: vec![ErasedDisk {
                    name: "/dev/sda".into(),
                    method: "zeroes".into(),
                    disk: Some(example_disk()),
                    failure: "it is read-only".into(),
                    ..ErasedDisk::default()
                }],
            }))),
        ),
        (
            "up-result-erased-asked",
            ended(Ok(Success::Step(StepOutput::Erased {
                disks: vec![ErasedDisk { disk: Some(asked_disk()), ..ErasedDisk::default() }],
            }))),
        ),
        ("up-result-erased-purge", ended(Ok(Success::Step(StepOutput::Erased { disks: vec![purged()] })))),
        (
            "up-result-failure",
            ended(Err(Failure { kind: FailureKind::NotConfirmed, message: "still off".into() })),
        ),
    ]
}

fn example_seen(stage: UpdateStage) -> FirmwareSeen {
    let item =
        FirmwareItem { id: "1".into(), name: "BMC".into(), version: "2.0".into(), is_updateable: true };
    let (manager_version, bios_version) = ("2.0".into(), "4.5".into());
    FirmwareSeen { stage, items: vec![item], manager_version, bios_version }
}
