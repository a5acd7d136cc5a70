//! Edges: a BMC by Redfish. What to ask is here and in `choose.rs`, `power.rs`, `find.rs` and `verbs/`, how to ask in `http.rs`.

mod accounts;
mod again;
mod answer;
mod boot;
mod call;
mod choose;
mod client;
mod console;
mod events;
mod fault;
mod find;
mod footprint;
mod hardware;
mod health;
mod http;
mod kept;
mod login;
mod members;
mod pin;
mod power;
mod request;
mod restore;
mod resumed;
mod roots;
mod shown;
mod spki;
pub(crate) mod stranger;
mod stream;
mod systems;
mod task;
mod tls;
mod unanswered;
mod verbs;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use hyper::StatusCode;
use protocol::{
    bmc_facts::{FactsPart, PartFacts},
    bmc_order::BmcOrder,
    boot::{BootDevice, BootMode, Persistence},
    footprint::Footprint,
    hardware::BmcIdentity,
    quirk::{Quirk, SaidQuirk},
    redfish::{ComputerSystem, Link, Manager, PowerState},
    shown_certificate::ShownCertificate,
    spec::BmcEndpoint,
};
use tokio::sync::{Mutex, MutexGuard};
use tracing::info;

pub(super) use self::hardware::HardwareMemory;
use self::{
    again::{CALL_MAX, READING_MAX},
    boot::{Wanted, Ways},
    client::Settings,
    fault::Fault,
    http::{Found, Http},
    members::Members,
    shown::Shown,
};
pub use self::{
    call::{Listed, MEMBERS_MAX, REQUESTS_MAX, VERB_MAX},
    events::{Events, is_of_power},
    kept::KeptSessions,
    verbs::{ENTRIES_MAX, Inventory, Medium, UPLOAD_BYTES_MAX, Update},
};
use super::{
    Bmc, BmcError, BmcOptions, HardwareReader, IpmiBmc, LogIns, Power, Renewed,
    budget::Budget,
    console::{Console, Take},
    keys::Keys,
    quirks::{Deviations, Maker},
    who::{Who, words},
};

/// A system that was read so lately is not read again before it is written to: what it is asked for is read back.
const LATELY: Duration = Duration::from_secs(5);

/// How a Redfish service is reached.
pub(super) struct Kind {
    pub(super) system: Option<String>,
    pub(super) certificate_sha256: Option<String>,
    pub(super) http: bool,
}

/// One BMC by Redfish, with all that it can be asked and told: what every BMC can by [`Bmc`], and the rest by methods of its own. Dropped, it
/// gives its session back.
pub struct RedfishBmc {
    address: String,
    username: String,
    system: Option<String>,
    /// What the site says of its quirks.
    said: Vec<SaidQuirk>,
    /// Its console, where Redfish has none.
    by_ipmi: IpmiBmc,
    /// Which certificate it shows.
    shown: Arc<Shown>,
    /// Only the pinned one is taken.
    is_pinned: bool,
    /// One request at a time: BMCs have little memory.
    state: Mutex<State>,
}

struct State {
    http: Http,
    who: Who,
    /// Path of the system, once found.
    path: Option<String>,
    /// The system as it was read last, and when; none: it may be another one by now.
    last: Option<(Instant, Found<ComputerSystem>)>,
    /// What is known of this service, from who it must be, or, once it was read, from who it is.
    quirks: Deviations,
    is_met: bool,
    /// How this service has taken a boot device.
    ways: Ways,
    /// Which of the forms of an ETag it has taken.
    etag_form: usize,
    /// How members of its collections are read.
    members: Members,
}

impl RedfishBmc {
    pub(super) fn new(
        endpoint: &BmcEndpoint,
        kind: Kind,
        who: Who,
        keys: Keys,
        limits: (BmcOptions, Budget),
        log_ins: LogIns,
        kept: &KeptSessions,
    ) -> Self {
        let shown = Arc::<Shown>::default();
        let is_pinned = !kind.http && kind.certificate_sha256.is_some();
        let settings = Settings {
            host: endpoint.address.clone(),
            port: endpoint.port,
            is_tls: !kind.http,
            certificate_sha256: kind.certificate_sha256,
            shown: Arc::clone(&shown),
            is_old_tls: false,
            small_key: None,
        };
        let by_ipmi = console::by_ipmi(endpoint, keys.clone(), limits, log_ins);
        let mut http = Http::new(endpoint, settings, keys, limits, log_ins, kept);
        let address = http.base.clone();
        let said = endpoint.settings.quirks.clone();
        let quirks = Deviations::of(&Maker::from(who.expected()), &said);
        http.heed(&quirks);
        let (ways, is_met) = (Ways::default(), false);
        let (path, last, members) = (None, None, Members::default());
        let state = State { http, who, path, last, quirks, is_met, ways, etag_form: 0, members };
        let (username, state) = (endpoint.username.clone(), Mutex::new(state));
        Self { address, username, system: kind.system, said, by_ipmi, shown, is_pinned, state }
    }

