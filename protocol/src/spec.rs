//! Values: what the coordinator declares of a server to the agent of its rack.

use serde::{Deserialize, Serialize};

use crate::{
    bmc_settings::BmcSettings,
    boot::{BootLoader, BootMode},
    id::{ServerId, TenancyId},
    identity::ExpectedIdentity,
    mac::MacAddr,
    secret::Secret,
};

/// One server that the agent is to look after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Its id.
    pub id: ServerId,
    /// Its name, for logs.
    pub name: String,
    /// How to reach its BMC.
    pub bmc: BmcEndpoint,
    /// Interfaces that may boot from the network.
    pub macs: Vec<MacAddr>,
    /// Its other interfaces: a boot that is asked for by one of them is not answered, and told.
    #[serde(default)]
    pub other_macs: Vec<MacAddr>,
    /// Firmware mode for its boots.
    pub boot_mode: BootMode,
    /// Which loader its UEFI firmware is to be given; none: it follows from what is known of Secure Boot.
    #[serde(default)]
    pub boot_loader: Option<BootLoader>,
    /// Whether its firmware starts signed programs only; none: nobody knows.
    #[serde(default)]
    pub secure_boot: Option<bool>,
    /// Who answers at that BMC, if it is this server's.
    pub expected: ExpectedIdentity,
    /// The password that is to follow the one in `bmc`, while it is being changed.
    #[serde(default)]
    pub next_password: Option<NextPassword>,
    /// The tenancy whose own system runs on it now: what it prints is that tenant's to read. None: it is in our hands.
    #[serde(default)]
    pub tenancy: Option<TenancyId>,
}

/// The password that a BMC is to have. Until a log-in has proved which of the two it has, both are known and either may be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPassword {
    /// It.
    pub password: Secret,
    /// It is tried before the other one: the BMC may have been told it.
    pub is_first: bool,
}

/// A BMC's address and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcEndpoint {
    /// Which language it speaks.
    pub protocol: BmcProtocol,
    /// IP address or name.
    pub address: String,
    /// UDP port for IPMI (623), TCP port for Redfish (443).
    pub port: u16,
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// What the site says of it besides.
    #[serde(default)]
    pub settings: BmcSettings,
}

impl BmcEndpoint {
    /// Where it is and what it is asked for there, such as `ipmi://192.0.2.5:623`. Another place may be another machine; another
    /// user, password, certificate or cipher suite is not.
    pub fn place(&self) -> String {
        let (address, port) = (self.address.trim().to_ascii_lowercase(), self.port);
        let address = if address.contains(':') { format!("[{address}]") } else { address };
        match &self.protocol {
            BmcProtocol::Ipmi { .. } => format!("ipmi://{address}:{port}"),
            BmcProtocol::Redfish { system, .. } => {
                format!("redfish://{address}:{port}{}", system.as_deref().unwrap_or_default())
            }
        }
    }
}

/// Which language a BMC speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum BmcProtocol {
    /// IPMI 2.0 over LAN (RMCP+).
    Ipmi {
        /// Cipher suite 3 (HMAC-SHA1, AES-128) or 17 (HMAC-SHA256, AES-128); none: 17, then 3.
        cipher_suite: Option<u8>,
    },
    /// Redfish.
    Redfish {
        /// Path of the system, such as `/redfish/v1/Systems/1`; none: the only one.
        system: Option<String>,
        /// SHA-256 of the certificate to expect, lower-case hex; none: the system's roots, or plain HTTP by `http`.
        certificate_sha256: Option<String>,
        /// Speak HTTP without TLS (labs and very old BMCs).
        http: bool,
    },
}
