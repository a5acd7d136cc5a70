//! Edges: BMCs behind one trait, whatever they speak.
//!
//! [`connect`] does nothing on the network; the first call logs in and the session is kept for the next ones. A session that the BMC
//! has lost is opened anew once per call. A refused log-in is tried again, because a refusal is not a proof, but within the budget of
//! [`account`], because BMCs lock accounts; while it waits, every call is answered with what was refused and when the next try is.
//! Whether an order had its effect is the caller's to confirm.
//! At every log-in the BMC says who it is; one that is not who is expected is asked and told nothing ([`BmcError::OtherMachine`]).

pub mod account;
pub mod breaker;
pub mod budget;
mod clock;
pub mod console;
mod error;
mod hardware;
pub mod heard;
mod ipmi;
pub mod keys;
mod line;
pub mod quirks;
pub mod readings;
pub(crate) mod redfish;
mod who;

use std::time::Duration;

use async_trait::async_trait;
use protocol::{
    bmc_facts::{FactsPart, PartFacts},
    bmc_order::BmcOrder,
    bmc_settings::BmcSettings,
    boot::{BootDevice, BootMode, Persistence},
    footprint::Footprint,
    hardware::BmcIdentity,
    identity::ExpectedIdentity,
    shown_certificate::ShownCertificate,
    spec::{BmcEndpoint, BmcProtocol, NextPassword, ServerSpec},
};

use self::{
    account::{Account, Pace},
    budget::Budget,
    console::{Console, Take},
    keys::Keys,
};
pub use self::{
    error::{BmcError, Power, reading},
    hardware::{HardwareReader, Memory, NotRead},
    ipmi::{
        CallError, IpmiBmc,
        entries::{SensorNames, Told},
        sensors::{Described, SensorLimits, Shown, Unreadable},
    },
    keys::Renewed,
    line::Line,
    redfish::{
        ENTRIES_MAX, Events, Inventory, KeptSessions, Listed, MEMBERS_MAX, Medium, REQUESTS_MAX, RedfishBmc,
        UPLOAD_BYTES_MAX, Update, VERB_MAX, is_of_power,
    },
};

/// One BMC. Calls are carried out one after the other; each is bounded in time by [`BmcOptions`].
#[async_trait]
pub trait Bmc: Send + Sync {
    /// The power as the BMC states it.
    async fn power_status(&self) -> Result<Power, BmcError>;
    /// Switch on; nothing to do when on.
    async fn power_on(&self) -> Result<(), BmcError>;
    /// Switch off at once; nothing to do when off.
    async fn power_off(&self) -> Result<(), BmcError>;
    /// Ask the operating system to switch off; returns at once.
    async fn soft_off(&self) -> Result<(), BmcError>;
    /// Restart a server that is on.
    async fn reset(&self) -> Result<(), BmcError>;
    /// Say where the next boot, or every boot, looks first.
    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError>;
    /// Who the BMC says it is; also the test of address and credentials.
    async fn identity(&self) -> Result<BmcIdentity, BmcError>;
    /// Who it was at its last log-in; none: it has not logged in yet, or did not say. Nothing is asked for it.
    async fn seen(&self) -> Option<BmcIdentity> {
        None
    }
    /// The certificate that it showed last, once for each; none: it was told already, or TLS is not spoken to it. Nothing is asked for
    /// it.
    fn certificate_news(&self) -> Option<ShownCertificate> {
        None
    }
    /// Whether it has let us in, whatever it answered afterwards. False: it has not, or that is not known.
    async fn has_let_in(&self) -> bool {
        false
    }
    /// The power as the BMC stated it a moment ago; none: that was longer ago, or it may be another BMC by now. Nothing is asked for it.
    async fn power_lately(&self) -> Option<Power> {
        None
    }
    /// Opens the serial console, in a session of its own.
    async fn console(&self, take: Take) -> Result<Console, BmcError> {
        let reason = format!("it has no console that can be opened ({take:?})");
        Err(BmcError::Refused { address: "this server".to_owned(), reason })
    }
    /// Have the server stay off when its mains power comes back. Nothing is written to a BMC that says that it does so.
    async fn keep_off(&self) -> Result<(), BmcError> {
        Err(not_offered("a power restore policy"))
    }
    /// Have our user get the password that is to follow, and prove by a fresh log-in which of the two it has. Safe to repeat.
    async fn renew_password(&self) -> Result<Renewed, BmcError> {
        Err(not_offered("passwords"))
    }
    /// Reads a part of what it says of itself and its server; none: it cannot be asked for it in this way.
    async fn facts(&self, part: FactsPart) -> Result<Option<PartFacts>, BmcError> {
        let _ = part;
        Ok(None)
    }
    /// Does what it is ordered beside power and boot, and looks whether it is so, where that shows. Of [`BmcOrder::Look`] there is nothing
    /// to do.
    async fn obey(&self, order: &BmcOrder) -> Result<(), BmcError> {
        Err(not_offered(&order.to_string()))
    }
    /// The same BMC with all that can be asked and told by Redfish; none: it speaks another language.
    fn redfish(&self) -> Option<&RedfishBmc> {
        None
    }
    /// Sessions that are open at it, as far as this process keeps them for it. Nothing is asked for it.
    fn sessions(&self) -> u32 {
        0
    }
    /// What whoever had the server could have changed in it and in the firmware's settings, as far as it can be read.
    async fn read_footprint(&self) -> Result<Footprint, BmcError> {
        Err(not_offered("what could have been changed in it"))
    }
    /// A person asks for a log-in now: the next call does not wait for a refused account's pause to end. Granted once in a while
    /// only; what knows no pauses has nothing to do.
    async fn try_now(&self) {}
    /// Its sensors and its event log; none: they cannot be read in this way.
    fn hardware(&self) -> Option<&dyn HardwareReader> {
        None
    }
}

