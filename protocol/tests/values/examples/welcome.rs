//! Values: how an agent is welcomed.

use std::{num::NonZeroU32, time::Duration};

use protocol::{
    convert::ToAgent,
    heartbeat::{HeartbeatsWanted, StreamTime},
};

/// What a welcome asks for beside the reports.
#[derive(Default)]
struct Asks {
    heartbeats: Option<HeartbeatsWanted>,
    certificate_days: Option<NonZeroU32>,
    hardware: bool,
    bmc_healths: bool,
    certificates: bool,
}

/// One of every kind.
pub(super) fn down() -> Vec<(&'static str, ToAgent)> {
    let heartbeats = HeartbeatsWanted { every: Duration::from_secs(5), at: StreamTime(90_000) };
    let asks = Asks::default;
    vec![
        ("down-welcome", welcome(asks())),
        ("down-welcome-bmc-healths", welcome(Asks { bmc_healths: true, ..asks() })),
        ("down-welcome-renews", welcome(Asks { certificate_days: NonZeroU32::new(90), ..asks() })),
        ("down-welcome-hardware", welcome(Asks { hardware: true, ..asks() })),
        ("down-welcome-certificates", welcome(Asks { certificates: true, ..asks() })),
        ("down-welcome-heartbeats", welcome(Asks { heartbeats: Some(heartbeats), ..asks() })),
    ]
}

fn welcome(asks: Asks) -> ToAgent {
    let Asks { heartbeats, certificate_days, hardware, bmc_healths, certificates } = asks;
    ToAgent::Welcome {
        coordinator: "c1".into(),
        acknowledged: 12,
        heartbeats,
        certificate_days,
        hardware,
        bmc_healths,
        certificates,
    }
}
