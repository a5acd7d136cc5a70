//! Values: the channels by which a BMC is reached (sections 22.23 and 22.24).

use super::{
    Malformed, Privilege,
    call::{Command, Kind},
    message::NETFN_APP,
    users::{privilege_code, privilege_of},
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[GetChannelInfo::KIND, GetChannelAccess::KIND];

/// Get Channel Info, by the channel's number; 0x0e is the one that the request comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetChannelInfo(pub u8);

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its number.
    pub channel: u8,
    /// Medium (table 6-3): 4 is a LAN.
    pub medium: u8,
    /// Protocol (table 6-2).
    pub protocol: u8,
    /// Sessions that are open by it.
    pub sessions: u8,
}

/// Medium: LAN.
pub const MEDIUM_LAN: u8 = 4;

impl Command for GetChannelInfo {
    const KIND: &'static Kind = &Kind::reads("Get Channel Info", NETFN_APP, 0x42);
    type Answer = ChannelInfo;

    fn build(&self) -> Vec<u8> {
        vec![self.0 & 0x0f]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(Reader::new("Get Channel Info request", data).u8()? & 0x0f))
    }

    fn build_answer(info: &ChannelInfo) -> Vec<u8> {
        // Sessions of several users; IPMI's own enterprise number, no auxiliary data.
        let sessions = 0x80 | info.sessions & 0x3f;
        vec![info.channel & 0x0f, info.medium & 0x7f, info.protocol & 0x1f, sessions, 0xf2, 0x1b, 0, 0, 0]
    }

    fn parse_answer(data: &[u8]) -> Result<ChannelInfo, Malformed> {
        let [channel, medium, protocol, sessions] = Reader::new("Get Channel Info answer", data).array()?;
        Ok(ChannelInfo {
            channel: channel & 0x0f,
            medium: medium & 0x7f,
            protocol: protocol & 0x1f,
            sessions: sessions & 0x3f,
        })
    }
}

/// Get Channel Access, as it is in use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetChannelAccess(pub u8);

/// Who may use a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAccess {
    /// 0 nobody, 1 before boot only, 2 always, 3 shared.
    pub mode: u8,
    /// Whether every message is authenticated.
    pub authenticates_messages: bool,
    /// Whether requests of users are authenticated, too.
    pub authenticates_users: bool,
    /// Highest privilege by it; none: no access.
    pub privilege: Option<Privilege>,
}

impl Command for GetChannelAccess {
    const KIND: &'static Kind = &Kind::reads("Get Channel Access", NETFN_APP, 0x41);
    type Answer = ChannelAccess;

    fn build(&self) -> Vec<u8> {
        // 10b: as it is in use now, rather than as it is kept.
        vec![self.0 & 0x0f, 0x80]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(Reader::new("Get Channel Access request", data).u8()? & 0x0f))
    }

    fn build_answer(access: &ChannelAccess) -> Vec<u8> {
        let flags =
            u8::from(!access.authenticates_messages) << 4 | u8::from(!access.authenticates_users) << 3;
        vec![flags | access.mode & 7, privilege_code(access.privilege)]
    }

    fn parse_answer(data: &[u8]) -> Result<ChannelAccess, Malformed> {
        let [flags, privilege] = Reader::new("Get Channel Access answer", data).array()?;
        Ok(ChannelAccess {
            mode: flags & 7,
            authenticates_messages: flags & 0x10 == 0,
            authenticates_users: flags & 0x08 == 0,
            privilege: privilege_of(privilege),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(GetChannelInfo(0x0e), ChannelInfo { channel: 1, medium: MEDIUM_LAN, protocol: 1, sessions: 2 });
        let access = ChannelAccess {
            mode: 2,
            authenticates_messages: true,
            authenticates_users: false,
            privilege: Some(Privilege::Administrator),
        };
        check(GetChannelAccess(1), access);
    }
}
