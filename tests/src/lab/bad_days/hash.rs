//! Edges: an image whose file is not what its hash says: it is never booted, and its server is isolated.

use std::os::unix::fs::FileExt;

use anyhow::{Context, ensure};
use coordinator::api::types::{Image, Server};

use super::{
    super::story::{FLAVOR, NETWORK},
    Lab, Steps, VICTIM, boots, node, said_of, wait_server, wait_state,
};

/// The image's name.
const BAD: &str = "spoilt";
/// Its size.
const BYTES: usize = 4 << 20;

/// Plays it; the server is available afterwards.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let image = steps.step("spoil an image in the image service's store", spoil(lab)).await?;
    let server = steps.step("fail its deployment by its hash", failed(lab)).await?;
    steps
        .step("give the failed server back", async {
            lab.tenant.run(&format!("server delete {} --wait", server.id)).await?;
            wait_state(lab, VICTIM.name, "available").await?;
            lab.tenant.run(&format!("image delete {}", image.id)).await
        })
        .await
        .map(drop)
}

async fn spoil(lab: &Lab) -> anyhow::Result<Image> {
    let path = lab.site.run().join("spoilt.raw");
    // A boot sector, and something that is not zero behind it.
    let mut bytes: Vec<u8> = (0..BYTES).map(|index| (index / 512) as u8 | 1).collect();
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    tokio::fs::write(&path, bytes).await?;
    let mut made: Vec<Image> =
        lab.tenant.json(&format!("image create {BAD} --file {}", path.display())).await?;
    let image = made.pop().context("no image was made")?;
    let stored = lab.site.run().join("openstack/glance/images").join(&image.id);
    let file = std::fs::OpenOptions::new().write(true).open(&stored);
    file.with_context(|| format!("opening {}", stored.display()))?.write_all_at(b"spoilt", 1 << 20)?;
    Ok(image)
}

async fn failed(lab: &Lab) -> anyhow::Result<Server> {
    let before = boots(lab, VICTIM);
    let server: Server = lab
        .tenant
        .json(&format!("server create bad1 --flavor {FLAVOR} --image {BAD} --network {NETWORK}"))
        .await?;
    let server = wait_server(lab, &server, "error").await?;
    let node = node(lab, VICTIM).await?;
    let words = format!("{:?} | {}", server.reason, said_of(&node));
    ensure!(words.to_lowercase().contains("sha-512"), "the reason does not speak of the hash: {words}");
    ensure!(node.power == "off", "{} is {} after the failure", VICTIM.name, node.power);
    ensure!(
        node.network_observed.as_deref() == Some("cleaning"),
        "{} is on {:?}, not on cleaning",
        VICTIM.name,
        node.network_observed
    );
    ensure!(boots(lab, VICTIM) - before == 1, "something was booted after the failure");
    Ok(server)
}
