//! Edges: the story of the first server, from an import file to a tenant's page and back to nothing.
//!
//! Everything is asked for as a person would, by `bmsctl`; everything is judged from outside: by a namespace on the
//! tenant's network, by the switch's log, by the disk file, by the listeners on every network.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api_types::{EraseCertificate, Flavor, Image, Imported, Node, Server, TenantNetwork};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use protocol::{boot::BootMode, hardware::PERHAPS_UNUSED};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Lab, filtered, frames, listen,
    site::{SERVERS, ServerPlan},
    step::{Steps, wait_for},
    told,
};
use crate::{
    contrail::{VirtualMachine, config::tenant_bridge},
    image,
    qemu::{Devices, Machine},
};

/// The tenant's server.
const NAME: &str = "web1";
/// Flavor, image and network of the story.
pub(crate) const FLAVOR: &str = "metal";
pub(crate) const IMAGE: &str = "demo";
/// One with drivers for physical servers.
const IMAGE_FOR_ANY: &str = "demo-any";
pub(super) const NETWORK: &str = "blue";
/// How long the tenant's page may take to appear after the server is active.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(90);
/// How long isolation may take; the figure that is printed is the real one.
const ISOLATION_WAIT_MAX: Duration = Duration::from_secs(30);

/// What the tenant image's page says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page {
    pub(super) instance_id: String,
    boot_count: u64,
}

/// Plays the whole story on a lab that is up.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let began_us = now_us()?;
    let names: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
    let all = names.join(" ");
    steps.step("enroll three servers from an import file", enroll(lab)).await?;
    let inspected = format!("node inspect {all} --wait");
    let inspected = filtered::meanwhile(lab, "prov0", lab.admin.run(&inspected));
    steps.step("inspect them, and see that their switch ports are filtered", inspected).await?;
    steps.step("look at what inspection found", check_inspection(lab)).await?;
    let cleaned = format!("node provide {all} --wait");
    let cleaned = filtered::meanwhile(lab, "clean0", lab.admin.run(&cleaned));
    steps.step("clean them and make them available, filtered as well", cleaned).await?;
    let network = steps.step("make image, flavor and network", catalogue(lab)).await?;
    let vm = steps
        .step("plug a virtual machine into the tenant's network", async {
            VirtualMachine::attach(
                &lab.contrail_url(),
                &lab.site.rack().fabric,
                network.id,
                &lab.vm_namespace(),
            )
            .await
        })
        .await?;
    let told = tenancy(lab, steps, &vm, &network).await;
    vm.detach().await?;
    told?;
    steps.step("look for BMC passwords everywhere", async { super::secrets::check(lab) }).await?;
    steps.step("delete the nodes", delete_nodes(lab, &names)).await?;
    steps.step("go through every frame that was seen", async { check_frames(lab, began_us) }).await
}

/// From the tenant's request to the cleaned disk.
async fn tenancy(
    lab: &Lab,
    steps: &mut Steps,
    vm: &VirtualMachine,
    network: &TenantNetwork,
) -> anyhow::Result<()> {
    let server: Server = steps
        .step("deploy a server for a tenant (flavor, image, network)", async {
            let line =
                format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network {NETWORK} --wait");
            lab.tenant.json(&line).await
        })
        .await?;
    let before = steps.step("fetch its page from the virtual machine", fetch_page(vm, &server, 1)).await?;
    let plan = steps.step("find the physical server", physical(lab, &server)).await?;
    steps.step("refuse to delete the deployed node", refuse_delete(lab, plan)).await?;

    let off = steps.step("pull its plug", async { pull_plug(lab, plan) }).await?;
    let isolated = steps
        .step("see its port leave the tenant's network", wait_isolated(lab, plan, network.id, off))
        .await?;
    steps.measured("from off to isolated", isolated);
    steps
        .step("start it again", async { lab.tenant.run(&format!("server start {NAME} --wait")).await })
        .await?;
    let after = steps.step("fetch its page again, from the same disk", fetch_page(vm, &server, 2)).await?;
    ensure!(before.instance_id == after.instance_id, "the instance changed: {before:?}, then {after:?}");

    let disk = Machine::disk(&lab.site.server(plan.name));
    ensure!(
        image::holds_secret(&disk)?,
        "the tenant left nothing on {}: the check after cleaning would prove nothing",
        disk.display()
    );
    steps
        .step("give it back: reclaim, clean, available", async {
            lab.tenant.run(&format!("server delete {NAME} --wait")).await?;
            wait_state(lab, plan.name, "available").await
        })
        .await?;
    let told = told::check(lab, &server, plan);
    steps.step("read what was told of it, as its tenant, another one and an administrator", told).await?;
    steps
        .step("read its disk from outside", async {
            ensure!(!image::holds_secret(&disk)?, "{} still holds the tenant's bytes", disk.display());
            Ok(())
        })
        .await?;
    steps.step("check the certificate of the erase", check_certificate(lab, &server, plan)).await
}

