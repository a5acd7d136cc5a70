//! Edges: our own account at a Redfish service (DSP0268, ManagerAccount): its password is changed, and proved by a fresh log-in.

use protocol::{
    command::PasswordLength,
    identity::is_usable,
    redfish::{ROOT, node::Resource},
    secret::Secret,
};
use serde::de::IgnoredAny;
use serde_json::json;

use super::{RedfishBmc, State, fault::Fault, task};
use crate::bmc::{BmcError, Renewed};

impl RedfishBmc {
    /// Has our account get the password that is to follow, and proves by a fresh log-in which one it has.
    pub(super) async fn renew(&self) -> Result<Renewed, BmcError> {
        // Whichever of the two it has lets us in.
        let own = self.own_account().await?;
        // From here on nobody else asks: a question in between would log in by a password that may be the old one by now.
        let mut state = self.begin().await;
        match self.system(&mut state).await {
            // It has let us in and answers nothing but this: who it is it says afterwards.
            Err(_) if state.http.password_due.is_some() && self.may_be_told_unseen(&state) => {}
            found => drop(found?),
        }
        let is_due = state.http.password_due.is_some();
        if state.http.keys.is_by_next() {
            return Ok(Renewed::New);
        }
        let missing = || Fault::refused("no password is declared that is to follow the present one");
        let next = state.http.keys.next().cloned().ok_or_else(missing).map_err(|fault| self.error(fault))?;
        if let Some(length) = state.password_length().await.filter(|length| !length.is_of(&next)) {
            let reason = format!("it takes passwords of {length}, and was not told this one");
            return Ok(Renewed::Kept { reason, length: Some(length) });
        }
        let told = match (state.http.password_due.clone(), own) {
            (Some(Some(path)), _) | (Some(None) | None, Ok(path)) => state.tell_password(&path, &next).await,
            (Some(None) | None, Err(why)) => Err(Fault::refused(why)),
        };
        // Cut off, it is likelier to have been done than not.
        let is_refused = matches!(told, Err(Fault::Refused(_) | Fault::NotUnderstood(_)));
        state.http.log_out().await;
        state.http.keys.prefer(!is_refused);
        match self.system(&mut state).await {
            // By the old one it lets us in, and answers nothing else still.
            Err(_) if is_due && is_refused && state.http.password_due.is_some() => {}
            found => drop(found?),
        }
        Ok(match (state.http.keys.is_by_next(), told) {
            (true, _) => Renewed::New,
            (false, Ok(())) => Renewed::Kept {
                reason: "it accepted the new password, and lets us in by the old one only".to_owned(),
                length: None,
            },
            (false, Err(fault)) => Renewed::Kept { reason: self.error(fault).to_string(), length: None },
        })
    }

    /// The path of our account, or why it shows none.
    async fn own_account(&self) -> Result<Result<String, String>, BmcError> {
        let listed = match self.accounts().await {
            Ok(listed) => listed,
            Err(BmcError::Refused { reason, .. } | BmcError::NotUnderstood { reason, .. }) => {
                return Ok(Err(reason));
            }
            Err(error) => return Err(error),
        };
        let number = listed.items.len();
        let own = listed.items.into_iter().find(|account| account.name == self.username);
        Ok(own
            .map(|account| account.path)
            .ok_or_else(|| format!("none of its {number} accounts is named {:?}", self.username)))
    }
}

impl RedfishBmc {
    /// Whether it takes a password of this length, as far as it says so, or as is known of its like.
    pub(super) async fn fits_password(&self, password: &Secret) -> Result<(), BmcError> {
        // One that answers nothing before its password is changed is of an unknown like.
        let _ = self.quirks().await;
        let length = self.begin().await.password_length().await;
        match length.filter(|length| !length.is_of(password)) {
            None => Ok(()),
            Some(length) => {
                let reason = format!("it takes passwords of {length}, and was not told this one");
                Err(self.error(Fault::refused(reason)))
            }
        }
    }

    /// Whether it may be told a password before it has said who it is: nothing is known of who it must be, or its certificate proves it.
    /// Another machine at this address may have the same password from its factory.
    fn may_be_told_unseen(&self, state: &State) -> bool {
        self.is_pinned || !is_usable(state.who.expected())
    }
}

impl State {
    async fn tell_password(&mut self, path: &str, next: &Secret) -> Result<(), Fault> {
        let etag = match self.http.get::<IgnoredAny>(path).await {
            Ok(found) => found.etag,
            // It may answer nothing but the change.
            Err(_) if self.http.password_due.is_some() => None,
            Err(fault) => return Err(fault),
        };
        let answer = self.http.patch(path, &json!({ "Password": next.reveal() }), etag.as_deref()).await?;
        task::follow(&mut self.http, &answer).await
    }

    /// How long passwords are: as the service says, and where it does not, as is known of its like; none: nobody knows.
    async fn password_length(&mut self) -> Option<PasswordLength> {
        let said = self.password_length_said().await;
        let known = self.quirks.password_length(u32::MAX);
        match said {
            // It says nothing of it, or no more than everybody does.
            Some(PasswordLength { min: 0, max: u32::MAX }) | None => {
                (known.min > 0 || known.max < u32::MAX).then_some(known)
            }
            Some(PasswordLength { min, max: u32::MAX }) => {
                let max = if known.max < min { u32::MAX } else { known.max };
                Some(PasswordLength { min, max })
            }
            Some(said) => Some(said),
        }
    }

    /// How long the service says that passwords are; none: it does not say, or answers nothing now.
    async fn password_length_said(&mut self) -> Option<PasswordLength> {
        let root: Resource = self.http.get(ROOT).await.ok()?.body;
        let link = root.node().link("AccountService")?;
        let path = self.local(link, "the service root's link to the account service").ok()?;
        let service: Resource = self.http.get(&path).await.ok()?.body;
        let length = |name: &str| u32::try_from(service.node().count(name)?).ok();
        let min = length("MinPasswordLength").unwrap_or(0);
        let max = length("MaxPasswordLength").filter(|max| *max > 0).unwrap_or(u32::MAX);
        (min <= max).then_some(PasswordLength { min, max })
    }
}
