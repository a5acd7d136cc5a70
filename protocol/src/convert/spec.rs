//! Values: declared servers to and from the wire.

use super::{
    InvalidMessage,
    boot::{boot_loader, boot_mode},
    optional_id, parse, present, server,
};
use crate::{
    bmc_settings::BmcSettings,
    grpc as wire,
    identity::ExpectedIdentity,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, NextPassword, ServerSpec},
};

impl From<ServerSpec> for wire::ServerSpec {
    fn from(spec: ServerSpec) -> Self {
        Self {
            id: spec.id.to_string(),
            name: spec.name,
            bmc: Some(spec.bmc.into()),
            macs: spec.macs.iter().map(ToString::to_string).collect(),
            boot_mode: wire::BootMode::from(spec.boot_mode).into(),
            // Absent when nothing is known, as it was before there was such a field.
            expected: (spec.expected != ExpectedIdentity::default()).then(|| spec.expected.into()),
            next_password: spec.next_password.map(Into::into),
            tenancy: spec.tenancy.map(|tenancy| tenancy.to_string()),
            secure_boot: spec.secure_boot,
            boot_loader: spec.boot_loader.map(|loader| wire::BootLoader::from(loader).into()),
            other_macs: spec.other_macs.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<ExpectedIdentity> for wire::ExpectedIdentity {
    fn from(expected: ExpectedIdentity) -> Self {
        let ExpectedIdentity { bmc, uuids, serials } = expected;
        Self { bmc: Some(bmc.into()), uuids, serials }
    }
}

impl From<wire::ExpectedIdentity> for ExpectedIdentity {
    fn from(expected: wire::ExpectedIdentity) -> Self {
        let wire::ExpectedIdentity { bmc, uuids, serials } = expected;
        Self { bmc: bmc.map(Into::into).unwrap_or_default(), uuids, serials }
    }
}

impl TryFrom<wire::ServerSpec> for ServerSpec {
    type Error = InvalidMessage;
    fn try_from(spec: wire::ServerSpec) -> Result<Self, InvalidMessage> {
        Ok(Self {
            id: server("ServerSpec.id", &spec.id)?,
            name: spec.name,
            bmc: present("ServerSpec.bmc", spec.bmc)?.try_into()?,
            macs: spec.macs.iter().map(|mac| parse("ServerSpec.macs", mac)).collect::<Result<_, _>>()?,
            boot_mode: boot_mode("ServerSpec.boot_mode", spec.boot_mode)?,
            expected: spec.expected.map(Into::into).unwrap_or_default(),
            next_password: spec.next_password.map(Into::into),
            tenancy: optional_id("ServerSpec.tenancy", spec.tenancy.as_deref())?,
            secure_boot: spec.secure_boot,
            boot_loader: spec
                .boot_loader
                .map(|loader| boot_loader("ServerSpec.boot_loader", loader))
                .transpose()?,
            other_macs: spec
                .other_macs
                .iter()
                .map(|mac| parse("ServerSpec.other_macs", mac))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<BmcEndpoint> for wire::BmcEndpoint {
    fn from(bmc: BmcEndpoint) -> Self {
        use wire::bmc_endpoint::Protocol;
        let protocol = match bmc.protocol {
            BmcProtocol::Ipmi { cipher_suite } => {
                Protocol::Ipmi(wire::Ipmi { cipher_suite: cipher_suite.map(Into::into) })
            }
            BmcProtocol::Redfish { system, certificate_sha256, http } => {
                Protocol::Redfish(wire::Redfish { system, certificate_sha256, http })
            }
        };
        Self {
            address: bmc.address,
            port: bmc.port.into(),
            username: bmc.username,
            password: bmc.password.reveal().to_owned(),
            protocol: Some(protocol),
            // Absent when nothing is said, as it was before there was such a field.
            settings: (bmc.settings != BmcSettings::default()).then(|| bmc.settings.into()),
        }
    }
}

impl TryFrom<wire::BmcEndpoint> for BmcEndpoint {
    type Error = InvalidMessage;
    fn try_from(bmc: wire::BmcEndpoint) -> Result<Self, InvalidMessage> {
        use wire::bmc_endpoint::Protocol;
        // First of all, so that the text is cleared from memory whatever else is wrong.
        let password = Secret::new(bmc.password);
        let protocol = match present("BmcEndpoint.protocol", bmc.protocol)? {
            Protocol::Ipmi(wire::Ipmi { cipher_suite }) => BmcProtocol::Ipmi {
                cipher_suite: cipher_suite.map(u8::try_from).transpose().map_err(|_| {
                    InvalidMessage::new("Ipmi.cipher_suite", format!("is {cipher_suite:?}, above 255"))
                })?,
            },
            Protocol::Redfish(wire::Redfish { system, certificate_sha256, http }) => {
                BmcProtocol::Redfish { system, certificate_sha256, http }
            }
        };
        let port = u16::try_from(bmc.port)
            .map_err(|_| InvalidMessage::new("BmcEndpoint.port", format!("is {}, above 65535", bmc.port)))?;
        let settings = bmc.settings.map(TryInto::try_into).transpose()?.unwrap_or_default();
        Ok(Self { protocol, address: bmc.address, port, username: bmc.username, password, settings })
    }
}

impl From<NextPassword> for wire::NextPassword {
    fn from(next: NextPassword) -> Self {
        Self { password: next.password.reveal().to_owned(), is_first: next.is_first }
    }
}

impl From<wire::NextPassword> for NextPassword {
    fn from(next: wire::NextPassword) -> Self {
        Self { password: Secret::new(next.password), is_first: next.is_first }
    }
}

/// Hides the password, as of a [`wire::BmcEndpoint`].
impl std::fmt::Debug for wire::NextPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NextPassword").field("is_first", &self.is_first).finish_non_exhaustive()
    }
}

/// Hides the password: generated messages are printed by whoever traces a stream.
impl std::fmt::Debug for wire::BmcEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("BmcEndpoint");
        shown.field("address", &self.address).field("port", &self.port).field("username", &self.username);
        shown.finish_non_exhaustive()
    }
}
