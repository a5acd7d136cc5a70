//! Edges: an image whose file is not what its hash says: it is never booted, its server never sees the tenant's network, and
//! the reason is told to the tenant and to the administrator.

use std::os::unix::fs::FileExt;

use anyhow::{Context, ensure};
use api_types::{Image, Server};

use super::{
    super::story::{FLAVOR, NETWORK},
    Lab, Steps, VICTIM, boots, node, wait_server, wait_state,
};
use crate::contrail::{config::tenant_bridge, mover::Move};

/// The image's name. No other image has its bytes: the rack's cache goes by hash.
const BAD: &str = "spoilt";
/// Its size.
const BYTES: usize = 4 << 20;
/// What the reason must speak of.
const WORDS: &str = "SHA-512";

/// Plays it; the server is available before and after.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let image = steps.step("spoil an image in the image service's store", spoil(lab)).await?;
    let moved = moves(lab)?.len();
    let booted = boots(lab, VICTIM);
    let server = steps.step("fail its deployment by its hash", failed(lab)).await?;
    steps
        .step("see the server isolated all the time, and cleaned", async {
            // Nova takes a failed server back by itself; the tenant's record stays until its owner deletes it.
            wait_state(lab, VICTIM.name, "available").await?;
            let bridge = tenant_bridge(super::tenant_network(lab).await?);
            let visits: Vec<_> = moves(lab)?.split_off(moved);
            ensure!(
                visits.iter().all(|moved| moved.to.as_deref() != Some(bridge.as_str())),
                "{} was on the tenant's network: {visits:?}",
                VICTIM.name
            );
            let ramdisks = boots(lab, VICTIM) - booted;
            ensure!(ramdisks == 2, "{ramdisks} boots, not one to write and one to clean");
            let now = node(lab, VICTIM).await?;
            ensure!(now.power.as_str() == "off", "{} is {} after the failure", VICTIM.name, now.power);
            let events = lab.admin.run(&format!("events --node {}", VICTIM.name)).await?;
            ensure!(events.contains(WORDS), "the events do not speak of the hash:\n{events}");
            lab.tenant.run(&format!("server delete {} --wait", server.id)).await?;
            lab.tenant.run(&format!("image delete {}", image.id)).await
        })
        .await
        .map(drop)
}

async fn spoil(lab: &Lab) -> anyhow::Result<Image> {
    let path = lab.site.run().join("spoilt.raw");
    // A boot sector, and something that is not zero behind it.
    let mut bytes: Vec<u8> = (0..BYTES).map(|index| (index / 512) as u8 | 1).collect();
    bytes[446..510].fill(0);
    bytes[450] = 0x83;
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
    let server: Server = lab
        .tenant
        .json(&format!("server create bad1 --flavor {FLAVOR} --image {BAD} --network {NETWORK}"))
        .await?;
    let server = wait_server(lab, &server, "error").await?;
    let told = server.reason.as_deref().unwrap_or_default();
    ensure!(told.contains("it is damaged"), "the tenant is not told of the image: {told:?}");
    Ok(server)
}

/// Every move of the server's tap so far.
fn moves(lab: &Lab) -> anyhow::Result<Vec<Move>> {
    let tap = super::super::rack::Rack::tap(VICTIM.name);
    let text = std::fs::read_to_string(lab.site.moves()).context("reading the switch's log")?;
    let moves = text.lines().filter_map(|line| serde_json::from_str::<Move>(line).ok());
    Ok(moves.filter(|moved| moved.tap == tap).collect())
}