/// The newest certificate of this machine holds by the authority's certificate, and is of the tenancy that has just ended. Whether a disk
/// was erased before any tenancy is certified as well.
async fn check_certificate(lab: &Lab, server: &Server, plan: &ServerPlan) -> anyhow::Result<()> {
    let kept: Vec<EraseCertificate> =
        lab.admin.json(&format!("certificate list --node {}", plan.name)).await?;
    let [newest, .., first] = &kept[..] else { bail!("there must be one of each clean: {kept:?}") };
    ensure!(newest.tenancy == Some(server.id), "it is of another tenancy than {}: {newest:?}", server.id);
    ensure!(first.tenancy.is_none(), "it is of no tenancy: {first:?}");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), lab.admin.run(&format!("certificate export {}", newest.id)).await?)?;
    let said: serde_json::Value =
        lab.admin.json(&format!("certificate verify {}", file.path().display())).await?;
    ensure!(said["valid"] == true, "{said}");
    let stated = &said["statement"];
    ensure!(stated["server"]["serial"] == plan.name && stated["ramdisk_version"] != "", "{said}");
    let words = lab.tenant.refused("certificate list").await?;
    ensure!(words.contains("administrator"), "{words}");
    Ok(())
}

/// The same tenancy in short on the UEFI server, which has what physical servers have, with what the main story has left: flavor and network.
pub async fn play_uefi(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let plan = SERVERS.iter().find(|plan| plan.firmware == BootMode::Uefi).context("no UEFI server")?;
    let networks: Vec<TenantNetwork> = lab.tenant.json("network list").await?;
    let network =
        networks.iter().find(|network| network.name == NETWORK).context("the story made no network")?;
    let (fabric, name) = (lab.site.rack().fabric, lab.vm_namespace());
    steps
        .step("enroll, inspect and clean the UEFI server", async {
            enroll(lab).await?;
            // What no inspection has seen is not called clean.
            lab.admin.run(&format!("node inspect {} --wait", plan.name)).await?;
            lab.admin.run(&format!("node provide {} --wait", plan.name)).await
        })
        .await?;
    steps
        .step("make an image with a kernel for any server", async {
            let built = image::build_for(&lab.site.cache(), image::For::Any).await?;
            let images: Vec<Image> = lab.admin.json("image list").await?;
            if !images.iter().any(|image| image.name == IMAGE_FOR_ANY) {
                let file = built.qcow2.display();
                lab.admin.run(&format!("image create {IMAGE_FOR_ANY} --file {file} --public")).await?;
            }
            Ok(())
        })
        .await?;
    let vm = VirtualMachine::attach(&lab.contrail_url(), &fabric, network.id, &name).await?;
    let told = async {
        let line = format!(
            "server create {NAME} --flavor {FLAVOR}-uefi --image {IMAGE_FOR_ANY} --network {NETWORK} --wait"
        );
        let server: Server = steps.step("deploy the UEFI server", lab.tenant.json(&line)).await?;
        steps.step("fetch its page", fetch_page(&vm, &server, 1)).await?;
        steps.step("give it back", lab.tenant.run(&format!("server delete {NAME} --wait"))).await?;
        steps.step("see it clean and available", wait_state(lab, plan.name, "available")).await
    }
    .await;
    vm.detach().await?;
    told?;
    let names: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
    steps.step("delete the nodes again", delete_nodes(lab, &names)).await
}

