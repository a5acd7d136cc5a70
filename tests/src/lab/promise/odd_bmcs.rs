//! Edges: the promise of odd BMCs: a tenancy on two servers whose BMCs are as bad as field reports tell of, one of them restarting in
//! the middle of it.

use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::{BmcAnswers, BmcCertificate, BmcHealth, Node, Server};
use uuid::Uuid;

use super::super::{
    Lab,
    odd::{self, ODD},
    rack::Rack,
    site::ServerPlan,
    step::{Steps, wait_for},
    story::{self, IMAGE, NETWORK, fetch_page, wait_isolated, wait_state},
};
use crate::{
    contrail::{VirtualMachine, config::tenant_bridge},
    farm::Fault,
};

/// How long the BMC is away that restarts: longer than what is bridged by asking again.
const AWAY: Duration = Duration::from_secs(35);
/// How long it may take until that is shown, or forgotten.
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(90);

/// Plays it; afterwards the lab is as before.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let names = ODD.map(|plan| plan.name).join(" ");
    steps.step("enroll two servers whose BMCs are odd", enroll(lab)).await?;
    for verb in ["inspect", "provide"] {
        let line = format!("node {verb} {names} --wait");
        steps.step(format!("{verb} both"), lab.admin.run(&line)).await?;
    }
    for plan in &ODD {
        let (name, class) = (flavor(plan), plan.resource_class());
        let size = "--cpus 1 --memory-mib 512 --disk-gb 1";
        lab.admin.run(&format!("flavor create {name} --resource-class {class} {size}")).await?;
    }
    let network = story::catalogue(lab).await?;
    let (fabric, namespace) = (lab.site.rack().fabric, lab.vm_namespace());
    let vm = VirtualMachine::attach(&lab.contrail_url(), &fabric, network.id, &namespace).await?;
    let told = tenancy(lab, steps, &vm, network.id).await;
    vm.detach().await?;
    told?;
    for plan in &ODD {
        lab.admin.run(&format!("node delete {}", plan.name)).await?;
        lab.admin.run(&format!("flavor delete {}", flavor(plan))).await?;
    }
    Ok(())
}

fn flavor(plan: &ServerPlan) -> String {
    format!("for-{}", plan.name)
}

fn tenants_name(plan: &ServerPlan) -> String {
    format!("on-{}", plan.name)
}

async fn enroll(lab: &Lab) -> anyhow::Result<()> {
    let path = lab.site.run().join("odd.yaml");
    tokio::fs::write(&path, odd::import_file(lab).await?).await?;
    lab.admin.run(&format!("node import {} --wait", path.display())).await.map(drop)
}

async fn tenancy(lab: &Lab, steps: &mut Steps, vm: &VirtualMachine, network: Uuid) -> anyhow::Result<()> {
    let [old, new] = &ODD;
    let deployed = async { tokio::try_join!(deploy(lab, old), deploy(lab, new)) };
    let (on_old, on_new) = steps.step("deploy both for a tenant", deployed).await?;
    steps
        .step("fetch their pages", async {
            fetch_page(vm, &on_old, 1).await?;
            fetch_page(vm, &on_new, 1).await
        })
        .await?;
    steps.step("let a BMC restart: its server stays with its tenant", restart(lab, old, network)).await?;
    steps
        .step("let a BMC show another certificate: asked about, then accepted", renew(lab, new, network))
        .await?;
    for (plan, server) in [(old, &on_old), (new, &on_new)] {
        let off_us = story::pull_plug(lab, plan)?;
        let name = format!("pull the plug of {}: isolated", plan.name);
        let isolated = steps.step(name, wait_isolated(lab, plan, network, off_us)).await?;
        steps.measured("from off to isolated", isolated);
        let start = format!("server start {} --wait", tenants_name(plan));
        steps.step("start it again", lab.tenant.run(&start)).await?;
        steps.step("fetch its page, from the same disk", fetch_page(vm, server, 2)).await?;
    }
    let back = async { tokio::try_join!(give_back(lab, old), give_back(lab, new)) };
    steps.step("give both back: cleaned and available", back).await.map(drop)
}

