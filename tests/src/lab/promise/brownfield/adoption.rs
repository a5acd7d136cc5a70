//! Edges: the adoption itself: one that fails and leaves everything as it was, one that goes through with Contrail away and the
//! coordinator killed, and the end of the tenancy.

use anyhow::ensure;
use api_types::{AdoptedNode, Node, Server, Survey, TenantNetwork};
use openstack::{
    Caller,
    nova::{Nova, ProjectsShown},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        super::{
            Lab,
            step::wait_for,
            story::{IMAGE, NETWORK},
            up,
        },
        networks::{cloud, http, ports_and_addresses, set_fault},
    },
    ADDRESS, NAME, PLAN, WAIT_MAX,
    survey::{plant_twin, pull_twin},
};
use crate::{contrail::Fault, image, openstack::Who, qemu::Machine};

/// How slow Contrail is before it goes away. An adoption asks it several times, one after the other, after it was asked for: so it
/// cannot be over before Contrail is away.
const SLOW_MS: u64 = 1000;

/// What agreed when the file was read contradicts when Contrail is read again: the coordinator was dead meanwhile.
pub(super) async fn fails(lab: &Lab, network: &TenantNetwork, file: &str) -> anyhow::Result<()> {
    set_fault(lab, Fault::Slow { delay_ms: SLOW_MS }).await?;
    lab.admin.run(&format!("node adopt {file}")).await?;
    set_fault(lab, Fault::Unavailable).await?;
    wait_for_contrail(lab).await?;
    lab.processes.kill("coordinator")?;
    set_fault(lab, Fault::None).await?;
    let twin = plant_twin(lab, network).await?;
    up::coordinator(lab).await?;
    let failed = wait_for("the adoption to fail with the contradiction", WAIT_MAX, async |seen| {
        let node: Node = lab.admin.json(&format!("node show {}", PLAN.name)).await?;
        *seen = format!("{} {:?} {:?}", node.provision_state, node.reason, node.instance);
        let told = node.reason.is_some_and(|reason| {
            reason.starts_with("not adopted: ") && reason.contains("delete the wrong one")
        });
        Ok((told && node.provision_state == "manageable" && node.instance.is_none()).then_some(()))
    })
    .await;
    pull_twin(lab, &twin).await?;
    failed?;
    let servers: Vec<Server> = lab.tenant.json("server list").await?;
    ensure!(servers.is_empty(), "a tenant is shown what was not adopted: {servers:?}");
    for line in ["inspect", "provide", "power off"] {
        let words = lab.admin.refused(&format!("node {line} {}", PLAN.name)).await?;
        ensure!(words.contains("may be in use"), "{line}: {words}");
    }
    Ok(())
}

/// Waits until an adoption stands still because Contrail does not answer.
async fn wait_for_contrail(lab: &Lab) -> anyhow::Result<()> {
    wait_for("the adoption to wait for Contrail", WAIT_MAX, async |seen| {
        let node: Node = lab.admin.json(&format!("node show {}", PLAN.name)).await?;
        *seen = format!("{} {:?}", node.provision_state, node.reason);
        ensure!(node.provision_state != "active", "Contrail went away too late: {seen}");
        let reason = node.reason.unwrap_or_default();
        Ok((node.provision_state == "manageable" && reason.contains("did not answer")).then_some(()))
    })
    .await
}

/// Contrail goes away as soon as the adoption is asked for, and the coordinator is killed while it waits for it.
pub(super) async fn adopt(lab: &Lab, file: &str, port: Uuid) -> anyhow::Result<()> {
    set_fault(lab, Fault::Slow { delay_ms: SLOW_MS }).await?;
    let asked: Vec<AdoptedNode> = lab.admin.json(&format!("node adopt {file}")).await?;
    set_fault(lab, Fault::Unavailable).await?;
    ensure!(asked[0].networks[0].interface == Some(port) && !asked[0].unchanged, "{asked:?}");
    wait_for_contrail(lab).await?;
    let servers: Vec<Server> = lab.tenant.json("server list").await?;
    ensure!(servers.is_empty(), "a tenant is shown what is not adopted yet: {servers:?}");
    lab.processes.kill("coordinator")?;
    up::coordinator(lab).await?;
    set_fault(lab, Fault::None).await?;
    let again: Vec<AdoptedNode> = lab.admin.json(&format!("node adopt {file} --wait --timeout 120")).await?;
    ensure!(again[0].unchanged && again[0].id == asked[0].id, "{again:?}, after {asked:?}");
    let table = lab.admin.run(&format!("node adopt {file}")).await?;
    ensure!(table.contains("as the file says already"), "{table}");
    Ok(())
}

