//! Edges: ends of a tenancy that meet Ironic's lock, or that somebody asks of Nova without us: each server ends clean and
//! available, off the tenant's network, with no person in between.

use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::{Event, Server};
use openstack::{Caller, ironic::Ironic, nova::Nova};
use protocol::id::ServerId;

use super::{
    super::{
        step::wait_for,
        story::{FLAVOR, IMAGE, NETWORK},
    },
    Lab, Steps, VICTIM, contrail, node, said_of, said_on_console, wait_server, wait_state,
};
use crate::{
    contrail::{Fault, config::tenant_bridge},
    image,
    lab::rack::Rack,
    openstack::{OpenStack, Who},
    qemu::Machine,
};

/// How long a step of a deployment, or of its end, may take.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// What the ramdisk says when it begins to write an image.
const WRITES: &str = ": WriteImage";

/// Gives a server back while Ironic's conductor holds its node: Nova is refused, and forgets it.
pub(super) async fn in_the_lock(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let server = steps.step("let a deployment hold the node's lock", locked(lab)).await;
    let deleted = match server {
        Ok(server) => {
            steps
                .step(
                    "give the server back while Ironic's conductor holds it",
                    given_back_locked(lab, server),
                )
                .await
        }
        Err(error) => Err(error),
    };
    contrail::set(lab, Fault::None).await?;
    let server = deleted?;
    steps.step("see it taken back, cleaned and available by itself", ended(lab, &server)).await
}

/// A server whose power-on waits for Contrail: so long Ironic holds its node.
async fn locked(lab: &Lab) -> anyhow::Result<Server> {
    let before = said_on_console(lab, VICTIM, WRITES)?;
    let server = create(lab, "lock1").await?;
    wait_for("the ramdisk to write the image", WAIT_MAX, async |seen| {
        let now = node(lab, VICTIM).await?;
        *seen = format!("{}: {}", now.provision_state, said_of(&now));
        Ok((said_on_console(lab, VICTIM, WRITES)? > before).then_some(()))
    })
    .await?;
    contrail::set(lab, Fault::Unavailable).await?;
    let ironic = ironic(lab)?;
    wait_for("Ironic to hold the node for its last power-on", WAIT_MAX, async |seen| {
        let now = ironic.get_node(victim(lab).await?).await?;
        *seen = format!("{} {:?} {:?}", now.provision_state, now.deploy_step, now.reservation);
        Ok((now.is_booting_instance() && now.reservation.is_some()).then_some(()))
    })
    .await?;
    Ok(server)
}

async fn given_back_locked(lab: &Lab, server: Server) -> anyhow::Result<Server> {
    let (ironic, id) = (ironic(lab)?, victim(lab).await?);
    lab.tenant.run(&format!("server delete {}", server.id)).await?;
    let node = ironic.get_node(id).await?;
    ensure!(
        node.reservation.is_some() && node.instance_uuid == server.instance,
        "the window was missed, and nothing is shown by this: {node:?}"
    );
    wait_for("Nova to have met the lock", WAIT_MAX, async |seen| {
        let now = ironic.get_node(id).await?;
        ensure!(now.reservation.is_some(), "the window was missed: {now:?}");
        let nova = nova(lab, Who::Admin)?;
        let instance = server.instance.context("the server has no Nova instance")?;
        *seen = format!("{:?}", nova.show_server(Caller::Service, instance).await.map(|now| now.task_state));
        // It is being ended, or Nova has given it up: either way it was asked while the node was held.
        Ok(match nova.show_server(Caller::Service, instance).await {
            Ok(now) => now.task_state.as_deref() == Some("deleting") || now.status == "ERROR",
            Err(error) => error.is_not_found(),
        }
        .then_some(()))
    })
    .await?;
    let kept: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
    ensure!(kept.status.as_str() == "deleting", "{kept:?}");
    Ok(kept)
}