async fn deploy(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<Server> {
    let (name, flavor) = (tenants_name(plan), flavor(plan));
    let line = format!("server create {name} --flavor {flavor} --image {IMAGE} --network {NETWORK} --wait");
    let server: Server = lab.tenant.json(&line).await?;
    let node: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
    ensure!(node.instance == server.instance, "{name} is not on {}: {node:?}", plan.name);
    Ok(server)
}

async fn give_back(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    lab.tenant.run(&format!("server delete {} --wait", tenants_name(plan))).await?;
    wait_state(lab, plan.name, "available").await
}

/// A BMC that is away says nothing of its server's power, and nothing is done to the server for that.
async fn restart(lab: &Lab, plan: &ServerPlan, network: Uuid) -> anyhow::Result<()> {
    let which = plan.odd.context("an odd one")?;
    let moves = lab.moves_of(plan.name)?;
    let mut faults = odd::now(lab, which).await?.faults;
    faults.push(Fault::Reboots { for_ms: AWAY.as_millis() as u64 });
    odd::set_faults(lab, which, &faults).await?;
    wait_answers(lab, plan, BmcAnswers::No).await?;
    let tap = Rack::tap(plan.name);
    let link = link_of(lab, &tap).await?;
    ensure!(link.contains(&format!("master {}", tenant_bridge(network))), "{tap} was moved: {link}");
    wait_answers(lab, plan, BmcAnswers::Yes).await?;
    ensure!(lab.moves_of(plan.name)? == moves, "{tap} was moved while its BMC was away");
    Ok(())
}

/// Nobody is cut off by a certificate, and nothing is sent to who shows it before somebody has accepted it.
async fn renew(lab: &Lab, plan: &ServerPlan, network: Uuid) -> anyhow::Result<()> {
    let (which, name, tap) = (plan.odd.context("an odd one")?, plan.name, Rack::tap(plan.name));
    let moves = lab.moves_of(name)?;
    let mut faults = odd::now(lab, which).await?.faults;
    faults.push(Fault::CertificateRenewed);
    odd::set_faults(lab, which, &faults).await?;
    let shown = odd::now(lab, which).await?.certificate_sha256;
    wait_for(format!("the BMC of {name} to be asked about"), SHOWN_WAIT_MAX, async |seen| {
        let known: BmcCertificate = lab.admin.json(&format!("bmc certificate show {name}")).await?;
        *seen = format!("{known:?}");
        Ok((known.question.map(|question| question.certificate.sha256) == shown).then_some(()))
    })
    .await?;
    let link = link_of(lab, &tap).await?;
    ensure!(link.contains(&format!("master {}", tenant_bridge(network))), "{tap} was moved: {link}");
    wait_answers(lab, plan, BmcAnswers::No).await?;
    lab.admin.run(&format!("bmc certificate accept {name}")).await?;
    wait_answers(lab, plan, BmcAnswers::Yes).await?;
    ensure!(lab.moves_of(name)? == moves, "{tap} was moved for a certificate");
    Ok(())
}

async fn link_of(lab: &Lab, tap: &str) -> anyhow::Result<String> {
    lab.site.rack().fabric.run("ip", &["-o", "link", "show", tap]).await
}

async fn wait_answers(lab: &Lab, plan: &ServerPlan, answers: BmcAnswers) -> anyhow::Result<()> {
    let what = format!("the BMC of {} to be shown as {answers:?}", plan.name);
    wait_for(what, SHOWN_WAIT_MAX, async |seen| {
        let health: BmcHealth = lab.admin.json(&format!("node bmc health {}", plan.name)).await?;
        *seen = format!("{health:?}");
        Ok((health.answers == answers).then_some(()))
    })
    .await
}
