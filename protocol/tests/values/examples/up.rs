//! Values: what an agent says of itself and of its servers.

use std::time::Duration;

use protocol::{
    bmc_health::{BmcHealth, BreakerState, LastError, Latency},
    boot::{BootProgress, BootPurpose, BootStage},
    convert::{FromAgent, Hello},
    hardware::BmcIdentity,
    health::HardwareChange,
    heartbeat::Heartbeat,
    id::{AgentBootId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    report::ReportBody,
    shown_certificate::ShownCertificate,
    step::StepProgress,
    watch::{NotWatched, Watch},
};
use uuid::Uuid;

use super::{
    COMMAND, MAC, SESSION,
    hardware::{example_hardware, log, sensors},
    report,
};
use crate::values::public_key;

/// One of every kind that is neither a result nor a finding.
pub(super) fn up() -> Vec<(&'static str, FromAgent)> {
    let facts =
        |at: usize| report(ReportBody::Facts { part: crate::values::facts::examples().swap_remove(at) });
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
    ]
}
