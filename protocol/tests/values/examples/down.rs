//! Values: what an agent is told to do.

use std::time::Duration;

use protocol::{
    boot::{Boot, BootPlan, BootPurpose},
    command::{Action, Command},
    console::{Manner, OpenConsole},
    convert::ToAgent,
    heartbeat::{StreamTime, Wanted},
    id::TenancyId,
    network::BootNetwork,
    power::PowerOffHow,
    root_device::RootDeviceHints,
    secret::Secret,
    step::{EraseOrder, ImageFormat, ImageRef, Step},
    update::{FirmwareImage, FirmwareUpdate},
};
use uuid::Uuid;

use super::{
    COMMAND, SERVER, SESSION,
    console::open_console,
    erase::{example_order, purge},
};

/// One of every kind that is neither a welcome, a declaration nor of discovery.
pub(super) fn down() -> Vec<(&'static str, ToAgent)> {
    let command = |action| ToAgent::Command(Command { id: COMMAND, server: SERVER, action, wanted: None });
    let step = |step| command(Action::RunStep { session: SESSION, step });
    let image =
        ImageRef { id: "img".into(), format: ImageFormat::Qcow2, size_bytes: 9, sha512: "ab".repeat(64) };
    let plan = BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning };
    vec![
        ("down-open-console", ToAgent::OpenConsole(open_console(Manner::Types))),
        ("down-look-at-console", ToAgent::OpenConsole(open_console(Manner::Looks))),
        (
            "down-open-own-console",
            ToAgent::OpenConsole(OpenConsole {
                tenancy: Some(TenancyId(Uuid::from_u128(12))),
                ..open_console(Manner::Types)
            }),
        ),
        ("down-renewed", ToAgent::Renewed(Ok("PEM".into()))),
        ("down-not-renewed", ToAgent::Renewed(Err("because".into()))),
        ("down-heard", ToAgent::Heard { number: 7, at: StreamTime(95_001) }),
        (
            "down-power-off-wanted",
            ToAgent::Command(Command {
                id: COMMAND,
                server: SERVER,
                action: Action::PowerOff { how: PowerOffHow::Hard },
                wanted: Some(Wanted { given: StreamTime(96_000), within: Duration::from_millis(44_000) }),
            }),
        ),
        ("down-acknowledge", ToAgent::Acknowledge { seq: 300 }),
        ("down-power-on-network", command(Action::PowerOn { boot: Boot::Network(plan) })),
        ("down-power-on-disk", command(Action::PowerOn { boot: Boot::Disk })),
        ("down-power-off", command(Action::PowerOff { how: PowerOffHow::Soft })),
        ("down-reset", command(Action::Reset { boot: Boot::Disk })),
        ("down-read-identity", command(Action::ReadIdentity)),
        ("down-end-boot", command(Action::EndBoot)),
        ("down-keep-off", command(Action::KeepOff)),
        ("down-renew-password", command(Action::RenewPassword)),
        ("down-read-footprint", command(Action::ReadFootprint)),
        ("down-update-firmware-file", command(Action::UpdateFirmware(example_update(true)))),
        ("down-update-firmware-url", command(Action::UpdateFirmware(example_update(false)))),
        ("down-look-at-firmware", command(Action::LookAtFirmware { task: Some("/t/1".into()) })),
        ("down-step-inventory", step(Step::Inventory)),
        ("down-step-write-image", step(Step::write_image(image.clone()))),
        ("down-step-write-image-to", step(Step::WriteImage { image, root_device: example_hints() })),
        ("down-step-config-drive", step(Step::WriteConfigDrive { content: vec![1, 2, 255] })),
        ("down-step-boot-entry", step(Step::InstallBootEntry)),
        ("down-step-erase-metadata", step(Step::EraseMetadata(EraseOrder::default()))),
        ("down-step-erase-metadata-of", step(Step::EraseMetadata(example_order()))),
        ("down-step-erase-disks", step(Step::EraseDisks(EraseOrder::default()))),
        ("down-step-erase-disks-of", step(Step::EraseDisks(example_order()))),
        (
            "down-step-erase-metadata-quick",
            step(Step::EraseMetadata(EraseOrder { quick: true, ..example_order() })),
        ),
        ("down-step-erase-disks-purge", step(Step::EraseDisks(purge()))),
        ("down-step-sync", step(Step::Sync)),
        ("down-step-power-off", step(Step::PowerOff)),
        ("down-step-hand-over", step(Step::HandOver { password_hash: Secret::new("$5$salt$hunter2") })),
    ]
    .into_iter()
    .chain(
        crate::values::orders::examples()
            .into_iter()
            .map(|(name, order)| (name, command(Action::Order(order)))),
    )
    .collect()
}

fn example_update(is_file: bool) -> FirmwareUpdate {
    let image = match is_file {
        true => FirmwareImage::File {
            name: "bmc.bin".into(),
            id: "firmware/ab".into(),
            size_bytes: 7,
            sha512: "cd".into(),
        },
        false => FirmwareImage::Url("https://images.example/bmc.bin".into()),
    };
    FirmwareUpdate { order: Uuid::from_u128(3), attempt: 1, component: "BMC".into(), image }
}

fn example_hints() -> RootDeviceHints {
    RootDeviceHints([("serial".to_owned(), "S".to_owned())].into())
}
