//! Edges: the promise of a life cycle: a tenant stops, starts, reboots and rebuilds its server; an administrator cleans by hand,
//! keeps a server out of use, and takes one back.

use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::{Event, Image, Node, Server};

use super::super::{
    Lab,
    site::{SERVERS, ServerPlan},
    step::{Steps, wait_for},
    story::{FLAVOR, IMAGE, NETWORK, fetch_page, physical, wait_isolated},
};
use crate::{contrail::VirtualMachine, image, openstack::OpenStack};

/// The tenant's server.
const NAME: &str = "life1";
/// A second image: the same bytes under another name and id.
const SECOND_IMAGE: &str = "demo-again";
/// How long a refusal may take to be shown.
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(20);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("keep a server out of use with a reason", maintenance(lab, &SERVERS[1])).await?;
    steps.step("clean a server by hand", clean_by_hand(lab, &SERVERS[0])).await?;
    let second = steps.step("upload a second image", second_image(lab)).await?;
    let network = super::super::story::catalogue(lab).await?;
    let (fabric, name) = (lab.site.rack().fabric, lab.vm_namespace());
    let vm = VirtualMachine::attach(&lab.contrail_url(), &fabric, network.id, &name).await?;
    let told = tenancy(lab, steps, &vm, network.id, &second).await;
    vm.detach().await?;
    told?;
    lab.admin.run(&format!("image delete {SECOND_IMAGE}")).await.map(drop)
}

async fn tenancy(
    lab: &Lab,
    steps: &mut Steps,
    vm: &VirtualMachine,
    network: uuid::Uuid,
    second: &Image,
) -> anyhow::Result<()> {
    let line = format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network {NETWORK}");
    let server: Server = lab.tenant.json(&line).await?;
    steps.step("refuse what makes no sense while it is deployed", refusals_while_building(lab)).await?;
    let server = steps.step("wait until it is active", wait_active(lab, &server)).await?;
    let first = steps.step("fetch its page", fetch_page(vm, &server, 1)).await?;
    let plan = physical(lab, &server).await?;

    let off_us = super::super::story::now_us()?;
    steps
        .step("stop it: its system shuts down", lab.tenant.run(&format!("server stop {NAME} --wait")))
        .await?;
    let isolated = wait_isolated(lab, plan, network, off_us).await?;
    steps.measured("from the request to isolated", isolated);
    steps.step("see what it waits for and what is next", stopped(lab, plan)).await?;
    steps.step("start it", lab.tenant.run(&format!("server start {NAME} --wait"))).await?;
    steps.step("fetch its page, from the same disk", fetch_page(vm, &server, 2)).await?;
    steps.step("reboot it", lab.tenant.run(&format!("server reboot {NAME} --wait"))).await?;
    steps.step("fetch its page after the reboot", fetch_page(vm, &server, 3)).await?;
    steps
        .step("reboot it the hard way", lab.tenant.run(&format!("server reboot {NAME} --hard --wait")))
        .await?;
    steps.step("fetch its page again", fetch_page(vm, &server, 4)).await?;

    steps.step("refuse what is wrong or not offered", refusals_in_use(lab, &server)).await?;
    steps.step("refuse a rebuild while Nova is away, and change nothing", nova_away(lab)).await?;
    let rebuilt: Server = steps
        .step("rebuild it with another image", async {
            lab.tenant.json(&format!("server rebuild {NAME} --image {SECOND_IMAGE} --wait")).await
        })
        .await?;
    ensure!(
        (rebuilt.id, rebuilt.instance, &rebuilt.address) == (server.id, server.instance, &server.address),
        "the server changed: {server:?}, then {rebuilt:?}"
    );
    ensure!(rebuilt.image == second.name, "it shows the image {}", rebuilt.image);
    let page = steps.step("fetch its page, from a fresh disk", fetch_page(vm, &server, 1)).await?;
    ensure!(page.instance_id == first.instance_id, "the instance changed");
    steps
        .step("reclaim it: the tenant's server ends, the node is cleaned", async {
            lab.admin.run(&format!("node reclaim {} --wait", plan.name)).await?;
            wait_for("the tenant's server to be gone", SHOWN_WAIT_MAX, async |seen| {
                let left: Vec<Server> = lab.tenant.json("server list").await?;
                *seen = format!("{left:?}");
                Ok(left.iter().all(|left| left.id != server.id).then_some(()))
            })
            .await
        })
        .await?;
    steps
        .step("find all of it in the node's history", async {
            let history: Vec<Event> =
                lab.admin.json(&format!("node history {} --limit 500", plan.name)).await?;
            for words in
                ["being rebuilt", "asked for: reclaim", "isolated on the cleaning network", "given back"]
            {
                ensure!(
                    history.iter().any(|event| event.text.contains(words)),
                    "the history has no {words:?}: {history:?}"
                );
            }
            Ok(())
        })
        .await
}

async fn maintenance(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let name = plan.name;
    let words = lab.admin.refused(&format!("node maintenance on {name} --reason=")).await?;
    ensure!(words.contains("reason: must have"), "{words}");
    lab.admin.run(&format!("node maintenance on {name} --reason fan-is-loud --wait")).await?;
    let node: Node = lab.admin.json(&format!("node show {name}")).await?;
    ensure!(node.maintenance && node.maintenance_reason.as_deref() == Some("fan-is-loud"), "{node:?}");
    let kept: Vec<Node> = lab.admin.json("node list --maintenance").await?;
    ensure!(kept.len() == 1, "{kept:?}");
    let words = lab.admin.refused(&format!("node inspect {name}")).await?;
    ensure!(words.contains("fan-is-loud") && words.contains("maintenance off"), "{words}");
    let words = lab.tenant.refused(&format!("node maintenance off {name}")).await?;
    ensure!(words.contains("administrator"), "{words}");
    lab.admin.run(&format!("node maintenance off {name} --wait")).await.map(drop)
}

