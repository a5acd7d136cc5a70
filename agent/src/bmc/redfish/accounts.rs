//! Edges: our own account at a Redfish service (DSP0268, ManagerAccount): its password is changed, and proved by a fresh log-in.

use protocol::secret::Secret;
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
        self.system(&mut state).await?;
        if state.http.keys.is_by_next() {
            return Ok(Renewed::New);
        }
        let missing = || Fault::refused("no password is declared that is to follow the present one");
        let next = state.http.keys.next().cloned().ok_or_else(missing).map_err(|fault| self.error(fault))?;
        let told = match own {
            Ok(path) => state.tell_password(&path, &next).await,
            Err(why) => Err(Fault::refused(why)),
        };
        // Cut off, it is likelier to have been done than not.
        let is_refused = matches!(told, Err(Fault::Refused(_) | Fault::NotUnderstood(_)));
        state.http.log_out().await;
        state.http.keys.prefer(!is_refused);
        self.system(&mut state).await?;
        Ok(match (state.http.keys.is_by_next(), told) {
            (true, _) => Renewed::New,
            (false, Ok(())) => Renewed::Kept {
                reason: "it accepted the new password, and lets us in by the old one only".to_owned(),
            },
            (false, Err(fault)) => Renewed::Kept { reason: self.error(fault).to_string() },
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

impl State {
    async fn tell_password(&mut self, path: &str, next: &Secret) -> Result<(), Fault> {
        let etag = self.http.get::<IgnoredAny>(path).await?.etag;
        let answer = self.http.patch(path, &json!({ "Password": next.reveal() }), etag.as_deref()).await?;
        task::follow(&mut self.http, &answer).await
    }
}
