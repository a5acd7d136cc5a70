//! Values: power draw and its limit, by the Data Center Manageability Interface (DCMI 1.5, sections 6.1.1, 6.6.1, 6.6.2).

use super::{
    Malformed,
    call::{Command, Kind, NETFN_GROUP},
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[GetCapabilities::KIND, GetPowerReading::KIND, GetPowerLimit::KIND];

/// The first byte of DCMI's requests and answers.
const GROUP: u8 = 0xdc;

/// Get DCMI Capabilities Info, of the supported capabilities (parameter 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCapabilities;

/// What a BMC can by DCMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of DCMI: major and minor.
    pub version: (u8, u8),
    /// Whether it measures power.
    pub power: bool,
}

impl Command for GetCapabilities {
    const KIND: &'static Kind = &Kind::reads("Get DCMI Capabilities Info", NETFN_GROUP, 0x01).of_group(GROUP);
    type Answer = Capabilities;

    fn build(&self) -> Vec<u8> {
        vec![1]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        match Reader::new("Get DCMI Capabilities Info request", data).u8()? {
            1 => Ok(Self),
            _ => Err(Malformed::new("Get DCMI Capabilities Info request", "is for another parameter")),
        }
    }

    fn build_answer(capabilities: &Capabilities) -> Vec<u8> {
        let (major, minor) = capabilities.version;
        vec![major, minor, 2, 0, u8::from(capabilities.power), 0]
    }

    fn parse_answer(data: &[u8]) -> Result<Capabilities, Malformed> {
        let [major, minor, _revision, _mandatory, optional] =
            Reader::new("Get DCMI Capabilities Info answer", data).array()?;
        Ok(Capabilities { version: (major, minor), power: optional & 1 != 0 })
    }
}

/// Get Power Reading, of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetPowerReading;

/// Power draw, in W.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerReading {
    /// Now.
    pub now_w: u16,
    /// Least of the period.
    pub min_w: u16,
    /// Most of the period.
    pub max_w: u16,
    /// Mean of the period.
    pub mean_w: u16,
    /// When it was taken, in seconds of the BMC's clock.
    pub at: u32,
    /// The period, in ms.
    pub period_ms: u32,
    /// Whether it measures now.
    pub is_active: bool,
}

impl Command for GetPowerReading {
    const KIND: &'static Kind = &Kind::reads("Get Power Reading", NETFN_GROUP, 0x02).of_group(GROUP);
    type Answer = PowerReading;

    fn build(&self) -> Vec<u8> {
        vec![1, 0, 0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        match Reader::new("Get Power Reading request", data).u8()? {
            1 => Ok(Self),
            _ => Err(Malformed::new("Get Power Reading request", "is for another mode")),
        }
    }

    fn build_answer(reading: &PowerReading) -> Vec<u8> {
        let mut data = vec![];
        for watts in [reading.now_w, reading.min_w, reading.max_w, reading.mean_w] {
            data.extend(watts.to_le_bytes());
        }
        data.extend(reading.at.to_le_bytes());
        data.extend(reading.period_ms.to_le_bytes());
        data.push(u8::from(reading.is_active) << 6);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<PowerReading, Malformed> {
        let mut reader = Reader::new("Get Power Reading answer", data);
        Ok(PowerReading {
            now_w: reader.u16()?,
            min_w: reader.u16()?,
            max_w: reader.u16()?,
            mean_w: reader.u16()?,
            at: reader.u32()?,
            period_ms: reader.u32()?,
            is_active: reader.u8()? & 0x40 != 0,
        })
    }
}

/// Get Power Limit. Completion code 0x80 says that none is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetPowerLimit;

/// How much power the server may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerLimit {
    /// What happens when it draws more: 0 nothing, 1 the server is switched off, 0x11 it is logged.
    pub action: u8,
    /// The limit, in W.
    pub limit_w: u16,
    /// How long it may draw more, in ms.
    pub correction_ms: u32,
    /// Over how long that is measured, in s.
    pub period_s: u16,
}

impl Command for GetPowerLimit {
    const KIND: &'static Kind = &Kind::reads("Get Power Limit", NETFN_GROUP, 0x03).of_group(GROUP);
    type Answer = PowerLimit;

    fn build(&self) -> Vec<u8> {
        vec![0, 0]
    }

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(limit: &PowerLimit) -> Vec<u8> {
        let mut data = vec![0, 0, limit.action];
        data.extend(limit.limit_w.to_le_bytes());
        data.extend(limit.correction_ms.to_le_bytes());
        data.extend([0, 0]);
        data.extend(limit.period_s.to_le_bytes());
        data
    }

    fn parse_answer(data: &[u8]) -> Result<PowerLimit, Malformed> {
        let mut reader = Reader::new("Get Power Limit answer", data);
        let [_, _, action] = reader.array()?;
        let (limit_w, correction_ms, [_, _]) = (reader.u16()?, reader.u32()?, reader.array()?);
        Ok(PowerLimit { action, limit_w, correction_ms, period_s: reader.u16()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(GetCapabilities, Capabilities { version: (1, 5), power: true });
        let draw = PowerReading {
            now_w: 212,
            min_w: 90,
            max_w: 410,
            mean_w: 200,
            at: 7,
            period_ms: 1000,
            is_active: true,
        };
        check(GetPowerReading, draw);
        check(GetPowerLimit, PowerLimit { action: 1, limit_w: 500, correction_ms: 2000, period_s: 3 });
    }
}