    fn error(&self, fault: Fault) -> BmcError {
        let address = self.address.clone();
        match fault {
            Fault::Unreachable(reason) => BmcError::Unreachable { address, reason },
            Fault::Lost(reason) => {
                let reason = format!("the connection broke; it is not known whether it was done: {reason}");
                BmcError::NotUnderstood { address, reason }
            }
            Fault::LogIn { reason, pause } => BmcError::paused(address, &self.username, &reason, pause),
            Fault::Refused(refused) => BmcError::Refused { address, reason: refused.reason },
            Fault::NotUnderstood(reason) => BmcError::NotUnderstood { address, reason },
        }
    }

    /// A call begins, when those before it have ended.
    async fn begin(&self) -> MutexGuard<'_, State> {
        self.begin_for(CALL_MAX).await
    }

    /// The same of one that asks again for so long only.
    async fn begin_for(&self, again_for: Duration) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().await;
        state.http.begin_call(again_for);
        state
    }

    /// The system as it is found, whoever it is.
    async fn found(&self, state: &mut State) -> Result<Found<ComputerSystem>, BmcError> {
        state.last = None;
        let path = self.path(state).await.map_err(|fault| self.error(fault))?;
        let found = state.http.get(&path).await;
        if found.as_ref().is_err_and(|fault: &Fault| fault.status() == Some(StatusCode::NOT_FOUND)) {
            // It may have another path after an update; the next call looks for it.
            state.path = None;
        }
        found.map_err(|fault| self.error(fault))
    }

    /// The system, if it is who is expected: it says so whenever it is read, and it is read before anything is asked of it.
    async fn system(&self, state: &mut State) -> Result<Found<ComputerSystem>, BmcError> {
        let found = self.found(state).await?;
        self.meet(state, found.clone()).await?;
        Ok(found)
    }

    /// A system was read: whether it is who is expected, and what is known of its like.
    async fn meet(&self, state: &mut State, found: Found<ComputerSystem>) -> Result<(), BmcError> {
        let identity = identity_of(&found.body, None);
        state.who.judge(&self.address, identity.clone())?;
        if !state.is_met {
            let maker = self.maker(state, &found.body, identity).await?;
            state.is_met = true;
            state.quirks = Deviations::of(&maker, &self.said);
            if !state.quirks.is_empty() {
                info!(bmc = self.address, quirks = %state.quirks, "known quirks of this BMC are heeded");
            }
            state.http.heed(&state.quirks);
        }
        state.last = Some((Instant::now(), found));
        Ok(())
    }

    /// Who made it; with the version of its firmware, which is a further request, where that makes a difference.
    async fn maker(
        &self,
        state: &mut State,
        system: &ComputerSystem,
        identity: BmcIdentity,
    ) -> Result<Maker, BmcError> {
        let maker = Maker::from(&identity);
        let manager = system.links.as_ref().and_then(|links| links.managed_by.first());
        let Some(manager) = manager.filter(|_| maker.differs_by_firmware()) else { return Ok(maker) };
        let firmware = words(self.manager_version(state, manager).await?);
        Ok(Maker::from(&BmcIdentity { firmware, ..identity }))
    }

    /// What is known of it. It is read when that was never done.
    async fn quirks(&self) -> Result<Deviations, BmcError> {
        let mut state = self.begin().await;
        if !state.is_met {
            self.system(&mut state).await?;
        }
        Ok(state.quirks.clone())
    }

    /// The system as it was read a moment ago, by a session that is still good: then it is the same machine's. Otherwise it is read.
    async fn system_lately(&self, state: &mut State) -> Result<Found<ComputerSystem>, BmcError> {
        match state.lately() {
            Some(found) => Ok(found.clone()),
            None => self.system(state).await,
        }
    }
}

