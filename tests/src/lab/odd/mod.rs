//! Edges: the lab's fourth and fifth enrolled servers: real machines behind BMCs that are as bad as real ones, each described by a file.

use anyhow::Context;
use protocol::boot::BootMode;
use serde::Deserialize;

use super::{
    Lab,
    server::BmcKind,
    site::{RACK, ServerPlan},
};
use crate::{
    farm::{Farm, Fault},
    qemu::Devices,
};

/// Which of them one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// An old server with an IPMI BMC.
    OldIpmi,
    /// A new one with a Redfish service.
    NewRedfish,
}

/// The two. No promise but their own enrolls them.
pub const ODD: [ServerPlan; 2] = [
    ServerPlan {
        name: "srv5",
        bmc: BmcKind::Ipmi,
        firmware: BootMode::Bios,
        devices: Devices::Virtio,
        number: 5,
        nics: 1,
        odd: Some(Odd::OldIpmi),
    },
    ServerPlan {
        name: "srv6",
        bmc: BmcKind::Redfish,
        firmware: BootMode::Uefi,
        devices: Devices::Virtio,
        number: 6,
        nics: 1,
        odd: Some(Odd::NewRedfish),
    },
];

impl Odd {
    /// What its BMC is like: one group of one.
    pub fn farm(self) -> anyhow::Result<Farm> {
        let (file, text) = match self {
            Self::OldIpmi => ("old_ipmi.toml", include_str!("old_ipmi.toml")),
            Self::NewRedfish => ("new_redfish.toml", include_str!("new_redfish.toml")),
        };
        Farm::parse(text).with_context(|| format!("tests/src/lab/odd/{file}"))
    }

    /// Its resource class: no other server is like it.
    pub const fn resource_class(self) -> &'static str {
        match self {
            Self::OldIpmi => "baremetal-old",
            Self::NewRedfish => "baremetal-new",
        }
    }
}

/// What the BMC of an odd server says of itself to whoever made it.
#[derive(Clone, Debug, Deserialize)]
pub struct Now {
    /// SHA-256 of its certificate.
    pub certificate_sha256: Option<String>,
    /// Faults now.
    pub faults: Vec<Fault>,
}

/// Its BMC as it is now.
pub async fn now(lab: &Lab, odd: Odd) -> anyhow::Result<Now> {
    let text = curl(lab, &["-f", &url(odd, "")?]).await?;
    serde_json::from_str(&text).with_context(|| format!("what a BMC says of itself: {text}"))
}

/// Its BMC has these faults from now on, and no others.
pub async fn set_faults(lab: &Lab, odd: Odd, faults: &[Fault]) -> anyhow::Result<()> {
    let (faults, url) = (serde_json::to_string(faults)?, url(odd, "/faults")?);
    curl(lab, &["-f", "-X", "PUT", "-H", "content-type: application/json", "-d", &faults, &url])
        .await
        .map(drop)
}

/// Where one BMC is looked at and switched, in the fabric's namespace.
fn url(odd: Odd, more: &str) -> anyhow::Result<String> {
    let farm = odd.farm()?;
    let control = farm.control.context("control: it must be switched while it runs")?;
    let group = farm.group.first().context("a group")?;
    Ok(format!("http://{control}/bmcs/{}-1{more}", group.name))
}

async fn curl(lab: &Lab, arguments: &[&str]) -> anyhow::Result<String> {
    let all = [&["-sS", "-m", "5"], arguments].concat();
    lab.site.rack().fabric.run("curl", &all).await
}

/// The import file of both, with the certificate that the Redfish service shows now.
pub async fn import_file(lab: &Lab) -> anyhow::Result<String> {
    let pin = now(lab, Odd::NewRedfish).await?.certificate_sha256.context("it speaks TLS")?;
    let entries = ODD.iter().map(|plan| {
        let info = match plan.bmc {
            BmcKind::Redfish => format!("redfish_certificate_sha256: {pin}"),
            // What an operator knows of it: its user is no administrator.
            BmcKind::Ipmi | BmcKind::IpmiSim => "ipmi_priv_level: OPERATOR".to_owned(),
        };
        plan.import_entry_with(&info)
    });
    Ok(format!("# Servers with odd BMCs in rack {RACK}.\nnodes:\n{}", entries.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::site::{BMC_PASSWORD, BMC_USER};

    #[test]
    fn each_odd_bmc_is_where_its_server_is() {
        for plan in ODD {
            let farm = plan.odd.unwrap().farm().unwrap();
            let [group] = &farm.group[..] else { panic!("{farm:?}") };
            assert_eq!(group.address_of(1).unwrap(), plan.bmc_address());
            assert_eq!((group.name.as_str(), group.user.as_str()), (plan.name, BMC_USER));
            assert_eq!(group.password.reveal(), BMC_PASSWORD);
            assert!(farm.control.is_some() && !group.faults.is_empty());
        }
    }
}
