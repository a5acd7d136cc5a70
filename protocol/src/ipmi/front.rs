//! Values: the chassis beyond its power: identify light, restart cause, restore policy, faults (sections 28.2, 28.5, 28.8, 28.11).

use super::{
    Malformed, Privilege,
    call::{Command, Kind},
    message::NETFN_CHASSIS,
    wire::Reader,
};
use crate::power::RestorePolicy;

/// The commands of this family.
pub(super) const KINDS: &[&Kind] =
    &[Identify::KIND, RestartCause::KIND, PowerPolicy::KIND, GetCondition::KIND];

/// Chassis Identify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// The light is on for so many seconds; 0 switches it off.
    Seconds(u8),
    /// Until it is switched off.
    Forever,
}

impl Command for Identify {
    const KIND: &'static Kind =
        &Kind::reads("Chassis Identify", NETFN_CHASSIS, 0x04).needs(Privilege::Operator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        match self {
            // The second byte is optional, and old BMCs refuse it.
            Identify::Seconds(seconds) => vec![*seconds],
            Identify::Forever => vec![0, 1],
        }
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        // Without data the light is on for 15 s.
        let (seconds, force) =
            (data.first().copied().unwrap_or(15), data.get(1).copied().unwrap_or_default());
        Ok(if force & 1 != 0 { Identify::Forever } else { Identify::Seconds(seconds) })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get System Restart Cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartCause;

/// Why the server last started, 4 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub u8);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const CAUSES: [&str; 12] = [
            "unknown",
            "command to the BMC",
            "reset button",
            "power button",
            "watchdog",
            "maker's own reason",
            "power came back, policy always on",
            "power came back, policy as before",
            "platform event filter, reset",
            "platform event filter, power cycle",
            "soft reset by the operating system",
            "real-time clock",
        ];
        f.write_str(CAUSES.get(usize::from(self.0)).unwrap_or(&"reserved reason"))
    }
}

impl Command for RestartCause {
    const KIND: &'static Kind = &Kind::reads("Get System Restart Cause", NETFN_CHASSIS, 0x07);
    type Answer = Cause;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(cause: &Cause) -> Vec<u8> {
        vec![cause.0 & 0x0f, 0]
    }

    fn parse_answer(data: &[u8]) -> Result<Cause, Malformed> {
        Ok(Cause(Reader::new("Get System Restart Cause answer", data).u8()? & 0x0f))
    }
}

/// Set Power Restore Policy; none: changes nothing and asks which there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerPolicy(pub Option<RestorePolicy>);

/// "No change" on the wire.
const NO_CHANGE: u8 = 3;

impl Command for PowerPolicy {
    const KIND: &'static Kind =
        &Kind::reads("Set Power Restore Policy", NETFN_CHASSIS, 0x06).needs(Privilege::Operator);
    type Answer = Vec<RestorePolicy>;

    fn build(&self) -> Vec<u8> {
        vec![self.0.map_or(NO_CHANGE, RestorePolicy::code)]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let code = Reader::new("Set Power Restore Policy request", data).u8()? & 0x07;
        match (code, RestorePolicy::of_code(code)) {
            (NO_CHANGE, _) => Ok(Self(None)),
            (_, Some(policy)) => Ok(Self(Some(policy))),
            (_, None) => Err(Malformed::new("power restore policy", "is a reserved one")),
        }
    }

    fn build_answer(supported: &Vec<RestorePolicy>) -> Vec<u8> {
        vec![supported.iter().fold(0, |bits, policy| bits | 1 << policy.code())]
    }

    fn parse_answer(data: &[u8]) -> Result<Vec<RestorePolicy>, Malformed> {
        let bits = Reader::new("Set Power Restore Policy answer", data).u8()?;
        Ok(RestorePolicy::ALL.into_iter().filter(|policy| bits & 1 << policy.code() != 0).collect())
    }
}

/// Get Chassis Status, all of it. (A poll asks for the power alone: [`super::chassis::ChassisStatus`].)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCondition;

/// A chassis' condition as it is on the wire: power state, last power event, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition([u8; 3]);

/// Bits of a condition that are bad news: byte, bit, words.
const TROUBLES: [(usize, u8, &str); 7] = [
    (0, 1, "power overload"),
    (0, 2, "power interlock"),
    (0, 3, "fault of the main power"),
    (0, 4, "fault of the power control"),
    (2, 0, "chassis is open"),
    (2, 2, "fault of a drive"),
    (2, 3, "fault of a fan or of the cooling"),
];

impl Condition {
    /// From the three bytes of the answer.
    pub fn new(bytes: [u8; 3]) -> Self {
        Self(bytes)
    }

    /// Whether the system has power.
    pub fn is_on(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// What it does when its mains power comes back; none: the BMC does not know.
    pub fn policy(self) -> Option<RestorePolicy> {
        RestorePolicy::of_code(self.0[0] >> 5 & 3)
    }

    /// What is wrong, in words.
    pub fn troubles(self) -> Vec<&'static str> {
        TROUBLES
            .iter()
            .filter(|(byte, bit, _)| self.0[*byte] & 1 << bit != 0)
            .map(|(.., words)| *words)
            .collect()
    }

    /// Whether the identify light is on; none: the BMC does not say.
    pub fn identifies(self) -> Option<bool> {
        (self.0[2] & 0x40 != 0).then_some(self.0[2] & 0x30 != 0)
    }
}

impl Command for GetCondition {
    const KIND: &'static Kind = &Kind::reads("Get Chassis Status", NETFN_CHASSIS, 0x01);
    type Answer = Condition;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(condition: &Condition) -> Vec<u8> {
        condition.0.to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<Condition, Malformed> {
        Reader::new("Get Chassis Status answer", data).array().map(Condition)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(Identify::Seconds(30), ());
        check(Identify::Forever, ());
        check(RestartCause, Cause(4));
        check(PowerPolicy(None), RestorePolicy::ALL.to_vec());
        check(PowerPolicy(Some(RestorePolicy::AlwaysOff)), vec![]);
        check(GetCondition, Condition::new([0x21, 0, 0x40]));
    }

    #[test]
    fn a_condition_is_told_in_words() {
        let condition = GetCondition::parse_answer(&[0x2b, 0, 0x59]).unwrap();
        assert!(condition.is_on());
        assert_eq!(condition.policy(), Some(RestorePolicy::LastState));
        assert_eq!(
            condition.troubles(),
            [
                "power overload",
                "fault of the main power",
                "chassis is open",
                "fault of a fan or of the cooling"
            ]
        );
        assert_eq!(condition.identifies(), Some(true));
        assert_eq!(Condition::new([0x60, 0, 0]).policy(), None, "3 is: not known");
        assert_eq!(Cause(4).to_string(), "watchdog");
        assert_eq!(
            PowerPolicy::parse_answer(&[0b101]),
            Ok(vec![RestorePolicy::AlwaysOff, RestorePolicy::AlwaysOn])
        );
    }
}
