//! Edges: one command carried out on a BMC. Every change of the power is confirmed by a reading: a BMC's "yes" only
//! says that it has heard us.

use std::time::Duration;

use protocol::{
    boot::{Boot, BootDevice, BootMode, Persistence},
    command::{Action, Failure, FailureKind, Success},
    power::PowerOffHow,
};

use crate::{
    bmc::{Bmc, BmcError, Power},
    poll::{
        debounce::Sample,
        driver::{await_power, read, sample},
    },
};

/// Longest wait for a reading that confirms a switch.
pub const CONFIRM_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for an operating system that was asked to switch off.
pub const SOFT_OFF_WAIT: Duration = Duration::from_secs(40);

/// How a command ended, and the last reading made for it.
pub type Ended = (Result<Success, Failure>, Option<Sample>);

/// Carries out a command that is for the BMC.
pub async fn carry_out(bmc: &dyn Bmc, mode: BootMode, action: &Action) -> Ended {
    match action {
        Action::PowerOn { boot } => switch(power_on(bmc, mode, boot).await, Power::On, CONFIRM_WAIT),
        Action::PowerOff { how: PowerOffHow::Hard } => switch(power_off(bmc).await, Power::Off, CONFIRM_WAIT),
        Action::PowerOff { how: PowerOffHow::Soft } => switch(soft_off(bmc).await, Power::Off, SOFT_OFF_WAIT),
        Action::Reset { boot } => switch(reset(bmc, mode, boot).await, Power::On, CONFIRM_WAIT),
        Action::ReadIdentity => {
            // Somebody wants to know now.
            bmc.try_now().await;
            let identity = bmc.identity().await;
            (identity.map(Success::Identity).map_err(|error| failure(&error)), None)
        }
        Action::EndBoot | Action::RunStep { .. } => {
            let message = "the command is not for the BMC".to_owned();
            (Err(Failure { kind: FailureKind::BmcRefused, message }), None)
        }
    }
}

async fn power_on(bmc: &dyn Bmc, mode: BootMode, boot: &Boot) -> Result<Power, BmcError> {
    if read(bmc).await? == Power::On {
        return Ok(Power::On);
    }
    choose_boot(bmc, mode, boot).await?;
    bmc.power_on().await?;
    await_power(bmc, Power::On, CONFIRM_WAIT).await
}

async fn power_off(bmc: &dyn Bmc) -> Result<Power, BmcError> {
    if read(bmc).await? == Power::Off {
        return Ok(Power::Off);
    }
    bmc.power_off().await?;
    await_power(bmc, Power::Off, CONFIRM_WAIT).await
}

async fn soft_off(bmc: &dyn Bmc) -> Result<Power, BmcError> {
    if read(bmc).await? == Power::Off {
        return Ok(Power::Off);
    }
    bmc.soft_off().await?;
    await_power(bmc, Power::Off, SOFT_OFF_WAIT).await
}

async fn reset(bmc: &dyn Bmc, mode: BootMode, boot: &Boot) -> Result<Power, BmcError> {
    let before = read(bmc).await?;
    choose_boot(bmc, mode, boot).await?;
    // The permit is for a boot; a server that has gone off meanwhile gets it all the same.
    match before {
        Power::On => bmc.reset().await?,
        Power::Off => bmc.power_on().await?,
    }
    await_power(bmc, Power::On, CONFIRM_WAIT).await
}

async fn choose_boot(bmc: &dyn Bmc, mode: BootMode, boot: &Boot) -> Result<(), BmcError> {
    match boot {
        // Once: should the server restart by itself, it starts its disk and not somebody's ramdisk.
        Boot::Network(_) => bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, mode).await,
        Boot::Disk => bmc.set_boot_device(BootDevice::Disk, Persistence::Persistent, mode).await,
    }
}

fn switch(last: Result<Power, BmcError>, wanted: Power, waited: Duration) -> Ended {
    let outcome = match &last {
        Ok(power) if *power == wanted => Ok(Success::Done),
        Ok(power) => Err(Failure {
            kind: FailureKind::NotConfirmed,
            message: format!(
                "the BMC accepted, but after {} s it still says that the power is {}; look at the server's console",
                waited.as_secs(),
                match power {
                    Power::On => "on",
                    Power::Off => "off",
                }
            ),
        }),
        Err(error) => Err(failure(error)),
    };
    (outcome, Some(sample(last)))
}

fn failure(error: &BmcError) -> Failure {
    Failure { kind: error.kind(), message: error.to_string() }
}
