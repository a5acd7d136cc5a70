//! Edges: a BMC by IPMI: one session of `protocol::ipmi::client` at a time, over the process's one UDP socket.

mod call;
mod login;
mod reads;
mod session;
mod socket;
mod verdict;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    error_chain::chain,
    hardware::BmcIdentity,
    ipmi::{
        CipherSuite,
        app::DeviceId,
        chassis::{BootFlagDevice, BootFlags, BootOption, ChassisControl},
        client::{EndReason, RequestError},
        command::{Request, Response},
    },
    spec::BmcEndpoint,
};
use tokio::sync::Mutex;
use tracing::debug;

use self::{
    session::{Asked, Session},
    verdict::Ladder,
};
use super::{Account, Bmc, BmcError, BmcOptions, LogIns, Power, who::Who};

pub use self::call::CallError;

/// A session that rested longer is not used again: BMCs drop theirs after 60 s, and finding that out costs every try.
const REST_MAX: Duration = Duration::from_secs(50);
/// For so long another machine is not asked again who it is.
const OTHER_REST: Duration = Duration::from_secs(10);

/// One BMC by IPMI.
pub struct IpmiBmc {
    endpoint: BmcEndpoint,
    suites: Vec<CipherSuite>,
    options: BmcOptions,
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
    account: Account,
    /// Why the last log-in was refused.
    refused: Option<EndReason>,
    ladder: Ladder,
}

