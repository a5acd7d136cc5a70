//! Values: the fixed messages whose bytes are kept: one of every kind.

use std::{net::Ipv4Addr, num::NonZeroU32, time::Duration};

use protocol::{
    bmc_facts::FirmwareItem,
    bmc_health::{BmcHealth, BreakerState, LastError, Latency},
    bmc_mark::BmcMark,
    bmc_settings::{BmcSettings, KgKey, UserPrivilege},
    boot::{Boot, BootLoader, BootMode, BootPlan, BootProgress, BootPurpose, BootStage},
    command::{Action, Command, CommandResult, Failure, FailureKind, PasswordLength, Success},
    console::{ConsoleDown, ConsoleNote, ConsoleUp, Grip, Manner, OpenConsole},
    convert::{Declaration, FromAgent, Hello, ToAgent},
    discovery::{Claim, Credential, Finding, FoundBmc, Order, OrderTask, RedfishPort, Scan},
    erase::{ErasePolicy, ReadBack, RefusedMethod, Verified},
    footprint::{Footprint, Part},
    hardware::{
        BmcIdentity, Cpu, Disk, DiskHealth, DiskMark, HardwareReport, Neighbour, Nic, SystemIdentity, Whole,
    },
    health::{
        BmcClock, HardwareChange, Limits, LogChange, LogCourse, LogEntry, Milli, Says, Sensor, SensorChange,
        SensorKind, Severity,
    },
    heartbeat::{Heartbeat, HeartbeatsWanted, StreamTime, Wanted},
    id::{AgentBootId, CommandId, ConsoleId, RamdiskSessionId, ServerId, TenancyId},
    identity::ExpectedIdentity,
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
    quirk::{Quirk, SaidQuirk},
    report::{Report, ReportBody},
    root_device::RootDeviceHints,
    secret::Secret,
    shown_certificate::ShownCertificate,
    spec::{BmcEndpoint, BmcProtocol, NextPassword, ServerSpec},
    step::{EraseOrder, ErasedDisk, ImageFormat, ImageRef, Step, StepOutput, StepProgress},
    update::{FirmwareImage, FirmwareSeen, FirmwareUpdate, UpdateStage},
    watch::{NotWatched, Watch},
};
use uuid::Uuid;

use super::public_key;

pub const SERVER: ServerId = ServerId(Uuid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555));
const COMMAND: CommandId = CommandId(Uuid::from_u128(0xaaaa_aaaa_bbbb_cccc_dddd_eeee_eeee_eeee));
const SESSION: RamdiskSessionId =
    RamdiskSessionId(Uuid::from_u128(0x7777_7777_7777_7777_7777_7777_7777_7777));
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

fn example_hardware() -> HardwareReport {
    HardwareReport {
        system: SystemIdentity {
            manufacturer: "QEMU".into(),
            product: "Q35".into(),
            serial: "7".into(),
            uuid: String::new(),
        },
        boot_mode: BootMode::Uefi,
        cpu: Cpu { count: 2, architecture: "x86_64".into(), model: "TCG".into(), flags: vec!["sse2".into()] },
        memory_mib: 1024,
        disks: vec![Disk {
            name: "/dev/vda".into(),
            size_bytes: 4 << 30,
            rotational: true,
            model: "m".into(),
            serial: "s".into(),
            wwn: "w".into(),
            ..Disk::default()
        }],
        nics: vec![Nic {
            name: "eth0".into(),
            mac: MAC,
            ipv4: "198.18.1.50".into(),
            carrier: true,
            speed_mbps: 1000,
            driver: "virtio_net".into(),
            vendor: "0x1af4".into(),
            product: "0x1000".into(),
            booted: true,
            neighbour: None,
        }],
        ..HardwareReport::default()
    }
}

