//! Edges: what a BMC is ordered to do: power and boot device, each until it is known how it went.

use std::time::Duration;

use protocol::{
    boot::BootDevice,
    ipmi::{
        chassis::{BootFlags, BootOption, ChassisControl},
        command::{Request, Response},
        message::{Again, CompletionCode},
    },
    quirk::Quirk,
};
use tracing::{info, warn};

use super::{
    IpmiBmc, Refused,
    boot::{self, Way, Wish},
};
use crate::bmc::{Bmc, BmcError, Power, quirks::Deviations};

/// How often a power command is given to a BMC that says that it is not possible in the present state.
const CONTROL_TRIES: u32 = 5;
/// Pause between them, and between two looks at a server that is switched off to be switched on again.
const CONTROL_PAUSE: Duration = Duration::from_secs(2);
/// How often it is looked whether a server is off, before it is switched on again.
const OFF_LOOKS_MAX: u32 = 6;
/// How often boot flags are read back after they were set.
const FLAG_LOOKS_MAX: u32 = 2;

impl IpmiBmc {
    /// Sends the processor an interrupt that nothing masks (section 28.3): an operating system may write a crash dump then.
    ///
    /// # Errors
    /// The BMC refuses it; most do while the server is off.
    pub async fn nmi(&self) -> Result<(), BmcError> {
        self.control(ChassisControl::DiagnosticInterrupt, None).await
    }

    /// Gives a power command. Some BMCs refuse to switch off what is off; some refuse to switch on what has just gone off.
    pub(super) async fn control(
        &self,
        control: ChassisControl,
        wanted: Option<Power>,
    ) -> Result<(), BmcError> {
        let mut tries = 1;
        loop {
            let refused = match self.ask_or_refused(Request::ChassisControl(control)).await? {
                Ok(_) => return Ok(()),
                Err(refused) => refused,
            };
            if wanted.is_some() && self.power_status().await.ok() == wanted {
                return Ok(());
            }
            let may_pass = refused.code().and_then(CompletionCode::again) == Some(Again::OtherState);
            if !may_pass || wanted.is_none() || tries >= CONTROL_TRIES {
                return Err(self.refused(refused.to_string()));
            }
            tries += 1;
            tokio::time::sleep(CONTROL_PAUSE).await;
        }
    }

    /// Switches off, waits until it is off, and switches on.
    pub(super) async fn off_and_on(&self) -> Result<(), BmcError> {
        self.control(ChassisControl::PowerDown, Some(Power::Off)).await?;
        for _ in 0..OFF_LOOKS_MAX {
            if self.power_status().await? == Power::Off {
                return self.control(ChassisControl::PowerUp, Some(Power::On)).await;
            }
            tokio::time::sleep(CONTROL_PAUSE).await;
        }
        Err(self.refused("the server did not go off, to be switched on again in place of a reset".to_owned()))
    }

    /// Says where to boot, and reads it back.
    pub(super) async fn choose_boot(&self, wish: Wish) -> Result<(), BmcError> {
        let quirks = self.quirks().await?;
        let mut why = String::new();
        let mut is_refused = true;
        for way in boot::ways(wish, &quirks) {
            match self.tell(&way).await? {
                Err(refused) => why = refused.to_string(),
                Ok(()) if quirks.has(Quirk::BootFlagsNotRead) => return Ok(()),
                Ok(()) => {
                    is_refused = false;
                    match self.differs(way.flags, &quirks).await? {
                        None => return Ok(()),
                        Some(differs) => why = differs,
                    }
                }
            }
        }
        if is_refused && wish.device == BootDevice::Disk && !self.boots_the_network().await? {
            info!(bmc = %self.endpoint.address, why, "boot from disk cannot be chosen, the firmware's own order decides");
            return Ok(());
        }
        Err(self.wrong_boot(wish, is_refused, &why))
    }

    /// What it shows in place of these flags; none: nothing, or it cannot be asked. Some BMCs need a moment to show them.
    async fn differs(&self, set: BootFlags, quirks: &Deviations) -> Result<Option<String>, BmcError> {
        let mut looks = 1;
        loop {
            let Some(read) = self.read_flags().await? else {
                warn!(bmc = %self.endpoint.address, "boot flags cannot be read back, they are taken as set");
                return Ok(None);
            };
            let differs = boot::mismatch(set, read, quirks);
            if differs.is_none() || looks >= FLAG_LOOKS_MAX {
                return Ok(differs);
            }
            looks += 1;
            tokio::time::sleep(self.options.first_wait).await;
        }
    }

    fn wrong_boot(&self, wish: Wish, is_refused: bool, why: &str) -> BmcError {
        let what = match is_refused {
            true => format!("it does not take {wish} as boot device: {why}"),
            false => format!("it accepted {wish} as boot device, but when it is read back {why}"),
        };
        let remedy = match wish.device {
            BootDevice::Pxe => {
                "put the network first in the firmware's boot order and add boot-flags-not-read to bmc_quirks"
            }
            BootDevice::Disk => {
                "add disk-boot-left-alone to bmc_quirks if its firmware boots the disk by itself"
            }
        };
        self.refused(format!("{what}; the server was not started; update the BMC's firmware, or {remedy}"))
    }

    /// Tells it in one way; a refusal of the flags themselves is returned.
    async fn tell(&self, way: &Way) -> Result<Result<(), Refused>, BmcError> {
        for option in &way.before {
            // What it refuses here it does without.
            let _ = self.ask_or_refused(Request::SetBootOption(*option)).await?;
        }
        let told = self.ask_or_refused(Request::SetBootOption(BootOption::Flags(way.flags))).await?;
        for option in &way.after {
            let _ = self.ask_or_refused(Request::SetBootOption(*option)).await?;
        }
        Ok(told.map(drop))
    }

    /// The flags as it shows them; none: it does not.
    async fn read_flags(&self) -> Result<Option<BootFlags>, BmcError> {
        match self.ask_or_refused(Request::GetBootFlags).await? {
            Ok(Response::BootOption(BootOption::Flags(flags))) => Ok(Some(flags)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn boots_the_network(&self) -> Result<bool, BmcError> {
        Ok(self.read_flags().await?.is_some_and(boot::is_network))
    }
}
