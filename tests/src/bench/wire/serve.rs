//! Edges: the boot service alone, with the files of a directory, for who measures it.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::Context;
use protocol::{mac::MacAddr, network::BootNetwork};
use pxe::{
    BootFiles, Booter, Plan, Refusal, Service, ServiceConfig,
    alone::{Alone, Dhcp, Serves, Told},
    files::root::Root,
};

struct Nobody;

impl Booter for Nobody {
    fn plan(&self, _: MacAddr, _: BootNetwork) -> Plan {
        Plan::Nowhere
    }

    fn refused(&self, _: MacAddr, _: BootNetwork, _: Refusal) {}
}

/// Serves TFTP and HTTP until this process is ended.
pub async fn serve(interface: &str, address: Ipv4Addr, dir: &Path) -> anyhow::Result<()> {
    let range = |last: u8| {
        let [a, b, c, _] = address.octets();
        Ipv4Addr::new(a, b, c, last)
    };
    let config = ServiceConfig {
        network: BootNetwork::Provisioning,
        name: "measured",
        interface: interface.to_owned(),
        address,
        prefix_len: 24,
        range: (range(100), range(120)),
        relays: Vec::new(),
        ipv6: None,
        leases: None,
        files: BootFiles::default(),
        http_port: pxe::DEFAULT_HTTP_PORT,
        alone: Some(Alone {
            root: Some(Root::open(dir).context("opening the directory")?),
            told: Told::default(),
            serves: Serves { dhcp: Dhcp::Off, tftp: true, http: true },
        }),
    };
    let (stages, _nobody) = tokio::sync::mpsc::channel(1);
    let _service = Service::start(config, Arc::new(Nobody), stages)?;
    std::future::pending().await
}
