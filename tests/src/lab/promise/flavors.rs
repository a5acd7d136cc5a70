//! Edges: the promise of flavors and pools: rules put servers into pools, by themselves after their first inspection; a flavor
//! takes a pool's servers and says how they stand.

use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::{Flavor, Node, OtherServers, Pool, PoolMove};
use openstack::ironic::Ironic;
use protocol::id::ServerId;

use super::super::{
    Lab,
    site::{SERVERS, ServerPlan, import_file_of},
    step::{Steps, wait_for},
};
use crate::openstack::{OpenStack, Who};

/// The server that is inspected anew.
const NEW: &ServerPlan = &SERVERS[1];
/// The server that was inspected long ago.
const OLD: &ServerPlan = &SERVERS[2];
/// Pools, with the classes that they give.
const OLD_POOL: &str = "by-uefi";
const NEW_POOL: &str = "small";
const OLD_CLASS: &str = "lab-uefi";
const NEW_CLASS: &str = "lab-small";
/// A flavor of each.
const OLD_FLAVOR: &str = "uefi-of-demo";
const NEW_FLAVOR: &str = "small";
/// How long what follows by itself may take.
const FOLLOW_WAIT_MAX: Duration = Duration::from_secs(40);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("refuse bad rules, each with its field and remedy", bad_rules(lab)).await?;
    steps.step("try a rule without making it", rehearsal(lab)).await?;
    steps.step("make it, and put an inspected server into its pool", old_server(lab)).await?;
    steps.step("make a flavor for one project and see whom it serves", flavor_of_a_project(lab)).await?;
    steps.step("make a rule and a flavor for new servers", rule_for_new_servers(lab)).await?;
    steps.step("take in a new server and inspect it", take_in(lab)).await?;
    steps.step("see it in its pool by itself", wait_pool(lab, NEW, Some(NEW_POOL), NEW_CLASS)).await?;
    let counts = OtherServers { used: 0, cleaning: 0, broken: 0, preparing: 1 };
    steps.step("count it as being prepared", wait_counts(lab, NEW_FLAVOR, 0, counts)).await?;
    steps.step("count it while it is cleaned, and when it is free", clean(lab)).await?;
    steps.step("say what to do while Nova is away", nova_away(lab)).await?;
    steps.step("delete flavors and pools; the servers return", delete_all(lab)).await
}

