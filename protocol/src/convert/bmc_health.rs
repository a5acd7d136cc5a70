//! Values: how BMCs answer, to and from the wire.

use std::time::Duration;

use super::{InvalidMessage, known, server, whole_ms};
use crate::{
    bmc_health::{BmcHealth, BreakerState, ERROR_CHARS_MAX, HEALTHS_MAX, LastError, Latency},
    grpc as wire,
};

impl From<Vec<BmcHealth>> for wire::BmcHealths {
    fn from(healths: Vec<BmcHealth>) -> Self {
        Self { healths: healths.into_iter().map(Into::into).collect() }
    }
}

impl TryFrom<wire::BmcHealths> for Vec<BmcHealth> {
    type Error = InvalidMessage;
    fn try_from(message: wire::BmcHealths) -> Result<Self, InvalidMessage> {
        if message.healths.len() > HEALTHS_MAX {
            let why = format!("has {} entries; at most {HEALTHS_MAX} are taken", message.healths.len());
            return Err(InvalidMessage::new("BmcHealths.healths", why));
        }
        message.healths.into_iter().map(TryInto::try_into).collect()
    }
}

impl From<BmcHealth> for wire::BmcHealth {
    fn from(health: BmcHealth) -> Self {
        use wire::bmc_health::Breaker;
        let (breaker, again_in) = match health.breaker {
            BreakerState::Closed => (Breaker::Closed, None),
            BreakerState::Open { again_in } => (Breaker::Open, Some(again_in)),
            BreakerState::HalfOpen => (Breaker::HalfOpen, None),
        };
        let (last_error_ago_ms, last_error) = match health.last_error {
            Some(LastError { ago, text }) => (Some(whole_ms(ago)), text),
            None => (None, String::new()),
        };
        Self {
            server: health.server.to_string(),
            answers: health.answers,
            asked: health.asked,
            failed: health.failed,
            median_ms: health.latency.map(|latency| whole_ms(latency.median)),
            p95_ms: health.latency.map(|latency| whole_ms(latency.p95)),
            sessions: health.sessions,
            breaker: breaker.into(),
            again_in_ms: again_in.map_or(0, whole_ms),
            last_error,
            last_error_ago_ms,
            reading_age_ms: health.reading_age.map(whole_ms),
        }
    }
}

impl TryFrom<wire::BmcHealth> for BmcHealth {
    type Error = InvalidMessage;
    fn try_from(health: wire::BmcHealth) -> Result<Self, InvalidMessage> {
        use wire::bmc_health::Breaker;
        let ms = Duration::from_millis;
        let latency = health.median_ms.zip(health.p95_ms);
        let last_error = health.last_error_ago_ms.map(|ago| LastError {
            ago: ms(ago),
            text: health.last_error.chars().take(ERROR_CHARS_MAX).collect(),
        });
        Ok(Self {
            server: server("BmcHealth.server", &health.server)?,
            answers: health.answers,
            asked: health.asked,
            failed: health.failed,
            latency: latency.map(|(median, p95)| Latency { median: ms(median), p95: ms(p95) }),
            sessions: health.sessions,
            breaker: match known("BmcHealth.breaker", health.breaker)? {
                Breaker::Closed => BreakerState::Closed,
                Breaker::Open => BreakerState::Open { again_in: ms(health.again_in_ms) },
                Breaker::HalfOpen => BreakerState::HalfOpen,
            },
            last_error,
            reading_age: health.reading_age_ms.map(ms),
        })
    }
}
