//! Values: random ones for the tests of the wire; the fixed ones whose bytes are kept are in `examples`.

mod erase;
pub mod examples;
mod facts;
mod health;
pub mod image_cache;
mod orders;
pub mod records;
pub mod tunnels;

use std::{net::Ipv4Addr, num::NonZeroU32, time::Duration};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use protocol::{
    bmc_facts::FirmwareItem,
    bmc_health::{BmcHealth, BreakerState, LastError, Latency},
    bmc_mark::{BmcMark, MARKS_MAX},
    bmc_settings::{
        ANSWER_WAIT_MS, BmcSettings, KG_BYTES_MAX, KgKey, POLL_INTERVAL_MS, REQUEST_GAP_MS,
        REQUESTS_PER_SECOND, SESSIONS_MAX, UserPrivilege,
    },
    boot::{Boot, BootLoader, BootMode, BootPlan, BootProgress, BootPurpose, BootStage},
    certificate::PublicKey,
    command::{Action, Command, CommandResult, Failure, FailureKind, PasswordLength, Success},
    console::{Manner, OpenConsole},
    convert::{Declaration, FromAgent, Hello, ToAgent},
    discovery::{AddressRange, Claim, Credential, Finding, FoundBmc, Order, OrderTask, RedfishPort, Scan},
    footprint::{Footprint, Part},
    hardware::{
        BmcIdentity, Cpu, Disk, DiskHealth, DiskMark, HardwareReport, Neighbour, Nic, SystemIdentity,
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
    step::{ImageFormat, ImageRef, Step, StepOutput, StepProgress},
    update::{FirmwareImage, FirmwareSeen, FirmwareUpdate, UpdateStage},
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
    let names = (text(), text(), text(), text(), text(), text(), text(), text());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>());
    let health = prop_oneof![Just(DiskHealth::Unsaid), Just(DiskHealth::Good), Just(DiskHealth::Failing)];
    let answers = (text(), health, option::of(any::<u8>()), vec(text(), 0..3));
    (names, flags, numbers, vec(text().prop_map(DiskMark::from), 0..3), answers).prop_map(
        |(
            (name, model, serial, wwn, transport, vendor, hctl, by_path),
            (rotational, removable, read_only),
            (size_bytes, sector_bytes, physical_sector_bytes, paths),
            marks,
            (firmware, health, used_percent, says),
        )| Disk {
            name,
            size_bytes,
            rotational,
            model,
            serial,
            wwn,
            removable,
            read_only,
            transport,
            vendor,
            sector_bytes,
            physical_sector_bytes,
            hctl,
            by_path,
            paths,
            marks,
            firmware,
            health,
            used_percent,
            says,
        },
    )
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
    let found = (vec(text(), 0..2), vec(text(), 0..3), any::<bool>(), text());
    (system, mode(), cpu, any::<u64>(), vec(disk(), 0..3), vec(nic, 0..3), found).prop_map(
        |(system, boot_mode, cpu, memory_mib, disks, nics, found)| {
            let (faults, modules, secure_boot, ramdisk_version) = found;
            HardwareReport {
                system,
                boot_mode,
                cpu,
                memory_mib,
                disks,
                nics,
                faults,
                modules,
                secure_boot,
                ramdisk_version,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let format = prop_oneof![Just(ImageFormat::Raw), Just(ImageFormat::Qcow2)];
    prop_oneof![
        Just(Step::Inventory),
        (text(), format, any::<u64>(), text(), btree_map(text(), text(), 0..3)).prop_map(
            |(id, format, size_bytes, sha512, hints)| Step::WriteImage {
                image: ImageRef { id, format, size_bytes, sha512 },
                root_device: RootDeviceHints(hints),
            }
        ),
        vec(any::<u8>(), 0..64).prop_map(|content| Step::WriteConfigDrive { content }),
        Just(Step::InstallBootEntry),
        erase::metadata_order().prop_map(Step::EraseMetadata),
        erase::disk_order().prop_map(Step::EraseDisks),
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
        Just(Action::KeepOff),
        Just(Action::RenewPassword),
        Just(Action::ReadFootprint),
        (uuid(), any::<u32>(), text(), text(), any::<bool>()).prop_map(
            |(order, attempt, component, name, is_file)| {
                let image = match is_file {
                    true => FirmwareImage::File { name, id: "f".into(), size_bytes: 7, sha512: "ab".into() },
                    false => FirmwareImage::Url(name),
                };
                Action::UpdateFirmware(FirmwareUpdate { order, attempt, component, image })
            }
        ),
        option::of("/[a-z]{1,9}").prop_map(|task| Action::LookAtFirmware { task }),
        orders::order().prop_map(Action::Order),
        (uuid(), step())
            .prop_map(|(session, step)| Action::RunStep { session: RamdiskSessionId(session), step }),
    ];
    let wanted = (any::<u64>(), milliseconds())
        .prop_map(|(given, within)| Wanted { given: StreamTime(given), within });
    (uuid(), uuid(), action, option::of(wanted)).prop_map(|(id, server, action, wanted)| Command {
        id: CommandId(id),
        server: ServerId(server),
        action,
        wanted,
    })
}

fn update_stage() -> impl Strategy<Value = UpdateStage> {
    prop_oneof![
        Just(UpdateStage::NotKnown),
        option::of(any::<u32>()).prop_map(UpdateStage::Running),
        Just(UpdateStage::Paused),
        Just(UpdateStage::Ended),
        text().prop_map(UpdateStage::Failed),
    ]
}

fn result() -> impl Strategy<Value = CommandResult> {
    let erased = erase::erased_disk();
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
        option::of("/[a-z]{1,9}").prop_map(|task| Success::FirmwareTaken { task }),
        (update_stage(), text(), text()).prop_map(|(stage, manager_version, bios_version)| {
            let items = vec![FirmwareItem { id: "1".into(), ..FirmwareItem::default() }];
            Success::FirmwareSeen(FirmwareSeen { stage, items, manager_version, bios_version })
        }),
        (text(), option::of((0..40_u32, 0..40_u32))).prop_map(|(reason, length)| {
            let length = length.map(|(min, more)| PasswordLength { min, max: min + more + 1 });
            Success::PasswordKept { reason, length }
        }),
        (vec(text(), 0..3), vec(text(), 0..3), option::of(any::<bool>())).prop_map(
            |(users, boot_order, secure_boot)| {
                let unread = vec![Part::Firmware];
                Success::Footprint(Footprint { users, boot_order, secure_boot, firmware: vec![], unread })
            }
        ),
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
        Just(FailureKind::MaybeDone),
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
        (text(), vec(vec(any::<u8>(), 1..9), 1..4), any::<bool>()).prop_map(|(place, chain, is_expected)| {
            let shown = ShownCertificate::new(chain, is_expected).unwrap();
            ReportBody::CertificateShown { place, shown }
        }),
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
        facts::part().prop_map(|part| ReportBody::Facts { part }),
        health::change().prop_map(|change| ReportBody::Hardware { change }),
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
    let more = (vec(mark(), 0..MARKS_MAX), any::<bool>());
    let bmc =
        (address(), any::<u16>(), protocol(), option::of(any::<u32>()), option::of(identity()), text(), more)
            .prop_map(|(address, port, protocol, credential, identity, problem, (marks, is_refused))| {
                FoundBmc { address, port, protocol, credential, identity, problem, marks, is_refused }
            });
    prop_oneof![
        bmc.prop_map(|bmc| Finding::Bmc(Box::new(bmc))),
        hardware().prop_map(|hardware| Finding::Machine { hardware: Box::new(hardware) }),
        any::<(u32, u32)>().prop_map(|(done, total)| Finding::Progress { done, total }),
        text().prop_map(|fault| Finding::ScanEnded { fault }),
        text().prop_map(|reason| Finding::WindowEnded { reason }),
    ]
}

fn mark() -> impl Strategy<Value = BmcMark> {
    prop_oneof![
        mac().prop_map(BmcMark::Mac),
        "[a-z0-9]{8,12}x".prop_map(|serial| BmcMark::serial(&serial).unwrap()),
        (1u128..).prop_map(|number| BmcMark::uuid(&Uuid::from_u128(number << 8 | 1).to_string()).unwrap()),
    ]
}

fn credential() -> impl Strategy<Value = Credential> {
    (text(), text()).prop_map(|(username, password)| Credential { username, password: Secret::new(password) })
}

fn order() -> impl Strategy<Value = Order> {
    let range = (address(), 0u32..100).prop_map(|(first, more)| {
        AddressRange::new(first, first.to_bits().saturating_add(more).into()).unwrap()
    });
    let port = any::<(u16, bool)>().prop_map(|(port, http)| RedfishPort { port, http });
    let marks = vec(mark(), 0..3);
    let scan = (vec(range, 0..3), vec(port, 0..3), vec(credential(), 0..3), vec(address(), 0..3), marks)
        .prop_map(|(ranges, redfish, credentials, spare, listed)| {
            OrderTask::Scan(Scan { ranges, redfish, credentials, spare, listed })
        });
    let claim = (address(), any::<u16>(), protocol(), credential()).prop_map(
        |(address, port, protocol, credential)| {
            OrderTask::Claim(Claim { address, port, protocol, credential })
        },
    );
    let task = prop_oneof![
        scan,
        (any::<u32>(), vec(mac(), 0..3)).prop_map(|(seconds, never)| OrderTask::Open { seconds, never }),
        Just(OrderTask::Close),
        claim,
    ];
    (uuid(), task).prop_map(|(id, task)| Order { id, task })
}

fn identity() -> impl Strategy<Value = BmcIdentity> {
    (text(), text(), text(), text(), text()).prop_map(|(manufacturer, product, firmware, guid, serial)| {
        BmcIdentity { manufacturer, product, firmware, guid, serial }
    })
}

fn settings() -> impl Strategy<Value = BmcSettings> {
    let privilege = prop_oneof![Just(UserPrivilege::Operator), Just(UserPrivilege::Administrator)];
    let key = vec(any::<u8>(), 1..=KG_BYTES_MAX)
        .prop_map(|bytes| KgKey::from_hex(&protocol::hex::encode(bytes)).unwrap());
    let quirk = (select(Quirk::ALL.to_vec()), any::<bool>())
        .prop_map(|(quirk, has)| if has { SaidQuirk::Has(quirk) } else { SaidQuirk::HasNot(quirk) });
    let limits = (option::of(ANSWER_WAIT_MS), option::of(REQUEST_GAP_MS), option::of(POLL_INTERVAL_MS));
    let budget = (option::of(REQUESTS_PER_SECOND), option::of(SESSIONS_MAX));
    (option::of(privilege), option::of(key), vec(quirk, 0..3), limits, budget).prop_map(
        |(privilege, k_g, quirks, limits, (requests_per_second, sessions_max))| {
            let (answer_wait_ms, request_gap_ms, poll_interval_ms) = limits;
            BmcSettings {
                privilege,
                k_g,
                quirks,
                answer_wait_ms,
                request_gap_ms,
                poll_interval_ms,
                requests_per_second,
                sessions_max,
            }
        },
    )
}

fn spec() -> impl Strategy<Value = ServerSpec> {
    let bmc = (protocol(), text(), any::<u16>(), text(), text(), settings()).prop_map(
        |(protocol, address, port, username, password, settings)| BmcEndpoint {
            protocol,
            address,
            port,
            username,
            password: Secret::new(password),
            settings,
        },
    );
    let expected = (identity(), vec(text(), 0..3), vec(text(), 0..3))
        .prop_map(|(bmc, uuids, serials)| ExpectedIdentity { bmc, uuids, serials });
    let expected = prop_oneof![Just(ExpectedIdentity::default()), expected];
    let next = (text(), any::<bool>())
        .prop_map(|(password, is_first)| NextPassword { password: Secret::new(password), is_first });
    let loader = option::of(prop_oneof![Just(BootLoader::Ipxe), Just(BootLoader::Shim)]);
    let firmware = (mode(), loader, option::of(any::<bool>()));
    (
        uuid(),
        text(),
        bmc,
        (vec(mac(), 0..4), vec(mac(), 0..3)),
        firmware,
        expected,
        option::of(next),
        option::of(uuid()),
    )
        .prop_map(
            |(
                id,
                name,
                bmc,
                (macs, other_macs),
                (boot_mode, boot_loader, secure_boot),
                expected,
                next_password,
                tenancy,
            )| ServerSpec {
                id: ServerId(id),
                name,
                bmc,
                macs,
                other_macs,
                boot_mode,
                boot_loader,
                secure_boot,
                expected,
                next_password,
                tenancy: tenancy.map(TenancyId),
            },
        )
}

/// A whole number of milliseconds, at least one.
fn milliseconds() -> impl Strategy<Value = Duration> {
    (1..u64::from(u32::MAX)).prop_map(Duration::from_millis)
}

pub fn from_agent() -> impl Strategy<Value = FromAgent> {
    prop_oneof![
        ("[a-zA-Z0-9_.-]{1,63}", uuid(), text(), any::<u64>(), any::<[bool; 5]>()).prop_map(
            |(
                rack,
                boot,
                version,
                oldest_unacknowledged,
                [consoles, console_records, bmc_orders, cache_orders, tunnels],
            )| {
                FromAgent::Hello(Hello {
                    rack: rack.parse().unwrap(),
                    agent_boot_id: AgentBootId(boot),
                    version,
                    oldest_unacknowledged,
                    consoles,
                    console_records,
                    bmc_orders,
                    cache_orders,
                    tunnels,
                })
            }
        ),
        (1u64.., any::<u64>(), uuid(), body()).prop_map(|(seq, at_us, server, body)| FromAgent::Report(
            Report { seq, at_us, server: ServerId(server), body }
        )),
        (any::<u64>(), option::of(milliseconds())).prop_map(|(number, oldest_reading)| {
            FromAgent::Heartbeat(Heartbeat { number, oldest_reading })
        }),
        vec(any::<u8>(), 64).prop_map(|rest| FromAgent::Renew(public_key(&rest))),
        vec(health(), 0..3).prop_map(FromAgent::Health),
    ]
}

fn health() -> impl Strategy<Value = BmcHealth> {
    let latency = (milliseconds(), milliseconds()).prop_map(|(median, p95)| Latency { median, p95 });
    let breaker = prop_oneof![
        Just(BreakerState::Closed),
        Just(BreakerState::HalfOpen),
        milliseconds().prop_map(|again_in| BreakerState::Open { again_in }),
    ];
    let error = (milliseconds(), ".{0,300}").prop_map(|(ago, text)| LastError { ago, text });
    let figures = (option::of(any::<bool>()), any::<u32>(), any::<u32>(), any::<u32>());
    let rest = (option::of(latency), breaker, option::of(error), option::of(milliseconds()));
    (any::<u128>(), figures, rest).prop_map(
        |(id, (answers, asked, failed, sessions), (latency, breaker, last_error, reading_age))| BmcHealth {
            server: ServerId(Uuid::from_u128(id)),
            answers,
            asked,
            failed,
            latency,
            sessions,
            breaker,
            last_error,
            reading_age,
        },
    )
}

/// What stands behind the first byte of a point is not looked at.
pub fn public_key(rest: &[u8]) -> PublicKey {
    PublicKey::try_from(&[&[4], rest].concat()[..]).unwrap()
}

pub fn to_agent() -> impl Strategy<Value = ToAgent> {
    prop_oneof![
        (text(), any::<u64>(), option::of((milliseconds(), any::<u64>())), any::<u32>(), any::<[bool; 3]>())
            .prop_map(
                |(coordinator, acknowledged, heartbeats, days, [hardware, bmc_healths, certificates])| {
                    ToAgent::Welcome {
                        coordinator,
                        acknowledged,
                        heartbeats: heartbeats
                            .map(|(every, at)| HeartbeatsWanted { every, at: StreamTime(at) }),
                        certificate_days: NonZeroU32::new(days),
                        hardware,
                        bmc_healths,
                        certificates,
                    }
                }
            ),
        "[a-zA-Z]{1,40}".prop_map(|pem| ToAgent::Renewed(Ok(pem))),
        text().prop_map(|refused| ToAgent::Renewed(Err(refused))),
        (any::<u64>(), any::<u64>()).prop_map(|(number, at)| ToAgent::Heard { number, at: StreamTime(at) }),
        (vec(spec(), 0..3), vec(uuid().prop_map(ServerId), 0..3), any::<bool>()).prop_map(
            |(servers, forget, complete)| ToAgent::Declare(Declaration { servers, forget, complete })
        ),
        command().prop_map(ToAgent::Command),
        any::<u64>().prop_map(|seq| ToAgent::Acknowledge { seq }),
        order().prop_map(ToAgent::Discover),
        (uuid(), uuid(), text(), any::<bool>(), option::of(uuid())).prop_map(
            |(id, server, who, types, tenancy)| {
                let manner = if types { Manner::Types } else { Manner::Looks };
                let (id, server, tenancy) = (ConsoleId(id), ServerId(server), tenancy.map(TenancyId));
                ToAgent::OpenConsole(OpenConsole { id, server, who, manner, tenancy })
            }
        ),
        records::read(),
        image_cache::order(),
        tunnels::open(),
    ]
}
