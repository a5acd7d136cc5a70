//! Edges: a BMC by Redfish. What to ask is here, how to ask in `http.rs`.

mod again;
mod http;
mod login;
pub(crate) mod pin;
mod roots;
mod spki;

use async_trait::async_trait;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    hardware::BmcIdentity,
    redfish::{BootOverride, Collection, ComputerSystem, Link, Manager, PowerState, ROOT, ServiceRoot},
    spec::BmcEndpoint,
};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use self::http::{Fault, Http};
pub use self::spki::key_info;
use super::{
    Bmc, BmcError, BmcOptions, LogIns, Power,
    who::{Who, words},
};

/// How a Redfish service is reached.
pub(super) struct Kind {
    pub(super) system: Option<String>,
    pub(super) certificate_sha256: Option<String>,
    pub(super) http: bool,
}

/// One BMC by Redfish.
pub(super) struct RedfishBmc {
    address: String,
    username: String,
    system: Option<String>,
    /// One request at a time: BMCs have little memory.
    state: Mutex<State>,
}

struct State {
    http: Result<Http, String>,
    who: Who,
    /// Path of the system, once found.
    path: Option<String>,
}

impl RedfishBmc {
    pub(super) fn new(
        endpoint: &BmcEndpoint,
        kind: Kind,
        who: Who,
        options: BmcOptions,
        log_ins: LogIns,
    ) -> Self {
        let scheme = if kind.http { "http" } else { "https" };
        let host = match endpoint.address.parse() {
            Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            Ok(std::net::IpAddr::V4(_)) | Err(_) => endpoint.address.clone(),
        };
        let address = format!("{scheme}://{host}:{}", endpoint.port);
        let http = Http::new(&address, endpoint, kind.certificate_sha256.as_deref(), options, log_ins);
        let state = Mutex::new(State { http, who, path: None });
        Self { address, username: endpoint.username.clone(), system: kind.system, state }
    }

    fn error(&self, fault: Fault) -> BmcError {
        let address = self.address.clone();
        match fault {
            Fault::Unreachable(reason) => BmcError::Unreachable { address, reason },
            Fault::Lost(reason) => {
                let reason = format!("the connection broke; it is not known whether it was done: {reason}");
                BmcError::Unreachable { address, reason }
            }
            Fault::LogIn { reason, pause } => BmcError::paused(address, &self.username, &reason, pause),
            Fault::Refused { reason, .. } => BmcError::Refused { address, reason },
            Fault::NotUnderstood(reason) => BmcError::NotUnderstood { address, reason },
        }
    }

    async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// The system's path: as configured, or the only one there is.
    async fn path(&self, state: &mut State) -> Result<String, Fault> {
        if let Some(path) = state.path.as_ref().or(self.system.as_ref()) {
            return Ok(path.clone());
        }
        let http = state.http()?;
        let root: ServiceRoot = http.get(ROOT).await?.body;
        let systems = linked(root.systems.as_ref(), "the service root links no systems")?;
        let collection: Collection = http.get(&systems).await?.body;
        let path = match collection.members.as_slice() {
            [only] => linked(Some(only), "the system's link points to another host")?,
            members => {
                let reason = format!(
                    "it has {} systems; name the one of this server, such as /redfish/v1/Systems/1",
                    members.len()
                );
                return Err(Fault::refused(reason));
            }
        };
        state.path = Some(path.clone());
        Ok(path)
    }

    /// The system as it is found, whoever it is.
    async fn found(&self, state: &mut State) -> Result<http::Found<ComputerSystem>, BmcError> {
        let found = async {
            let path = self.path(state).await?;
            state.http()?.get(&path).await
        };
        found.await.map_err(|fault| self.error(fault))
    }

    /// The system, if it is who is expected: it says so whenever it is read, and it is read before anything is asked of it.
    async fn system(&self, state: &mut State) -> Result<http::Found<ComputerSystem>, BmcError> {
        let found = self.found(state).await?;
        state.who.judge(&self.address, identity_of(&found.body, None))?;
        Ok(found)
    }

    /// POSTs the first of these reset types that the system takes. When the connection breaks at it, the power is read before
    /// it is posted again.
    async fn reset_by(&self, wanted: &[&str], done_when: Option<Power>) -> Result<(), BmcError> {
        let mut state = self.lock().await;
        let found = self.system(&mut state).await?.body;
        let done = match state.reset(found, wanted, done_when).await {
            Err(Fault::Lost(_)) if done_when.is_some() => {
                let found = self.system(&mut state).await?.body;
                state.reset(found, wanted, done_when).await
            }
            done => done,
        };
        done.map_err(|fault| self.error(fault))
    }
}

