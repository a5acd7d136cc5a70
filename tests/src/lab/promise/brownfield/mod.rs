//! Edges: the promise to brownfields: a server that runs behind everybody's back is surveyed and adopted without a touch of its power,
//! its disk or its port, and is a deployed server like any other from then on.
//!
//! What it runs is put there by hand: the image onto its disk, a port for it into Contrail, its power by its BMC. Whether it was
//! touched is judged by its QEMU's process, its disk's bytes, its page and the switch's log.

mod adoption;
mod refusals;
mod survey;

use std::{
    collections::hash_map::DefaultHasher,
    fs::File,
    hash::{Hash, Hasher},
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
    time::Duration,
};

use anyhow::ensure;
use api_types::TenantNetwork;
use contrail::{Config, Contrail};
use domain::rim::{Fabric, NewTenantPort, ServerPort, SwitchPort, TenantNetworks, WantedNetwork};
use protocol::id::ServerId;
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        Lab,
        site::{BMC_PASSWORD, BMC_USER, DISK_BYTES, SERVERS, SWITCH, ServerPlan, import_file_of},
        step::{Steps, wait_for},
        story::{self, IMAGE, NETWORK, wait_isolated},
    },
    networks::set_fault,
};
use crate::{
    contrail::{Fault, VirtualMachine},
    image,
    qemu::Machine,
};

/// The server that runs already: the one with two network cards, of which one is on a network.
const PLAN: &ServerPlan = &SERVERS[1];
/// Its name for its tenant.
const NAME: &str = "old1";
/// The address that it has.
const ADDRESS: &str = "192.0.2.77";
/// How long a page, a reason or an end may take to be seen.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let network = story::catalogue(lab).await?;
    let (fabric, name) = (lab.site.rack().fabric, lab.vm_namespace());
    let vm = VirtualMachine::attach(&lab.contrail_url(), &fabric, network.id, &name).await?;
    let told = brownfield(lab, steps, &vm, &network).await;
    set_fault(lab, Fault::None).await?;
    vm.detach().await?;
    told
}

async fn brownfield(
    lab: &Lab,
    steps: &mut Steps,
    vm: &VirtualMachine,
    network: &TenantNetwork,
) -> anyhow::Result<()> {
    let port = steps.step("let a server run that nobody knows", run_by_hand(lab, network)).await?;
    steps.step("fetch its page", page(vm, 1)).await?;
    let before = Untouched::look(lab)?;
    let file = write(lab, "running.yaml", &adoption_file(&instance(NETWORK, ADDRESS, ""))).await?;
    steps
        .step("survey: list contradictions, and change nothing", survey::survey(lab, network, &file))
        .await?;
    steps
        .step("refuse what is wrong, as a whole, and leave nothing behind", refusals::before(lab, vm, &file))
        .await?;
    steps
        .step(
            "leave it as it was found when something contradicts later",
            adoption::fails(lab, network, &file),
        )
        .await?;
    before.check(lab)?;
    steps
        .step(
            "adopt it, with Contrail away and the coordinator killed meanwhile",
            adoption::adopt(lab, &file, port),
        )
        .await?;
    steps
        .step("see it untouched, and its tenant's", async {
            before.check(lab)?;
            page(vm, 1).await?;
            adoption::adopted(lab, port).await
        })
        .await?;
    steps.step("refuse what an adopted server cannot do", refusals::in_use(lab, &file)).await?;

    let off_us = story::pull_plug(lab, PLAN)?;
    let isolated =
        steps.step("pull its plug: isolated", wait_isolated(lab, PLAN, network.id, off_us)).await?;
    steps.measured("from off to isolated", isolated);
    steps.step("its tenant starts it", lab.tenant.run(&format!("server start {NAME} --wait"))).await?;
    steps.step("fetch its page, from the same disk", page(vm, 2)).await?;
    steps
        .step("its tenant gives it back: no clean without an inspection", adoption::not_cleaned(lab))
        .await?;
    steps
        .step("inspect it: cleaned and available, where every promise begins", async {
            for verb in ["manage", "inspect", "provide"] {
                lab.admin.run(&format!("node {verb} {} --wait", PLAN.name)).await?;
            }
            adoption::gone(lab, port).await
        })
        .await
}

