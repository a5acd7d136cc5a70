//! Edges: climbs the ladder of `boot.rs`: says where the server boots, and reads it back.

use protocol::{boot::BootDevice, redfish::ComputerSystem};
use serde_json::json;
use tracing::{info, warn};

use super::{
    RedfishBmc, State,
    again::Trouble,
    boot::{
        Place, Says, Shown, Wanted, Way, body, etags, is_off, is_set, ladder, not_offered, settings_object,
        wanted_words, words,
    },
    call::is_about_the_etag,
    fault::Fault,
    http::Found,
    task,
};
use crate::bmc::BmcError;

/// A service that has just said "done" is read so often until it shows it.
const READ_BACKS: u32 = 2;

/// What came of one way.
enum Tried {
    Set,
    /// It said "done", and shows this.
    Ignored(String),
    Refused(String),
}

impl RedfishBmc {
    /// Says where the next start boots from, in one way after the other, until the service shows it.
    pub(super) async fn choose_boot(&self, state: &mut State, wanted: Wanted) -> Result<(), BmcError> {
        let found = self.system_lately(state).await?;
        let settings = match settings_object(&found.body) {
            Some(_) if state.ways.get(wanted.device).is_none() => self.settings(state, &found.body).await?,
            Some(_) | None => None,
        };
        let shown = Shown::of(&found.body, settings.as_ref(), &state.quirks);
        let (mut is_ignored, mut tried) = (false, Vec::new());
        for way in ladder(&shown, wanted, state.ways.get(wanted.device)) {
            // Who says "done" and does nothing is not believed that its own order is another one now.
            if way.says == Says::Nothing && is_ignored {
                continue;
            }
            if state.http.left().time.is_zero() {
                tried.push("no time was left for another way".to_owned());
                break;
            }
            match self.try_way(state, wanted, way).await? {
                Tried::Set => {
                    if !tried.is_empty() {
                        info!(bmc = self.address, %way, "boot device set in another way than the usual one");
                    }
                    state.ways.set(wanted.device, Some(way));
                    return Ok(());
                }
                Tried::Ignored(shows) => {
                    is_ignored = true;
                    tried.push(format!("{way}: done, but it shows {shows}"));
                }
                Tried::Refused(reason) => tried.push(format!("{way}: {reason}")),
            }
        }
        state.ways.set(wanted.device, None);
        let boot = self.system_lately(state).await?.body.boot.unwrap_or_default();
        if wanted.device == BootDevice::Disk && !is_ignored && is_off(&boot) {
            warn!(
                bmc = self.address,
                tried = tried.join("; "),
                "boot device refused, the firmware's own order decides"
            );
            return Ok(());
        }
        let reason = format!(
            "it does not take the boot device {}: {}{}; set the boot order in the server's firmware or update the BMC's \
             firmware; the power was not switched",
            wanted_words(wanted),
            tried.join("; "),
            not_offered(&boot, wanted)
        );
        Err(self.error(Fault::refused(reason)))
    }

    async fn try_way(&self, state: &mut State, wanted: Wanted, way: Way) -> Result<Tried, BmcError> {
        if let Some(reason) = self.write(state, wanted, way).await? {
            return Ok(Tried::Refused(reason));
        }
        let mut shows = String::new();
        for read in 0..READ_BACKS {
            if read > 0 {
                let pause = state.http.left().pace.units(1).min(state.http.left().time);
                tokio::time::sleep(pause).await;
            }
            let system = self.system(state).await?.body;
            if system.boot.as_ref().is_some_and(|boot| is_set(boot, wanted, way)) {
                return Ok(Tried::Set);
            }
            if way.place == Place::Settings {
                let settings = self.settings(state, &system).await?.and_then(|settings| settings.boot);
                if settings.is_some_and(|boot| is_set(&boot, wanted, way)) {
                    return Ok(Tried::Set);
                }
            }
            shows = words(system.boot.as_ref());
        }
        Ok(Tried::Ignored(shows))
    }

    /// Writes it in one way, in each form of an ETag until one is taken. Why not, where it is refused.
    async fn write(&self, state: &mut State, wanted: Wanted, way: Way) -> Result<Option<String>, BmcError> {
        let body = json!({ "Boot": body(wanted, way) });
        let (mut form, mut logged_in) = (state.etag_form, false);
        // A changed ETag means that somebody else wrote meanwhile, or that the service wants another form.
        let mut is_fresh = false;
        loop {
            let (path, found) = match self.to_write(state, way.place).await? {
                Ok(found) => found,
                Err(reason) => return Ok(Some(reason)),
            };
            let forms = etags(found.etag.as_deref(), found.body.etag.as_deref());
            let etag = forms.get(form).or(forms.last()).cloned().flatten();
            let written = state.http.patch(&path, &body, etag.as_deref()).await;
            state.last = None;
            let fault = match written {
                Ok(answer) => match task::follow(&mut state.http, &answer).await {
                    Ok(()) => {
                        state.etag_form = form;
                        return Ok(None);
                    }
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            match fault {
                Fault::Refused(refused) if refused.trouble == Some(Trouble::SessionLost) && !logged_in => {
                    logged_in = true;
                }
                Fault::Refused(refused) if is_about_the_etag(refused.status) && form < forms.len() => {
                    form += usize::from(is_fresh);
                    is_fresh = true;
                }
                Fault::Refused(refused) => return Ok(Some(refused.reason)),
                Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. } | Fault::NotUnderstood(_) => {
                    return Err(self.error(fault));
                }
            }
        }
    }

    /// The resource that is written to in a way, as it was found; inside, why there is none.
    async fn to_write(
        &self,
        state: &mut State,
        place: Place,
    ) -> Result<Result<(String, Found<ComputerSystem>), String>, BmcError> {
        let system = self.system_lately(state).await?;
        let path = match place {
            Place::System => {
                let path = self.path(state).await.map_err(|fault| self.error(fault))?;
                return Ok(Ok((path, system)));
            }
            Place::Settings => state.linked(settings_object(&system.body), "the system's settings object"),
        };
        let path = match path {
            Ok(path) => path,
            Err(Fault::Refused(refused)) => return Ok(Err(refused.reason)),
            Err(fault) => return Err(self.error(fault)),
        };
        // One that cannot be read may be written all the same.
        match state.http.get(&path).await {
            Ok(found) => Ok(Ok((path, found))),
            Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => {
                Ok(Ok((path, Found { body: ComputerSystem::default(), etag: None })))
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// The settings object of a system; none: it cannot be read.
    async fn settings(
        &self,
        state: &mut State,
        system: &ComputerSystem,
    ) -> Result<Option<ComputerSystem>, BmcError> {
        let Ok(path) = state.linked(settings_object(system), "the system's settings object") else {
            return Ok(None);
        };
        match state.http.get(&path).await {
            Ok(found) => Ok(Some(found.body)),
            Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => Ok(None),
            Err(fault) => Err(self.error(fault)),
        }
    }
}
