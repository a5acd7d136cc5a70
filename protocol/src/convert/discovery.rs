//! Values: orders and findings of discovery to and from the wire.

use std::net::Ipv4Addr;

use super::{InvalidMessage, parse, present};
use crate::{
    bmc_mark::{BmcMark, MARKS_MAX},
    discovery::{AddressRange, Claim, Credential, Finding, FoundBmc, Order, OrderTask, RedfishPort, Scan},
    grpc as wire,
    secret::Secret,
    spec::BmcProtocol,
};

impl From<Order> for wire::Discover {
    fn from(order: Order) -> Self {
        use wire::discover::Order as Wire;
        let task = match order.task {
            OrderTask::Scan(scan) => Wire::Scan(scan.into()),
            OrderTask::Open { seconds, never } => Wire::Open(wire::OpenWindow {
                seconds,
                never: never.iter().map(ToString::to_string).collect(),
            }),
            OrderTask::Close => Wire::Close(wire::CloseWindow {}),
            OrderTask::Claim(claim) => Wire::Claim(claim.into()),
        };
        Self { id: order.id.to_string(), order: Some(task) }
    }
}

impl TryFrom<wire::Discover> for Order {
    type Error = InvalidMessage;
    fn try_from(order: wire::Discover) -> Result<Self, InvalidMessage> {
        use wire::discover::Order as Wire;
        let task = match present("Discover.order", order.order)? {
            Wire::Scan(scan) => OrderTask::Scan(scan.try_into()?),
            Wire::Open(wire::OpenWindow { seconds, never }) => {
                let never =
                    never.iter().map(|mac| parse("OpenWindow.never", mac)).collect::<Result<_, _>>()?;
                OrderTask::Open { seconds, never }
            }
            Wire::Close(wire::CloseWindow {}) => OrderTask::Close,
            Wire::Claim(claim) => OrderTask::Claim(claim.try_into()?),
        };
        Ok(Self { id: parse("Discover.id", &order.id)?, task })
    }
}

impl From<Scan> for wire::ScanBmcs {
    fn from(scan: Scan) -> Self {
        let range = |range: AddressRange| wire::AddressRange {
            first: range.first().to_string(),
            last: range.last().to_string(),
        };
        let one = |one: RedfishPort| wire::RedfishPort { port: one.port.into(), http: one.http };
        Self {
            ranges: scan.ranges.into_iter().map(range).collect(),
            redfish: scan.redfish.into_iter().map(one).collect(),
            credentials: scan.credentials.into_iter().map(Into::into).collect(),
            spare: scan.spare.iter().map(Ipv4Addr::to_string).collect(),
            listed: scan.listed.iter().map(BmcMark::to_string).collect(),
        }
    }
}

impl TryFrom<wire::ScanBmcs> for Scan {
    type Error = InvalidMessage;
    fn try_from(scan: wire::ScanBmcs) -> Result<Self, InvalidMessage> {
        // First of all, so that the texts are cleared from memory whatever else is wrong.
        let credentials = scan.credentials.into_iter().map(Into::into).collect();
        let range = |range: wire::AddressRange| {
            let (first, last) =
                (parse("AddressRange.first", &range.first)?, parse("AddressRange.last", &range.last)?);
            AddressRange::new(first, last)
                .map_err(|error| InvalidMessage::new("ScanBmcs.ranges", error.to_string()))
        };
        let one = |one: wire::RedfishPort| {
            Ok(RedfishPort { port: port("RedfishPort.port", one.port)?, http: one.http })
        };
        Ok(Self {
            credentials,
            ranges: scan.ranges.into_iter().map(range).collect::<Result<_, _>>()?,
            redfish: scan.redfish.into_iter().map(one).collect::<Result<_, _>>()?,
            spare: scan.spare.iter().map(|one| parse("ScanBmcs.spare", one)).collect::<Result<_, _>>()?,
            // One that a newer coordinator knows and we do not is of no BMC that we see.
            listed: scan.listed.iter().filter_map(|one| one.parse().ok()).collect(),
        })
    }
}

impl From<Credential> for wire::BmcCredential {
    fn from(credential: Credential) -> Self {
        Self { username: credential.username, password: credential.password.reveal().to_owned() }
    }
}

impl From<wire::BmcCredential> for Credential {
    fn from(credential: wire::BmcCredential) -> Self {
        Self { username: credential.username, password: Secret::new(credential.password) }
    }
}

impl From<Claim> for wire::ClaimBmc {
    fn from(claim: Claim) -> Self {
        use wire::claim_bmc::Protocol;
        let protocol = match claim.protocol {
            BmcProtocol::Ipmi { cipher_suite } => Protocol::Ipmi(ipmi(cipher_suite)),
            BmcProtocol::Redfish { system, certificate_sha256, http } => {
                Protocol::Redfish(wire::Redfish { system, certificate_sha256, http })
            }
        };
        Self {
            address: claim.address.to_string(),
            port: claim.port.into(),
            protocol: Some(protocol),
            credential: Some(claim.credential.into()),
        }
    }
}

