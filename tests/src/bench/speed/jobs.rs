//! Edges: one measurement in a process of its own, so that nothing else's processor time and memory are counted: the BMCs are another
//! process's, which tells their addresses on our standard input, a line each.

use std::{collections::BTreeMap, io::BufRead, sync::Arc};

use agent::bmc::{Bmc, BmcOptions, Power, connect_to};
use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use protocol::{
    identity::ExpectedIdentity,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    codec, cost,
    images::{self, Form},
    rack,
};

/// The virtual BMCs' user.
pub const USER: &str = "admin";
/// The virtual BMCs' password: of the bench only.
pub const PASSWORD: &str = "bench-bmc-secret";
/// The cipher suite of everybody here.
pub const CIPHER_SUITE: u8 = 17;
/// So many are asked at the same time.
const AT_ONCE: usize = 64;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Our clients of BMCs by IPMI: the first reading, the memory then, and further readings over the kept sessions.
    Ipmi,
    /// The IPMI codec with nothing around it.
    Codec,
    /// Our clients by Redfish without TLS.
    Redfish,
    /// The same by TLS, each certificate pinned.
    RedfishPinned,
    /// The same by TLS, certificates vouched for by the system's authorities.
    RedfishTrusted,
    /// The agent's rack polls each BMC in its turn.
    Rack,
    /// An image to a disk, as it is; no BMC has part in it.
    ImageRaw,
    /// The same from a qcow2 file.
    ImageQcow2,
    /// The same from a file that is compressed as a whole.
    ImageZstd,
}

impl Job {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Figures by their names.
pub type Measured = BTreeMap<String, f64>;

/// What a line of the standard input says: address, and the certificate's SHA-256 where it is pinned.
pub fn endpoints(job: Job) -> anyhow::Result<Vec<BmcEndpoint>> {
    std::io::stdin().lock().lines().map(|line| endpoint(job, &line?)).collect()
}

fn endpoint(job: Job, line: &str) -> anyhow::Result<BmcEndpoint> {
    let (address, pin) = line.split_once(' ').unwrap_or((line, ""));
    let address: std::net::SocketAddr = address.parse().with_context(|| format!("{address:?}"))?;
    let pin = Some(pin.to_owned()).filter(|pin| !pin.is_empty());
    let protocol = match job {
        Job::Ipmi | Job::Codec | Job::Rack => BmcProtocol::Ipmi { cipher_suite: Some(CIPHER_SUITE) },
        Job::Redfish => BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
        Job::RedfishPinned => BmcProtocol::Redfish { system: None, certificate_sha256: pin, http: false },
        Job::RedfishTrusted => BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false },
        Job::ImageRaw | Job::ImageQcow2 | Job::ImageZstd => bail!("an image has no BMC"),
    };
    Ok(BmcEndpoint {
        protocol,
        address: address.ip().to_string(),
        port: address.port(),
        username: USER.to_owned(),
        password: Secret::new(PASSWORD),
        settings: Default::default(),
    })
}

/// Measures, and says what.
pub async fn run(job: Job, rounds: usize) -> anyhow::Result<Measured> {
    match job {
        Job::ImageRaw => return images::measure(Form::Raw, rounds).await,
        Job::ImageQcow2 => return images::measure(Form::Qcow2, rounds).await,
        Job::ImageZstd => return images::measure(Form::Zstd, rounds).await,
        Job::Ipmi | Job::Codec | Job::Rack | Job::Redfish | Job::RedfishPinned | Job::RedfishTrusted => {}
    }
    let endpoints = endpoints(job)?;
    ensure!(!endpoints.is_empty(), "no BMC was told on the standard input");
    match job {
        Job::Codec => tokio::task::spawn_blocking(move || codec::measure(&endpoints, rounds)).await?,
        Job::Rack => rack::measure(endpoints, rounds).await,
        Job::Ipmi
        | Job::Redfish
        | Job::RedfishPinned
        | Job::RedfishTrusted
        | Job::ImageRaw
        | Job::ImageQcow2
        | Job::ImageZstd => clients(&endpoints, rounds).await,
    }
}

/// The first reading of each, the memory that they then have, and so many further readings of each.
async fn clients(endpoints: &[BmcEndpoint], rounds: usize) -> anyhow::Result<Measured> {
    let connect = |endpoint: &BmcEndpoint| -> Arc<dyn Bmc> {
        // At no pace: what is measured is work, and no waits.
        Arc::from(connect_to(endpoint, &ExpectedIdentity::default(), BmcOptions::default()))
    };
    // What the process needs once is no single BMC's.
    let (first, others) = endpoints.split_first().context("no BMC")?;
    let first = connect(first);
    read(&first, 1).await?;
    let (memory, used) = (cost::allocated(), cost::own()?);
    let bmcs: Vec<_> = others.iter().map(connect).collect();
    all(&bmcs, 1).await?;
    let (memory, used) = (cost::allocated() - memory, cost::own()?.saturating_sub(used));
    let count = bmcs.len();
    let mut measured = Measured::from([
        ("first_us".to_owned(), cost::micros_each(used, count)),
        ("bytes".to_owned(), memory as f64 / count as f64),
    ]);
    let used = cost::own()?;
    all(&bmcs, rounds).await?;
    let used = cost::own()?.saturating_sub(used);
    measured.insert("kept_us".to_owned(), cost::micros_each(used, count * rounds));
    Ok(measured)
}

async fn all(bmcs: &[Arc<dyn Bmc>], rounds: usize) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for bmc in bmcs {
        let (bmc, places) = (Arc::clone(bmc), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await;
            read(&bmc, rounds).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn read(bmc: &Arc<dyn Bmc>, rounds: usize) -> anyhow::Result<()> {
    for _ in 0..rounds {
        ensure!(bmc.power_status().await? == Power::Off, "a virtual BMC says that its server is on");
    }
    Ok(())
}
