//! Edges: what is kept right at a BMC by IPMI beyond power and boot: it leaves its server off after a power failure, and has the password
//! that we know.

use protocol::{
    ipmi::{
        client::PASSWORD_BYTES_MAX,
        command::{Request, Response},
        front::PowerPolicy,
        message::CompletionCode,
        users::{GetAccess, GetName, PasswordAction, SetPassword},
    },
    power::RestorePolicy,
    secret::Secret,
};

use super::{CallError, IpmiBmc};
use crate::bmc::{BmcError, Renewed};

/// "The channel that this request comes by".
const THIS_CHANNEL: u8 = 0x0e;
/// The answer of "Set User Password" to a test: it is another one.
const ANOTHER: u8 = 0x80;
/// IPMI's longest password.
const LENGTH_MAX: u32 = PASSWORD_BYTES_MAX as u32;
/// The number of the user without a name (section 22.28).
const NAMELESS_USER: u8 = 1;

impl IpmiBmc {
    /// Has the server stay off when its mains power comes back; read before and after.
    pub(super) async fn ensure_kept_off(&self) -> Result<(), BmcError> {
        if self.restore_policy().await? == Some(RestorePolicy::AlwaysOff) {
            return Ok(());
        }
        match self.call(&PowerPolicy(Some(RestorePolicy::AlwaysOff))).await {
            Ok(_) => {}
            Err(CallError::Bmc(error)) => return Err(error),
            Err(error) => return Err(self.refused(error.to_string())),
        }
        match self.restore_policy().await? {
            // Not every BMC shows it.
            Some(RestorePolicy::AlwaysOff) | None => Ok(()),
            Some(RestorePolicy::LastState | RestorePolicy::AlwaysOn) => Err(self.refused(
                "it accepted the power restore policy \"always off\", and shows another one".to_owned(),
            )),
        }
    }

    async fn restore_policy(&self) -> Result<Option<RestorePolicy>, BmcError> {
        match self.ask(Request::ChassisStatus).await? {
            Response::ChassisStatus(status) => Ok(status.restore_policy),
            _ => Err(self.odd(Request::ChassisStatus)),
        }
    }

    /// Has our user get the password that is to follow, and proves by a fresh log-in which one it has.
    pub(super) async fn renew(&self) -> Result<Renewed, BmcError> {
        // Whichever of the two it has lets us in.
        self.ask(Request::ChassisStatus).await?;
        let next = {
            let state = self.state.lock().await;
            if state.keys.is_by_next() {
                return Ok(Renewed::New);
            }
            let missing =
                || self.refused("no password is declared that is to follow the present one".to_owned());
            state.keys.next().cloned().ok_or_else(missing)?
        };
        let length = self.quirks().await?.password_length(LENGTH_MAX);
        if !length.is_of(&next) {
            let reason = format!("BMCs of its like take passwords of {length}, and it was not told this one");
            return Ok(Renewed::Kept { reason, length: Some(length) });
        }
        let told = self.tell_password(&next).await;
        {
            let mut state = self.state.lock().await;
            // Cut off, it is likelier to have been done than not.
            state.keys.prefer(!matches!(told, Err(Told::Refused(_))));
            state.session = None;
        }
        self.ask(Request::ChassisStatus).await?;
        let is_new = self.state.lock().await.keys.is_by_next();
        Ok(match (is_new, told) {
            (true, _) => Renewed::New,
            (false, Ok(())) => Renewed::Kept {
                reason: "it accepted the new password, and lets us in by the old one only".to_owned(),
                length: None,
            },
            (false, Err(Told::Refused(reason) | Told::CutOff(reason))) => {
                Renewed::Kept { reason, length: None }
            }
        })
    }

    async fn tell_password(&self, next: &Secret) -> Result<(), Told> {
        let user = self.own_number().await?;
        self.order_password(user, PasswordAction::Set(next.clone())).await?;
        // A wrong answer to a test is counted by nobody; a refused log-in is.
        match self.order_password(user, PasswordAction::Test(next.clone())).await {
            Err(error) if error.code().is_some_and(|code| code.0 == ANOTHER) => Err(Told::Refused(
                "it accepted the new password, and says that it has another one".to_owned(),
            )),
            // Not every BMC can be asked for it. The log-in tells.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether BMCs of its like take a password of this length.
    ///
    /// # Errors
    /// They do not: some cut it off, or take it and let nobody in by it.
    pub async fn fits_password(&self, password: &Secret) -> Result<(), BmcError> {
        let length = self.quirks().await?.password_length(LENGTH_MAX);
        if length.is_of(password) {
            return Ok(());
        }
        Err(self.refused(format!(
            "BMCs of its like take passwords of {length}, so it was not told this one; see the quirks in docs/bmc-quirks.md"
        )))
    }

    /// Set User Password (section 22.30): in the short form, which all know, and in the long one where the short one's length is refused.
    ///
    /// # Errors
    /// The BMC refuses it, or does not answer.
    pub async fn order_password(&self, user: u8, action: PasswordAction) -> Result<(), CallError> {
        let short = SetPassword { user, action, is_long: false };
        match self.call(&short).await {
            Err(error) if error.code().is_some_and(is_of_length) => {
                self.call(&SetPassword { is_long: true, ..short }).await
            }
            answered => answered,
        }
    }

    /// The number of the user as whom we log in.
    async fn own_number(&self) -> Result<u8, Told> {
        let own = &self.endpoint.username;
        if own.is_empty() {
            return Ok(NAMELESS_USER);
        }
        let last = self.call(&GetAccess { channel: THIS_CHANNEL, user: NAMELESS_USER }).await?.users_max;
        for number in NAMELESS_USER..=last {
            match self.call(&GetName(number)).await {
                Ok(name) if name.text() == *own => return Ok(number),
                Err(CallError::Bmc(error)) => return Err(CallError::Bmc(error).into()),
                // Another user, or one without a name.
                Ok(_) | Err(_) => {}
            }
        }
        Err(Told::Refused(format!("none of its {last} users is named {own:?}")))
    }
}

fn is_of_length(code: CompletionCode) -> bool {
    code == CompletionCode::BAD_LENGTH || code == CompletionCode::TOO_LONG
}

/// Why a BMC was not told its new password, or may not have been.
enum Told {
    /// It said no.
    Refused(String),
    /// Its answer did not come.
    CutOff(String),
}

impl From<CallError> for Told {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Bmc(error) => Told::CutOff(error.to_string()),
            CallError::Refused { .. }
            | CallError::Malformed { .. }
            | CallError::Walk(_)
            | CallError::TooLong { .. } => Told::Refused(error.to_string()),
        }
    }
}
