//! Edges: what is refused before an adoption, and afterwards, and leaves nothing behind.

use anyhow::ensure;
use api_types::AdoptedNode;

use super::{
    super::{
        super::{
            Lab,
            story::{self, IMAGE, NETWORK},
        },
        networks::set_fault,
    },
    ADDRESS, NAME, PLAN, adoption_file, instance,
    survey::everything,
    write,
};
use crate::contrail::{Fault, VirtualMachine};

pub(super) async fn before(lab: &Lab, vm: &VirtualMachine, file: &str) -> anyhow::Result<()> {
    let before = everything(lab).await?;
    let refuse = async |instance: &str, words: &[&str]| -> anyhow::Result<()> {
        let path = write(lab, "refused.yaml", &adoption_file(instance)).await?;
        let said = lab.admin.refused(&format!("node adopt {path}")).await?;
        for word in words {
            ensure!(said.contains(word), "refused without {word:?}: {said}");
        }
        Ok(())
    };
    let unknown = instance("unheard-of", ADDRESS, "")
        .replace(&format!("image: {IMAGE}"), "image: no-image")
        .replace(&format!("flavor: {}\n", story::FLAVOR), "flavor: no-flavor\n");
    refuse(
        &unknown,
        &[
            "nodes[0].instance.image: there is no image \"no-image\"",
            "nodes[0].instance.flavor: there is no flavor \"no-flavor\"",
            "nodes[0].instance.networks[0].network: project \"demo\" has no network \"unheard-of\"",
        ],
    )
    .await?;
    let project = instance(NETWORK, ADDRESS, "").replace("project: demo", "project: nobody");
    refuse(&project, &["nodes[0].instance.project: there is no project \"nobody\""]).await?;
    let taken = vm.address.to_string();
    let address = "nodes[0].instance.networks[0].address";
    refuse(&instance(NETWORK, &taken, ""), &[address, "is in use by interface", &lab.vm_namespace()]).await?;
    refuse(&instance(NETWORK, "192.0.2.78", ""), &[address, &format!("has {ADDRESS}, not 192.0.2.78")])
        .await?;
    refuse(&instance(NETWORK, "blue", ""), &[address, "invalid"]).await?;
    refuse(&instance(NETWORK, ADDRESS, "    colour: red\n"), &["colour: is not a known field"]).await?;
    refuse("", &["nodes[0].instance: is missing"]).await?;
    let words = lab.tenant.refused(&format!("node adopt {file}")).await?;
    ensure!(words.contains("administrator"), "{words}");
    set_fault(lab, Fault::Unavailable).await?;
    let away = lab.admin.refused(&format!("node adopt {file}")).await;
    set_fault(lab, Fault::None).await?;
    let away = away?;
    ensure!(away.contains("Contrail") && away.contains("did not answer"), "{away}");
    let dry: Vec<AdoptedNode> = lab.admin.json(&format!("node adopt {file} --dry-run")).await?;
    ensure!(dry.len() == 1 && dry[0].created && dry[0].id.is_none(), "{dry:?}");
    ensure!(dry[0].networks[0].interface.is_some() && dry[0].networks[0].port == "eth0", "{dry:?}");
    let after = everything(lab).await?;
    ensure!(before == after, "something refused changed {before:?} to {after:?}");
    Ok(())
}

pub(super) async fn in_use(lab: &Lab, file: &str) -> anyhow::Result<()> {
    let words = lab.admin.refused(&format!("node delete {}", PLAN.name)).await?;
    ensure!(words.contains("carries the tenant's server"), "{words}");
    let words = lab.tenant.refused(&format!("server rebuild {NAME} --image {IMAGE}")).await?;
    ensure!(words.contains("Nova has no server for it"), "{words}");
    let words = lab.other.refused(&format!("server delete {NAME}")).await?;
    ensure!(words.contains("there is no server"), "{words}");
    let text = tokio::fs::read_to_string(file).await?.replace(&format!("name: {NAME}"), "name: other1");
    let other = write(lab, "other.yaml", &text).await?;
    let words = lab.admin.refused(&format!("node adopt {other}")).await?;
    ensure!(words.contains("is already adopted"), "{words}");
    Ok(())
}