/// What a kind of BMC that knows nothing of a thing answers.
fn not_offered(what: &str) -> BmcError {
    BmcError::Refused { address: String::new(), reason: format!("it knows nothing of {what}") }
}

/// How patient and how polite we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BmcOptions {
    /// Wait for the answer to a first try; later tries wait half as long again each.
    pub first_wait: Duration,
    /// Tries for one question.
    pub tries: u32,
    /// Pause between two requests to the same BMC; some lose the second one when they come too fast.
    pub min_gap: Duration,
}

impl Default for BmcOptions {
    fn default() -> Self {
        Self { first_wait: Duration::from_secs(1), tries: 4, min_gap: Duration::ZERO }
    }
}

impl BmcOptions {
    /// The same with what a site says of one BMC.
    fn with(self, settings: &BmcSettings) -> Self {
        Self {
            first_wait: settings.answer_wait().unwrap_or(self.first_wait),
            min_gap: settings.request_gap().unwrap_or(self.min_gap),
            ..self
        }
    }
}

/// A BMC with the usual patience, whoever it is. Must be called inside a tokio runtime.
pub fn connect(endpoint: &BmcEndpoint) -> Box<dyn Bmc> {
    connect_with(endpoint, BmcOptions::default())
}

/// How refused log-ins are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIns {
    /// How long the pauses are.
    pub pace: Pace,
    /// Whether a call waits for a try that is due soon. Otherwise a refusal is its answer.
    pub in_call: bool,
}

impl Default for LogIns {
    fn default() -> Self {
        Self { pace: Pace::default(), in_call: true }
    }
}

impl LogIns {
    fn call_wait(self, account: &Account) -> Duration {
        if self.in_call { account.call_wait() } else { Duration::ZERO }
    }

    fn account(self) -> Account {
        Account::new(self.pace, rand::random())
    }
}

/// A BMC with this patience, whoever it is. Must be called inside a tokio runtime.
pub fn connect_with(endpoint: &BmcEndpoint, options: BmcOptions) -> Box<dyn Bmc> {
    connect_as(endpoint, options, LogIns::default())
}

/// The same, with other pauses between log-ins.
pub fn connect_as(endpoint: &BmcEndpoint, options: BmcOptions, log_ins: LogIns) -> Box<dyn Bmc> {
    let who = Whom { expected: &ExpectedIdentity::default(), next: None };
    reach(endpoint, who, (options, Budget::unpaced()), log_ins, &KeptSessions::default())
}

