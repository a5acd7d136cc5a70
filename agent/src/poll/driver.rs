//! Edges: asking a BMC for the power.

use std::{pin::pin, time::Duration};

use protocol::watch::NotWatched;
use tokio::{sync::oneshot, time::Instant};

use super::{debounce::Sample, pulse::READING_WAIT_MAX};
use crate::bmc::{Bmc, BmcError, Power};

/// Pause between two readings while a change is awaited.
pub const CONFIRM_PAUSE: Duration = Duration::from_millis(250);

/// One reading, with its error if there is none.
pub async fn read(bmc: &dyn Bmc) -> Result<Power, BmcError> {
    read_within(bmc, READING_WAIT_MAX).await
}

async fn read_within(bmc: &dyn Bmc, patience: Duration) -> Result<Power, BmcError> {
    match tokio::time::timeout(patience, bmc.power_status()).await {
        Ok(answer) => answer,
        Err(_) => Err(BmcError::Unreachable {
            address: "its address".to_owned(),
            reason: format!("no reading within {} s", patience.as_secs()),
        }),
    }
}

/// One reading as the debouncer takes it, waited for with this patience, or only for as long as `way` says once it says something:
/// then a command waits. None: it was given up for that.
pub async fn ask(bmc: &dyn Bmc, patience: Duration, way: oneshot::Receiver<Duration>) -> Option<Sample> {
    let mut reading = pin!(read_within(bmc, patience));
    let within = async {
        match way.await {
            Ok(within) => within,
            // Nobody will ask for it any more.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        answer = &mut reading => Some(sample(answer)),
        within = within => tokio::time::timeout(within, reading).await.ok().map(sample),
    }
}

/// What a reading, or its absence, says.
pub fn sample(answer: Result<Power, BmcError>) -> Sample {
    match answer {
        Ok(Power::On) => Sample::On,
        Ok(Power::Off) => Sample::Off,
        Err(ref error @ BmcError::Credentials { again_in, is_spent: true, .. }) => {
            Sample::NotWatched { why: NotWatched::CredentialsRefused, reason: error.to_string(), again_in }
        }
        Err(error @ BmcError::OtherMachine { .. }) => Sample::OtherMachine { reason: error.to_string() },
        Err(
            error
            @ (BmcError::Credentials { .. } | BmcError::Refused { .. } | BmcError::NotUnderstood { .. }),
        ) => Sample::Refused { reason: error.to_string() },
        Err(error @ BmcError::Unreachable { .. }) => Sample::NoAnswer { reason: error.to_string() },
    }
}

/// Reads until the power is as wanted, or the time is over. A BMC that is silent for a moment is asked on: some are
/// while they switch. Returns the last answer.
pub async fn await_power(bmc: &dyn Bmc, wanted: Power, within: Duration) -> Result<Power, BmcError> {
    let until = Instant::now() + within;
    loop {
        let answer = read(bmc).await;
        let settled = match &answer {
            Ok(power) => *power == wanted,
            Err(BmcError::Credentials { .. } | BmcError::OtherMachine { .. }) => true,
            Err(BmcError::Unreachable { .. } | BmcError::Refused { .. } | BmcError::NotUnderstood { .. }) => {
                false
            }
        };
        if settled || Instant::now() >= until {
            return answer;
        }
        tokio::time::sleep(CONFIRM_PAUSE).await;
    }
}
