//! Edges: the promise to brownfields: a server that runs behind everybody's back is surveyed and adopted without a touch of its power,
//! its disk or its port, and is a deployed server like any other from then on.
//!
//! What it runs is put there by hand: the image onto its disk, a port for it into Contrail, its power by its BMC. Whether it was
//! touched is judged by its QEMU's process, its disk's bytes, its page and the switch's log.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs::File,
    hash::{Hash, Hasher},
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, ensure};
use coordinator::{
    api::types::{AdoptedNode, FindingKind, Node, Server, Survey, TenantNetwork},
    contrail::{Config, Contrail},
    openstack::{
        ironic::{InstanceSpec, Ironic, NodeProperties, NodeSpec, RedfishAccess},
        nova::{Nova, ProjectsShown},
        session::Caller,
    },
    port::{Fabric, NewTenantPort, ServerPort, SwitchPort, TenantNetworks, WantedNetwork},
};
use protocol::{id::ServerId, secret::Secret};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Lab,
        site::{BMC_PASSWORD, BMC_USER, DISK_BYTES, SERVERS, SWITCH, ServerPlan, import_file_of},
        step::{Steps, wait_for},
        story::{self, IMAGE, NETWORK, wait_isolated, wait_state},
        up,
    },
    networks::{cloud, http, ports_and_addresses, set_fault},
};
use crate::{
    contrail::{Fault, VirtualMachine},
    image,
    openstack::Who,
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
/// How slow Contrail is before it goes away. An adoption asks it several times, one after the other, after it was asked for: so it
/// cannot be over before Contrail is away.
const SLOW_MS: u64 = 1000;

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
    steps.step("survey: list contradictions, and change nothing", survey(lab, network, &file)).await?;
    steps
        .step("refuse what is wrong, as a whole, and leave nothing behind", refusals(lab, vm, &file))
        .await?;
    steps
        .step("leave it as it was found when something contradicts later", fails(lab, network, &file))
        .await?;
    before.check(lab)?;
    steps
        .step("adopt it, with Contrail away and the coordinator killed meanwhile", adopt(lab, &file, port))
        .await?;
    steps
        .step("see it untouched, and its tenant's", async {
            before.check(lab)?;
            page(vm, 1).await?;
            adopted(lab, port).await
        })
        .await?;
    steps.step("refuse what an adopted server cannot do", refusals_in_use(lab, &file)).await?;

    let off_us = story::pull_plug(lab, PLAN)?;
    let isolated =
        steps.step("pull its plug: isolated", wait_isolated(lab, PLAN, network.id, off_us)).await?;
    steps.measured("from off to isolated", isolated);
    steps.step("its tenant starts it", lab.tenant.run(&format!("server start {NAME} --wait"))).await?;
    steps.step("fetch its page, from the same disk", page(vm, 2)).await?;
    steps
        .step("its tenant gives it back: cleaned and available", async {
            lab.tenant.run(&format!("server delete {NAME} --wait")).await?;
            wait_state(lab, PLAN.name, "available").await?;
            gone(lab, port).await
        })
        .await?;
    steps
        .step("bring it to where every promise begins", async {
            for verb in ["manage", "inspect", "provide"] {
                lab.admin.run(&format!("node {verb} {} --wait", PLAN.name)).await?;
            }
            Ok(())
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
    let port = ServerPort { server: ServerId::random(), name: "eth0".into(), mac: PLAN.mac(), link };
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

/// Everything that a survey could have changed: Ironic's nodes with the times of their last changes, Nova's servers,
/// everything in Contrail, our own inventory.
async fn everything(lab: &Lab) -> anyhow::Result<BTreeMap<String, String>> {
    let cloud = cloud(lab)?;
    let token = cloud.session(Who::System)?.issued().await?.token.clone();
    let url = format!("{}/v1/nodes/detail", cloud.endpoints.ironic);
    let asked = http()?.get(url).header("X-Auth-Token", token.reveal());
    let asked = asked.header("x-openstack-ironic-api-version", "1.90").send().await?.error_for_status()?;
    let nodes: Value = asked.json().await?;
    let mut all = BTreeMap::new();
    for node in nodes["nodes"].as_array().into_iter().flatten() {
        let text = ["updated_at", "provision_state", "power_state", "instance_uuid", "reservation"]
            .map(|field| node[field].to_string());
        all.insert(format!("ironic {}", node["uuid"]), text.join(" "));
    }
    let nova = Nova::new(cloud.session(Who::Admin)?);
    for server in nova.list_servers(Caller::Service, ProjectsShown::All).await? {
        all.insert(format!("nova {}", server.id), format!("{server:?}"));
    }
    let contrail = tokio::fs::read(lab.site.run().join("contrail.json")).await?;
    all.insert("contrail".to_owned(), String::from_utf8_lossy(&contrail).into_owned());
    all.insert("inventory".to_owned(), lab.admin.run("node export").await?);
    all.insert("servers".to_owned(), lab.admin.run("-o json server list").await?);
    Ok(all)
}

async fn survey(lab: &Lab, network: &TenantNetwork, file: &str) -> anyhow::Result<()> {
    let look = async |line: &str| -> anyhow::Result<(Survey, Vec<FindingKind>)> {
        let found: Survey = lab.admin.json(line).await?;
        let kinds = found.findings.iter().map(|finding| finding.what).collect();
        Ok((found, kinds))
    };
    let (found, kinds) = look(&format!("node survey {file}")).await?;
    ensure!(kinds == [FindingKind::PortWithoutOwner], "{found:#?}");
    ensure!(found.servers == 1 && found.not_seen.is_empty(), "{found:#?}");

    let planted = plant(lab, network).await?;
    let seen = async {
        let before = everything(lab).await?;
        let (found, kinds) = look("node survey").await?;
        for kind in [
            FindingKind::MacTwice,
            FindingKind::NodeUnknown,
            FindingKind::InstanceUnknownToNova,
            FindingKind::PortWithoutOwner,
        ] {
            ensure!(kinds.contains(&kind), "{kind:?} was not found: {found:#?}");
        }
        let table = lab.admin.run("node survey").await?;
        ensure!(table.contains("ghost") && table.contains("no such server"), "{table}");
        let wrong = write(lab, "wrong.yaml", &adoption_file(&instance(NETWORK, "192.0.2.78", ""))).await?;
        let (found, kinds) = look(&format!("node survey {wrong}")).await?;
        let says = |words: &str| found.findings.iter().any(|finding| finding.contrail.contains(words));
        ensure!(kinds.contains(&FindingKind::EntryContradicts), "{found:#?}");
        ensure!(says(&format!("has {ADDRESS}, not 192.0.2.78")) && says("too: delete"), "{found:#?}");
        ensure!(found.findings.iter().all(|finding| finding.server != "ghost"), "{found:#?}");
        let after = everything(lab).await?;
        for (what, text) in &before {
            ensure!(after.get(what) == Some(text), "{what} was {text}, and is {:?}", after.get(what));
        }
        ensure!(before.len() == after.len(), "something was made: {:?}", after.keys());
        set_fault(lab, Fault::Unavailable).await?;
        let away = look("node survey").await;
        set_fault(lab, Fault::None).await?;
        let (found, kinds) = away?;
        ensure!(kinds.contains(&FindingKind::NodeUnknown), "what the others say is compared: {found:#?}");
        ensure!(found.not_seen.len() == 1 && found.not_seen[0].service == "contrail", "{found:#?}");
        for line in ["node survey", &format!("node survey {file}")] {
            let words = lab.tenant.refused(line).await?;
            ensure!(words.contains("administrator"), "{words}");
        }
        anyhow::Ok(())
    }
    .await;
    planted.pull_out(lab).await?;
    seen
}

/// What contradicts: a node with an instance that nobody else knows, and a second interface with the server's address.
struct Planted {
    ghost: ServerId,
    twin: String,
}

async fn plant(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<Planted> {
    let ironic = Ironic::new(cloud(lab)?.session(Who::System)?);
    let ghost = ServerId::random();
    let spec = NodeSpec {
        id: ghost,
        name: "ghost".into(),
        redfish: RedfishAccess {
            address: "https://127.0.0.1:1".into(),
            system_path: "/redfish/v1/Systems/ghost".into(),
            username: "nobody".into(),
            password: Secret::new("nothing"),
            ca_file: None,
        },
        ramdisk: None,
        resource_class: "ghost".into(),
        properties: NodeProperties::default(),
        traits: Default::default(),
        conductor_group: String::new(),
    };
    ironic.ensure_node(&spec).await?;
    let instance = InstanceSpec {
        id: Uuid::new_v4(),
        display_name: "ghost".into(),
        image_id: "none".into(),
        project_id: "none".into(),
    };
    ironic.set_instance(ghost, &instance).await?;
    let twin = plant_twin(lab, network).await?;
    Ok(Planted { ghost, twin })
}

/// A second interface with the server's address.
async fn plant_twin(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<String> {
    let name = ["default-domain", "demo", "twin"];
    let body = json!({"virtual-machine-interface": {
        "fq_name": name, "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", "demo", network.name]}],
        "virtual_machine_interface_mac_addresses": {"mac_address": [PLAN.mac().to_string()]},
    }});
    let url = format!("{}/virtual-machine-interfaces", lab.contrail_url());
    let made: Value = http()?.post(url).json(&body).send().await?.error_for_status()?.json().await?;
    Ok(made["virtual-machine-interface"]["uuid"].as_str().context("no uuid")?.to_owned())
}

async fn pull_twin(lab: &Lab, twin: &str) -> anyhow::Result<()> {
    let url = format!("{}/virtual-machine-interface/{twin}", lab.contrail_url());
    http()?.delete(url).send().await?.error_for_status().map(drop).context("deleting the twin")
}

impl Planted {
    async fn pull_out(self, lab: &Lab) -> anyhow::Result<()> {
        let ironic = Ironic::new(cloud(lab)?.session(Who::System)?);
        ironic.clear_instance(self.ghost).await?;
        ironic.delete_node(self.ghost).await?;
        pull_twin(lab, &self.twin).await
    }
}

async fn refusals(lab: &Lab, vm: &VirtualMachine, file: &str) -> anyhow::Result<()> {
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
    refuse(&instance(NETWORK, ADDRESS, "    colour: red\n"), &["colour: is not a field here"]).await?;
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

/// What agreed when the file was read contradicts when Contrail is read again: the coordinator was dead meanwhile.
async fn fails(lab: &Lab, network: &TenantNetwork, file: &str) -> anyhow::Result<()> {
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
        let told = node
            .reason
            .is_some_and(|reason| reason.starts_with("not adopted: ") && reason.contains("too: delete"));
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
async fn adopt(lab: &Lab, file: &str, port: Uuid) -> anyhow::Result<()> {
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
async fn adopted(lab: &Lab, port: Uuid) -> anyhow::Result<()> {
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
    ensure!(node.provision_state == "active" && node.power == "on" && node.deployed, "{node:?}");
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

async fn refusals_in_use(lab: &Lab, file: &str) -> anyhow::Result<()> {
    let words = lab.admin.refused(&format!("node delete {}", PLAN.name)).await?;
    ensure!(words.contains("carries the tenant's server"), "{words}");
    let words = lab.tenant.refused(&format!("server rebuild {NAME} --image {IMAGE}")).await?;
    ensure!(words.contains("Nova has no server of it"), "{words}");
    let words = lab.other.refused(&format!("server delete {NAME}")).await?;
    ensure!(words.contains("there is no server"), "{words}");
    let text = tokio::fs::read_to_string(file).await?.replace(&format!("name: {NAME}"), "name: other1");
    let other = write(lab, "other.yaml", &text).await?;
    let words = lab.admin.refused(&format!("node adopt {other}")).await?;
    ensure!(words.contains("is adopted already"), "{words}");
    Ok(())
}

/// Nothing of it is left: no record, no port, no address, no byte of its disk.
async fn gone(lab: &Lab, port: Uuid) -> anyhow::Result<()> {
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
    let servers: Vec<Server> = lab.admin.json("server list").await?;
    ensure!(servers.iter().all(|server| server.name != NAME), "{servers:?}");
    let disk = Machine::disk(&lab.site.server(PLAN.name));
    ensure!(!image::holds_secret(&disk)?, "{} still holds the tenant's bytes", disk.display());
    Ok(())
}