/// Forgets the server, and lets it run all the same: image, port and power by hand. Gives its port in Contrail.
async fn run_by_hand(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<Uuid> {
    lab.admin.run(&format!("node delete {}", PLAN.name)).await?;
    let raw = image::build(&lab.site.cache()).await?.raw;
    let disk = Machine::disk(&lab.site.server(PLAN.name));
    tokio::task::spawn_blocking(move || install(&raw, &disk)).await??;

    let contrail = Contrail::new(Config::with_default_names(lab.contrail_url()), None)?;
    let id = Uuid::new_v4();
    let wanted = NewTenantPort {
        address: Some(ADDRESS.parse()?),
        ..NewTenantPort::plain(id, network.id, "made-by-hand")
    };
    contrail.ensure_tenant_port(&wanted).await?;
    let link = SwitchPort { switch: SWITCH.into(), port: PLAN.switch_port(), switch_id: None, fabric: None };
    let port = ServerPort::alone(ServerId::random(), "eth0", PLAN.mac(), link);
    contrail.move_port(&port, &WantedNetwork::Tenant(id)).await?;

    let (address, agent) = (PLAN.bmc_address().ip().to_string(), lab.site.rack().agent);
    let bmc = ["-I", "lanplus", "-C", "17", "-H", &address, "-U", BMC_USER, "-P", BMC_PASSWORD, "chassis"];
    for command in [&["bootdev", "disk"][..], &["power", "on"]] {
        agent.run("ipmitool", &[&bmc[..], command].concat()).await?;
    }
    wait_for("its QEMU", WAIT_MAX, async |_| Ok(Machine::pid(&lab.site.server(PLAN.name)).map(drop))).await?;
    Ok(id)
}

/// Writes the image to the beginning of an empty disk.
fn install(raw: &Path, disk: &Path) -> anyhow::Result<()> {
    const PIECE: usize = 1 << 20;
    let to = File::options().write(true).open(disk)?;
    to.set_len(0)?;
    to.set_len(DISK_BYTES)?;
    let (mut from, mut piece, mut at) = (File::open(raw)?, vec![0; PIECE], 0);
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        if piece[..length].iter().any(|byte| *byte != 0) {
            to.write_all_at(&piece[..length], at)?;
        }
        at += length as u64;
    }
}

/// Its page says how often its disk was booted; it has no configuration drive, so it names no instance.
async fn page(vm: &VirtualMachine, boot_count: u64) -> anyhow::Result<()> {
    let url = format!("http://{ADDRESS}/");
    wait_for(format!("the page at {url} of boot {boot_count}"), WAIT_MAX, async |seen| {
        *seen = vm.ns.run("curl", &["-sS", "-m", "2", &url]).await?;
        let page: Value = serde_json::from_str(seen)?;
        ensure!(page["boot_count"] == boot_count && page["instance_id"] == "", "{seen}");
        Ok(Some(()))
    })
    .await
}

/// What changes when somebody touches the server.
#[derive(Debug, PartialEq, Eq)]
struct Untouched {
    pid: Option<i32>,
    power_events: usize,
    moves: Vec<u64>,
    disk: u64,
}

impl Untouched {
    fn look(lab: &Lab) -> anyhow::Result<Self> {
        let dir = lab.site.server(PLAN.name);
        let (mut file, mut hasher) = (File::open(Machine::disk(&dir))?, DefaultHasher::new());
        let mut piece = vec![0; 1 << 20];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                break;
            }
            piece[..length].hash(&mut hasher);
        }
        Ok(Self {
            pid: Machine::pid(&dir),
            power_events: Machine::events(&dir).len(),
            moves: lab.moves_of(PLAN.name)?,
            disk: hasher.finish(),
        })
    }

    fn check(&self, lab: &Lab) -> anyhow::Result<()> {
        let now = Self::look(lab)?;
        ensure!(now == *self, "it was touched: {self:?}, then {now:?}");
        ensure!(self.pid.is_some(), "it had no power: nothing is shown");
        Ok(())
    }
}

/// What runs there, as the file says.
fn instance(network: &str, address: &str, more: &str) -> String {
    format!(
        "  instance:\n    name: {NAME}\n    project: demo\n    image: {IMAGE}\n    flavor: {}\n    networks:\n    \
         - {{network: {network}, address: {address}}}\n{more}",
        story::FLAVOR
    )
}

fn adoption_file(instance: &str) -> String {
    format!("{}{instance}", import_file_of(std::slice::from_ref(PLAN)))
}

async fn write(lab: &Lab, name: &str, text: &str) -> anyhow::Result<String> {
    let path = lab.site.run().join(name);
    tokio::fs::write(&path, text).await?;
    Ok(path.display().to_string())
}