async fn enroll(lab: &Lab) -> anyhow::Result<()> {
    let path = lab.site.servers_file();
    let line = format!("node import {} --wait", path.display());
    let imported: Vec<api_types::ImportedNode> = lab.admin.json(&line).await?;
    ensure!(imported.len() == SERVERS.len(), "{imported:?}");
    let dry: Imported = Imported {
        nodes: lab.admin.json(&format!("node import {} --dry-run", path.display())).await?,
        dry_run: true,
    };
    ensure!(dry.nodes.iter().all(|node| !node.created), "a second import would make servers twice: {dry:?}");
    Ok(())
}

async fn check_inspection(lab: &Lab) -> anyhow::Result<()> {
    for plan in &SERVERS {
        let node: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
        let found =
            node.hardware.with_context(|| format!("{} has no hardware after inspection", plan.name))?;
        ensure!(found.serial == plan.name, "{}: serial number {:?}", plan.name, found.serial);
        for card in plan.cards() {
            ensure!(found.nics.iter().any(|nic| nic.mac == card.mac.to_string() && nic.carrier), "{found:?}");
        }
        let disk = found.disks.iter().find(|disk| disk.size_bytes == super::site::DISK_BYTES);
        let disk = disk.with_context(|| format!("{}: no disk of its size: {found:?}", plan.name))?;
        let transport = match plan.devices {
            Devices::Virtio => "virtio",
            Devices::Physical => "sata",
        };
        ensure!(disk.transport == transport, "{}: {disk:?}", plan.name);
        let unused = found.faults.iter().filter(|fault| !fault.starts_with(PERHAPS_UNUSED));
        ensure!(unused.count() == 0, "{}: {:?}", plan.name, found.faults);
    }
    Ok(())
}

/// Makes image, flavors and the tenant's network.
pub(crate) async fn catalogue(lab: &Lab) -> anyhow::Result<TenantNetwork> {
    let built = image::build(&lab.site.cache()).await?;
    // What an earlier story has left is used again.
    let images: Vec<Image> = lab.admin.json("image list").await?;
    if !images.iter().any(|image| image.name == IMAGE) {
        lab.admin.run(&format!("image create {IMAGE} --file {} --public", built.qcow2.display())).await?;
    }
    let flavors: Vec<Flavor> = lab.admin.json("flavor list").await?;
    for (name, class) in [(FLAVOR.to_owned(), "baremetal"), (format!("{FLAVOR}-uefi"), "baremetal-uefi")] {
        if !flavors.iter().any(|flavor| flavor.name == name) {
            let size = "--cpus 1 --memory-mib 512 --disk-gb 1";
            lab.admin.run(&format!("flavor create {name} --resource-class {class} {size}")).await?;
        }
    }
    let mut made: Vec<TenantNetwork> =
        lab.tenant.json(&format!("network create {NETWORK} --subnet 192.0.2.0/24")).await?;
    let others: Vec<TenantNetwork> = lab.other.json("network list").await?;
    ensure!(others.is_empty(), "another tenant sees {others:?}");
    made.pop().context("no network was made")
}

pub(super) async fn fetch_page(
    vm: &VirtualMachine,
    server: &Server,
    boot_count: u64,
) -> anyhow::Result<Page> {
    let url = format!("http://{}/", server.address);
    let instance = server.instance.context("the server has no Nova instance")?.to_string();
    wait_for(format!("the page at {url} with instance {instance}"), PAGE_WAIT_MAX, async |seen| {
        let text = vm.ns.run("curl", &["-sS", "-m", "2", &url]).await?;
        *seen = text.clone();
        let page: Page = serde_json::from_str(&text)?;
        ensure!(page.instance_id == instance, "the page is of instance {}", page.instance_id);
        ensure!(
            page.boot_count == boot_count,
            "boot {} of this disk, expected boot {boot_count}",
            page.boot_count
        );
        Ok(Some(page))
    })
    .await
}

