//! Decisions: whose passwords we change, and when it is time.

use crate::records::Server;

/// A day in microseconds.
pub const DAY_US: u64 = 24 * 3600 * 1_000_000;
/// The longest time between two changes that can be asked for, in days.
pub const DAYS_MAX: u32 = 3650;
/// Racks have so many passwords changed at the same time, unless the site says otherwise.
pub const PER_RACK: usize = 1;

/// What a site says of its BMCs' passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Users of BMCs that are ours: nobody else logs in as one of them. Nobody's: no password is ever changed.
    pub users: Vec<String>,
    /// Every how many days a password is changed; none: only when somebody asks.
    pub every_days: Option<u32>,
    /// How many BMCs of one rack are changed at the same time.
    pub per_rack: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { users: Vec::new(), every_days: None, per_rack: PER_RACK }
    }
}

impl PasswordPolicy {
    /// Whether a server's password may be changed; an error: why not, for a person. Its BMC need not have answered yet: some answer nothing
    /// before that.
    pub fn admit(&self, server: &Server) -> Result<(), String> {
        let user = &server.bmc.username;
        if !self.users.contains(user) && server.upkeep.factory_us.is_none() {
            return Err(format!(
                "the password of {} was not changed: its BMC's user {user:?} is not known to be ours alone, and whoever else logs in \
                 as it would be locked out; give the BMC a user of our own, enter it by an import, and name it in the \
                 coordinator's settings (bmc_passwords.users)",
                server.name
            ));
        }
        if let Some(doubt) = &server.bmc_doubt {
            return Err(server.words_of(doubt));
        }
        Ok(())
    }

    /// Whether a server's password is so old that it is to be changed by itself.
    pub fn is_due(&self, server: &Server, now_us: u64) -> bool {
        let Some(days) = server.upkeep.rotate_days.or(self.every_days) else { return false };
        let since_us = server.upkeep.rotated_us.unwrap_or(server.created_us);
        let is_old = now_us.saturating_sub(since_us) >= u64::from(days) * DAY_US;
        // One that has not answered yet is changed only when somebody asks.
        is_old
            && server.identity.is_some()
            && server.upkeep.rotation.is_none()
            && server.unwatched.is_none()
            && self.admit(server).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use protocol::hardware::BmcIdentity;

    use super::*;
    use crate::samples::server;

    fn known() -> Server {
        let mut server = Server { identity: Some(BmcIdentity::default()), ..server() };
        server.bmc.username = "bms".to_owned();
        server
    }

    fn policy() -> PasswordPolicy {
        PasswordPolicy { users: vec!["bms".to_owned()], every_days: Some(90), per_rack: 1 }
    }

    #[test]
    fn only_passwords_of_our_own_users_are_changed() {
        let check = |server: &Server, policy: &PasswordPolicy, words: Option<&str>| {
            let said = policy.admit(server).err();
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(
                words.is_none_or(|words| said.as_ref().is_some_and(|said| said.contains(words))),
                "{said:?}"
            );
        };
        check(&known(), &policy(), None);
        check(&known(), &PasswordPolicy::default(), Some("not known to be ours alone"));
        let mut anothers = known();
        anothers.bmc.username = "root".to_owned();
        check(&anothers, &policy(), Some("\"root\""));
        // Its factory's, which nobody but us has changed.
        anothers.upkeep.factory_us = Some(1);
        check(&anothers, &policy(), None);
        check(&Server { identity: None, ..known() }, &policy(), None);
    }

    #[test]
    fn a_password_is_changed_by_itself_when_it_is_old() {
        let check = |change: &dyn Fn(&mut Server), days: u64, expected: bool| {
            let mut server = known();
            change(&mut server);
            assert_eq!(policy().is_due(&server, server.created_us + days * DAY_US), expected, "day {days}");
        };
        check(&|_| {}, 89, false);
        check(&|_| {}, 90, true);
        check(&|server| server.upkeep.rotated_us = Some(server.created_us + DAY_US), 90, false);
        check(&|server| server.upkeep.rotate_days = Some(7), 7, true);
        check(&|server| server.bmc.username = "root".to_owned(), 900, false);
        check(&|server| server.identity = None, 900, false);
    }
}