async fn node(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<Node> {
    lab.admin.json(&format!("node show {}", plan.name)).await
}

async fn bad_rules(lab: &Lab) -> anyhow::Result<()> {
    let make = |conditions: &str| format!("pool create bad --resource-class bad {conditions}");
    for (line, expected) in [
        (make("--match cpu>=1"), "known facts are cpus, memory_mib"),
        (make("--match cpus>=many"), "needs a whole number"),
        (make("--match manufacturer>BMS-Lab"), "use = or !="),
        (make("--match cpus>=1 --before nobody"), "there is no pool \"nobody\""),
        ("pool create b/d --resource-class bad --match cpus>=1".to_owned(), "name: \"b/d\""),
        ("pool show nobody".to_owned(), "there is no pool"),
        ("flavor create bad --resource-class bad --project nobody".to_owned(), "no project \"nobody\""),
        ("flavor create bad --resource-class bad --nics 9".to_owned(), "1..=8"),
    ] {
        let words = lab.admin.refused(&line).await?;
        ensure!(words.contains(expected), "{line}: {words}");
    }
    for line in [make("--match cpus>=1"), "pool list".to_owned(), "pool apply".to_owned()] {
        let words = lab.tenant.refused(&line).await?;
        ensure!(words.contains("administrator"), "{line}: {words}");
    }
    let pools: Vec<Pool> = lab.admin.json("pool list").await?;
    ensure!(pools.is_empty(), "refused pools were made: {pools:?}");
    let flavors: Vec<Flavor> = lab.admin.json("flavor list").await?;
    ensure!(flavors.iter().all(|flavor| flavor.name != "bad"), "{flavors:?}");
    Ok(())
}

/// The rule for the server that was inspected long ago.
fn old_rule() -> String {
    format!(
        "pool create {OLD_POOL} --resource-class {OLD_CLASS} --match boot_mode=uefi --match manufacturer=BMS-Lab \
         --match cpus>=1"
    )
}

async fn rehearsal(lab: &Lab) -> anyhow::Result<()> {
    let moves: Vec<PoolMove> = lab.admin.json(&format!("{} --dry-run", old_rule())).await?;
    let [one] = moves.as_slice() else { anyhow::bail!("one server should move: {moves:?}") };
    ensure!(one.node == OLD.name && one.from.is_none() && one.held.is_none(), "{one:?}");
    ensure!(one.from_class == OLD.resource_class() && one.to_class == OLD_CLASS, "{one:?}");
    let pools: Vec<Pool> = lab.admin.json("pool list").await?;
    ensure!(pools.is_empty(), "a rehearsal made {pools:?}");
    ensure!(node(lab, OLD).await?.resource_class == OLD.resource_class(), "a rehearsal moved the server");
    Ok(())
}

async fn old_server(lab: &Lab) -> anyhow::Result<()> {
    lab.admin.run(&old_rule()).await?;
    let words = lab.admin.refused(&old_rule()).await?;
    ensure!(words.contains("there is already a pool"), "{words}");
    ensure!(
        node(lab, OLD).await?.pool.is_none(),
        "a new rule alone moved a server that was inspected before"
    );
    let moves: Vec<PoolMove> = lab.admin.json("pool apply").await?;
    ensure!(moves.len() == 1 && moves[0].node == OLD.name && moves[0].held.is_none(), "{moves:?}");
    wait_pool(lab, OLD, Some(OLD_POOL), OLD_CLASS).await?;
    let again: Vec<PoolMove> = lab.admin.json("pool apply").await?;
    ensure!(again.is_empty(), "a second time there is nothing to do: {again:?}");
    Ok(())
}

/// Waits until the inventory and Ironic agree on a server's pool and class.
async fn wait_pool(lab: &Lab, plan: &ServerPlan, pool: Option<&str>, class: &str) -> anyhow::Result<()> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let ironic = Ironic::new(cloud.session(Who::System)?);
    wait_for(format!("{} to be in its pool", plan.name), FOLLOW_WAIT_MAX, async |seen| {
        let ours = node(lab, plan).await?;
        let theirs = ironic.get_node(ServerId(ours.id)).await?;
        *seen = format!(
            "{:?} {} {:?} {:?}",
            ours.pool, ours.resource_class, theirs.resource_class, theirs.traits
        );
        let good = ours.pool.as_deref() == pool
            && ours.resource_class == class
            && theirs.resource_class.as_deref() == Some(class)
            && theirs.traits.iter().any(|name| name == "CUSTOM_MANUFACTURER_BMS_LAB");
        Ok(good.then_some(()))
    })
    .await
}

async fn flavor_of_a_project(lab: &Lab) -> anyhow::Result<()> {
    let size = "--cpus 1 --memory-mib 512 --disk-gb 1";
    let line = format!(
        "flavor create {OLD_FLAVOR} --resource-class {OLD_CLASS} {size} --manufacturer BMS-Lab --project demo"
    );
    lab.admin.run(&line).await?;
    let shown: Flavor = lab.admin.json(&format!("flavor show {OLD_FLAVOR}")).await?;
    ensure!(!shown.public && shown.projects.len() == 1 && shown.resource_class == OLD_CLASS, "{shown:?}");
    ensure!(shown.manufacturer.as_deref() == Some("BMS_LAB") && shown.free == 1, "{shown:?}");
    let find = async |who: &super::super::ctl::Ctl| -> anyhow::Result<Option<Flavor>> {
        let flavors: Vec<Flavor> = who.json("flavor list").await?;
        Ok(flavors.into_iter().find(|flavor| flavor.name == OLD_FLAVOR))
    };
    let mine = find(&lab.tenant).await?.context("the project's own flavor is not listed")?;
    ensure!(mine.free == 1 && mine.others.is_none() && mine.projects.is_empty(), "a tenant is told {mine:?}");
    ensure!(find(&lab.other).await?.is_none(), "another tenant sees the flavor");
    let words = lab.other.refused(&format!("flavor show {OLD_FLAVOR}")).await?;
    ensure!(words.contains("there is no flavor"), "{words}");
    let words = lab.tenant.refused(&format!("flavor delete {OLD_FLAVOR}")).await?;
    ensure!(words.contains("administrator"), "{words}");
    Ok(())
}