/// What administrator, tenant, Ironic, Nova and Placement say of it.
pub(super) async fn adopted(lab: &Lab, port: Uuid) -> anyhow::Result<()> {
    let servers: Vec<Server> = lab.tenant.json("server list").await?;
    let [server] = servers.as_slice() else { anyhow::bail!("its tenant sees {servers:?}") };
    ensure!(
        (server.name.as_str(), server.status.as_str(), server.address.as_str()) == (NAME, "active", ADDRESS),
        "{server:?}"
    );
    ensure!((server.image.as_str(), server.network.as_str()) == (IMAGE, NETWORK), "{server:?}");
    ensure!(server.instance.is_none() && server.node.is_none() && server.reason.is_none(), "{server:?}");
    let others: Vec<Server> = lab.other.json("server list").await?;
    ensure!(others.is_empty(), "another tenant sees {others:?}");
    let node: Node = lab.admin.json(&format!("node show {}", PLAN.name)).await?;
    ensure!(node.provision_state == "active" && node.power.as_str() == "on" && node.deployed, "{node:?}");
    ensure!(node.network_observed == Some(format!("tenant {port}")), "{node:?}");
    ensure!(node.instance == Some(server.id), "{node:?}");
    let survey: Survey =
        lab.admin.json(&format!("node survey {}", lab.site.run().join("running.yaml").display())).await?;
    ensure!(survey.findings.is_empty(), "{survey:#?}");
    let cloud = cloud(lab)?;
    let session = cloud.session(Who::Admin)?;
    let nova = Nova::new(session.clone());
    let all = nova.list_servers(Caller::Service, ProjectsShown::All).await?;
    ensure!(all.iter().all(|nova| nova.name != NAME), "Nova has a server of it: {all:?}");
    let token = session.issued().await?.token.clone();
    let url = format!("{}/resource_providers/{}/inventories", cloud.endpoints.placement, node.id);
    let found: Value = http()?.get(url).header("X-Auth-Token", token.reveal()).send().await?.json().await?;
    let offered = found["inventories"].as_object().into_iter().flatten();
    let offered: Vec<_> =
        offered.filter(|(_, inventory)| inventory["reserved"] != inventory["total"]).collect();
    ensure!(offered.is_empty(), "Nova's scheduler is offered a server in use: {found}");
    Ok(())
}

/// Nobody has ever looked which disks it has, so nobody could tell what an erase has missed.
pub(super) async fn not_cleaned(lab: &Lab) -> anyhow::Result<()> {
    lab.tenant.run(&format!("server delete {NAME}")).await?;
    wait_for("its clean to fail for want of an inspection", WAIT_MAX, async |seen| {
        let node: Node = lab.admin.json(&format!("node show {}", PLAN.name)).await?;
        *seen = format!("{} {:?}", node.provision_state, node.last_error);
        ensure!(node.provision_state != "available", "it is available without a clean that knows its disks");
        let told =
            node.last_error.is_some_and(|error| error.contains("no inspection has found a disk of it"));
        Ok((node.provision_state == "clean failed" && told).then_some(()))
    })
    .await
}

/// Nothing of it is left: no record, no port, no address, no byte of its disk.
pub(super) async fn gone(lab: &Lab, port: Uuid) -> anyhow::Result<()> {
    wait_for("its port and address to be gone", WAIT_MAX, async |seen| {
        let left: Vec<_> = ports_and_addresses(lab)
            .await?
            .into_iter()
            .filter(|row| row.contains(&port.to_string()))
            .collect();
        *seen = format!("{left:?}");
        Ok(left.is_empty().then_some(()))
    })
    .await?;
    // The record goes with the next look after its clean.
    wait_for("its record to be gone", WAIT_MAX, async |seen| {
        let servers: Vec<Server> = lab.admin.json("server list").await?;
        *seen = format!("{servers:?}");
        Ok(servers.iter().all(|server| server.name != NAME).then_some(()))
    })
    .await?;
    let disk = Machine::disk(&lab.site.server(PLAN.name));
    ensure!(!image::holds_secret(&disk)?, "{} still holds the tenant's bytes", disk.display());
    Ok(())
}
