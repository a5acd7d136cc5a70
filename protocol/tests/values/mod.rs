//! Values for the tests of the wire: random ones, and the fixed ones whose bytes are kept.

use std::net::Ipv4Addr;

use proptest::{collection::vec, option, prelude::*};
use protocol::{
    boot::{Boot, BootMode, BootPlan, BootProgress, BootPurpose, BootStage},
    command::{Action, Command, CommandResult, Failure, FailureKind, Success},
    convert::{Declaration, FromAgent, Hello, ToAgent},
    discovery::{AddressRange, Credential, Finding, FoundBmc, Order, OrderTask, RedfishDoor, Scan},
    hardware::{BmcIdentity, Cpu, Disk, HardwareReport, Neighbour, Nic, SystemIdentity},
    id::{AgentBootId, CommandId, RamdiskSessionId, ServerId},
    identity::ExpectedIdentity,
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
    report::{Report, ReportBody},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, ServerSpec},
    step::{EraseOrder, ErasedDisk, ImageFormat, ImageRef, Step, StepOutput, StepProgress},
    watch::{NotWatched, Watch},
};
use uuid::Uuid;

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß√]{0,12}"
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

fn mode() -> impl Strategy<Value = BootMode> {
    prop_oneof![Just(BootMode::Bios), Just(BootMode::Uefi)]
}

fn network() -> impl Strategy<Value = BootNetwork> {
    prop_oneof![Just(BootNetwork::Provisioning), Just(BootNetwork::Cleaning)]
}

fn purpose() -> impl Strategy<Value = BootPurpose> {
    prop_oneof![
        Just(BootPurpose::Inspect),
        Just(BootPurpose::Clean),
        Just(BootPurpose::Deploy),
        Just(BootPurpose::Rescue)
    ]
}

fn boot() -> impl Strategy<Value = Boot> {
    prop_oneof![
        Just(Boot::Disk),
        (purpose(), network()).prop_map(|(purpose, network)| Boot::Network(BootPlan { purpose, network }))
    ]
}

fn stage() -> impl Strategy<Value = BootStage> {
    prop_oneof![
        Just(BootStage::DhcpDiscover),
        Just(BootStage::DhcpAck),
        Just(BootStage::Loader),
        Just(BootStage::Script),
        Just(BootStage::Kernel),
        Just(BootStage::Initrd)
    ]
}

fn disk() -> impl Strategy<Value = Disk> {
    let names = (text(), text(), text(), text());
    (names, any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((name, model, serial, wwn), size_bytes, rotational, removable, read_only)| Disk {
            name,
            size_bytes,
            rotational,
            model,
            serial,
            wwn,
            removable,
            read_only,
        },
    )
}

fn erase_order() -> impl Strategy<Value = EraseOrder> {
    (vec(disk(), 0..3), vec(disk(), 0..2)).prop_map(|(expected, left_out)| EraseOrder { expected, left_out })
}