async fn rule_for_new_servers(lab: &Lab) -> anyhow::Result<()> {
    let line = format!(
        "pool create {NEW_POOL} --resource-class {NEW_CLASS} --match name={} --match memory_mib>=128 \
         --match manufacturer=bms* --before {OLD_POOL}",
        NEW.name
    );
    lab.admin.run(&line).await?;
    let pools: Vec<Pool> = lab.admin.json("pool list").await?;
    let order: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
    ensure!(order == [NEW_POOL, OLD_POOL] && pools[1].servers == [OLD.name], "{pools:?}");
    let line = format!("flavor create {NEW_FLAVOR} --resource-class {NEW_CLASS} --cpus 1 --memory-mib 512");
    lab.admin.run(&line).await.map(drop)
}

async fn take_in(lab: &Lab) -> anyhow::Result<()> {
    let path = lab.site.run().join("promise-flavors.yaml");
    tokio::fs::write(&path, import_file_of(&[*NEW])).await?;
    lab.admin.run(&format!("node delete {}", NEW.name)).await?;
    lab.admin.run(&format!("node import {} --wait", path.display())).await?;
    let before = node(lab, NEW).await?;
    ensure!(before.resource_class == NEW.resource_class() && before.pool.is_none(), "{before:?}");
    lab.admin.run(&format!("node inspect {} --wait", NEW.name)).await.map(drop)
}

async fn wait_counts(lab: &Lab, flavor: &str, free: u32, others: OtherServers) -> anyhow::Result<()> {
    wait_for(format!("flavor {flavor} to count {free} free and {others:?}"), FOLLOW_WAIT_MAX, async |seen| {
        let shown: Flavor = lab.admin.json(&format!("flavor show {flavor}")).await?;
        *seen = format!("{} {:?}", shown.free, shown.others);
        Ok((shown.free == free && shown.others == Some(others)).then_some(()))
    })
    .await
}

async fn clean(lab: &Lab) -> anyhow::Result<()> {
    let none = OtherServers { used: 0, cleaning: 0, broken: 0, preparing: 0 };
    lab.admin.run(&format!("node provide {}", NEW.name)).await?;
    wait_counts(lab, NEW_FLAVOR, 0, OtherServers { cleaning: 1, ..none }).await?;
    super::super::story::wait_state(lab, NEW.name, "available").await?;
    wait_counts(lab, NEW_FLAVOR, 1, none).await?;
    let words = lab.admin.run("flavor list").await?;
    ensure!(words.contains("CLEANING") && words.contains("BROKEN"), "an administrator is shown {words}");
    Ok(())
}

async fn nova_away(lab: &Lab) -> anyhow::Result<()> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let url = lab.site.openstack().nova;
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default().parse()?;
    let interrupted = cloud.interrupt("nova", address).await?;
    let said = async {
        for line in ["flavor list", "flavor create never --resource-class never"] {
            let words = lab.admin.refused(line).await?;
            ensure!(words.contains("Nova did not answer") && words.contains("try again"), "{line}: {words}");
        }
        Ok(())
    }
    .await;
    cloud.resume(&interrupted).await?;
    said?;
    let flavors: Vec<Flavor> = lab.admin.json("flavor list").await?;
    ensure!(flavors.iter().all(|flavor| flavor.name != "never"), "{flavors:?}");
    Ok(())
}

async fn delete_all(lab: &Lab) -> anyhow::Result<()> {
    for flavor in [OLD_FLAVOR, NEW_FLAVOR] {
        lab.admin.run(&format!("flavor delete {flavor}")).await?;
    }
    for pool in [OLD_POOL, NEW_POOL] {
        lab.admin.run(&format!("pool delete {pool}")).await?;
    }
    ensure!(node(lab, OLD).await?.resource_class == OLD_CLASS, "a deleted rule alone moved a server");
    let moves: Vec<PoolMove> = lab.admin.json("pool apply").await?;
    ensure!(moves.len() == 2 && moves.iter().all(|one| one.to.is_none() && one.held.is_none()), "{moves:?}");
    for plan in [OLD, NEW] {
        wait_pool(lab, plan, None, plan.resource_class()).await?;
    }
    Ok(())
}
