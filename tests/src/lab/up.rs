//! Edges: starting and stopping the lab, part by part. Everything can be repeated: what runs is left as it is.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use protocol::{boot::BootMode, secret::Secret};

use super::{
    Lab,
    odd::Odd,
    rack::{AGENT_CLEANING, AGENT_DISCOVERY, AGENT_PROVISIONING, Rack, agent_prefixes},
    server::ServerConfig,
    site::{
        BMC_PASSWORD, BMC_USER, DISK_BYTES, PROBE_PORTS, RACK, SERVERS, SWITCH, Site, import_file, machines,
    },
    step::{Steps, wait_for},
};
use crate::{
    accelerator,
    contrail::{
        Config as ContrailConfig,
        config::{COMMIT_MS, FixedNetwork, Port, Switch},
        switch::Style,
    },
    image,
    openstack::{self, OpenStack},
    qemu::{FurtherCard, MachineConfig},
};

/// How long a program of ours may take to answer after its start.
const START_WAIT_MAX: Duration = Duration::from_secs(30);
/// Memory of a virtual server, in MiB.
const MEMORY_MIB: u32 = 384;

/// Starts everything that does not run yet.
pub async fn up(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let site = &lab.site;
    same_fabric(site)?;
    steps.step("make OpenStack's virtual environment", virtual_environment(site)).await?;
    steps.step("build kernel, ramdisk and the tenants' image", boot_files(site)).await?;
    let accelerator =
        steps.step("find out whether virtual servers can use KVM", accelerator::find(&site.cache())).await?;
    steps.note(format_args!("virtual servers run on {accelerator}"));
    steps.step("make the coordinator's certificates", certificates(lab)).await?;
    steps.step("start Keystone, Glance, Placement, Nova and Ironic", cloud(lab)).await?;
    steps.step("lay the rack's cables", rack(lab)).await?;
    steps.step("start the Contrail stand-in and the listeners", contrail(lab)).await?;
    steps.step("start the virtual servers' BMCs", servers(lab, &accelerator)).await?;
    steps.step("start the coordinator", coordinator(lab)).await?;
    steps.step("start the rack's agent", agent(lab)).await?;
    write_for_people(lab)
}

/// A fabric keeps its style for life, and so does the lab that is up.
fn same_fabric(site: &Site) -> anyhow::Result<()> {
    let running = contrail_file(site);
    if running.exists() {
        let enterprise = ContrailConfig::load(&running)?.enterprise;
        ensure!(
            enterprise == (site.fabric == Style::Enterprise),
            "the lab that is up has no fabric of the style {:?}, and no fabric changes its style: stop it first (make lab-down)",
            site.fabric.to_string()
        );
    }
    Ok(())
}

fn contrail_file(site: &Site) -> PathBuf {
    site.run().join("contrail.toml")
}

