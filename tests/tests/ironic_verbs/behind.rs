//! The machine behind one of the facade's servers: a virtual Redfish BMC, asked and told by the client that a rack's agent has.

use std::{net::TcpListener, sync::Arc, time::Duration};

use agent::{
    bmc::{Bmc, BmcError, BmcOptions, LogIns, RedfishBmc, Update, account::Pace, connect_redfish},
    firmware,
};
use anyhow::{Context, Result, bail};
use domain::rim::{PowerRequest, Refusal, RefusalKind};
use protocol::{
    bmc_facts::{BmcFacts, FactsPart},
    bmc_order::BmcOrder,
    bmc_settings::BmcSettings,
    command::Success,
    power::PowerOffHow,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
    update::FirmwareSeen,
};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishOptions},
    redfish_manners::Manner,
};

const PASSWORD: &str = "correct-horse";
const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(500), tries: 4, min_gap: Duration::ZERO };

/// A virtual BMC and our client of it.
pub struct Behind {
    /// The BMC, to be asked what reached it.
    pub bmc: redfish::RedfishBmc,
    client: RedfishBmc,
}

impl Behind {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let options =
            RedfishOptions { manners: vec![Manner::ShowsMembersWhole], ..RedfishOptions::default() };
        let bmc = redfish::serve_on(
            listener,
            Credentials::new("admin", PASSWORD),
            Arc::<FakeChassis>::default(),
            options,
        )?;
        let endpoint = BmcEndpoint {
            protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
            address: bmc.addr.ip().to_string(),
            port: bmc.addr.port(),
            username: "admin".into(),
            password: Secret::new(PASSWORD),
            settings: BmcSettings::default(),
        };
        let log_ins = LogIns { pace: Pace(Duration::from_millis(20)), in_call: true };
        let client = connect_redfish(&endpoint, OPTIONS, log_ins).context("it speaks Redfish")?;
        Ok(Self { bmc, client })
    }

    /// All that it says now.
    pub async fn facts(&self) -> Result<BmcFacts> {
        let mut facts = BmcFacts::default();
        for part in FactsPart::ALL {
            facts.take(self.client.facts(part).await?.context("Redfish has them all")?);
        }
        Ok(facts)
    }

    pub async fn obey(&self, order: &BmcOrder) -> Result<(), Refusal> {
        self.client.obey(order).await.map_err(refusal)
    }

    pub async fn power(&self, request: PowerRequest) -> Result<(), Refusal> {
        let done = match request {
            PowerRequest::On => self.client.power_on().await,
            PowerRequest::Restart => match self.client.power_status().await {
                Ok(agent::bmc::Power::On) => self.client.reset().await,
                Ok(agent::bmc::Power::Off) => self.client.power_on().await,
                Err(error) => Err(error),
            },
            PowerRequest::Off(PowerOffHow::Hard) => self.client.power_off().await,
            PowerRequest::Off(PowerOffHow::Soft) => self.client.soft_off().await,
        };
        done.map_err(refusal)
    }

    /// Has it fetch new firmware; where it tells how far it is.
    pub async fn update(&self, url: &str) -> Result<String, Refusal> {
        match self.client.update_from(url, &[]).await.map_err(refusal)? {
            Update::UnderWay { task } => Ok(task),
            other => Err(Refusal {
                kind: RefusalKind::Hardware,
                message: format!("no task tells of it: {other:?}"),
            }),
        }
    }

    pub async fn look(&self, task: &str) -> Result<FirmwareSeen> {
        match firmware::look(&self.client, Some(task)).await {
            Ok(Success::FirmwareSeen(seen)) => Ok(seen),
            other => bail!("{other:?}"),
        }
    }
}

fn refusal(error: BmcError) -> Refusal {
    Refusal { kind: RefusalKind::Hardware, message: error.to_string() }
}