impl State {
    /// Posts the first of these reset types that the system as it was found takes, unless its power is as wanted.
    async fn reset(
        &mut self,
        found: ComputerSystem,
        wanted: &[&str],
        done_when: Option<Power>,
    ) -> Result<(), Fault> {
        if done_when.is_some() && power_of(&found) == done_when {
            return Ok(());
        }
        let action = found
            .actions
            .and_then(|actions| actions.reset)
            .ok_or_else(|| Fault::refused("the system has no reset action"))?;
        let target = protocol::redfish::resource::local_path(&action.target)
            .ok_or_else(|| Fault::refused("the reset action's target points to another host"))?;
        let reset_type = wanted
            .iter()
            .find(|kind| action.allowable.is_empty() || action.allowable.iter().any(|a| a == *kind))
            .ok_or_else(|| {
                Fault::refused(format!(
                    "it supports none of the reset types {}, only {}",
                    wanted.join(", "),
                    action.allowable.join(", ")
                ))
            })?;
        self.http()?.post(target, &json!({ "ResetType": reset_type })).await
    }

    fn http(&mut self) -> Result<&mut Http, Fault> {
        self.http.as_mut().map_err(|reason| Fault::refused(reason.clone()))
    }
}

fn linked(link: Option<&Link>, otherwise: &str) -> Result<String, Fault> {
    link.and_then(Link::path).map(str::to_owned).ok_or_else(|| Fault::refused(otherwise))
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

#[async_trait]
impl Bmc for RedfishBmc {
    async fn power_status(&self) -> Result<Power, BmcError> {
        let mut state = self.lock().await;
        let system = self.system(&mut state).await?.body;
        power_of(&system).ok_or_else(|| {
            self.error(Fault::NotUnderstood(format!("PowerState is {:?}", system.power_state)))
        })
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
        self.reset_by(&["ForceRestart", "PowerCycle", "GracefulRestart"], None).await
    }

    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        let mut state = self.lock().await;
        // A changed ETag means that somebody else wrote meanwhile: look again, once.
        let mut again = true;
        loop {
            let found = self.system(&mut state).await?;
            let current = found.body.boot.unwrap_or_default();
            let wanted_mode = match mode {
                BootMode::Bios => "Legacy",
                BootMode::Uefi => "UEFI",
            };
            let boot = BootOverride {
                enabled: Some(
                    match persistence {
                        Persistence::Once => "Once",
                        Persistence::Persistent => "Continuous",
                    }
                    .to_owned(),
                ),
                target: Some(
                    match device {
                        BootDevice::Pxe => "Pxe",
                        BootDevice::Disk => "Hdd",
                    }
                    .to_owned(),
                ),
                // A service that does not show the mode refuses a body with it; one that has it already need not be asked.
                mode: current.mode.filter(|mode| mode != wanted_mode).map(|_| wanted_mode.to_owned()),
            };
            let path = self.path(&mut state).await.map_err(|fault| self.error(fault))?;
            let http = state.http().map_err(|fault| self.error(fault))?;
            match http.patch(&path, &json!({ "Boot": boot }), found.etag.as_deref()).await {
                Err(Fault::Refused { status: Some(412), .. }) if again => again = false,
                done => return done.map_err(|fault| self.error(fault)),
            }
        }
    }

    async fn try_now(&self) {
        if let Ok(http) = self.lock().await.http() {
            http.try_now();
        }
    }

    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        let mut state = self.lock().await;
        let system = self.found(&mut state).await?.body;
        let manager = system.links.as_ref().and_then(|links| links.managed_by.first()).and_then(Link::path);
        let firmware = match manager {
            None => None,
            Some(path) => {
                let http = state.http().map_err(|fault| self.error(fault))?;
                match http.get::<Manager>(path).await {
                    Ok(found) => found.body.firmware_version,
                    // The firmware's version is not worth a failure.
                    Err(Fault::Refused { .. } | Fault::NotUnderstood(_)) => None,
                    Err(fault) => return Err(self.error(fault)),
                }
            }
        };
        Ok(identity_of(&system, firmware))
    }

    async fn seen(&self) -> Option<BmcIdentity> {
        self.state.lock().await.who.seen()
    }
}
