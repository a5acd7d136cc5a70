//! Decisions: users, network, identify light and power draw of a virtual BMC.

use std::collections::BTreeMap;

use protocol::{
    ipmi::{
        Privilege,
        call::Call,
        channels::{ChannelAccess, ChannelInfo, GetChannelAccess, GetChannelInfo, MEDIUM_LAN},
        dcmi::{Capabilities, GetCapabilities, GetPowerLimit, GetPowerReading, PowerReading},
        device::{DeviceGuid, SelfTest, SelfTestResult},
        front::{Cause, Identify, PowerPolicy, RestartCause},
        lan::{Families, GetParameter, Parameter, Source, V6Address},
        message::CompletionCode,
        users::{GetAccess, GetName, Name, PasswordAction, SetAccess, SetName, SetPassword, UserAccess},
    },
    mac::MacAddr,
    power::RestorePolicy,
    secret::Secret,
};

/// Users that there is room for.
const USERS_MAX: u8 = 10;
/// The LAN's channel, and "the one that this request comes by".
const LAN: u8 = 1;
const THIS: u8 = 0x0e;

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password, once it was set.
    pub password: Option<Secret>,
    /// May log in.
    pub is_enabled: bool,
    /// May send IPMI messages.
    pub messages: bool,
    /// Highest privilege.
    pub privilege: Option<Privilege>,
}

/// The settings. Its log-in knows one of these users only, and its password apart from them (see [`super::super::accounts`]).
#[derive(Debug)]
pub struct Settings {
    /// Users, by their numbers.
    pub users: BTreeMap<u8, User>,
    /// Parameters of the LAN.
    pub lan: Vec<Parameter>,
    /// The identify light, as it was last told.
    pub identify: Option<Identify>,
    /// What it does when its mains power comes back, as it was last told.
    pub policy: Option<RestorePolicy>,
    /// Power draw while the server is on, in W; none: it cannot be measured.
    pub draw_w: Option<u16>,
    /// The test of itself.
    pub self_test: SelfTestResult,
}

impl Default for Settings {
    fn default() -> Self {
        let user = |name: &str, privilege, is_enabled| User {
            name: name.to_owned(),
            password: None,
            is_enabled,
            messages: true,
            privilege,
        };
        let v6 = V6Address {
            set: 0,
            source: 0x80,
            address: "2001:db8::7".parse().expect("an address"),
            prefix: 64,
            status: 0,
        };
        Self {
            users: BTreeMap::from([
                (1, user("", None, false)),
                (2, user("admin", Some(Privilege::Administrator), true)),
                (3, user("monitor", Some(Privilege::User), true)),
            ]),
            lan: vec![
                Parameter::SetInProgress(0),
                Parameter::Address([198, 51, 100, 7].into()),
                Parameter::Source(Source::Static),
                Parameter::Mac(MacAddr([0x52, 0x54, 0, 0xb3, 0, 7])),
                Parameter::SubnetMask([255, 255, 255, 0].into()),
                Parameter::Gateway([198, 51, 100, 1].into()),
                Parameter::Vlan(None),
                Parameter::Families(Families::Both),
                Parameter::V6Counts { fixed: 1, dynamic: 0 },
                Parameter::V6Static(v6),
            ],
            identify: None,
            policy: None,
            draw_w: Some(212),
            self_test: SelfTestResult::Passed,
        }
    }
}

impl Settings {
    pub(super) fn answer(&mut self, call: &Call, on: bool) -> Option<Result<Vec<u8>, CompletionCode>> {
        self.answer_front(call).or_else(|| self.answer_users(call)).or_else(|| self.answer_lan(call)).or_else(
            || {
                let watts = self.draw_w.map(|watts| if on { watts } else { 0 });
                call.serve(|_: GetCapabilities| Ok(Capabilities { version: (1, 5), power: watts.is_some() }))
                    .or_else(|| {
                        call.serve(|_: GetPowerReading| {
                            watts.map(draw).ok_or(CompletionCode::INVALID_COMMAND)
                        })
                    })
                    // No limit is set.
                    .or_else(|| call.serve(|_: GetPowerLimit| Err(CompletionCode(0x80))))
            },
        )
    }

