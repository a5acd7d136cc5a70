//! Edges: one BMC, by the protocol that it was asked for.

use std::path::Path;

use protocol::{
    bmc_settings::BmcSettings,
    ipmi,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::{
    args::{By, Whom},
    failure::Failure,
    hosts::Host,
    password,
};
use crate::bmc::{self, Bmc, BmcOptions, IpmiBmc, LogIns, RedfishBmc};

/// The usual TCP port of Redfish.
pub const REDFISH_PORT: u16 = 443;

/// A BMC that can be asked. Dropped, it gives its session back.
pub struct Reached {
    /// What it is called.
    pub name: String,
    /// Where it is and who logs in there.
    pub endpoint: BmcEndpoint,
    /// How patiently it is asked.
    pub options: BmcOptions,
    way: Way,
}

/// By which protocol, with all that it can.
pub enum Way {
    /// By IPMI.
    Ipmi(Box<IpmiBmc>),
    /// By Redfish.
    Redfish(Box<RedfishBmc>),
}

impl Reached {
    /// Nothing is asked yet.
    pub fn new(host: &Host, whom: &Whom, password: Secret) -> Self {
        let by = host.by.unwrap_or(whom.by);
        let protocol = match by {
            By::Ipmi => BmcProtocol::Ipmi { cipher_suite: None },
            By::Redfish => BmcProtocol::Redfish {
                system: None,
                certificate_sha256: whom.certificate_sha256.clone(),
                http: whom.http,
            },
        };
        let usual = match by {
            By::Ipmi => ipmi::PORT,
            By::Redfish => REDFISH_PORT,
        };
        let endpoint = BmcEndpoint {
            protocol,
            address: host.address.clone(),
            port: host.port.unwrap_or(usual),
            username: host.user.clone().unwrap_or_else(|| whom.user.clone()),
            password,
            settings: BmcSettings::default(),
        };
        let options = BmcOptions { tries: whom.tries, ..BmcOptions::default() };
        let ipmi = bmc::connect_ipmi(&endpoint, options).map(|ipmi| Way::Ipmi(Box::new(ipmi)));
        let redfish = || bmc::connect_redfish(&endpoint, options, LogIns::default());
        let way = ipmi.or_else(|| redfish().map(|redfish| Way::Redfish(Box::new(redfish))));
        let way = way.expect("there are two protocols");
        Self { name: host.name.clone(), endpoint, options, way }
    }

    /// What every protocol can.
    pub fn bmc(&self) -> &dyn Bmc {
        match &self.way {
            Way::Ipmi(ipmi) => ipmi.as_ref(),
            Way::Redfish(redfish) => redfish.as_ref(),
        }
    }

    /// By which protocol it is asked.
    pub fn way(&self) -> &Way {
        &self.way
    }
}

/// All BMCs of the call, each with its password.
pub async fn all(whom: &Whom, hosts: &[Host]) -> Result<Vec<Reached>, Failure> {
    let mut common = None;
    let mut all = Vec::with_capacity(hosts.len());
    for host in hosts {
        let password = match (&host.password_file, &common) {
            (Some(own), _) => password::of_file(own)?,
            (None, Some(password)) => Secret::clone(password),
            (None, None) => {
                let password = of_call(whom.password_file.as_deref()).await?;
                common.insert(password).clone()
            }
        };
        all.push(Reached::new(host, whom, password));
    }
    Ok(all)
}

async fn of_call(file: Option<&Path>) -> Result<Secret, Failure> {
    password::get(file, "BMS_BMC_PASSWORD", "Password of the BMC's user").await
}
