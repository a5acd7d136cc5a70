//! Edges: Glance is away when an image is to be written: it is waited for and that is told, or not needed because the file is known
//! by its hash; the server becomes active.

use std::time::Duration;

use anyhow::Context;

use super::{
    super::step::wait_for,
    Lab, Steps, VICTIM,
    ending::{create, ended, told_of},
    node, wait_server,
};
use crate::openstack::OpenStack;

/// How long the ramdisk may take to ask for the image.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Plays it; the server is available before and after.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let url: reqwest::Url = cloud.endpoints.glance.parse()?;
    let address = url.socket_addrs(|| None)?.into_iter().next().context("Glance has no address")?;
    let server = steps
        .step("take Glance away before an image is written: it is told", async {
            let server = create(lab, "away1").await?;
            wait_for("Ironic to wait for the ramdisk", WAIT_MAX, async |seen| {
                let now = node(lab, VICTIM).await?;
                *seen = now.provision_state.clone();
                Ok((now.provision_state == "wait call-back").then_some(()))
            })
            .await?;
            let interrupted = cloud.interrupt("glance", address).await?;
            let told = wait_for("it to be told", WAIT_MAX, async |_| {
                told_of(lab, "cannot be looked up now").await.map(Some)
            })
            .await;
            cloud.resume(&interrupted).await?;
            told?;
            Ok(server)
        })
        .await?;
    steps
        .step("see the server active when Glance is back, and give it back", async {
            let server = wait_server(lab, &server, "active").await?;
            lab.tenant.run(&format!("server delete {}", server.id)).await?;
            ended(lab, &server).await
        })
        .await
}