pub(super) async fn physical(lab: &Lab, server: &Server) -> anyhow::Result<&'static ServerPlan> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    let node =
        nodes.iter().find(|node| node.instance == server.instance).context("no node has the instance")?;
    ensure!(server.node.is_none(), "a tenant is told the physical server");
    SERVERS.iter().find(|plan| plan.name == node.name).context("the node is none of the lab's servers")
}

async fn refuse_delete(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let words = lab.admin.refused(&format!("node delete {}", plan.name)).await?;
    ensure!(words.contains("deployed") || words.contains("active"), "refused without the reason: {words}");
    Ok(())
}

/// Microseconds since 1970.
pub(super) fn now_us() -> anyhow::Result<u64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros() as u64)
}

/// Kills QEMU behind everybody's back; gives the moment, in microseconds since 1970.
pub(crate) fn pull_plug(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<u64> {
    let pid = Machine::pid(&lab.site.server(plan.name)).context("the server has no power")?;
    let now = now_us()?;
    kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    Ok(now)
}

/// Waits until the switch has moved the server's tap away from the tenant's bridge; gives how long that took.
pub(crate) async fn wait_isolated(
    lab: &Lab,
    plan: &ServerPlan,
    network: Uuid,
    off_us: u64,
) -> anyhow::Result<Duration> {
    let (tap, bridge) = (super::rack::Rack::tap(plan.name), tenant_bridge(network));
    let fabric = lab.site.rack().fabric;
    let began = Instant::now();
    wait_for(format!("{tap} to leave {bridge}"), ISOLATION_WAIT_MAX, async |seen| {
        let state = fabric.run("ip", &["-o", "link", "show", &tap]).await?;
        *seen = state.clone();
        Ok((!state.contains(&format!("master {bridge}"))).then_some(()))
    })
    .await?;
    let moves = lab.moves_of(plan.name)?;
    let left = moves.iter().find(|at_us| **at_us >= off_us);
    Ok(left.map_or(began.elapsed(), |at_us| Duration::from_micros(at_us - off_us)))
}

/// Waits for a node's provision state.
pub async fn wait_state(lab: &Lab, name: &str, state: &str) -> anyhow::Result<()> {
    wait_for(format!("{name} to be {state}"), Duration::from_secs(180), async |seen| {
        let node: Node = lab.admin.json(&format!("node show {name}")).await?;
        *seen = format!(
            "{}, power {}, {:?} {:?}",
            node.provision_state, node.power, node.reason, node.last_error
        );
        if node.provision_state.ends_with("failed") {
            bail!("{seen}");
        }
        Ok((node.provision_state == state).then_some(()))
    })
    .await
}

async fn delete_nodes(lab: &Lab, names: &[&str]) -> anyhow::Result<()> {
    for name in names {
        lab.admin.run(&format!("node delete {name}")).await?;
    }
    let left: Vec<Node> = lab.admin.json("node list").await?;
    ensure!(left.is_empty(), "still there: {left:?}");
    Ok(())
}

/// Goes through the frames that were seen since this story began.
fn check_frames(lab: &Lab, began_us: u64) -> anyhow::Result<()> {
    let mut seen = listen::read(&lab.site.frames());
    seen.retain(|frame| frame.at_us >= began_us);
    let mut strays = Vec::new();
    for plan in &SERVERS {
        let events = Machine::events(&lab.site.server(plan.name));
        for card in plan.cards() {
            strays.extend(frames::strays(plan.name, card.mac, &events, &seen));
        }
        ensure!(
            frames::counts(plan.mac(), &seen).0 > 0,
            "the listeners saw nothing of {}: they prove nothing",
            plan.name
        );
    }
    ensure!(
        SERVERS.iter().any(|plan| frames::counts(plan.mac(), &seen).1 > 0),
        "the listeners saw nothing on the tenant's network: they prove nothing"
    );
    ensure!(strays.is_empty(), "{} frames where they must not be:\n{}", strays.len(), strays.join("\n"));
    Ok(())
}
