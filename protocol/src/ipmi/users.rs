//! Values: users and what they may do (sections 22.26 to 22.30).

use super::{
    Malformed, Privilege,
    call::{Command, Kind},
    client::PASSWORD_BYTES_MAX,
    message::NETFN_APP,
    rakp::USERNAME_BYTES_MAX,
    wire::Reader,
};
use crate::secret::Secret;

/// The commands of this family.
pub(super) const KINDS: &[&Kind] =
    &[GetAccess::KIND, SetAccess::KIND, GetName::KIND, SetName::KIND, SetPassword::KIND];

/// "No access" in place of a privilege.
const NO_ACCESS: u8 = 0x0f;

pub(super) fn privilege_code(privilege: Option<Privilege>) -> u8 {
    privilege.map_or(NO_ACCESS, Privilege::code)
}

/// None: no access, or a level of a maker's own.
pub(super) fn privilege_of(code: u8) -> Option<Privilege> {
    Privilege::from_code(code & 0x0f).ok()
}

/// Get User Access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetAccess {
    /// Channel, 4 bits.
    pub channel: u8,
    /// User's number, from 1, 6 bits.
    pub user: u8,
}

/// What a user may do on a channel, and how many users there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAccess {
    /// Numbers of users are at most this one.
    pub users_max: u8,
    /// Users that are enabled.
    pub users_enabled: u8,
    /// Users whose name cannot be changed.
    pub users_fixed: u8,
    /// Whether this one is enabled; none: the BMC does not say.
    pub is_enabled: Option<bool>,
    /// Whether it may log in only when it is called back.
    pub callback_only: bool,
    /// Whether it may use the serial link's log-in.
    pub link: bool,
    /// Whether it may send IPMI messages.
    pub messages: bool,
    /// Highest privilege; none: no access.
    pub privilege: Option<Privilege>,
}

impl Command for GetAccess {
    const KIND: &'static Kind = &Kind::reads("Get User Access", NETFN_APP, 0x44).needs(Privilege::Operator);
    type Answer = UserAccess;

    fn build(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.user & 0x3f]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [channel, user] = Reader::new("Get User Access request", data).array()?;
        Ok(Self { channel: channel & 0x0f, user: user & 0x3f })
    }

    fn build_answer(access: &UserAccess) -> Vec<u8> {
        let state = match access.is_enabled {
            None => 0,
            Some(true) => 0x40,
            Some(false) => 0x80,
        };
        let flags =
            u8::from(access.callback_only) << 6 | u8::from(access.link) << 5 | u8::from(access.messages) << 4;
        vec![
            access.users_max & 0x3f,
            access.users_enabled & 0x3f | state,
            access.users_fixed & 0x3f,
            flags | privilege_code(access.privilege),
        ]
    }

    fn parse_answer(data: &[u8]) -> Result<UserAccess, Malformed> {
        let [max, enabled, fixed, flags] = Reader::new("Get User Access answer", data).array()?;
        Ok(UserAccess {
            users_max: max & 0x3f,
            users_enabled: enabled & 0x3f,
            users_fixed: fixed & 0x3f,
            is_enabled: match enabled >> 6 {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            },
            callback_only: flags & 0x40 != 0,
            link: flags & 0x20 != 0,
            messages: flags & 0x10 != 0,
            privilege: privilege_of(flags),
        })
    }
}

/// Set User Access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetAccess {
    /// Channel, 4 bits.
    pub channel: u8,
    /// User's number, 6 bits.
    pub user: u8,
    /// Whether it may use the serial link's log-in.
    pub link: bool,
    /// Whether it may send IPMI messages.
    pub messages: bool,
    /// Highest privilege; none: no access.
    pub privilege: Option<Privilege>,
}

