//! Edges: one command carried out on a BMC. Every change of the power is confirmed by a reading: a BMC's "yes" only
//! says that it has heard us.

use std::time::Duration;

use protocol::{
    boot::{Boot, BootDevice, BootMode, Persistence},
    command::{Action, Failure, FailureKind, Success},
    power::PowerOffHow,
    power_budget,
};
use tokio::time::Instant;

use crate::{
    bmc::{Bmc, BmcError, Power, Renewed},
    given::time_for,
    poll::{
        debounce::Sample,
        driver::{await_power, read, sample},
    },
};

/// Pause before a BMC that refused the first reading is asked again.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);
/// What is kept of a command's time for the boot device, the switch and its confirmation.
const REST_OF_COMMAND: Duration = Duration::from_secs(8);
/// A power command that has no effect for so long is given again.
const EFFECT_WAIT: Duration = Duration::from_secs(7);
/// How often it is.
const GIVEN_AGAIN_MAX: u32 = 3;

/// How a command ended, and the last reading made for it.
pub type Ended = (Result<Success, Failure>, Option<Sample>);

/// Carries out a command that is for the BMC, and ends by this time whatever the BMC does. After it nothing is switched any more:
/// somebody may have been told by then that it was not.
pub async fn carry_out(bmc: &dyn Bmc, mode: BootMode, action: &Action, until: Instant) -> Ended {
    let rest = rest_of(action);
    let until = until.checked_sub(rest).unwrap_or(until);
    // Only a command that still has some of its time is begun.
    let ended = async {
        match Instant::now() < until {
            true => Some(begin(bmc, mode, action, until).await),
            false => None,
        }
    };
    match tokio::time::timeout_at(until, ended).await {
        Ok(Some(ended)) => ended,
        Ok(None) | Err(_) => {
            let message = format!(
                "the BMC did not finish within {} s; check whether it is slow or overloaded, and check the server's power",
                (time_for(action) - rest).as_secs()
            );
            (Err(Failure { kind: FailureKind::NotConfirmed, message }), None)
        }
    }
}

/// What of a command's time is not its own: what an order may have changed is read anew in it.
fn rest_of(action: &Action) -> Duration {
    if matches!(action, Action::Order(_)) { power_budget::ORDER_LOOK_MAX } else { Duration::ZERO }
}

async fn begin(bmc: &dyn Bmc, mode: BootMode, action: &Action, until: Instant) -> Ended {
    let confirm_until = until.checked_sub(power_budget::LAST_READING).unwrap_or(until);
    let waited = time_for(action) - power_budget::LAST_READING;
    match action {
        Action::PowerOn { boot } => switch(power_on(bmc, mode, boot, confirm_until).await, Power::On, waited),
        Action::PowerOff { how } => switch(power_off(bmc, *how, confirm_until).await, Power::Off, waited),
        Action::Reset { boot } => switch(reset(bmc, mode, boot, confirm_until).await, Power::On, waited),
        Action::ReadIdentity => {
            // Somebody wants to know now.
            bmc.try_now().await;
            let identity = bmc.identity().await;
            (identity.map(Success::Identity).map_err(|error| failure(&error)), None)
        }
        Action::KeepOff => {
            (bmc.keep_off().await.map(|()| Success::Done).map_err(|error| failure(&error)), None)
        }
        Action::ReadFootprint => {
            let read = bmc.read_footprint().await;
            (read.map(Success::Footprint).map_err(|error| failure(&error)), None)
        }
        Action::RenewPassword => {
            let renewed = bmc.renew_password().await.map(|renewed| match renewed {
                Renewed::New => Success::Done,
                Renewed::Kept { reason, length } => Success::PasswordKept { reason, length },
            });
            (renewed.map_err(|error| failure(&error)), None)
        }
        Action::Order(order) => {
            (bmc.obey(order).await.map(|()| Success::Done).map_err(|error| failure(&error)), None)
        }
        Action::EndBoot
        | Action::UpdateFirmware(_)
        | Action::LookAtFirmware { .. }
        | Action::RunStep { .. } => {
            let message = "the command is not for the BMC".to_owned();
            (Err(Failure { kind: FailureKind::BmcRefused, message }), None)
        }
    }
}

/// The reading with which a command begins. A BMC that refuses now, such as one that has no session free, is asked again while
/// there is time for what follows.
async fn first_reading(bmc: &dyn Bmc, until: Instant, pause: Duration) -> Result<Power, BmcError> {
    loop {
        let reading = read(bmc).await;
        let is_refused = matches!(reading, Err(BmcError::Refused { .. }));
        if !is_refused || Instant::now() + pause + REST_OF_COMMAND > until {
            return reading;
        }
        tokio::time::sleep(pause).await;
    }
}