fn hardware() -> impl Strategy<Value = HardwareReport> {
    let neighbour =
        (text(), text(), text(), text()).prop_map(|(switch, switch_id, port, port_description)| Neighbour {
            switch,
            switch_id,
            port,
            port_description,
        });
    let card = (text(), mac(), text(), any::<bool>(), any::<u32>(), text(), text(), text(), any::<bool>());
    let nic = (card, option::of(neighbour)).prop_map(
        |((name, mac, ipv4, carrier, speed_mbps, driver, vendor, product, booted), neighbour)| Nic {
            name,
            mac,
            ipv4,
            carrier,
            speed_mbps,
            driver,
            vendor,
            product,
            booted,
            neighbour,
        },
    );
    let system = (text(), text(), text(), text()).prop_map(|(manufacturer, product, serial, uuid)| {
        SystemIdentity { manufacturer, product, serial, uuid }
    });
    let cpu = (any::<u32>(), text(), text(), vec(text(), 0..3))
        .prop_map(|(count, architecture, model, flags)| Cpu { count, architecture, model, flags });
    (system, mode(), cpu, any::<u64>(), vec(disk(), 0..3), vec(nic, 0..3)).prop_map(
        |(system, boot_mode, cpu, memory_mib, disks, nics)| HardwareReport {
            system,
            boot_mode,
            cpu,
            memory_mib,
            disks,
            nics,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let format = prop_oneof![Just(ImageFormat::Raw), Just(ImageFormat::Qcow2)];
    prop_oneof![
        Just(Step::Inventory),
        (text(), format, any::<u64>(), text()).prop_map(|(id, format, size_bytes, sha512)| Step::WriteImage(
            ImageRef { id, format, size_bytes, sha512 }
        )),
        vec(any::<u8>(), 0..64).prop_map(|content| Step::WriteConfigDrive { content }),
        Just(Step::InstallBootEntry),
        erase_order().prop_map(Step::EraseMetadata),
        erase_order().prop_map(Step::EraseDisks),
        Just(Step::Sync),
        Just(Step::PowerOff),
        text().prop_map(|hash| Step::HandOver { password_hash: Secret::new(hash) }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let action = prop_oneof![
        boot().prop_map(|boot| Action::PowerOn { boot }),
        Just(Action::PowerOff { how: PowerOffHow::Hard }),
        Just(Action::PowerOff { how: PowerOffHow::Soft }),
        boot().prop_map(|boot| Action::Reset { boot }),
        Just(Action::ReadIdentity),
        Just(Action::EndBoot),
        (uuid(), step())
            .prop_map(|(session, step)| Action::RunStep { session: RamdiskSessionId(session), step }),
    ];
    (uuid(), uuid(), action).prop_map(|(id, server, action)| Command {
        id: CommandId(id),
        server: ServerId(server),
        action,
    })
}

fn result() -> impl Strategy<Value = CommandResult> {
    let erased = (text(), text(), any::<u64>(), any::<u64>(), option::of(disk()), text()).prop_map(
        |(name, method, erased_bytes, verified_bytes, disk, failure)| ErasedDisk {
            name,
            method,
            erased_bytes,
            verified_bytes,
            disk,
            failure,
        },
    );
    let success = prop_oneof![
        Just(Success::Done),
        identity().prop_map(Success::Identity),
        Just(Success::Step(StepOutput::Done)),
        Just(Success::Step(StepOutput::HandedOver)),
        hardware().prop_map(|hardware| Success::Step(StepOutput::Inventory { hardware: Box::new(hardware) })),
        (text(), any::<u64>(), any::<u64>()).prop_map(|(disk, written_bytes, virtual_bytes)| {
            Success::Step(StepOutput::ImageWritten { disk, written_bytes, virtual_bytes })
        }),
        vec(erased, 0..3).prop_map(|disks| Success::Step(StepOutput::Erased { disks })),
    ];
    let kind = prop_oneof![
        Just(FailureKind::UnknownServer),
        Just(FailureKind::BmcUnreachable),
        Just(FailureKind::BmcCredentials),
        Just(FailureKind::BmcRefused),
        Just(FailureKind::NotConfirmed),
        Just(FailureKind::NoRamdisk),
        Just(FailureKind::ImageUnavailable),
        Just(FailureKind::ImageCorrupt),
        Just(FailureKind::StepFailed),
        Just(FailureKind::Interrupted),
    ];
    let failure = (kind, text()).prop_map(|(kind, message)| Failure { kind, message });
    let outcome = prop_oneof![success.prop_map(Ok), failure.prop_map(Err)];
    (uuid(), outcome).prop_map(|(command, outcome)| CommandResult { command: CommandId(command), outcome })
}

fn body() -> impl Strategy<Value = ReportBody> {
    let reading = prop_oneof![
        Just(PowerReading::On),
        Just(PowerReading::Off),
        text().prop_map(|reason| PowerReading::Unreachable { reason })
    ];
    let cause = prop_oneof![Just(PowerCause::Commanded), Just(PowerCause::Unasked), Just(PowerCause::First)];
    prop_oneof![
        (reading, cause).prop_map(|(reading, cause)| ReportBody::Power { reading, cause }),
        (stage(), network(), mac(), text()).prop_map(|(stage, network, mac, detail)| ReportBody::Boot(
            BootProgress { stage, network, mac, detail }
        )),
        (network(), option::of(mac()), option::of(network()), text()).prop_map(
            |(network, mac, planned, reason)| ReportBody::BootRefused { network, mac, planned, reason }
        ),
        (text(), identity()).prop_map(|(place, identity)| ReportBody::Identified { place, identity }),
        (uuid(), purpose(), network(), hardware()).prop_map(|(session, purpose, network, hardware)| {
            let session = RamdiskSessionId(session);
            ReportBody::RamdiskReady { session, purpose, network, hardware: Box::new(hardware) }
        }),
        (uuid(), text()).prop_map(|(session, reason)| ReportBody::RamdiskGone {
            session: RamdiskSessionId(session),
            reason
        }),
        (uuid(), any::<u64>(), any::<u64>()).prop_map(|(command, done_bytes, total_bytes)| {
            let progress = StepProgress { done_bytes, total_bytes };
            ReportBody::StepProgress { command: CommandId(command), progress }
        }),
        result().prop_map(ReportBody::Command),
        watch().prop_map(|watch| ReportBody::Watch { watch }),
        finding().prop_map(|finding| ReportBody::Found { finding }),
    ]
}

fn watch() -> impl Strategy<Value = Watch> {
    let why = prop_oneof![Just(NotWatched::CredentialsRefused), Just(NotWatched::OtherMachine)];
    prop_oneof![
        Just(Watch::Watched),
        (why, text()).prop_map(|(why, reason)| Watch::NotWatched { why, reason })
    ]
}

fn protocol() -> impl Strategy<Value = BmcProtocol> {
    prop_oneof![
        option::of(any::<u8>()).prop_map(|cipher_suite| BmcProtocol::Ipmi { cipher_suite }),
        (option::of(text()), option::of(text()), any::<bool>()).prop_map(
            |(system, certificate_sha256, http)| BmcProtocol::Redfish { system, certificate_sha256, http }
        ),
    ]
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn finding() -> impl Strategy<Value = Finding> {
    let bmc = (address(), any::<u16>(), protocol(), option::of(any::<u32>()), option::of(identity()), text())
        .prop_map(|(address, port, protocol, credential, identity, problem)| FoundBmc {
            address,
            port,
            protocol,
            credential,
            identity,
            problem,
        });
    prop_oneof![
        bmc.prop_map(|bmc| Finding::Bmc(Box::new(bmc))),
        hardware().prop_map(|hardware| Finding::Machine { hardware: Box::new(hardware) }),
        any::<(u32, u32)>().prop_map(|(done, total)| Finding::Progress { done, total }),
        text().prop_map(|fault| Finding::ScanEnded { fault }),
        text().prop_map(|reason| Finding::WindowEnded { reason }),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let range = (address(), 0u32..100).prop_map(|(first, more)| {
        AddressRange::new(first, first.to_bits().saturating_add(more).into()).unwrap()
    });
    let door = any::<(u16, bool)>().prop_map(|(port, http)| RedfishDoor { port, http });
    let credential = (text(), text())
        .prop_map(|(username, password)| Credential { username, password: Secret::new(password) });
    let scan = (vec(range, 0..3), vec(door, 0..3), vec(credential, 0..3), vec(address(), 0..3)).prop_map(
        |(ranges, redfish, credentials, spare)| OrderTask::Scan(Scan { ranges, redfish, credentials, spare }),
    );
    let task = prop_oneof![
        scan,
        (any::<u32>(), vec(mac(), 0..3)).prop_map(|(seconds, never)| OrderTask::Open { seconds, never }),
        Just(OrderTask::Close),
    ];
    (uuid(), task).prop_map(|(id, task)| Order { id, task })
}

fn identity() -> impl Strategy<Value = BmcIdentity> {
    (text(), text(), text(), text(), text()).prop_map(|(manufacturer, product, firmware, guid, serial)| {
        BmcIdentity { manufacturer, product, firmware, guid, serial }
    })
}

fn spec() -> impl Strategy<Value = ServerSpec> {
    let bmc = (protocol(), text(), any::<u16>(), text(), text()).prop_map(
        |(protocol, address, port, username, password)| BmcEndpoint {
            protocol,
            address,
            port,
            username,
            password: Secret::new(password),
        },
    );
    let expected = (identity(), vec(text(), 0..3), vec(text(), 0..3))
        .prop_map(|(bmc, uuids, serials)| ExpectedIdentity { bmc, uuids, serials });
    let expected = prop_oneof![Just(ExpectedIdentity::default()), expected];
    (uuid(), text(), bmc, vec(mac(), 0..4), mode(), expected).prop_map(
        |(id, name, bmc, macs, boot_mode, expected)| ServerSpec {
            id: ServerId(id),
            name,
            bmc,
            macs,
            boot_mode,
            expected,
        },
    )
}

pub fn from_agent() -> impl Strategy<Value = FromAgent> {
    prop_oneof![
        ("[a-zA-Z0-9_.-]{1,63}", uuid(), text(), any::<u64>()).prop_map(
            |(rack, boot, version, oldest_unacknowledged)| FromAgent::Hello(Hello {
                rack: rack.parse().unwrap(),
                agent_boot_id: AgentBootId(boot),
                version,
                oldest_unacknowledged
            })
        ),
        (1u64.., any::<u64>(), uuid(), body()).prop_map(|(seq, at_us, server, body)| FromAgent::Report(
            Report { seq, at_us, server: ServerId(server), body }
        )),
    ]
}

pub fn to_agent() -> impl Strategy<Value = ToAgent> {
    prop_oneof![
        (text(), any::<u64>())
            .prop_map(|(coordinator, acknowledged)| ToAgent::Welcome { coordinator, acknowledged }),
        (vec(spec(), 0..3), vec(uuid().prop_map(ServerId), 0..3), any::<bool>()).prop_map(
            |(servers, forget, complete)| ToAgent::Declare(Declaration { servers, forget, complete })
        ),
        command().prop_map(ToAgent::Command),
        any::<u64>().prop_map(|seq| ToAgent::Acknowledge { seq }),
        order().prop_map(ToAgent::Discover),
    ]
}

const SERVER: ServerId = ServerId(Uuid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555));
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
    }
}

/// One report of every kind.
pub fn examples_up() -> Vec<(&'static str, FromAgent)> {
    let report =
        |body| FromAgent::Report(Report { seq: 300, at_us: 1_700_000_000_000_000, server: SERVER, body });
    let found = |finding| report(ReportBody::Found { finding });
    let ended = |outcome| report(ReportBody::Command(CommandResult { command: COMMAND, outcome }));
    let hello = Hello {
        rack: "rack-1".parse().unwrap(),
        agent_boot_id: AgentBootId(Uuid::from_u128(9)),
        version: "0.1.0".into(),
        oldest_unacknowledged: 299,
    };
    vec![
        ("up-hello", FromAgent::Hello(hello)),
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
        ("up-result-step-done", ended(Ok(Success::Step(StepOutput::Done)))),
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
            "up-result-failure",
            ended(Err(Failure { kind: FailureKind::NotConfirmed, message: "still off".into() })),
        ),
        ("up-found-bmc", found(Finding::Bmc(Box::new(found_bmc())))),
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
    }
}

/// One message of every kind.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    let command = |action| ToAgent::Command(Command { id: COMMAND, server: SERVER, action });
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
        },
        macs: vec![MAC],
        boot_mode: BootMode::Bios,
        expected: ExpectedIdentity::default(),
    };
    let image =
        ImageRef { id: "img".into(), format: ImageFormat::Qcow2, size_bytes: 9, sha512: "ab".repeat(64) };
    let plan = BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning };
    vec![
        ("down-welcome", ToAgent::Welcome { coordinator: "c1".into(), acknowledged: 12 }),
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
        ("down-acknowledge", ToAgent::Acknowledge { seq: 300 }),
        ("down-power-on-network", command(Action::PowerOn { boot: Boot::Network(plan) })),
        ("down-power-on-disk", command(Action::PowerOn { boot: Boot::Disk })),
        ("down-power-off", command(Action::PowerOff { how: PowerOffHow::Soft })),
        ("down-reset", command(Action::Reset { boot: Boot::Disk })),
        ("down-read-identity", command(Action::ReadIdentity)),
        ("down-end-boot", command(Action::EndBoot)),
        ("down-step-inventory", step(Step::Inventory)),
        ("down-step-write-image", step(Step::WriteImage(image))),
        ("down-step-config-drive", step(Step::WriteConfigDrive { content: vec![1, 2, 255] })),
        ("down-step-boot-entry", step(Step::InstallBootEntry)),
        ("down-step-erase-metadata", step(Step::EraseMetadata(EraseOrder::default()))),
        ("down-step-erase-metadata-of", step(Step::EraseMetadata(example_order()))),
        ("down-step-erase-disks", step(Step::EraseDisks(EraseOrder::default()))),
        ("down-step-erase-disks-of", step(Step::EraseDisks(example_order()))),
        ("down-step-sync", step(Step::Sync)),
        ("down-step-power-off", step(Step::PowerOff)),
        ("down-step-hand-over", step(Step::HandOver { password_hash: Secret::new("$5$salt$hunter2") })),
        ("down-discover-scan", discover(OrderTask::Scan(example_scan()))),
        ("down-discover-open", discover(OrderTask::Open { seconds: 600, never: vec![MAC] })),
        ("down-discover-close", discover(OrderTask::Close)),
    ]
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
    }
}

fn example_order() -> EraseOrder {
    EraseOrder { expected: vec![example_disk()], left_out: vec![example_disk()] }
}

fn example_scan() -> Scan {
    Scan {
        ranges: vec!["198.51.100.0/27".parse().unwrap()],
        redfish: vec![RedfishDoor { port: 8000, http: true }],
        credentials: vec![Credential { username: "admin".into(), password: Secret::new("hunter2") }],
        spare: vec![Ipv4Addr::new(198, 51, 100, 12)],
    }
}