impl Command for SetAccess {
    const KIND: &'static Kind =
        &Kind::reads("Set User Access", NETFN_APP, 0x43).needs(Privilege::Administrator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        let flags = 0x80 | u8::from(self.link) << 5 | u8::from(self.messages) << 4;
        vec![flags | self.channel & 0x0f, self.user & 0x3f, privilege_code(self.privilege)]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [flags, user, privilege] = Reader::new("Set User Access request", data).array()?;
        Ok(Self {
            channel: flags & 0x0f,
            user: user & 0x3f,
            link: flags & 0x20 != 0,
            messages: flags & 0x10 != 0,
            privilege: privilege_of(privilege),
        })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// A user's name: at most 16 bytes, filled up with zeroes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name([u8; USERNAME_BYTES_MAX]);

impl Name {
    /// None: it is too long.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; USERNAME_BYTES_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self(bytes))
    }

    /// As text.
    pub fn text(&self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

/// Get User Name, by the user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetName(pub u8);

impl Command for GetName {
    const KIND: &'static Kind = &Kind::reads("Get User Name", NETFN_APP, 0x46).needs(Privilege::Operator);
    type Answer = Name;

    fn build(&self) -> Vec<u8> {
        vec![self.0 & 0x3f]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(Reader::new("Get User Name request", data).u8()? & 0x3f))
    }

    fn build_answer(name: &Name) -> Vec<u8> {
        name.0.to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<Name, Malformed> {
        // Some BMCs send the name without the zeroes behind it.
        let mut bytes = [0; USERNAME_BYTES_MAX];
        let data = &data[..data.len().min(USERNAME_BYTES_MAX)];
        bytes[..data.len()].copy_from_slice(data);
        Ok(Name(bytes))
    }
}

/// Set User Name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetName {
    /// User's number, 6 bits.
    pub user: u8,
    /// Its name.
    pub name: Name,
}

impl Command for SetName {
    const KIND: &'static Kind =
        &Kind::reads("Set User Name", NETFN_APP, 0x45).needs(Privilege::Administrator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        let mut data = vec![self.user & 0x3f];
        data.extend(self.name.0);
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Set User Name request", data);
        Ok(Self { user: reader.u8()? & 0x3f, name: Name(reader.array()?) })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Set User Password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPassword {
    /// User's number, 6 bits.
    pub user: u8,
    /// What is done.
    pub action: PasswordAction,
    /// A password goes in its 20 bytes, also where 16 do.
    pub is_long: bool,
}

/// What "Set User Password" does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordAction {
    /// The user may log in no longer.
    Disable,
    /// The user may log in again.
    Enable,
    /// The password is this one from now on: at most 20 bytes, what is longer is cut.
    Set(Secret),
    /// Asks whether it is this one. The answer 0x80 is "no".
    Test(Secret),
}

/// "The password has 20 bytes" rather than 16.
const LONG: u8 = 0x80;

impl Command for SetPassword {
    const KIND: &'static Kind =
        &Kind::reads("Set User Password", NETFN_APP, 0x47).needs(Privilege::Administrator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        let (operation, password) = match &self.action {
            PasswordAction::Disable => return vec![self.user & 0x3f, 0],
            PasswordAction::Enable => return vec![self.user & 0x3f, 1],
            PasswordAction::Set(password) => (2, password.reveal()),
            PasswordAction::Test(password) => (3, password.reveal()),
        };
        // The short form where it does: a BMC of IPMI 1.5 times knows no other.
        let (flag, room) =
            if self.is_long || password.len() > 16 { (LONG, PASSWORD_BYTES_MAX) } else { (0, 16) };
        let mut data = vec![flag | self.user & 0x3f, operation];
        data.extend(password.bytes().take(room));
        data.resize(2 + room, 0);
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Set User Password request", data);
        let [head, operation] = reader.array()?;
        let (user, is_long) = (head & 0x3f, head & LONG != 0);
        let action = match operation & 3 {
            0 => PasswordAction::Disable,
            1 => PasswordAction::Enable,
            operation => {
                let bytes = reader.take(if is_long { PASSWORD_BYTES_MAX } else { 16 })?;
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                let password = std::str::from_utf8(&bytes[..end]).map_err(|_| {
                    Malformed::new("Set User Password request", "has a password that is no text")
                })?;
                let password = Secret::new(password);
                if operation == 2 { PasswordAction::Set(password) } else { PasswordAction::Test(password) }
            }
        };
        Ok(Self { user, action, is_long })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            bridge,
            call::{Call, proof::check},
        },
        *,
    };

    #[test]
    fn commands_and_answers_come_back() {
        let access = UserAccess {
            users_max: 16,
            users_enabled: 2,
            users_fixed: 1,
            is_enabled: Some(false),
            callback_only: false,
            link: true,
            messages: true,
            privilege: None,
        };
        check(GetAccess { channel: 1, user: 2 }, access);
        let privilege = Some(Privilege::Operator);
        check(SetAccess { channel: 1, user: 2, link: false, messages: true, privilege }, ());
        check(GetName(2), Name::new("admin").unwrap());
        check(SetName { user: 2, name: Name::new("sixteen letters!").unwrap() }, ());
        assert_eq!(Name::new("seventeen letters"), None);
        for (action, is_long) in [
            (PasswordAction::Disable, false),
            (PasswordAction::Enable, false),
            (PasswordAction::Set(Secret::new("short")), false),
            (PasswordAction::Set(Secret::new("short")), true),
            (PasswordAction::Test(Secret::new("a longer one of 20 b")), true),
        ] {
            check(SetPassword { user: 3, action, is_long }, ());
        }
    }

    #[test]
    fn no_password_is_shown() {
        let action = PasswordAction::Set(Secret::new("hunter2"));
        let set = SetPassword { user: 2, action, is_long: false };
        let call = Call::of(&set);
        let target = bridge::Target { channel: 0, address: 0x72, lun: 0 };
        let carried = bridge::SendMessage::new(target, &call, 0).unwrap();
        let shown = format!("{set:?} {call:?} {carried:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
