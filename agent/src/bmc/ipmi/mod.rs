//! Edges: a BMC by IPMI: one session of `protocol::ipmi::client` at a time, over the process's one UDP socket.

mod asking;
mod boot;
mod call;
mod console;
pub(super) mod entries;
mod footprint;
mod hardware;
mod lights;
mod login;
mod orders;
mod reads;
pub(super) mod sensors;
mod session;
mod socket;
mod upkeep;
mod verdict;

use std::time::Instant;

use async_trait::async_trait;
use protocol::{
    bmc_facts::{FactsPart, PartFacts},
    bmc_order::BmcOrder,
    boot::{BootDevice, BootMode, Persistence},
    footprint::Footprint,
    hardware::BmcIdentity,
    ipmi::{
        CipherSuite,
        chassis::ChassisControl,
        client::EndReason,
        command::{Request, Response},
    },
    quirk::Quirk,
    spec::BmcEndpoint,
};
use tokio::sync::Mutex;

#[cfg(test)]
pub(super) use self::asking::identity_of as identity_of_device;
use self::{
    asking::{Refused, identity_of},
    boot::Wish,
    session::Session,
    verdict::Ladder,
};
use super::{
    Account, Bmc, BmcError, BmcOptions, HardwareReader, LogIns, Power, Renewed,
    budget::{Budget, Meter},
    console::{Console, Take},
    keys::Keys,
    quirks::{Deviations, Maker},
    who::Who,
};

pub use self::call::CallError;
pub(super) use self::hardware::HardwareMemory;

/// One BMC by IPMI.
pub struct IpmiBmc {
    endpoint: BmcEndpoint,
    /// The only suite to try; none: both.
    only_suite: Option<u8>,
    options: BmcOptions,
    budget: Budget,
    log_ins: LogIns,
    state: Mutex<State>,
}

struct State {
    who: Who,
    session: Option<Session>,
    /// Whether it has said in this session who it is, and is no other machine.
    is_known: bool,
    /// It is silent when it is asked for its GUID, and loses the session over it.
    hides_guid: bool,
    /// When it was found to be another machine.
    other: Option<(Instant, BmcError)>,
    last_request: Option<Instant>,
    meter: Meter,
    account: Account,
    /// The password, and while it is being changed the one that follows.
    keys: Keys,
    /// Why the last log-in was refused.
    refused: Option<EndReason>,
    ladder: Ladder,
    /// The suite of the last session; it is asked for first.
    suite: Option<CipherSuite>,
    /// How it differs, by what it said last or is expected to say.
    quirks: Deviations,
}

impl IpmiBmc {
    pub(super) fn new(
        endpoint: BmcEndpoint,
        cipher_suite: Option<u8>,
        who: Who,
        keys: Keys,
        (options, budget): (BmcOptions, Budget),
        log_ins: LogIns,
    ) -> Self {
        let settings = &endpoint.settings;
        let quirks = Deviations::of(&Maker::from(who.expected()), &settings.quirks);
        let state = State {
            ladder: Ladder::new(settings.privilege, quirks.has(Quirk::ProofWithoutNameBit)),
            who,
            session: None,
            is_known: false,
            hides_guid: false,
            other: None,
            last_request: None,
            meter: Meter::new(budget),
            account: log_ins.account(),
            keys,
            refused: None,
            suite: None,
            quirks,
        };
        Self { endpoint, only_suite: cipher_suite, options, budget, log_ins, state: Mutex::new(state) }
    }

    fn address(&self) -> String {
        format!("{}:{} (IPMI)", self.endpoint.address, self.endpoint.port)
    }

    fn unreachable(&self, reason: String) -> BmcError {
        BmcError::Unreachable { address: self.address(), reason }
    }

    fn refused(&self, reason: String) -> BmcError {
        BmcError::Refused { address: self.address(), reason }
    }