/// One report of every kind.
pub fn examples_up() -> Vec<(&'static str, FromAgent)> {
    let report =
        |body| FromAgent::Report(Report { seq: 300, at_us: 1_700_000_000_000_000, server: SERVER, body });
    let facts = |at: usize| report(ReportBody::Facts { part: super::facts::examples().swap_remove(at) });
    let found = |finding| report(ReportBody::Found { finding });
    let ended = |outcome| report(ReportBody::Command(CommandResult { command: COMMAND, outcome }));
    let hello = Hello {
        rack: "rack-1".parse().unwrap(),
        agent_boot_id: AgentBootId(Uuid::from_u128(9)),
        version: "0.1.0".into(),
        oldest_unacknowledged: 299,
        consoles: false,
        console_records: false,
        bmc_orders: false,
        cache_orders: false,
        tunnels: false,
    };
    vec![
        ("up-hello", FromAgent::Hello(hello.clone())),
        ("up-hello-with-consoles", FromAgent::Hello(Hello { consoles: true, ..hello.clone() })),
        (
            "up-hello-with-records",
            FromAgent::Hello(Hello { consoles: true, console_records: true, ..hello.clone() }),
        ),
        ("up-hello-with-bmc-orders", FromAgent::Hello(Hello { bmc_orders: true, ..hello.clone() })),
        ("up-hello-with-cache-orders", FromAgent::Hello(Hello { cache_orders: true, ..hello.clone() })),
        ("up-hello-with-tunnels", FromAgent::Hello(Hello { tunnels: true, ..hello })),
        (
            "up-heartbeat",
            FromAgent::Heartbeat(Heartbeat { number: 7, oldest_reading: Some(Duration::from_millis(2100)) }),
        ),
        (
            "up-bmc-healths",
            FromAgent::Health(vec![
                BmcHealth {
                    server: ServerId(Uuid::from_u128(7)),
                    answers: Some(true),
                    asked: 128,
                    failed: 1,
                    latency: Some(Latency {
                        median: Duration::from_millis(12),
                        p95: Duration::from_millis(40),
                    }),
                    sessions: 1,
                    breaker: BreakerState::Closed,
                    last_error: Some(LastError { ago: Duration::from_secs(90), text: "no answer".into() }),
                    reading_age: Some(Duration::from_millis(700)),
                },
                BmcHealth {
                    server: ServerId(Uuid::from_u128(8)),
                    answers: Some(false),
                    asked: 3,
                    failed: 3,
                    latency: None,
                    sessions: 0,
                    breaker: BreakerState::Open { again_in: Duration::from_secs(4) },
                    last_error: None,
                    reading_age: None,
                },
            ]),
        ),
        ("up-renew", FromAgent::Renew(public_key(&[7; 64]))),
        ("up-heartbeat-of-nobody", FromAgent::Heartbeat(Heartbeat { number: 8, oldest_reading: None })),
        (
            "up-power-on",
            report(ReportBody::Power { reading: PowerReading::On, cause: PowerCause::Commanded }),
        ),
        (
            "up-power-off",
            report(ReportBody::Power { reading: PowerReading::Off, cause: PowerCause::Unasked }),
        ),
        (
            "up-power-unreachable",
            report(ReportBody::Power {
                reading: PowerReading::Unreachable { reason: "no answer".into() },
                cause: PowerCause::First,
            }),
        ),
        ("up-watched", report(ReportBody::Watch { watch: Watch::Watched })),
        ("up-sensors", report(ReportBody::Hardware { change: sensors() })),
        ("up-log", report(ReportBody::Hardware { change: log() })),
        (
            "up-unread",
            report(ReportBody::Hardware { change: HardwareChange::Unread { reason: "it is silent".into() } }),
        ),
        (
            "up-not-watched",
            report(ReportBody::Watch {
                watch: Watch::NotWatched {
                    why: NotWatched::CredentialsRefused,
                    reason: "the BMC refuses".into(),
                },
            }),
        ),
        (
            "up-other-machine",
            report(ReportBody::Watch {
                watch: Watch::NotWatched { why: NotWatched::OtherMachine, reason: "it is n2".into() },
            }),
        ),
        ("up-facts-system", facts(0)),
        ("up-facts-firmware", facts(1)),
        ("up-facts-secure-boot", facts(2)),
        ("up-facts-media", facts(3)),
        ("up-facts-bios", facts(4)),
        (
            "up-boot",
            report(ReportBody::Boot(BootProgress {
                stage: BootStage::Kernel,
                network: BootNetwork::Cleaning,
                mac: MAC,
                detail: "vmlinuz".into(),
            })),
        ),
        (
            "up-boot-refused",
            report(ReportBody::BootRefused {
                network: BootNetwork::Provisioning,
                mac: None,
                planned: None,
                reason: "no plan".into(),
            }),
        ),
        (
            "up-boot-wrong-network",
            report(ReportBody::BootRefused {
                network: BootNetwork::Provisioning,
                mac: Some(MAC),
                planned: Some(BootNetwork::Cleaning),
                reason: "elsewhere".into(),
            }),
        ),
        (
            "up-ramdisk-ready",
            report(ReportBody::RamdiskReady {
                session: SESSION,
                purpose: BootPurpose::Deploy,
                network: BootNetwork::Provisioning,
                hardware: Box::new(example_hardware()),
            }),
        ),
        ("up-ramdisk-gone", report(ReportBody::RamdiskGone { session: SESSION, reason: "closed".into() })),
        (
            "up-step-progress",
            report(ReportBody::StepProgress {
                command: COMMAND,
                progress: StepProgress { done_bytes: 1, total_bytes: 2 },
            }),
        ),
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
        (
            "up-identified",
            report(ReportBody::Identified {
                place: "ipmi://198.51.100.11:623".into(),
                identity: BmcIdentity { guid: "d".into(), serial: "e".into(), ..BmcIdentity::default() },
            }),
        ),
        (
            "up-certificate-shown",
            report(ReportBody::CertificateShown {
                place: "redfish://198.51.100.11:443".into(),
                shown: ShownCertificate::new(vec![vec![1, 2], vec![3]], true).unwrap(),
            }),
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
        ("up-found-bmc", found(Finding::Bmc(Box::new(found_bmc())))),
        ("up-found-bmc-marks", found(Finding::Bmc(Box::new(marked_bmc())))),
        ("up-found-machine", found(Finding::Machine { hardware: Box::new(example_machine()) })),
        ("up-scan-progress", found(Finding::Progress { done: 3, total: 30 })),
        ("up-scan-ended", found(Finding::ScanEnded { fault: "stopped".into() })),
        ("up-window-ended", found(Finding::WindowEnded { reason: "its time is over".into() })),
    ]
}

/// Hardware with all that discovery added to it.
fn example_machine() -> HardwareReport {
    let mut hardware = example_hardware();
    hardware.system.uuid = "11111111-2222-3333-4444-555555555555".into();
    hardware.nics[0].neighbour = Some(Neighbour {
        switch: "leaf1".into(),
        switch_id: "02:00:00:00:00:01".into(),
        port: "xe-0/0/0".into(),
        port_description: "rack 1".into(),
    });
    hardware
}

fn found_bmc() -> FoundBmc {
    FoundBmc {
        address: Ipv4Addr::new(198, 51, 100, 11),
        port: 443,
        protocol: BmcProtocol::Redfish {
            system: None,
            certificate_sha256: Some("cd".repeat(32)),
            http: false,
        },
        credential: Some(0),
        identity: Some(BmcIdentity { guid: "g".into(), ..BmcIdentity::default() }),
        problem: "p".into(),
        marks: Vec::new(),
        is_refused: false,
    }
}

fn marked_bmc() -> FoundBmc {
    let marks = ["mac:02:00:00:00:00:01", "serial:7x0ab12", "uuid:00112233-4455-6677-8899-aabbccddeeff"];
    FoundBmc {
        credential: None,
        identity: None,
        marks: marks.map(|mark| mark.parse::<BmcMark>().unwrap()).to_vec(),
        is_refused: true,
        ..found_bmc()
    }
}

fn open_console(manner: Manner) -> OpenConsole {
    OpenConsole {
        id: ConsoleId(Uuid::from_u128(11)),
        server: SERVER,
        who: "alice".into(),
        manner,
        tenancy: None,
    }
}

/// One message of every kind on a console's stream, up.
pub fn examples_console_up() -> Vec<(&'static str, ConsoleUp)> {
    let id = ConsoleId(Uuid::from_u128(11));
    let note = ConsoleUp::Note;
    vec![
        ("console-up-hello", ConsoleUp::Hello { id, refused: None }),
        ("console-up-refused", ConsoleUp::Hello { id, refused: Some("because".into()) }),
        ("console-up-output", ConsoleUp::Output(b"login: ".to_vec())),
        ("console-up-opened", note(ConsoleNote::Opened)),
        ("console-up-lost", note(ConsoleNote::Lost("because".into()))),
        ("console-up-break", note(ConsoleNote::Break)),
        ("console-up-overrun", note(ConsoleNote::Overrun)),
        ("console-up-skipped", note(ConsoleNote::Skipped(300))),
        ("console-up-cannot", note(ConsoleNote::Cannot("because".into()))),
        ("console-up-keyboard", note(ConsoleNote::Keyboard)),
        ("console-up-held", note(ConsoleNote::Held("alice".into()))),
        ("console-up-free", note(ConsoleNote::Free)),
    ]
}

/// The same, down.
pub fn examples_console_down() -> Vec<(&'static str, ConsoleDown)> {
    vec![
        ("console-down-input", ConsoleDown::Input(b"root\r".to_vec())),
        ("console-down-break", ConsoleDown::Break),
        ("console-down-take", ConsoleDown::Take(Grip::IfFree)),
        ("console-down-take-by-force", ConsoleDown::Take(Grip::ByForce)),
    ]
}

/// One message of every kind.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    let command = |action| ToAgent::Command(Command { id: COMMAND, server: SERVER, action, wanted: None });
    let discover = |task| ToAgent::Discover(Order { id: Uuid::from_u128(10), task });
    let step = |step| command(Action::RunStep { session: SESSION, step });
    let spec = |protocol| ServerSpec {
        id: SERVER,
        name: "node-1".into(),
        bmc: BmcEndpoint {
            protocol,
            address: "198.51.100.11".into(),
            port: 623,
            username: "admin".into(),
            password: Secret::new("hunter2"),
            settings: Default::default(),
        },
        macs: vec![MAC],
        other_macs: vec![],
        boot_mode: BootMode::Bios,
        boot_loader: None,
        secure_boot: None,
        expected: ExpectedIdentity::default(),
        next_password: None,
        tenancy: None,
    };
    let image =
        ImageRef { id: "img".into(), format: ImageFormat::Qcow2, size_bytes: 9, sha512: "ab".repeat(64) };
    let plan = BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning };
    vec![
        (
            "down-welcome",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: None,
                certificate_days: None,
                hardware: false,
                bmc_healths: false,
                certificates: false,
            },
        ),
        (
            "down-welcome-bmc-healths",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: None,
                certificate_days: None,
                hardware: false,
                bmc_healths: true,
                certificates: false,
            },
        ),
        (
            "down-welcome-renews",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: None,
                certificate_days: NonZeroU32::new(90),
                hardware: false,
                bmc_healths: false,
                certificates: false,
            },
        ),
        (
            "down-welcome-hardware",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: None,
                certificate_days: None,
                hardware: true,
                bmc_healths: false,
                certificates: false,
            },
        ),
        (
            "down-welcome-certificates",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: None,
                certificate_days: None,
                hardware: false,
                bmc_healths: false,
                certificates: true,
            },
        ),
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
        (
            "down-welcome-heartbeats",
            ToAgent::Welcome {
                coordinator: "c1".into(),
                acknowledged: 12,
                heartbeats: Some(HeartbeatsWanted { every: Duration::from_secs(5), at: StreamTime(90_000) }),
                certificate_days: None,
                hardware: false,
                bmc_healths: false,
                certificates: false,
            },
        ),
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
        (
            "down-declare",
            ToAgent::Declare(Declaration {
                servers: vec![
                    spec(BmcProtocol::Ipmi { cipher_suite: Some(17) }),
                    spec(BmcProtocol::Redfish {
                        system: Some("/redfish/v1/Systems/1".into()),
                        certificate_sha256: Some("cd".repeat(32)),
                        http: true,
                    }),
                ],
                forget: vec![SERVER],
                complete: true,
            }),
        ),
        (
            "down-declare-expected",
            ToAgent::Declare(Declaration {
                servers: vec![ServerSpec {
                    expected: ExpectedIdentity {
                        bmc: BmcIdentity { guid: "g".into(), serial: "s".into(), ..BmcIdentity::default() },
                        uuids: vec!["u".into()],
                        serials: vec!["t".into()],
                    },
                    ..spec(BmcProtocol::Ipmi { cipher_suite: None })
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-settings",
            ToAgent::Declare(Declaration {
                servers: vec![{
                    let mut spec = spec(BmcProtocol::Ipmi { cipher_suite: None });
                    spec.bmc.settings = BmcSettings {
                        privilege: Some(UserPrivilege::Operator),
                        k_g: Some(KgKey::from_text("site-key").unwrap()),
                        quirks: vec![
                            SaidQuirk::Has(Quirk::SuiteThreeFirst),
                            SaidQuirk::HasNot(Quirk::EfiDiskIsRemote),
                        ],
                        answer_wait_ms: Some(2_000),
                        request_gap_ms: Some(250),
                        poll_interval_ms: Some(10_000),
                        ..BmcSettings::default()
                    };
                    spec
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-budget",
            ToAgent::Declare(Declaration {
                servers: vec![{
                    let mut spec = spec(BmcProtocol::Ipmi { cipher_suite: None });
                    spec.bmc.settings = BmcSettings {
                        requests_per_second: Some(5),
                        sessions_max: Some(1),
                        ..BmcSettings::default()
                    };
                    spec
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-next-password",
            ToAgent::Declare(Declaration {
                servers: vec![ServerSpec {
                    next_password: Some(NextPassword { password: Secret::new("hunter2b"), is_first: true }),
                    ..spec(BmcProtocol::Ipmi { cipher_suite: None })
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-tenancy",
            ToAgent::Declare(Declaration {
                servers: vec![ServerSpec {
                    tenancy: Some(TenancyId(Uuid::from_u128(12))),
                    ..spec(BmcProtocol::Ipmi { cipher_suite: None })
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-other-macs",
            ToAgent::Declare(Declaration {
                servers: vec![ServerSpec {
                    other_macs: vec![MAC],
                    ..spec(BmcProtocol::Ipmi { cipher_suite: None })
                }],
                forget: Vec::new(),
                complete: false,
            }),
        ),
        (
            "down-declare-secure-boot",
            ToAgent::Declare(Declaration {
                servers: vec![ServerSpec {
                    secure_boot: Some(true),
                    boot_loader: Some(BootLoader::Shim),
                    ..spec(BmcProtocol::Ipmi { cipher_suite: None })
                }],
                forget: Vec::new(),
                complete: false,
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
        ("down-discover-scan", discover(OrderTask::Scan(example_scan()))),
        ("down-discover-scan-awaited", discover(OrderTask::Scan(awaiting_scan()))),
        ("down-discover-open", discover(OrderTask::Open { seconds: 600, never: vec![MAC] })),
        ("down-discover-close", discover(OrderTask::Close)),
        ("down-discover-claim", discover(OrderTask::Claim(example_claim()))),
    ]
    .into_iter()
    .chain(super::orders::examples().into_iter().map(|(name, order)| (name, command(Action::Order(order)))))
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

fn example_seen(stage: UpdateStage) -> FirmwareSeen {
    let item =
        FirmwareItem { id: "1".into(), name: "BMC".into(), version: "2.0".into(), is_updateable: true };
    let (manager_version, bios_version) = ("2.0".into(), "4.5".into());
    FirmwareSeen { stage, items: vec![item], manager_version, bios_version }
}

/// One that has answered.
fn asked_disk() -> Disk {
    Disk {
        firmware: "JXTC404Q".into(),
        health: DiskHealth::Failing,
        used_percent: Some(101),
        says: vec!["failing: SMART says so".into()],
        ..example_disk()
    }
}

/// One of which everything is known.
fn example_disk_in_full() -> Disk {
    Disk {
        transport: "sata".into(),
        vendor: "ATA".into(),
        sector_bytes: 512,
        physical_sector_bytes: 4096,
        hctl: "0:0:0:0".into(),
        by_path: "pci-0000:00:1f.2-ata-1".into(),
        paths: 2,
        marks: vec![DiskMark::Locked, DiskMark::Member(Whole::Md)],
        ..example_disk()
    }
}

fn example_disk() -> Disk {
    Disk {
        name: "/dev/sda".into(),
        size_bytes: 9,
        rotational: true,
        model: "a".into(),
        serial: "b".into(),
        wwn: "c".into(),
        removable: true,
        read_only: true,
        ..Disk::default()
    }
}

fn example_hints() -> RootDeviceHints {
    RootDeviceHints([("serial".to_owned(), "S".to_owned())].into())
}

fn example_order() -> EraseOrder {
    EraseOrder { expected: vec![example_disk()], left_out: vec![example_disk()], ..EraseOrder::default() }
}

fn purge() -> EraseOrder {
    EraseOrder { policy: ErasePolicy::Purge, read_back: ReadBack::Full, ..example_order() }
}

fn purged() -> ErasedDisk {
    let refused =
        RefusedMethod { method: "nvme_sanitize_block".into(), why: "the drive does not offer it".into() };
    ErasedDisk {
        name: "/dev/nvme0n1".into(),
        method: "nvme_format_crypto".into(),
        erased_bytes: 9,
        verified_bytes: 8,
        disk: Some(example_disk()),
        began_after_ms: 1,
        took_ms: 2,
        policy: Some(ErasePolicy::Purge),
        refused: vec![refused],
        verified: Verified::Sampled,
        found: "other bytes than before".into(),
        hidden: vec!["HPA".into()],
        ..ErasedDisk::default()
    }
}

fn example_claim() -> Claim {
    Claim {
        address: Ipv4Addr::new(198, 51, 100, 12),
        port: 623,
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        credential: Credential { username: "admin".into(), password: Secret::new("hunter2") },
    }
}

fn awaiting_scan() -> Scan {
    Scan { listed: vec!["serial:7x0ab12".parse().unwrap()], ..example_scan() }
}

fn example_scan() -> Scan {
    Scan {
        ranges: vec!["198.51.100.0/27".parse().unwrap()],
        redfish: vec![RedfishPort { port: 8000, http: true }],
        credentials: vec![Credential { username: "admin".into(), password: Secret::new("hunter2") }],
        spare: vec![Ipv4Addr::new(198, 51, 100, 12)],
        listed: Vec::new(),
    }
}

fn sensors() -> HardwareChange {
    let limits = Limits {
        upper_warning: Some(Milli(90_000)),
        upper_critical: Some(Milli(95_000)),
        ..Limits::default()
    };
    let sensor = |key: &str, name: &str, kind, severity, says| Sensor {
        key: key.into(),
        name: name.into(),
        kind,
        severity,
        says,
    };
    HardwareChange::Sensors(SensorChange {
        sensors: vec![
            sensor(
                "20/0/30",
                "CPU1 Temp",
                SensorKind::Temperature,
                Severity::Critical,
                Says::Number { value: Milli(96_500), unit: "°C".into(), limits, hysteresis: Milli(2000) },
            ),
            sensor(
                "20/0/51",
                "PSU2 Status",
                SensorKind::PowerSupply,
                Severity::Ok,
                Says::States(vec!["present".into()]),
            ),
            sensor("20/0/41", "FAN1", SensorKind::Fan, Severity::Ok, Says::Nothing("no reading now".into())),
        ],
        complete: true,
        draw_w: Some(212),
        left_out: 3,
    })
}

fn log() -> HardwareChange {
    HardwareChange::Log(LogChange {
        entries: vec![LogEntry {
            id: "3".into(),
            fingerprint: "030002".into(),
            at_s: Some(1_767_225_600),
            sensor: "DIMM A1".into(),
            kind: SensorKind::Memory,
            text: "uncorrectable error".into(),
            severity: Severity::Critical,
            condition: "20/0c/6f/1".into(),
            ends: false,
        }],
        left_out: 1,
        course: LogCourse::Cleared,
        records: 4,
        is_full: true,
        clock: BmcClock::Off { by_s: -3600 },
    })
}
