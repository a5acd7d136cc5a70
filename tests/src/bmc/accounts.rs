//! Decisions: the passwords by which virtual BMCs let their user in, as their user is told to change them.

use std::sync::{Arc, Mutex};

use protocol::{
    ipmi::{
        call::Call,
        users::{PasswordAction, SetPassword},
    },
    secret::Secret,
};

use super::password_rules::Rules;

/// How a BMC takes a new password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TakesPasswords {
    /// As it should.
    #[default]
    Yes,
    /// It refuses it.
    Refuses,
    /// It says that it does, and does not; nor can it be asked.
    SaysSo,
    /// It does, and answers nothing else before that (Redfish).
    First,
    /// It takes those of 20 characters and more, and says so (Redfish).
    Long,
    /// It cuts off what is longer than so many characters, without a word.
    CutsOff(usize),
    /// It takes them in the long form only (IPMI).
    LongForm,
    /// It takes those that keep its rules, which it does not tell.
    ByRules(Rules),
}

/// How long a password is that [`TakesPasswords::Long`] takes, at least.
pub const LONG: usize = 20;

/// The password that a log-in is checked against.
#[derive(Clone, Debug)]
pub struct Password(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    now: Secret,
    takes: TakesPasswords,
    /// Those that it had before, the oldest first.
    former: Vec<Secret>,
}

impl Password {
    /// This one.
    pub fn new(password: Secret) -> Self {
        let held = Held { now: password, takes: TakesPasswords::Yes, former: Vec::new() };
        Self(Arc::new(Mutex::new(held)))
    }

    /// It.
    pub fn get(&self) -> Secret {
        self.0.lock().expect("no holder panics").now.clone()
    }

    /// Somebody changes it by hand.
    pub fn set(&self, password: Secret) {
        self.0.lock().expect("no holder panics").now = password;
    }

    /// From now on another one is taken so.
    pub fn takes(&self, how: TakesPasswords) {
        self.0.lock().expect("no holder panics").takes = how;
    }

    /// How another one is taken now.
    pub(super) fn manner(&self) -> TakesPasswords {
        self.0.lock().expect("no holder panics").takes
    }

    /// It is told another one. Why it says that it does not take it.
    pub(super) fn tell(&self, password: Secret) -> Result<(), &'static str> {
        const POLICY: &str = "The password does not meet the policy.";
        let mut held = self.0.lock().expect("no holder panics");
        match held.takes {
            TakesPasswords::Yes | TakesPasswords::LongForm => held.now = password,
            TakesPasswords::CutsOff(at) => {
                held.now = Secret::new(password.reveal().chars().take(at).collect::<String>());
            }
            TakesPasswords::First => {
                held.now = password;
                held.takes = TakesPasswords::Yes;
            }
            TakesPasswords::Long if password.reveal().len() >= LONG => held.now = password,
            TakesPasswords::SaysSo => {}
            TakesPasswords::Refuses | TakesPasswords::Long => return Err(POLICY),
            TakesPasswords::ByRules(rules) => {
                let known = [&held.former[..], std::slice::from_ref(&held.now)].concat();
                if let Some(fault) = rules.fault(password.reveal(), &known) {
                    return Err(fault);
                }
                held.former = known;
                held.now = password;
            }
        }
        Ok(())
    }

    /// What an IPMI BMC whose log-in has this user number makes of a command; none: it is none about that user's password.
    pub(super) fn follow(
        &self,
        call: &Call,
        own: Option<u8>,
    ) -> Option<Result<Vec<u8>, protocol::ipmi::message::CompletionCode>> {
        use protocol::ipmi::message::CompletionCode;
        let mut is_own = false;
        let answer = call.serve(|set: SetPassword| {
            is_own = Some(set.user) == own;
            let is_short = self.manner() == TakesPasswords::LongForm && !set.is_long;
            match set.action {
                PasswordAction::Set(_) | PasswordAction::Test(_) if is_own && is_short => {
                    Err(CompletionCode::BAD_LENGTH)
                }
                PasswordAction::Set(password) if is_own => {
                    self.tell(password).map_err(|_| CompletionCode::INVALID_FIELD)
                }
                // It cannot be asked.
                PasswordAction::Test(_) => Err(CompletionCode::INVALID_FIELD),
                PasswordAction::Set(_) | PasswordAction::Enable | PasswordAction::Disable => Ok(()),
            }
        });
        answer.filter(|_| is_own)
    }
}

/// Where a Redfish BMC has the user that logs in.
pub(super) const OWN: &str = "/redfish/v1/AccountService/Accounts/2";