/// Two steps of the ramdisk by hand, and back into the pool.
async fn clean_by_hand(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let name = plan.name;
    for (line, said) in [
        (format!("node clean {name} --step erase_devices_metadata"), "only a manageable server"),
        (
            format!("node clean {name} --step burn_in"),
            "has no step \"burn_in\"; it has erase_devices_metadata",
        ),
        (format!("node power on {name}"), "a server in that state stays off"),
        (format!("node reclaim {name}"), "has no tenant"),
    ] {
        let words = lab.admin.refused(&line).await?;
        ensure!(words.contains(said), "{line}: {words}");
    }
    lab.admin.run(&format!("node manage {name} --wait")).await?;
    lab.admin.run(&format!("node clean {name} --step erase_devices_metadata --wait")).await?;
    lab.admin.run(&format!("node provide {name} --wait")).await.map(drop)
}

async fn second_image(lab: &Lab) -> anyhow::Result<Image> {
    let built = image::build(&lab.site.cache()).await?;
    let images: Vec<Image> = lab.admin.json("image list").await?;
    if !images.iter().any(|image| image.name == SECOND_IMAGE) {
        let line = format!("image create {SECOND_IMAGE} --file {} --public", built.qcow2.display());
        lab.admin.run(&line).await?;
    }
    let images: Vec<Image> = lab.tenant.json("image list").await?;
    images.into_iter().find(|image| image.name == SECOND_IMAGE).context("the tenant does not see the image")
}

async fn refusals_while_building(lab: &Lab) -> anyhow::Result<()> {
    for line in ["stop", "start", "reboot"] {
        let words = lab.tenant.refused(&format!("server {line} {NAME}")).await?;
        ensure!(words.contains("is building and not deployed"), "{line}: {words}");
    }
    let words = lab.tenant.refused(&format!("server rebuild {NAME} --image {IMAGE}")).await?;
    ensure!(words.contains("is building and not deployed"), "{words}");
    let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
    ensure!(
        now.status.as_str() == "building" && now.waiting_for.is_some() && now.next == "active",
        "{now:?}"
    );
    Ok(())
}

async fn wait_active(lab: &Lab, server: &Server) -> anyhow::Result<Server> {
    wait_for(format!("{NAME} to be active"), Duration::from_secs(180), async |seen| {
        let now: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
        *seen = format!("{} {:?} {:?}", now.status, now.reason, now.waiting_for);
        ensure!(now.status.as_str() != "error", "{seen}");
        Ok((now.status.as_str() == "active").then_some(now))
    })
    .await
}

async fn stopped(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
    ensure!(
        now.status.as_str() == "off" && now.waiting_for.is_none() && now.next.contains("server start"),
        "{now:?}"
    );
    ensure!(now.state_since.is_some() && now.node.is_none(), "{now:?}");
    wait_for("the node to say where it is and what is next", SHOWN_WAIT_MAX, async |seen| {
        let node: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
        *seen = format!("{node:?}");
        let isolated = node.network_observed.as_deref() == Some("cleaning") && node.power.as_str() == "off";
        Ok((isolated && node.deployed && node.next.contains("server start")).then_some(()))
    })
    .await
}

async fn refusals_in_use(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    for line in [
        format!("server show {}", server.id),
        format!("server stop {}", server.id),
        format!("server rebuild {} --image {IMAGE}", server.id),
        format!("server delete {}", server.id),
    ] {
        let words = lab.other.refused(&line).await?;
        ensure!(words.contains("there is no server"), "{line} by another tenant: {words}");
    }
    for (line, said) in [
        (format!("server rebuild {NAME} --image unheard-of"), "there is no image"),
        (format!("server unrescue {NAME}"), "only a server in rescue"),
    ] {
        let words = lab.tenant.refused(&line).await?;
        ensure!(words.contains(said), "{line}: {words}");
    }
    let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
    ensure!(
        (&now.status, &now.image) == (&server.status, &server.image),
        "something refused changed it: {now:?}"
    );
    Ok(())
}

async fn nova_away(lab: &Lab) -> anyhow::Result<()> {
    let before: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let url: reqwest::Url = cloud.endpoints.nova.parse()?;
    let address = url.socket_addrs(|| None)?.into_iter().next().context("Nova has no address")?;
    let interrupted = cloud.interrupt("nova", address).await?;
    let asked = async {
        let words = lab.tenant.refused(&format!("server rebuild {NAME} --image {SECOND_IMAGE}")).await?;
        ensure!(words.contains("Nova"), "the refusal does not name the service: {words}");
        let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
        ensure!((&now.status, now.instance) == (&before.status, before.instance), "{now:?}");
        Ok(())
    }
    .await;
    cloud.resume(&interrupted).await?;
    asked?;
    wait_for("Nova to know its servers again", Duration::from_secs(60), async |seen| {
        let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
        *seen = format!("{now:?}");
        Ok((now == Server { state_since: now.state_since.clone(), ..before.clone() }).then_some(()))
    })
    .await
}