    fn answer_front(&mut self, call: &Call) -> Option<Result<Vec<u8>, CompletionCode>> {
        call.serve(|_: SelfTest| Ok(self.self_test))
            .or_else(|| call.serve(|_: DeviceGuid| Ok([0x20; 16])))
            .or_else(|| call.serve(|_: RestartCause| Ok(Cause(1))))
            .or_else(|| {
                call.serve(|identify: Identify| {
                    self.identify = Some(identify);
                    Ok(())
                })
            })
            .or_else(|| {
                call.serve(|PowerPolicy(policy)| {
                    self.policy = policy.or(self.policy);
                    Ok(RestorePolicy::ALL.to_vec())
                })
            })
    }

    /// The number of the user with this name.
    pub fn number_of(&self, name: &str) -> Option<u8> {
        self.users.iter().find(|(_, user)| user.name == name).map(|(number, _)| *number)
    }

    fn user(&mut self, number: u8) -> Result<&mut User, CompletionCode> {
        match number {
            1..=USERS_MAX => Ok(self.users.entry(number).or_default()),
            _ => Err(CompletionCode::INVALID_FIELD),
        }
    }

    fn answer_users(&mut self, call: &Call) -> Option<Result<Vec<u8>, CompletionCode>> {
        call.serve(|get: GetAccess| self.access(get))
            .or_else(|| {
                call.serve(|set: SetAccess| {
                    let user = self.user(set.user)?;
                    (user.messages, user.privilege) = (set.messages, set.privilege);
                    Ok(())
                })
            })
            .or_else(|| {
                call.serve(|GetName(number)| {
                    Name::new(&self.user(number)?.name).ok_or(CompletionCode::UNSPECIFIED)
                })
            })
            .or_else(|| {
                call.serve(|set: SetName| {
                    self.user(set.user)?.name = set.name.text();
                    Ok(())
                })
            })
            .or_else(|| call.serve(|set: SetPassword| self.password(&set)))
    }

    fn access(&mut self, get: GetAccess) -> Result<UserAccess, CompletionCode> {
        let users_enabled = self.users.values().filter(|user| user.is_enabled).count() as u8;
        let user = self.user(get.user)?;
        Ok(UserAccess {
            users_max: USERS_MAX,
            users_enabled,
            users_fixed: 1,
            is_enabled: Some(user.is_enabled),
            callback_only: false,
            link: false,
            messages: user.messages,
            privilege: user.privilege,
        })
    }

    fn password(&mut self, set: &SetPassword) -> Result<(), CompletionCode> {
        let user = self.user(set.user)?;
        match &set.action {
            PasswordAction::Disable => user.is_enabled = false,
            PasswordAction::Enable => user.is_enabled = true,
            PasswordAction::Set(password) => user.password = Some(password.clone()),
            PasswordAction::Test(password) if user.password.as_ref() == Some(password) => {}
            PasswordAction::Test(_) => return Err(CompletionCode(0x80)),
        }
        Ok(())
    }

    fn answer_lan(&mut self, call: &Call) -> Option<Result<Vec<u8>, CompletionCode>> {
        call.serve(|GetChannelInfo(channel)| match channel {
            LAN | THIS => Ok(ChannelInfo { channel: LAN, medium: MEDIUM_LAN, protocol: 1, sessions: 1 }),
            _ => Err(CompletionCode::INVALID_FIELD),
        })
        .or_else(|| {
            call.serve(|_: GetChannelAccess| {
                let privilege = Some(Privilege::Administrator);
                Ok(ChannelAccess {
                    mode: 2,
                    authenticates_messages: true,
                    authenticates_users: true,
                    privilege,
                })
            })
        })
        .or_else(|| {
            call.serve(|get: GetParameter| {
                let mut all = self.lan.iter().filter(|value| value.number() == get.parameter);
                let value = all.nth(usize::from(get.set)).ok_or(CompletionCode::PARAMETER_UNSUPPORTED)?;
                Ok(value.build())
            })
        })
    }
}

fn draw(now_w: u16) -> PowerReading {
    let (min_w, max_w, mean_w) = (now_w / 2, now_w * 2, now_w);
    PowerReading { now_w, min_w, max_w, mean_w, at: 0, period_ms: 1000, is_active: true }
}