impl IpmiBmc {
    pub(super) fn new(
        endpoint: BmcEndpoint,
        cipher_suite: Option<u8>,
        who: Who,
        options: BmcOptions,
        log_ins: LogIns,
    ) -> Self {
        let suites = match cipher_suite {
            None => CipherSuite::ALL.to_vec(),
            Some(id) => CipherSuite::from_id(id).into_iter().collect(),
        };
        let state = State {
            who,
            session: None,
            is_known: false,
            hides_guid: false,
            other: None,
            last_request: None,
            account: log_ins.account(),
            refused: None,
            ladder: Ladder::default(),
        };
        Self { endpoint, suites, options, log_ins, state: Mutex::new(state) }
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
            EndReason::NoAnswer { .. } | EndReason::Closed => self.unreachable(reason.to_string()),
            EndReason::TooLong(_)
            | EndReason::ProofMismatch
            | EndReason::KeyMismatch
            | EndReason::Privilege { .. }
            | EndReason::Refused { .. }
            | EndReason::NoRmcpPlus => self.refused(reason.to_string()),
        }
    }

    /// The BMC's answer, or its refusal; an error when there is neither.
    async fn asked(&self, request: Request) -> Result<Result<Response, RequestError>, BmcError> {
        let mut state = self.state.lock().await;
        if let Some(last) = state.last_request {
            tokio::time::sleep_until((last + self.options.min_gap).into()).await;
        }
        let rested = state.last_request.is_some_and(|last| last.elapsed() > REST_MAX);
        if rested {
            state.session = None;
        }
        if let Some((at, error)) = &state.other
            && at.elapsed() < OTHER_REST
            && !asks_who(&request)
        {
            return Err(error.clone());
        }
        // A kept session may have been lost by the BMC; then one fresh one is tried.
        loop {
            let fresh = state.session.is_none();
            if fresh {
                let session = self.log_in(&mut state).await?;
                state.session = Some(session);
                state.is_known = false;
            }
            let asked = match self.ask_who(&mut state, &request).await {
                Ok(()) => put(&mut state, request).await,
                Err(NotKnown::Other(error)) => {
                    state.other = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
                Err(NotKnown::HidesGuid) => {
                    state.session = None;
                    continue;
                }
                Err(NotKnown::Ended(reason)) if fresh => Asked::Ended(reason),
                // Nothing was asked of it yet.
                Err(NotKnown::Ended(_)) => {
                    state.session = None;
                    continue;
                }
            };
            match asked {
                Asked::Answered(answer) => return Ok(answer),
                Asked::Ended(reason) => {
                    state.session = None;
                    if fresh {
                        return Err(self.ended(&reason));
                    }
                    if !request.is_repeatable() {
                        let what = format!(
                            "{}: the session was lost; it is not known whether it was done",
                            request.name()
                        );
                        return Err(self.unreachable(what));
                    }
                    debug!(bmc = %self.endpoint.address, %reason, "IPMI session lost, logging in again");
                }
            }
        }
    }

    async fn ask(&self, request: Request) -> Result<Response, BmcError> {
        self.asked(request).await?.map_err(|error| self.refused(chain(&error)))
    }

    /// Asks who answers in this session, once, before anything else is asked or told.
    async fn ask_who(&self, state: &mut State, request: &Request) -> Result<(), NotKnown> {
        if state.is_known || asks_who(request) {
            return Ok(());
        }
        let device = match put(state, Request::DeviceId).await {
            Asked::Answered(Ok(Response::DeviceId(id))) => Some(id),
            // Not every BMC says; it is no reason to fail.
            Asked::Answered(_) => None,
            Asked::Ended(reason) => return Err(NotKnown::Ended(reason)),
        };
        let guid = match state.hides_guid {
            true => None,
            false => match put(state, Request::SystemGuid).await {
                Asked::Answered(Ok(Response::SystemGuid(bytes))) => Some(bytes),
                Asked::Answered(_) => None,
                // One that has told it before would have lost its tongue.
                Asked::Ended(reason) if state.who.is_known_by_guid() => return Err(NotKnown::Ended(reason)),
                Asked::Ended(_) => {
                    state.hides_guid = true;
                    return Err(NotKnown::HidesGuid);
                }
            },
        };
        state.who.judge(&self.address(), identity_of(device, guid)).map_err(NotKnown::Other)?;
        state.is_known = true;
        state.other = None;
        Ok(())
    }

    async fn control(&self, control: ChassisControl, wanted: Option<Power>) -> Result<(), BmcError> {
        match self.ask(Request::ChassisControl(control)).await {
            // Some BMCs refuse to switch off what is off; that is what was wanted.
            Err(error @ BmcError::Refused { .. }) => match (wanted, self.power_status().await) {
                (Some(wanted), Ok(power)) if power == wanted => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    fn odd(&self, request: Request) -> BmcError {
        BmcError::NotUnderstood {
            address: self.address(),
            reason: format!("an answer of the wrong kind to {}", request.name()),
        }
    }
}

/// Why a session is not used for what was to be asked in it.
enum NotKnown {
    /// Another machine answers.
    Other(BmcError),
    /// It went silent over the question for its GUID, which is not put again.
    HidesGuid,
    /// The session is over.
    Ended(EndReason),
}

async fn put(state: &mut State, request: Request) -> Asked {
    let Some(session) = state.session.as_mut() else { return Asked::Ended(EndReason::Closed) };
    let asked = session.ask(request).await;
    state.last_request = Some(Instant::now());
    asked
}

/// Whether it asks only who the BMC is, which any may be asked.
fn asks_who(request: &Request) -> bool {
    matches!(request, Request::DeviceId | Request::SystemGuid)
}

fn identity_of(device: Option<DeviceId>, guid: Option<[u8; 16]>) -> BmcIdentity {
    BmcIdentity {
        manufacturer: device
            .filter(|id| id.manufacturer != 0)
            .map_or_else(String::new, |id| format!("IANA enterprise {}", id.manufacturer)),
        product: device.map_or_else(String::new, |id| format!("{:#06x}", id.product)),
        firmware: device.map_or_else(String::new, |id| id.firmware()),
        guid: guid.map_or_else(String::new, |bytes| uuid::Uuid::from_bytes_le(bytes).to_string()),
        serial: String::new(),
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
        self.control(ChassisControl::HardReset, None).await
    }

    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        let flags = BootFlags {
            valid: true,
            persistent: persistence == Persistence::Persistent,
            efi: mode == BootMode::Uefi,
            device: match device {
                BootDevice::Pxe => BootFlagDevice::Pxe,
                BootDevice::Disk => BootFlagDevice::Disk,
            },
        };
        self.ask(Request::SetBootOption(BootOption::Flags(flags))).await.map(|_| ())
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

    async fn seen(&self) -> Option<BmcIdentity> {
        self.state.lock().await.who.seen()
    }
}