/// Deletes servers by Nova's own API with the tenant's own token: one that is being built, and one in use.
pub(super) async fn outside(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let nova = nova(lab, Who::Demo)?;
    let delete = async |server: &Server| -> anyhow::Result<()> {
        let instance = server.instance.context("the server has no Nova instance")?;
        // The caller is the session's own: the tenant.
        Ok(nova.delete_server(Caller::Service, instance).await?)
    };
    steps
        .step("delete a server that is being built, in Nova", async {
            let server = create(lab, "gone1").await?;
            wait_for("Ironic to wait for the ramdisk", WAIT_MAX, async |seen| {
                let now = node(lab, VICTIM).await?;
                *seen = now.provision_state.clone();
                Ok((now.provision_state == "wait call-back").then_some(()))
            })
            .await?;
            delete(&server).await?;
            ended(lab, &server).await
        })
        .await?;
    steps
        .step("delete a server in use, in Nova", async {
            let server = create(lab, "gone2").await?;
            let server = wait_server(lab, &server, "active").await?;
            delete(&server).await?;
            ended(lab, &server).await?;
            told_of(lab, "gone2: deleted in Nova").await
        })
        .await
}

/// Waits until nothing is left of a server but a clean machine.
pub(super) async fn ended(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    wait_for(format!("{} to be given back", server.name), WAIT_MAX, async |seen| {
        let left: Vec<Server> = lab.tenant.json("server list").await?;
        let record = left.iter().find(|left| left.id == server.id);
        let now = node(lab, VICTIM).await?;
        *seen = format!("{record:?}; node {}: {}", now.provision_state, said_of(&now));
        let carried = now.instance.is_some() && now.instance == server.instance;
        ensure!(record.is_some() || !carried, "the record was forgotten before its node had let go: {seen}");
        Ok((record.is_none() && now.provision_state == "available").then_some(()))
    })
    .await?;
    wait_state(lab, VICTIM.name, "available").await?;
    let now = node(lab, VICTIM).await?;
    ensure!(now.power.as_str() == "off" && now.network_observed.as_deref() == Some("cleaning"), "{now:?}");
    let tap = Rack::tap(VICTIM.name);
    let link = lab.site.rack().fabric.run("ip", &["-o", "link", "show", &tap]).await?;
    let bridge = tenant_bridge(super::tenant_network(lab).await?);
    ensure!(!link.contains(&bridge), "{} is still on its tenant's network: {link}", VICTIM.name);
    let disk = Machine::disk(&lab.site.server(VICTIM.name));
    ensure!(!image::holds_secret(&disk)?, "{} still holds the tenant's bytes", disk.display());
    told_of(lab, &format!("{}: given back", server.name)).await
}

/// Fails unless the server's history has this.
pub(super) async fn told_of(lab: &Lab, words: &str) -> anyhow::Result<()> {
    let history: Vec<Event> = lab.admin.json(&format!("node history {} --limit 500", VICTIM.name)).await?;
    let has = history.iter().any(|event| event.text.contains(words));
    ensure!(has, "the history has no {words:?}: {history:?}");
    Ok(())
}

pub(super) async fn create(lab: &Lab, name: &str) -> anyhow::Result<Server> {
    lab.tenant
        .json(&format!("server create {name} --flavor {FLAVOR} --image {IMAGE} --network {NETWORK}"))
        .await
}

pub(super) fn ironic(lab: &Lab) -> anyhow::Result<Ironic> {
    Ok(Ironic::new(OpenStack::attach(&lab.site.run().join("openstack"))?.session(Who::System)?))
}

fn nova(lab: &Lab, who: Who) -> anyhow::Result<Nova> {
    Ok(Nova::new(OpenStack::attach(&lab.site.run().join("openstack"))?.session(who)?))
}

pub(super) async fn victim(lab: &Lab) -> anyhow::Result<ServerId> {
    Ok(ServerId(node(lab, VICTIM).await?.id))
}