/// Stops everything and deletes what was made, but for what is built only once.
pub async fn down(lab: &Lab) -> anyhow::Result<()> {
    for name in ["agent", "relay", "coordinator"] {
        lab.processes.stop(name).await?;
    }
    for name in lab.processes.names() {
        lab.processes.stop(&name).await?;
    }
    if let Ok(cloud) = OpenStack::attach(&lab.site.run().join("openstack")) {
        tokio::task::spawn_blocking(move || cloud.stop()).await?;
    }
    crate::netns::Netns(lab.vm_namespace()).delete().await?;
    lab.site.rack().remove().await?;
    match tokio::fs::remove_dir_all(lab.site.run()).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

async fn virtual_environment(site: &Site) -> anyhow::Result<()> {
    let venv = site.lab_dir().join("venv");
    tokio::task::spawn_blocking(move || openstack::ensure_venv(&venv)).await?
}

async fn boot_files(site: &Site) -> anyhow::Result<()> {
    image::ensure_boot_files(&site.cache()).await?;
    image::build(&site.cache()).await.map(drop)
}

async fn certificates(lab: &Lab) -> anyhow::Result<()> {
    let site = &lab.site;
    tokio::fs::create_dir_all(site.coordinator()).await?;
    tokio::fs::create_dir_all(site.agent()).await?;
    let config = site.coordinator().join("coordinator.toml");
    tokio::fs::write(&config, coordinator_config(site)).await?;
    let password = site.coordinator().join("password");
    tokio::fs::write(&password, openstack::PASSWORD).await?;
    run(site, "bms-coordinator", &["ca", "--config", &config.display().to_string()]).await?;
    let agent = site.agent();
    if !agent.join("agent.pem").exists() {
        let (config, out) = (config.display().to_string(), agent.display().to_string());
        run(site, "bms-coordinator", &["issue-agent", "--config", &config, "--rack", RACK, "--out", &out])
            .await?;
    }
    Ok(())
}

async fn cloud(lab: &Lab) -> anyhow::Result<()> {
    let site = &lab.site;
    let mut options =
        openstack::Options::in_lab(&site.lab_dir(), &format!("{}/openstack", site.name), site.base_port);
    options.ca_file = Some(site.ca_file());
    if let Ok(mut running) = OpenStack::attach(&options.dir)
        && running.status().iter().all(|service| service.pid.is_some())
    {
        running.leave_running();
        return Ok(());
    }
    OpenStack::start(options).await?.leave_running();
    Ok(())
}

async fn rack(lab: &Lab) -> anyhow::Result<()> {
    let rack = lab.site.rack();
    if rack.fabric.exists() && rack.agent.exists() {
        return Ok(());
    }
    let servers: Vec<_> = machines().map(|server| (server.number, server.name)).collect();
    let rack = Rack::build(&lab.site.prefix, &servers).await?;
    for card in SERVERS.iter().flat_map(|server| server.cards().into_iter().skip(1)) {
        rack.fabric.ip(&["tuntap", "add", &card.tap, "mode", "tap"]).await?;
    }
    Ok(())
}

async fn contrail(lab: &Lab) -> anyhow::Result<()> {
    let site = &lab.site;
    let ours = |name: &str| ["default-domain", "bms", name].map(str::to_owned).to_vec();
    let fixed = |name: &str, bridge: &str| FixedNetwork {
        fq_name: ours(name),
        bridge: bridge.to_owned(),
        isolated: true,
    };
    let config = ContrailConfig {
        listen: site.contrail(),
        admin: site.contrail_admin(),
        snapshot: Some(site.run().join("contrail.json")),
        enterprise: site.fabric == Style::Enterprise,
        fabrics: Vec::new(),
        collector: Some(site.collector()),
        ports: machines()
            .flat_map(|server| server.cards())
            .map(|card| (card.switch_port, card.tap))
            .chain(PROBE_PORTS.map(|(port, tap)| (port.to_owned(), tap.to_owned())))
            .map(|(port, tap)| Port { switch: SWITCH.to_owned(), port, tap: Some(tap) })
            .collect(),
        switch: Some(Switch {
            namespace: site.rack().fabric.0,
            gateway_prefix: site.prefix.clone(),
            networks: vec![
                fixed("provisioning", "br-prov"),
                fixed("cleaning", "br-clean"),
                fixed("discovery", "br-disc"),
            ],
            log: site.moves(),
            commit_ms: COMMIT_MS,
        }),
    };
    let path = contrail_file(site);
    tokio::fs::write(&path, toml::to_string(&config)?).await?;
    let file = path.display().to_string();
    start(lab, "contrail", &["contrail-standin", "--config", &file])?;
    let frames = site.frames().display().to_string();
    start(lab, "listener", &["listen", "--namespace", &site.rack().fabric.0, "--file", &frames])?;
    let mut said =
        vec!["lldp".to_owned(), "--namespace".to_owned(), site.rack().fabric.0, "--switch".to_owned()];
    said.push(SWITCH.to_owned());
    said.extend(
        machines().flat_map(|server| server.cards()).map(|card| format!("{}={}", card.tap, card.switch_port)),
    );
    start(lab, "lldp", &said.iter().map(String::as_str).collect::<Vec<_>>())?;
    answers(lab, "contrail", &lab.contrail_url()).await
}

async fn servers(lab: &Lab, accelerator: &str) -> anyhow::Result<()> {
    let site = &lab.site;
    for plan in machines() {
        let dir = site.server(plan.name);
        tokio::fs::create_dir_all(&dir).await?;
        let config = ServerConfig {
            machine: MachineConfig {
                name: plan.name.to_owned(),
                dir: dir.clone(),
                netns: None,
                tap: Some(Rack::tap(plan.name)),
                mac: plan.mac(),
                further: plan
                    .cards()
                    .into_iter()
                    .skip(1)
                    .map(|card| FurtherCard { tap: card.tap, mac: card.mac })
                    .collect(),
                memory_mib: MEMORY_MIB + if plan.firmware == BootMode::Uefi { 128 } else { 0 },
                disk_bytes: DISK_BYTES,
                firmware: plan.firmware,
                devices: plan.devices,
                accelerator: accelerator.to_owned(),
                uuid: Some(plan.uuid()),
            },
            bmc: plan.bmc,
            odd: plan.odd.map(Odd::farm).transpose()?,
            address: plan.bmc_address(),
            username: BMC_USER.to_owned(),
            password: Secret::new(BMC_PASSWORD),
        };
        let path = dir.join("server.json");
        tokio::fs::write(&path, serde_json::to_vec_pretty(&config)?).await?;
        let mut command = std::process::Command::new("ip");
        command
            .args(["netns", "exec", &site.rack().fabric.0])
            .arg(site.program("lab"))
            .arg("bmc")
            .arg("--config")
            .arg(path);
        lab.processes.start(&format!("bmc-{}", plan.name), &mut command)?;
    }
    Ok(())
}

pub(super) async fn coordinator(lab: &Lab) -> anyhow::Result<()> {
    let config = lab.site.coordinator().join("coordinator.toml").display().to_string();
    let mut command = std::process::Command::new(lab.site.program("bms-coordinator"));
    lab.processes.start("coordinator", command.args(["run", "--config", &config]))?;
    wait_for("the coordinator to answer an administrator", START_WAIT_MAX, async |seen| {
        lab.processes.expect_alive("coordinator").inspect_err(|error| *seen = error.to_string())?;
        lab.admin.run("node list").await?;
        Ok(Some(()))
    })
    .await
    .with_context(|| format!("log: {}", lab.processes.log("coordinator").display()))
}

pub(super) async fn agent(lab: &Lab) -> anyhow::Result<()> {
    let site = &lab.site;
    let namespace = site.rack().agent.0;
    let listen = site.agents().to_string();
    start(lab, "relay", &["relay", "--namespace", &namespace, "--listen", &listen, "--target", &listen])?;
    let config = site.agent().join("agent.toml");
    tokio::fs::write(&config, agent_config(site)).await?;
    let mut command = std::process::Command::new("ip");
    command
        .args(["netns", "exec", &namespace])
        .arg(site.program("bms-agent"))
        .args(["run", "--config"])
        .arg(config);
    lab.processes.start("agent", &mut command)?;
    agent_is_here(lab).await
}

/// Waits until the agent is connected. While it is not, the power of its servers is unknown, and Ironic's next look at one fails
/// what it is doing.
pub(super) async fn agent_is_here(lab: &Lab) -> anyhow::Result<()> {
    wait_for("the agent to reach the coordinator", START_WAIT_MAX, async |seen| {
        lab.processes.expect_alive("agent").inspect_err(|error| *seen = error.to_string())?;
        let agents: Vec<api_types::Agent> = lab.admin.json("agent list").await?;
        *seen = format!("{agents:?}");
        Ok(agents.iter().any(|agent| agent.rack == RACK && agent.connected).then_some(()))
    })
    .await
    .with_context(|| format!("log: {}", lab.processes.log("agent").display()))
}

/// Starts a part of this very program.
fn start(lab: &Lab, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(lab.site.program("lab"));
    lab.processes.start(name, command.args(arguments))
}

/// Runs one of our programs to its end.
async fn run(site: &Site, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = tokio::process::Command::new(site.program(program)).args(arguments).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

/// Waits until something answers HTTP at all.
async fn answers(lab: &Lab, name: &str, url: &str) -> anyhow::Result<()> {
    let http = ::openstack::client::http_client(None)?;
    wait_for(format!("{name} to answer at {url}"), START_WAIT_MAX, async |seen| {
        lab.processes.expect_alive(name).inspect_err(|error| *seen = error.to_string())?;
        http.get(url).send().await?;
        Ok(Some(()))
    })
    .await
    .with_context(|| format!("log: {}", lab.processes.log(name).display()))
}

/// Files that a person's shell can source, and the one that `bmsctl node import` takes: all with passwords in them.
fn write_for_people(lab: &Lab) -> anyhow::Result<()> {
    write_private(&lab.site.servers_file(), &import_file())?;
    for (name, who) in [("admin", &lab.admin), ("tenant", &lab.tenant)] {
        let path = lab.site.run().join(format!("{name}.env"));
        write_private(&path, &who.shell_lines())?;
    }
    Ok(())
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

fn coordinator_config(site: &Site) -> String {
    format!(
        "name = \"lab\"\nstate_dir = \"{state}\"\n\n\
         [listen]\napi = \"{api}\"\nfacade = \"{facade}\"\nagents = \"{agents}\"\nmetrics = \"{metrics}\"\n\n\
         [tls]\nnames = [\"127.0.0.1\", \"localhost\"]\n\n\
         [openstack]\nauth_url = \"{keystone}\"\nusername = \"admin\"\nproject = \"admin\"\npassword_file = \"{state}/password\"\n\n\
         [contrail]\nurl = \"http://{contrail}\"\ncollectors = [\"{collector}\"]\nagents = {agents_on_networks:?}\n\n\
         [site]\npoll_ironic_ms = 250\nfull_erase = true\n",
        agents_on_networks = agent_prefixes(),
        state = site.coordinator().display(),
        api = site.api(),
        facade = site.facade(),
        agents = site.agents(),
        keystone = site.openstack().keystone,
        contrail = site.contrail(),
        metrics = site.metrics(),
        collector = site.collector(),
    )
}

fn agent_config(site: &Site) -> String {
    let network = |name: &str, interface: &str, address: std::net::Ipv4Addr| {
        let [a, b, c, _] = address.octets();
        format!(
            "[networks.{name}]\ninterface = \"{interface}\"\naddress = \"{address}\"\nprefix = 24\n\
             range = [\"{a}.{b}.{c}.50\", \"{a}.{b}.{c}.200\"]\n\n"
        )
    };
    format!(
        "rack = \"{RACK}\"\nstate_dir = \"{state}/state\"\npoll_interval_ms = 1000\nmetrics = \"{metrics}\"\n\n\
         [coordinator]\naddress = \"{coordinator}\"\nserver_name = \"localhost\"\n\
         ca = \"{state}/ca.pem\"\ncert = \"{state}/agent.pem\"\nkey = \"{state}/agent.key\"\n\n\
         {provisioning}{cleaning}{discovery}\
         [boot]\nkernel = \"{boot}/generic/kernel\"\ninitrd = \"{boot}/generic/initrd\"\nrescue = \"{boot}/generic/rescue\"\n\
         parts = \"{boot}/generic\"\nsnponly = \"{boot}/snponly.efi\"\nundionly = \"{boot}/undionly.kpxe\"\n\n\
         [boot.virtual_servers]\nkernel = \"{boot}/kernel\"\ninitrd = \"{boot}/initrd\"\nrescue = \"{boot}/rescue\"\n\n\
         [image_cache]\nsize_mib = 1024\n",
        state = site.agent().display(),
        coordinator = site.agents(),
        metrics = site.agent_metrics(),
        provisioning = network("provisioning", "prov0", AGENT_PROVISIONING),
        cleaning = network("cleaning", "clean0", AGENT_CLEANING),
        discovery = network("discovery", "disc0", AGENT_DISCOVERY),
        boot = site.cache().join("boot").display(),
    )
}
