//! What the checks of every service share: the cloud, and waiting for it.

pub mod glance;
pub mod ironic;
pub mod keystone;
pub mod nova;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use openstack::{
    Error, glance::Glance, ironic::Ironic, keystone::Keystone, nova::Nova, placement::Placement,
};
use protocol::{id::ServerId, secret::Secret};
use tests::openstack::OpenStack;

/// Time for any state that a check waits for.
pub const WAIT_MAX: Duration = Duration::from_secs(180);

/// A cloud with every client of ours.
pub struct Cloud {
    pub openstack: OpenStack,
    pub keystone: Keystone,
    pub ironic: Ironic,
    pub glance: Glance,
    pub nova: Nova,
    pub placement: Placement,
    pub demo: Secret,
    pub other: Secret,
}

/// The error of a call that must fail.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Result<Error> {
    match result {
        Ok(value) => bail!("this should have been refused, but gave {value:?}"),
        Err(error) => Ok(error),
    }
}

pub async fn wait_for_node(cloud: &Cloud, id: ServerId, state: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let node = cloud.ironic.get_node(id).await?;
        if node.provision_state == state && node.reservation.is_none() {
            return Ok(());
        }
        ensure!(begin.elapsed() < WAIT_MAX, "waited for {state}: {node:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub async fn wait_for_power(cloud: &Cloud, id: ServerId, state: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let node = cloud.ironic.get_node(id).await?;
        if node.power_state.as_deref() == Some(state) && node.reservation.is_none() {
            return Ok(());
        }
        ensure!(begin.elapsed() < WAIT_MAX, "waited for {state}: {node:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