impl TryFrom<wire::ClaimBmc> for Claim {
    type Error = InvalidMessage;
    fn try_from(claim: wire::ClaimBmc) -> Result<Self, InvalidMessage> {
        use wire::claim_bmc::Protocol;
        // First of all, so that the text is cleared from memory whatever else is wrong.
        let credential = present("ClaimBmc.credential", claim.credential.map(Credential::from))?;
        let protocol = match present("ClaimBmc.protocol", claim.protocol)? {
            Protocol::Ipmi(ipmi) => read_ipmi(ipmi)?,
            Protocol::Redfish(redfish) => read_redfish(redfish),
        };
        let address = parse("ClaimBmc.address", &claim.address)?;
        Ok(Self { address, port: port("ClaimBmc.port", claim.port)?, protocol, credential })
    }
}

fn ipmi(cipher_suite: Option<u8>) -> wire::Ipmi {
    wire::Ipmi { cipher_suite: cipher_suite.map(Into::into) }
}

fn read_ipmi(wire::Ipmi { cipher_suite }: wire::Ipmi) -> Result<BmcProtocol, InvalidMessage> {
    let cipher_suite = cipher_suite
        .map(u8::try_from)
        .transpose()
        .map_err(|_| InvalidMessage::new("Ipmi.cipher_suite", format!("is {cipher_suite:?}, above 255")))?;
    Ok(BmcProtocol::Ipmi { cipher_suite })
}

fn read_redfish(wire::Redfish { system, certificate_sha256, http }: wire::Redfish) -> BmcProtocol {
    BmcProtocol::Redfish { system, certificate_sha256, http }
}

impl From<Finding> for wire::Found {
    fn from(finding: Finding) -> Self {
        use wire::found::Finding as Wire;
        let finding = match finding {
            Finding::Bmc(bmc) => Wire::Bmc((*bmc).into()),
            Finding::Machine { hardware } => Wire::Machine((*hardware).into()),
            Finding::Progress { done, total } => Wire::Progress(wire::ScanProgress { done, total }),
            Finding::ScanEnded { fault } => Wire::ScanEnded(wire::ScanEnded { fault }),
            Finding::WindowEnded { reason } => Wire::WindowEnded(wire::WindowEnded { reason }),
        };
        Self { finding: Some(finding) }
    }
}

impl TryFrom<wire::Found> for Finding {
    type Error = InvalidMessage;
    fn try_from(found: wire::Found) -> Result<Self, InvalidMessage> {
        use wire::found::Finding as Wire;
        Ok(match present("Found.finding", found.finding)? {
            Wire::Bmc(bmc) => Finding::Bmc(Box::new(bmc.try_into()?)),
            Wire::Machine(hardware) => Finding::Machine { hardware: Box::new(hardware.try_into()?) },
            Wire::Progress(wire::ScanProgress { done, total }) => Finding::Progress { done, total },
            Wire::ScanEnded(wire::ScanEnded { fault }) => Finding::ScanEnded { fault },
            Wire::WindowEnded(wire::WindowEnded { reason }) => Finding::WindowEnded { reason },
        })
    }
}

impl From<FoundBmc> for wire::FoundBmc {
    fn from(bmc: FoundBmc) -> Self {
        use wire::found_bmc::Protocol;
        let protocol = match bmc.protocol {
            BmcProtocol::Ipmi { cipher_suite } => Protocol::Ipmi(ipmi(cipher_suite)),
            BmcProtocol::Redfish { system, certificate_sha256, http } => {
                Protocol::Redfish(wire::Redfish { system, certificate_sha256, http })
            }
        };
        Self {
            address: bmc.address.to_string(),
            port: bmc.port.into(),
            protocol: Some(protocol),
            identity: bmc.identity.map(Into::into),
            credential: bmc.credential,
            problem: bmc.problem,
            marks: bmc.marks.iter().take(MARKS_MAX).map(BmcMark::to_string).collect(),
            refused: bmc.is_refused,
        }
    }
}

impl TryFrom<wire::FoundBmc> for FoundBmc {
    type Error = InvalidMessage;
    fn try_from(bmc: wire::FoundBmc) -> Result<Self, InvalidMessage> {
        use wire::found_bmc::Protocol;
        let protocol = match present("FoundBmc.protocol", bmc.protocol)? {
            Protocol::Ipmi(ipmi) => read_ipmi(ipmi)?,
            Protocol::Redfish(redfish) => read_redfish(redfish),
        };
        Ok(Self {
            address: parse("FoundBmc.address", &bmc.address)?,
            port: port("FoundBmc.port", bmc.port)?,
            protocol,
            credential: bmc.credential,
            identity: bmc.identity.map(Into::into),
            problem: bmc.problem,
            // What a newer agent may tell besides is passed over.
            marks: bmc.marks.iter().filter_map(|mark| mark.parse().ok()).take(MARKS_MAX).collect(),
            is_refused: bmc.refused,
        })
    }
}

fn port(field: &'static str, number: u32) -> Result<u16, InvalidMessage> {
    u16::try_from(number).map_err(|_| InvalidMessage::new(field, format!("is {number}, above 65535")))
}

/// Hides the password: generated messages are printed by whoever traces a stream.
impl std::fmt::Debug for wire::BmcCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BmcCredential").field("username", &self.username).finish_non_exhaustive()
    }
}