    fn ended(&self, reason: &EndReason) -> BmcError {
        match reason {
            // It is there and it answers: nobody need look at its cable.
            EndReason::NoAnswer { dropped, .. } if dropped.any() => {
                BmcError::NotUnderstood { address: self.address(), reason: reason.to_string() }
            }
            EndReason::NoAnswer { heard: false, .. } | EndReason::Closed => {
                self.unreachable(reason.to_string())
            }
            EndReason::NoAnswer { heard: true, .. }
            | EndReason::TooLong(_)
            | EndReason::ProofMismatch
            | EndReason::KeyMismatch { .. }
            | EndReason::Privilege { .. }
            | EndReason::Refused { .. }
            | EndReason::OtherSuite { .. }
            | EndReason::NoRmcpPlus => self.refused(reason.to_string()),
        }
    }

    fn odd(&self, request: Request) -> BmcError {
        BmcError::NotUnderstood {
            address: self.address(),
            reason: format!("an answer of the wrong kind to {}", request.name()),
        }
    }
}

#[async_trait]
impl Bmc for IpmiBmc {
    async fn power_status(&self) -> Result<Power, BmcError> {
        match self.ask(Request::ChassisStatus).await? {
            Response::ChassisStatus(status) => Ok(if status.on { Power::On } else { Power::Off }),
            _ => Err(self.odd(Request::ChassisStatus)),
        }
    }

    async fn power_on(&self) -> Result<(), BmcError> {
        self.control(ChassisControl::PowerUp, Some(Power::On)).await
    }

    async fn power_off(&self) -> Result<(), BmcError> {
        self.control(ChassisControl::PowerDown, Some(Power::Off)).await
    }

    async fn soft_off(&self) -> Result<(), BmcError> {
        self.control(ChassisControl::SoftShutdown, Some(Power::Off)).await
    }

    async fn reset(&self) -> Result<(), BmcError> {
        if self.quirks().await?.has(Quirk::ResetByOffAndOn) {
            return self.off_and_on().await;
        }
        self.control(ChassisControl::HardReset, None).await
    }

    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        self.choose_boot(Wish { device, persistence, mode }).await
    }

    async fn console(&self, take: Take) -> Result<Console, BmcError> {
        self.open_console(take).await
    }

    async fn keep_off(&self) -> Result<(), BmcError> {
        self.ensure_kept_off().await
    }

    async fn read_footprint(&self) -> Result<Footprint, BmcError> {
        self.footprint().await
    }

    async fn renew_password(&self) -> Result<Renewed, BmcError> {
        self.renew().await
    }

    async fn obey(&self, order: &BmcOrder) -> Result<(), BmcError> {
        self.carry_out(order).await
    }

    async fn try_now(&self) {
        let mut state = self.state.lock().await;
        state.account.try_now(Instant::now());
    }

    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        let Response::DeviceId(id) = self.ask(Request::DeviceId).await? else {
            return Err(self.odd(Request::DeviceId));
        };
        // Not every BMC has a GUID; it is no reason to fail.
        let guid = match self.ask(Request::SystemGuid).await {
            Ok(Response::SystemGuid(bytes)) => Some(bytes),
            Ok(_) | Err(BmcError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(identity_of(Some(id), guid))
    }

    fn sessions(&self) -> u32 {
        // One that is in use cannot be looked at, and is there.
        self.state.try_lock().map_or(1, |state| state.session.is_some().into())
    }

    async fn facts(&self, part: FactsPart) -> Result<Option<PartFacts>, BmcError> {
        match part {
            FactsPart::System => Ok(Some(PartFacts::System(self.system_facts().await?))),
            FactsPart::Firmware | FactsPart::SecureBoot | FactsPart::Media | FactsPart::Bios => Ok(None),
        }
    }

    async fn seen(&self) -> Option<BmcIdentity> {
        self.state.lock().await.who.seen()
    }

    fn hardware(&self) -> Option<&dyn HardwareReader> {
        Some(self)
    }
}
