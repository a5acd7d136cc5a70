//! Values: the servers of a rack as they are declared to its agent.

use protocol::{
    bmc_settings::{BmcSettings, KgKey, UserPrivilege},
    boot::{BootLoader, BootMode},
    convert::{Declaration, ToAgent},
    hardware::BmcIdentity,
    id::TenancyId,
    identity::ExpectedIdentity,
    quirk::{Quirk, SaidQuirk},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, NextPassword, ServerSpec},
};
use uuid::Uuid;

use super::{MAC, SERVER};

/// One of every kind.
pub(super) fn down() -> Vec<(&'static str, ToAgent)> {
    let by_ipmi = || spec(BmcProtocol::Ipmi { cipher_suite: None });
    let next = NextPassword { password: Secret::new("hunter2b"), is_first: true };
    let tenancy = TenancyId(Uuid::from_u128(12));
    vec![
        ("down-declare", whole_rack()),
        ("down-declare-expected", one(ServerSpec { expected: expected(), ..by_ipmi() })),
        ("down-declare-settings", one(with_settings(settings()))),
        ("down-declare-budget", one(with_settings(budget()))),
        ("down-declare-next-password", one(ServerSpec { next_password: Some(next), ..by_ipmi() })),
        ("down-declare-tenancy", one(ServerSpec { tenancy: Some(tenancy), ..by_ipmi() })),
        ("down-declare-other-macs", one(ServerSpec { other_macs: vec![MAC], ..by_ipmi() })),
        (
            "down-declare-secure-boot",
            one(ServerSpec { secure_boot: Some(true), boot_loader: Some(BootLoader::Shim), ..by_ipmi() }),
        ),
    ]
}

/// A change of one server.
fn one(spec: ServerSpec) -> ToAgent {
    ToAgent::Declare(Declaration { servers: vec![spec], forget: Vec::new(), complete: false })
}

/// All of a rack's servers, by both protocols.
fn whole_rack() -> ToAgent {
    let by_redfish = BmcProtocol::Redfish {
        system: Some("/redfish/v1/Systems/1".into()),
        certificate_sha256: Some("cd".repeat(32)),
        http: true,
    };
    ToAgent::Declare(Declaration {
        servers: vec![spec(BmcProtocol::Ipmi { cipher_suite: Some(17) }), spec(by_redfish)],
        forget: vec![SERVER],
        complete: true,
    })
}

fn expected() -> ExpectedIdentity {
    ExpectedIdentity {
        bmc: BmcIdentity { guid: "g".into(), serial: "s".into(), ..BmcIdentity::default() },
        uuids: vec!["u".into()],
        serials: vec!["t".into()],
    }
}

fn settings() -> BmcSettings {
    BmcSettings {
        privilege: Some(UserPrivilege::Operator),
        k_g: Some(KgKey::from_text("site-key").unwrap()),
        quirks: vec![SaidQuirk::Has(Quirk::SuiteThreeFirst), SaidQuirk::HasNot(Quirk::EfiDiskIsRemote)],
        answer_wait_ms: Some(2_000),
        request_gap_ms: Some(250),
        poll_interval_ms: Some(10_000),
        ..BmcSettings::default()
    }
}

fn budget() -> BmcSettings {
    BmcSettings { requests_per_second: Some(5), sessions_max: Some(1), ..BmcSettings::default() }
}

fn with_settings(settings: BmcSettings) -> ServerSpec {
    let mut spec = spec(BmcProtocol::Ipmi { cipher_suite: None });
    spec.bmc.settings = settings;
    spec
}

fn spec(protocol: BmcProtocol) -> ServerSpec {
    ServerSpec {
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
    }
}