/// A BMC by IPMI, whoever it is, with all that it can be asked; none: it speaks another language. Must be called inside a tokio
/// runtime.
pub fn connect_ipmi(endpoint: &BmcEndpoint, options: BmcOptions) -> Option<IpmiBmc> {
    let BmcProtocol::Ipmi { cipher_suite } = endpoint.protocol else { return None };
    let options = options.with(&endpoint.settings);
    let who = who::Who::new(ExpectedIdentity::default());
    let keys = Keys::new(endpoint.password.clone(), None);
    let limits = (options, Budget::unpaced().with(&endpoint.settings));
    Some(IpmiBmc::new(endpoint.clone(), cipher_suite, who, keys, limits, LogIns::default()))
}

/// A BMC by Redfish, whoever it is, with all that it can be asked and told; none: it speaks another language. Must be called inside a
/// tokio runtime.
pub fn connect_redfish(endpoint: &BmcEndpoint, options: BmcOptions, log_ins: LogIns) -> Option<RedfishBmc> {
    let BmcProtocol::Redfish { system, certificate_sha256, http } = &endpoint.protocol else { return None };
    let kind =
        redfish::Kind { system: system.clone(), certificate_sha256: certificate_sha256.clone(), http: *http };
    let who = who::Who::new(ExpectedIdentity::default());
    let keys = Keys::new(endpoint.password.clone(), None);
    let limits = (options.with(&endpoint.settings), Budget::unpaced().with(&endpoint.settings));
    Some(RedfishBmc::new(endpoint, kind, who, keys, limits, log_ins, &KeptSessions::default()))
}

/// The BMC of the server that is expected there, and of no other. Must be called inside a tokio runtime.
pub fn connect_to(endpoint: &BmcEndpoint, expected: &ExpectedIdentity, options: BmcOptions) -> Box<dyn Bmc> {
    let whom = Whom { expected, next: None };
    reach(endpoint, whom, (options, Budget::unpaced()), LogIns::default(), &KeptSessions::default())
}

/// The same for an agent that manages it: within its budget; which sessions are open is written down, and those that an earlier run
/// has left are closed.
pub fn connect_kept(
    endpoint: &BmcEndpoint,
    expected: &ExpectedIdentity,
    options: BmcOptions,
    kept: &KeptSessions,
) -> Box<dyn Bmc> {
    let whom = Whom { expected, next: None };
    reach(endpoint, whom, (options, Budget::default()), LogIns::default(), kept)
}

/// The BMC of a declared server, with both of its passwords while one is being changed; budget and sessions as of [`connect_kept`].
pub fn connect_declared(
    spec: &ServerSpec,
    options: BmcOptions,
    log_ins: LogIns,
    kept: &KeptSessions,
) -> Box<dyn Bmc> {
    let whom = Whom { expected: &spec.expected, next: spec.next_password.as_ref() };
    reach(&spec.bmc, whom, (options, Budget::default()), log_ins, kept)
}

/// Whom a BMC must be, and which password follows its own.
struct Whom<'a> {
    expected: &'a ExpectedIdentity,
    next: Option<&'a NextPassword>,
}

fn reach(
    endpoint: &BmcEndpoint,
    whom: Whom<'_>,
    (options, budget): (BmcOptions, Budget),
    log_ins: LogIns,
    kept: &KeptSessions,
) -> Box<dyn Bmc> {
    let who = who::Who::new(whom.expected.clone());
    let keys = Keys::new(endpoint.password.clone(), whom.next);
    let limits = (options.with(&endpoint.settings), budget.with(&endpoint.settings));
    match &endpoint.protocol {
        BmcProtocol::Ipmi { cipher_suite } => {
            Box::new(IpmiBmc::new(endpoint.clone(), *cipher_suite, who, keys, limits, log_ins))
        }
        BmcProtocol::Redfish { system, certificate_sha256, http } => {
            let kind = redfish::Kind {
                system: system.clone(),
                certificate_sha256: certificate_sha256.clone(),
                http: *http,
            };
            Box::new(RedfishBmc::new(endpoint, kind, who, keys, limits, log_ins, kept))
        }
    }
}
