//! Edges: a BMC by IPMI: one session of `protocol::ipmi::client` at a time, over the process's one UDP socket.

mod login;
mod session;
mod socket;
mod verdict;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    hardware::BmcIdentity,
    ipmi::{
        CipherSuite,
        chassis::{BootFlagDevice, BootFlags, BootOption, ChassisControl},
        client::EndReason,
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
use super::{Account, Bmc, BmcError, BmcOptions, LogIns, Power};

/// A session that rested longer is not used again: BMCs drop theirs after 60 s, and finding that out costs every try.
const REST_MAX: Duration = Duration::from_secs(50);

/// One BMC by IPMI.
pub(super) struct IpmiBmc {
    endpoint: BmcEndpoint,
    suites: Vec<CipherSuite>,
    options: BmcOptions,
    log_ins: LogIns,
    state: Mutex<State>,
}

struct State {
    session: Option<Session>,
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
        options: BmcOptions,
        log_ins: LogIns,
    ) -> Self {
        let suites = match cipher_suite {
            None => CipherSuite::ALL.to_vec(),
            Some(id) => CipherSuite::from_id(id).into_iter().collect(),
        };
        let state = State {
            session: None,
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

    async fn ask(&self, request: Request) -> Result<Response, BmcError> {
        let mut state = self.state.lock().await;
        if let Some(last) = state.last_request {
            tokio::time::sleep_until((last + self.options.min_gap).into()).await;
        }
        let rested = state.last_request.is_some_and(|last| last.elapsed() > REST_MAX);
        if rested {
            state.session = None;
        }
        // A kept session may have been lost by the BMC; then one fresh one is tried.
        loop {
            let (session, fresh) = match state.session.take() {
                Some(session) => (session, false),
                None => (self.log_in(&mut state).await?, true),
            };
            let session = state.session.insert(session);
            let asked = session.ask(request).await;
            state.last_request = Some(Instant::now());
            match asked {
                Asked::Answered(answer) => return answer.map_err(|error| self.refused(chain(&error))),
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

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
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
            Ok(Response::SystemGuid(bytes)) => uuid::Uuid::from_bytes_le(bytes).to_string(),
            Ok(_) | Err(BmcError::Refused { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        let manufacturer = match id.manufacturer {
            0 => String::new(),
            number => format!("IANA enterprise {number}"),
        };
        Ok(BmcIdentity {
            manufacturer,
            product: format!("{:#06x}", id.product),
            firmware: id.firmware(),
            guid,
        })
    }
}
