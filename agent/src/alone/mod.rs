//! Edges: one network served by a file, without a coordinator: `bms-agent boot --static`.

pub mod config;
mod hosts;

use std::{path::PathBuf, sync::Arc};

use pxe::{
    BootFiles, Service, ServiceConfig,
    alone::{Alone, Dhcp, Serves, Told},
    files::root::Root,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::network::relays4;

use self::{
    config::{StaticConfig, StaticConfigError},
    hosts::{Hosts, NETWORK},
};

/// Stages that wait to be told.
const STAGES_MAX: usize = 1024;

/// Files that it may have open: its connections, and some for itself.
pub const FILES_NEEDED: usize = 2 * pxe::http::MAX_CONNECTIONS + 100;

/// What of it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// DHCP.
    Dhcp,
    /// TFTP.
    Tftp,
    /// HTTP.
    Http,
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StaticError {
    /// The file.
    #[error(transparent)]
    Config(#[from] StaticConfigError),
    /// iPXE.
    #[error("cannot read the loader {path}; install it or correct the path")]
    Loader {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// DHCP, TFTP or HTTP.
    #[error(transparent)]
    Start(#[from] pxe::StartError),
}

/// What a file says, with everything that it names at hand.
#[derive(Debug)]
pub struct Rack {
    config: StaticConfig,
    root: Option<Root>,
    files: BootFiles,
}

impl Rack {
    /// Reads the file and what it names.
    pub fn read(path: &std::path::Path) -> Result<Self, StaticError> {
        let (config, root) = StaticConfig::read(path)?;
        let read = |path: &Option<PathBuf>| match path {
            Some(path) => std::fs::read(path)
                .map(Into::into)
                .map_err(|source| StaticError::Loader { path: path.clone(), source }),
            None => Ok(bytes::Bytes::new()),
        };
        let (snponly, undionly) = (read(&config.loaders.uefi)?, read(&config.loaders.bios)?);
        let files = BootFiles { snponly, undionly, ..BootFiles::default() };
        Ok(Self { config, root, files })
    }

    /// How many hosts it has.
    pub fn hosts(&self) -> usize {
        self.config.host.len()
    }

    /// Serves until `stop` is cancelled.
    pub async fn serve(self, part: Part, stop: CancellationToken) -> Result<(), StaticError> {
        let Self { config, root, files } = self;
        let hosts = Arc::new(Hosts::new(&config));
        let dhcp = match (part, config.proxy) {
            (Part::Tftp | Part::Http, _) => Dhcp::Off,
            (Part::All | Part::Dhcp, true) => Dhcp::Proxy,
            (Part::All | Part::Dhcp, false) => Dhcp::Server,
        };
        let (tftp, http) = (matches!(part, Part::All | Part::Tftp), matches!(part, Part::All | Part::Http));
        let ipv6 = config.ipv6();
        let told = Told { router: config.router, dns: config.dns };
        let service = ServiceConfig {
            network: NETWORK,
            name: "static",
            interface: config.interface.clone(),
            address: config.address,
            prefix_len: config.prefix,
            range: *config.range.get_ref(),
            relays: relays4(&config.relays),
            ipv6,
            leases: config.leases,
            files,
            http_port: config.http_port,
            alone: Some(Alone { root, told, serves: Serves { dhcp, tftp, http } }),
        };
        let (stages, mut told) = mpsc::channel(STAGES_MAX);
        let service = Service::start(service, hosts, stages)?;
        tracing::info!(interface = config.interface, address = %config.address, ?part, ?dhcp, hosts = config.host.len(), "network served");
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                // The log has them.
                stage = told.recv() => if stage.is_none() { break },
            }
        }
        service.stop().await;
        tracing::info!("network served no more");
        Ok(())
    }
}