impl State {
    fn lately(&self) -> Option<&Found<ComputerSystem>> {
        let (at, found) = self.last.as_ref()?;
        (at.elapsed() < LATELY && self.http.has_session()).then_some(found)
    }
}

fn power_of(system: &ComputerSystem) -> Option<Power> {
    match system.power_state.as_ref()? {
        PowerState::On | PowerState::PoweringOn | PowerState::PoweringOff => Some(Power::On),
        PowerState::Off => Some(Power::Off),
        PowerState::Other(_) => None,
    }
}

fn identity_of(system: &ComputerSystem, firmware: Option<String>) -> BmcIdentity {
    BmcIdentity {
        manufacturer: words(system.manufacturer.clone()),
        product: words(system.model.clone()),
        firmware: words(firmware),
        guid: words(system.uuid.clone()),
        serial: words(system.serial_number.clone()),
    }
}

impl RedfishBmc {
    /// The version of the BMC's firmware, which is not worth a failure.
    async fn manager_version(&self, state: &mut State, manager: &Link) -> Result<Option<String>, BmcError> {
        let Ok(path) = state.local(&manager.odata_id, "the manager's link") else { return Ok(None) };
        match state.http.get::<Manager>(&path).await {
            Ok(found) => Ok(found.body.firmware_version),
            Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => Ok(None),
            Err(fault) => Err(self.error(fault)),
        }
    }
}

#[async_trait]
impl Bmc for RedfishBmc {
    async fn power_status(&self) -> Result<Power, BmcError> {
        let mut state = self.begin_for(READING_MAX).await;
        let system = self.system(&mut state).await?.body;
        power_of(&system).ok_or_else(|| {
            let said = match &system.power_state {
                Some(PowerState::Other(word)) => format!("its system says that its power is {word:?}"),
                Some(_) | None => "its system does not say whether it is on".to_owned(),
            };
            self.error(Fault::NotUnderstood(said))
        })
    }

    fn certificate_news(&self) -> Option<ShownCertificate> {
        self.shown.news()
    }

    async fn has_let_in(&self) -> bool {
        self.state.lock().await.http.has_session()
    }

    async fn power_lately(&self) -> Option<Power> {
        self.state.lock().await.lately().and_then(|found| power_of(&found.body))
    }

    async fn power_on(&self) -> Result<(), BmcError> {
        self.reset_by(&["On", "ForceOn"], Some(Power::On)).await
    }

    async fn power_off(&self) -> Result<(), BmcError> {
        self.reset_by(&["ForceOff"], Some(Power::Off)).await
    }

    async fn soft_off(&self) -> Result<(), BmcError> {
        self.reset_by(&["GracefulShutdown"], Some(Power::Off)).await
    }

    async fn reset(&self) -> Result<(), BmcError> {
        if self.quirks().await?.has(Quirk::ResetByOffAndOn) {
            return self.off_and_on().await;
        }
        self.reset_by(&["ForceRestart", "PowerCycle", "GracefulRestart"], None).await
    }

    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        let mut state = self.begin().await;
        self.choose_boot(&mut state, Wanted { device, persistence, mode }).await
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

    fn redfish(&self) -> Option<&RedfishBmc> {
        Some(self)
    }

    async fn try_now(&self) {
        self.state.lock().await.http.try_now();
    }

    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        let mut state = self.begin().await;
        let system = self.found(&mut state).await?.body;
        let manager = system.links.as_ref().and_then(|links| links.managed_by.first());
        let firmware = match manager {
            None => None,
            Some(link) => self.manager_version(&mut state, link).await?,
        };
        Ok(identity_of(&system, firmware))
    }

    async fn console(&self, take: Take) -> Result<Console, BmcError> {
        self.open_console(take).await
    }

    fn sessions(&self) -> u32 {
        self.state.try_lock().map_or(1, |state| state.http.has_session().into())
    }

    async fn facts(&self, part: FactsPart) -> Result<Option<PartFacts>, BmcError> {
        self.part(part).await.map(Some)
    }

    async fn seen(&self) -> Option<BmcIdentity> {
        self.state.lock().await.who.seen()
    }

    fn hardware(&self) -> Option<&dyn HardwareReader> {
        Some(self)
    }
}