async fn power_on(bmc: &dyn Bmc, mode: BootMode, boot: &Boot, until: Instant) -> Result<Power, BmcError> {
    // One that was seen to be off a moment ago is not asked again: on, when it is on already, does no harm.
    let is_off = bmc.power_lately().await == Some(Power::Off);
    if !is_off && first_reading(bmc, until, REFUSED_PAUSE).await? == Power::On {
        return Ok(Power::On);
    }
    choose_boot(bmc, mode, boot).await?;
    bmc.power_on().await?;
    await_effect(bmc, Power::On, until, EFFECT_WAIT).await
}

async fn power_off(bmc: &dyn Bmc, how: PowerOffHow, until: Instant) -> Result<Power, BmcError> {
    if first_reading(bmc, until, REFUSED_PAUSE).await? == Power::Off {
        return Ok(Power::Off);
    }
    match how {
        PowerOffHow::Hard => {
            bmc.power_off().await?;
            await_effect(bmc, Power::Off, until, EFFECT_WAIT).await
        }
        // A second press of the button may mean something else to the operating system.
        PowerOffHow::Soft => {
            bmc.soft_off().await?;
            await_power(bmc, Power::Off, until.saturating_duration_since(Instant::now())).await
        }
    }
}

/// Waits until the power is as wanted. Some BMCs accept a command right after another one and do nothing: without effect for
/// so long, it is given again, some times. While the power is not known nothing is done twice.
async fn await_effect(
    bmc: &dyn Bmc,
    wanted: Power,
    until: Instant,
    effect_wait: Duration,
) -> Result<Power, BmcError> {
    let mut given_again = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = if given_again < GIVEN_AGAIN_MAX { effect_wait.min(left) } else { left };
        let last = await_power(bmc, wanted, wait).await;
        let is_without_effect = match &last {
            Ok(power) => *power != wanted,
            Err(BmcError::Unreachable { .. } | BmcError::Refused { .. } | BmcError::NotUnderstood { .. }) => {
                false
            }
            Err(BmcError::Credentials { .. } | BmcError::OtherMachine { .. }) => return last,
        };
        if wait == left || last.as_ref().is_ok_and(|power| *power == wanted) {
            return last;
        }
        if is_without_effect {
            given_again += 1;
            let given = match wanted {
                Power::On => bmc.power_on().await,
                Power::Off => bmc.power_off().await,
            };
            tracing::info!(?wanted, ?given, "a power command without effect was given again");
        }
    }
}

