//! Values: what a BMC says of itself and its channel (sections 20.1, 20.8, 22.13, 22.15).

use super::{
    CipherSuite,
    wire::{Malformed, Reader},
};

/// Answer to Get Device ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceId {
    /// Device id, vendor's choice.
    pub device: u8,
    /// Device revision, 4 bits.
    pub revision: u8,
    /// Firmware, major part, 7 bits.
    pub firmware_major: u8,
    /// Firmware, minor part as the BMC sends it (binary coded decimal).
    pub firmware_minor: u8,
    /// IANA enterprise number, 20 bits.
    pub manufacturer: u32,
    /// Product, manufacturer's choice.
    pub product: u16,
}

/// IPMI 2.0, nibbles reversed as the specification has them.
const IPMI_VERSION_2_0: u8 = 0x02;
/// Additional device support: chassis, FRU inventory, event log, sensor records, sensors.
const SUPPORTS: u8 = 0x8f;

impl DeviceId {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = vec![
            self.device,
            self.revision & 0x0f,
            self.firmware_major & 0x7f,
            self.firmware_minor,
            IPMI_VERSION_2_0,
            SUPPORTS,
        ];
        bytes.extend(&self.manufacturer.to_le_bytes()[..3]);
        bytes.extend(self.product.to_le_bytes());
        bytes
    }

    /// From bytes; trailing auxiliary revision bytes are ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Get Device ID answer", bytes);
        let [device, revision, firmware_major, firmware_minor, _version, _support] = reader.array()?;
        let [m0, m1, m2] = reader.array()?;
        Ok(Self {
            device,
            revision: revision & 0x0f,
            firmware_major: firmware_major & 0x7f,
            firmware_minor,
            manufacturer: u32::from_le_bytes([m0, m1, m2, 0]) & 0x0f_ffff,
            product: reader.u16()?,
        })
    }

    /// Firmware version as people write it.
    pub fn firmware(&self) -> String {
        format!("{}.{:02x}", self.firmware_major, self.firmware_minor)
    }
}

/// Answer to Get Channel Authentication Capabilities, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAuthCapabilities {
    /// The channel.
    pub channel: u8,
    /// Whether RMCP+ sessions can be opened.
    pub ipmi_2_0: bool,
}

impl ChannelAuthCapabilities {
    /// To bytes: no IPMI 1.5 authentication, named users only.
    pub fn build(&self) -> Vec<u8> {
        let extended = u8::from(self.ipmi_2_0);
        vec![self.channel & 0x0f, extended << 7, 0x04, extended << 1, 0, 0, 0, 0]
    }

    /// From bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let [channel, authentication, _, extended] =
            Reader::new("Get Channel Authentication Capabilities answer", bytes).array()?;
        let ipmi_2_0 = authentication & 0x80 != 0 && extended & 0x02 != 0;
        Ok(Self { channel: channel & 0x0f, ipmi_2_0 })
    }
}

/// Bytes of the cipher suite list that one answer carries.
pub const CIPHER_SUITE_CHUNK_BYTES: usize = 16;

/// The records of Get Channel Cipher Suites (table 22-19), all of them in a row.
pub fn cipher_suite_records(suites: &[CipherSuite]) -> Vec<u8> {
    suites
        .iter()
        .flat_map(|suite| {
            let a = suite.algorithms();
            [0xc0, suite.id(), a.authentication, 0x40 | a.integrity, 0x80 | a.confidentiality]
        })
        .collect()
}