async fn reset(bmc: &dyn Bmc, mode: BootMode, boot: &Boot, until: Instant) -> Result<Power, BmcError> {
    let before = first_reading(bmc, until, REFUSED_PAUSE).await?;
    choose_boot(bmc, mode, boot).await?;
    // The permit is for a boot; a server that has gone off meanwhile gets it all the same.
    match before {
        Power::On => bmc.reset().await?,
        Power::Off => bmc.power_on().await?,
    }
    await_effect(bmc, Power::On, until, EFFECT_WAIT).await
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
                "the BMC accepted the command, but after {} s it still reports that the power is {}; check the server's console",
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use protocol::{bmc_order::BmcOrder, hardware::BmcIdentity};

    use super::*;
    use crate::poll::driver::CONFIRM_PAUSE;

    /// A BMC that is off, and answers and obeys as far as it is told to.
    struct Odd {
        /// Questions that it refuses, before it answers any.
        refusals: usize,
        /// After so many questions it answers no more.
        answers: usize,
        /// So many times it says "done" and does not switch on.
        ignores: usize,
        asked: AtomicUsize,
        switched: AtomicUsize,
    }

    impl Default for Odd {
        fn default() -> Self {
            let (asked, switched) = (AtomicUsize::default(), AtomicUsize::default());
            Self { refusals: 0, answers: usize::MAX, ignores: usize::MAX, asked, switched }
        }
    }

    impl Odd {
        async fn answer(&self) -> Result<(), BmcError> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            if asked >= self.answers {
                std::future::pending::<()>().await;
            }
            let full = || BmcError::Refused { address: "a".into(), reason: "no free session".into() };
            if asked < self.refusals { Err(full()) } else { Ok(()) }
        }
    }

    #[async_trait]
    impl Bmc for Odd {
        async fn identity(&self) -> Result<BmcIdentity, BmcError> {
            self.answer().await.map(|()| BmcIdentity::default())
        }
        async fn power_status(&self) -> Result<Power, BmcError> {
            self.answer().await?;
            let is_on = self.switched.load(Ordering::SeqCst) > self.ignores;
            Ok(if is_on { Power::On } else { Power::Off })
        }
        async fn power_on(&self) -> Result<(), BmcError> {
            self.answer().await?;
            self.switched.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        async fn power_off(&self) -> Result<(), BmcError> {
            self.answer().await
        }
        async fn soft_off(&self) -> Result<(), BmcError> {
            self.answer().await
        }
        async fn reset(&self) -> Result<(), BmcError> {
            self.answer().await
        }
        async fn set_boot_device(&self, _: BootDevice, _: Persistence, _: BootMode) -> Result<(), BmcError> {
            self.answer().await
        }
        async fn obey(&self, _: &BmcOrder) -> Result<(), BmcError> {
            self.answer().await
        }
    }

    #[tokio::test]
    async fn a_command_waits_for_a_bmc_that_refuses_now_while_there_is_time() {
        let check =
            async |refusals: usize, left: Duration, expected: Result<Power, &str>, expected_asked: usize| {
                let full = Odd { refusals, ..Odd::default() };
                let read = first_reading(&full, Instant::now() + left, Duration::from_millis(1)).await;
                let read = read.map_err(|error| error.to_string());
                match expected {
                    Ok(power) => assert_eq!(read, Ok(power), "{refusals} {left:?}"),
                    Err(words) => assert!(read.as_ref().is_err_and(|text| text.contains(words)), "{read:?}"),
                }
                assert_eq!(full.asked.load(Ordering::SeqCst), expected_asked, "{refusals} {left:?}");
            };
        let long = REST_OF_COMMAND + Duration::from_secs(60);
        check(0, long, Ok(Power::Off), 1).await;
        check(5, long, Ok(Power::Off), 6).await;
        // The rest of the command would have no time.
        check(5, REST_OF_COMMAND, Err("no free session"), 1).await;
    }

    #[tokio::test]
    async fn a_power_command_without_effect_is_given_again_some_times() {
        let check = async |ignores: usize, expected: Power, expected_given: usize| {
            let idle = Odd { ignores, ..Odd::default() };
            idle.power_on().await.unwrap();
            // Sixteen readings' time, and one for each try.
            let until = Instant::now() + CONFIRM_PAUSE * 16;
            let ended = await_effect(&idle, Power::On, until, CONFIRM_PAUSE).await;
            assert_eq!(
                (ended, idle.switched.load(Ordering::SeqCst)),
                (Ok(expected), expected_given),
                "{ignores}"
            );
        };
        tokio::join!(
            check(0, Power::On, 1),
            check(1, Power::On, 2),
            check(3, Power::On, 4),
            check(usize::MAX, Power::Off, 1 + GIVEN_AGAIN_MAX as usize),
        );
    }

    #[tokio::test]
    async fn a_command_ends_in_its_time_and_switches_nothing_after_it() {
        let check = async |answers, left, expected_asked: usize, expected_switches| {
            let lazy = Odd { answers, ..Odd::default() };
            let action = Action::PowerOn { boot: Boot::Disk };
            let (outcome, _) = carry_out(&lazy, BootMode::Bios, &action, Instant::now() + left).await;
            assert_eq!(outcome.unwrap_err().kind, FailureKind::NotConfirmed, "{answers} {left:?}");
            assert!(lazy.asked.load(Ordering::SeqCst) >= expected_asked, "{answers} {left:?}");
            assert_eq!(lazy.switched.load(Ordering::SeqCst), expected_switches, "{answers} {left:?}");
            lazy.asked.load(Ordering::SeqCst)
        };
        let moment = Duration::from_millis(500);
        // Silent from the first question, at the boot device, and at the switch itself: it ends all the same.
        check(0, moment, 1, 0).await;
        check(1, moment, 2, 0).await;
        check(2, moment, 3, 0).await;
        // Switched, and never confirmed.
        check(3, moment, 4, 1).await;
        // Come too late, it does not even ask.
        assert_eq!(check(usize::MAX, Duration::ZERO, 0, 0).await, 0);
    }

    #[tokio::test]
    async fn an_order_leaves_time_to_look_at_what_it_has_changed() {
        let check =
            async |answers: usize, left: Duration, expected: Result<Success, FailureKind>, asked: usize| {
                let odd = Odd { answers, ..Odd::default() };
                let action = Action::Order(BmcOrder::Light { is_on: true });
                let (outcome, sample) = carry_out(&odd, BootMode::Bios, &action, Instant::now() + left).await;
                assert_eq!((outcome.map_err(|failure| failure.kind), sample), (expected, None), "{left:?}");
                assert_eq!(odd.asked.load(Ordering::SeqCst), asked, "{left:?}");
            };
        let look = power_budget::ORDER_LOOK_MAX;
        check(usize::MAX, look * 3, Ok(Success::Done), 1).await;
        check(0, look + Duration::from_millis(200), Err(FailureKind::NotConfirmed), 1).await;
        // Nothing is begun in the time for the look.
        check(usize::MAX, look, Err(FailureKind::NotConfirmed), 0).await;
    }
}
