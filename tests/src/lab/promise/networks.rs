//! Edges: the promises on networks: addresses from Contrail's IPAM, security of the isolated networks, a server with two interfaces.
//!
//! One deployed server shows most of it at once: on two networks, untagged and tagged, with an address that was asked for and a
//! security group, and with the proofs of where its ports were. What is refused is refused without a boot, and leaves nothing behind.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
};

use anyhow::{Context, ensure};
use api_types::{IsolatedNetwork, NetworkDetail, Proof, Server, SiteObject, SiteObjectState, TenantNetwork};
use contrail::{Config, Contrail};
use domain::{
    records::AskedBy,
    rim::{Fabric, ServerPort, SwitchPort, WantedNetwork},
};
use openstack::{
    Caller,
    nova::{FlavorSpec, Nova, ProjectsShown},
};
use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{
    Lab,
    rack::AGENT_CLEANING,
    site::{PROBE_PORTS, SERVERS, SWITCH, ServerPlan},
    step::{Steps, wait_for},
    story::{self, FLAVOR, IMAGE},
};
use crate::{
    contrail::{Fault, VirtualMachine, mover::vlan_device},
    netns::Netns,
    openstack::{OpenStack, Who},
    vlan::Ear,
};

/// The server of this story.
const NAME: &str = "db1";
/// A flavor of servers with two network interfaces, and the trait by which their nodes say so.
const TWO_NICS: &str = "metal-two-nics";
const TWO_NICS_TRAIT: &str = "CUSTOM_BMS_NICS_2";
/// The address that the tenant asks for.
const ADDRESS: &str = "192.0.2.50";
const GROUP: &str = "db";
/// The tag by which the server is on its second network.
const TAG: u16 = 100;
/// TCP port of the agents' boot files.
const HTTP: u16 = 80;
/// How long pages and moves may take.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(90);

/// Plays them.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let blue = network(lab, "blue").await?;
    steps.step("find the isolated networks made, invisible to tenants", isolated_networks(lab)).await?;
    steps.step("two ports on the cleaning network reach the agent and not each other", probe(lab)).await?;
    let (green, tiny) = steps
        .step("make a second and a tiny network", async {
            lab.tenant.run("network create green --subnet 203.0.113.0/24").await?;
            lab.tenant.run("network create tiny --subnet 198.51.100.0/29").await?;
            Ok((network(lab, "green").await?, network(lab, "tiny").await?))
        })
        .await?;
    let fabric = lab.site.rack().fabric;
    let url = lab.contrail_url();
    let vm = VirtualMachine::attach(&url, &fabric, blue.id, &lab.vm_namespace()).await?;
    let second = VirtualMachine::attach(&url, &fabric, green.id, &format!("{}2", lab.vm_namespace())).await?;
    let told = async {
        steps.step("refuse an address that is taken, unfit, or not there", refused(lab, &vm, &tiny)).await?;
        steps.step("two tenants with the same addresses do not meet", strangers(lab, &vm)).await?;
        deployed(lab, steps, [&vm, &second], [&blue, &green]).await
    }
    .await;
    vm.detach().await?;
    second.detach().await?;
    told?;
    steps
        .step("delete the networks", async {
            lab.tenant.run("network delete green").await?;
            lab.tenant.run("network delete tiny").await?;
            lab.admin.run(&format!("flavor delete {TWO_NICS}")).await
        })
        .await
        .map(drop)
}

async fn network(lab: &Lab, name: &str) -> anyhow::Result<TenantNetwork> {
    let networks: Vec<TenantNetwork> = lab.tenant.json("network list").await?;
    networks.into_iter().find(|network| network.name == name).with_context(|| format!("no network {name}"))
}

async fn isolated_networks(lab: &Lab) -> anyhow::Result<()> {
    // The first time it may correct what it finds; the second time there is nothing left to do.
    lab.admin.run("network setup").await?;
    let objects: Vec<SiteObject> = lab.admin.json("network setup").await?;
    ensure!(objects.len() == 4, "{objects:?}");
    ensure!(objects.iter().all(|object| object.state == SiteObjectState::Found), "made twice: {objects:?}");
    let words = lab.tenant.refused("network setup").await?;
    ensure!(words.contains("administrator"), "refused without the reason: {words}");
    let seen: Vec<TenantNetwork> = lab.tenant.json("network list").await?;
    ensure!(seen.iter().all(|network| network.name != "cleaning"), "a tenant sees {seen:?}");
    let before = ports_and_addresses(lab).await?;
    let line = format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network cleaning");
    let words = lab.tenant.refused(&line).await?;
    ensure!(words.contains("there is no network \"cleaning\""), "{words}");
    nothing_left(lab, &before).await
}

/// Plugs two namespaces into free switch ports and puts both on the cleaning network, with the same calls as for any server.
async fn probe(lab: &Lab) -> anyhow::Result<()> {
    let fabric = lab.site.rack().fabric;
    let contrail = Contrail::new(Config::with_default_names(lab.contrail_url()), None)?;
    let mut probes = Vec::new();
    for ((switch_port, tap), number) in PROBE_PORTS.into_iter().zip(1u8..) {
        let ns = Netns::create(&format!("{}-probe{number}", lab.site.prefix)).await?;
        let mac = MacAddr([0x52, 0x54, 0x00, 0x0b, 0x99, number]);
        let lines = format!(
            "link add eth0 address {mac} type veth peer name {tap} netns {}\nlink set eth0 up\n\
             address add 198.18.2.{}/24 dev eth0\n",
            fabric.0,
            230 + number
        );
        ns.ip_batch(&lines).await?;
        let link =
            SwitchPort { switch: SWITCH.into(), port: switch_port.into(), switch_id: None, fabric: None };
        let server = ServerId(Uuid::from_u128(0x9e0 + u128::from(number)));
        probes.push((ns, ServerPort::alone(server, "eth0", mac, link)));
    }
    let seen = async {
        for (_, port) in &probes {
            contrail.move_port(port, &WantedNetwork::Boot(BootNetwork::Cleaning)).await?;
        }
        let ping = async |from: &Netns, to: &str| from.run("ping", &["-c1", "-W1", to]).await;
        let boot_files = SocketAddr::from((AGENT_CLEANING, HTTP));
        for (ns, _) in &probes {
            wait_for("a probe to reach the agent's boot files", WAIT_MAX, async |seen| {
                *seen = format!("{} does not reach {boot_files}", ns.0);
                Ok(ns.reaches(boot_files).await.then_some(()))
            })
            .await?;
            ensure!(
                ping(ns, &AGENT_CLEANING.to_string()).await.is_err(),
                "a ping passes: nothing is filtered"
            );
        }
        for (from, to) in [(0, "198.18.2.232"), (1, "198.18.2.231")] {
            ensure!(ping(&probes[from].0, to).await.is_err(), "one reaches the other at {to}");
        }
        anyhow::Ok(())
    }
    .await;
    for (ns, port) in &probes {
        contrail.release_port(port).await?;
        ns.delete().await?;
    }
    seen
}

/// Every port and every address there is, by uuid.
pub(super) async fn ports_and_addresses(lab: &Lab) -> anyhow::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for kind in ["virtual-machine-interface", "instance-ip"] {
        let url = format!("{}/{kind}s", lab.contrail_url());
        let listed: Value = http()?.get(url).send().await?.json().await?;
        let rows = listed[format!("{kind}s")].as_array().cloned().unwrap_or_default();
        all.extend(rows.iter().map(|row| format!("{kind} {} {}", row["uuid"], row["fq_name"])));
    }
    Ok(all)
}

/// After a refusal everything must be as before: no port, no address, no record, no server in Nova.
async fn nothing_left(lab: &Lab, before: &BTreeSet<String>) -> anyhow::Result<()> {
    let after = ports_and_addresses(lab).await?;
    let left: Vec<_> = after.difference(before).collect();
    ensure!(left.is_empty(), "left in Contrail: {left:?}");
    let servers: Vec<Server> = lab.admin.json("server list").await?;
    ensure!(servers.iter().all(|server| server.name != NAME), "a record is left: {servers:?}");
    let nova = Nova::new(cloud(lab)?.session(Who::Admin)?);
    let all = nova.list_servers(Caller::Service, ProjectsShown::All).await?;
    ensure!(all.iter().all(|server| server.name != NAME), "Nova has a server {NAME}");
    Ok(())
}

pub(super) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(openstack::client::http_client(None)?)
}

pub(super) async fn set_fault(lab: &Lab, fault: Fault) -> anyhow::Result<()> {
    let url = format!("http://{}/fault", lab.site.contrail_admin());
    http()?.put(url).json(&fault).send().await?.error_for_status().map(drop).context("setting the fault")
}

pub(super) fn cloud(lab: &Lab) -> anyhow::Result<OpenStack> {
    let mut cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    cloud.leave_running();
    Ok(cloud)
}

async fn refused(lab: &Lab, vm: &VirtualMachine, tiny: &TenantNetwork) -> anyhow::Result<()> {
    let before = ports_and_addresses(lab).await?;
    let refuse = async |network: &str, more: &str, words: &[&str]| -> anyhow::Result<()> {
        let line =
            format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network {network}{more}");
        let said = lab.tenant.refused(&line).await?;
        for word in words {
            ensure!(said.contains(word), "{line}: refused without {word:?}: {said}");
        }
        Ok(())
    };
    refuse(&format!("blue={}", vm.address), "", &["in use by", &lab.vm_namespace(), "network blue"]).await?;
    refuse("blue=198.18.7.7", "", &["outside", "192.0.2.0/24"]).await?;
    refuse(&format!("blue={}", vm.gateway), "", &["gateway"]).await?;
    refuse("blue", " --security-group nobody", &["no security group \"nobody\""]).await?;
    for tag in ["0", "4094", "4095"] {
        refuse(&format!("blue:vlan={tag}"), "", &["networks", &format!("VLAN tag {tag} must be 1 to 4093")])
            .await?;
    }
    refuse("blue:vlan=70000", "", &["--network", "vlan=70000"]).await?;
    refuse("blue:vlan=100:vlan=200", "", &["--network", "twice"]).await?;
    refuse("blue:vlan=100", " --network green:vlan=100", &["networks", "VLAN tag 100 is given for two"])
        .await?;
    refuse("blue", " --network green", &["2 networks need 2 network interfaces", TWO_NICS_TRAIT]).await?;
    // Virtual machines take all that the tiny network has.
    let http = http()?;
    let mut taken = Vec::new();
    for number in 0..4 {
        let name = [format!("{}-tiny-{number}", lab.site.prefix)];
        let to = ["default-domain", "demo", "tiny"];
        let body = json!({"instance-ip": {"fq_name": name, "virtual_network_refs": [{"to": to}]}});
        let made = http.post(format!("{}/instance-ips", lab.contrail_url())).json(&body).send().await?;
        let made: Value = made.error_for_status()?.json().await?;
        taken.push(made["instance-ip"]["uuid"].as_str().context("no uuid")?.to_owned());
    }
    let detail: NetworkDetail = lab.tenant.json("network show tiny").await?;
    ensure!((detail.free, detail.addresses.len()) == (0, 4) && detail.network == *tiny, "{detail:?}");
    let exhausted = refuse("tiny", "", &["no free address", "198.51.100.0/29", "all 4"]).await;
    for id in taken {
        http.delete(format!("{}/instance-ip/{id}", lab.contrail_url())).send().await?.error_for_status()?;
    }
    exhausted?;
    set_fault(lab, Fault::Unavailable).await?;
    let line = format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network blue");
    let said = lab.tenant.refused(&line).await;
    set_fault(lab, Fault::None).await?;
    let said = said?;
    // A tenant is told what to do, and by which request an operator finds what Contrail answered.
    ensure!(said.contains("try again in a moment") && said.contains("request id req-"), "{said}");
    ensure!(!said.contains("Contrail"), "{said}");
    nothing_left(lab, &before).await
}

/// The other tenant has a network of the same name and range, and a virtual machine in it with the very address of ours.
async fn strangers(lab: &Lab, vm: &VirtualMachine) -> anyhow::Result<()> {
    let mut made: Vec<TenantNetwork> = lab.other.json("network create blue --subnet 192.0.2.0/24").await?;
    let theirs = made.pop().context("no network was made")?;
    let (url, fabric) = (lab.contrail_url(), lab.site.rack().fabric);
    let twin = VirtualMachine::attach(&url, &fabric, theirs.id, &format!("{}3", lab.vm_namespace())).await?;
    let friend =
        VirtualMachine::attach(&url, &fabric, theirs.id, &format!("{}4", lab.vm_namespace())).await?;
    let seen = async {
        ensure!(twin.address == vm.address, "{} and {} differ: nothing is shown", twin.address, vm.address);
        let reaches = async |from: &VirtualMachine, to: Ipv4Addr| {
            from.ns.run("ping", &["-c1", "-W1", &to.to_string()]).await.is_ok()
        };
        ensure!(reaches(&twin, friend.address).await, "two machines of one tenant do not meet");
        ensure!(!reaches(vm, friend.address).await, "a tenant reaches another one at {}", friend.address);
        let seen: Vec<TenantNetwork> = lab.other.json("network list").await?;
        ensure!(seen == [theirs.clone()], "the other tenant sees {seen:?}");
        let words = lab.other.refused("network delete blue").await?;
        ensure!(words.contains("in use by") && words.contains("vm4"), "{words}");
        anyhow::Ok(())
    }
    .await;
    twin.detach().await?;
    friend.detach().await?;
    seen?;
    lab.other.run("network delete blue").await.map(drop)
}

async fn deployed(
    lab: &Lab,
    steps: &mut Steps,
    vms: [&VirtualMachine; 2],
    networks: [&TenantNetwork; 2],
) -> anyhow::Result<()> {
    let plan = SERVERS.iter().find(|plan| plan.nics == 2).context("no server has two interfaces")?;
    let before = ports_and_addresses(lab).await?;
    let group = steps
        .step("make a security group and a flavor of servers with two interfaces", catalogue(lab))
        .await?;
    let fabric = lab.site.rack().fabric;
    let ears: Vec<Ear> =
        plan.cards().iter().map(|card| Ear::open(&fabric, &card.tap)).collect::<anyhow::Result<_>>()?;
    let server: Server = steps
        .step(
            "deploy a server on two networks, the second tagged, with an address and a security group",
            async {
                lab.tenant
                    .json(&format!(
                        "server create {NAME} --flavor {TWO_NICS} --image {IMAGE} --network blue={ADDRESS} \
                     --network green:vlan={TAG} --security-group {GROUP} --wait"
                    ))
                    .await
            },
        )
        .await?;
    let told = async {
        steps.step("fetch its page on both networks", pages(vms, &server, plan)).await?;
        let heard = steps
            .step("hear the tag on its second link and none on its first", async { tags(&ears, plan) })
            .await?;
        heard.iter().for_each(|line| steps.note(line));
        steps.step("find each page out of reach of the other network's machine", apart(vms, &server)).await?;
        steps
            .step("find its addresses, its group, and no way to take them", in_use(lab, networks, &group))
            .await?;
        steps.step("read the proofs of where its ports were", proofs(lab, plan)).await?;
        steps
            .step(
                "stop it: both ports leave, and keep address and group",
                stopped(lab, plan, networks, &group),
            )
            .await
    }
    .await;
    steps
        .step("give it back", async {
            lab.tenant.run(&format!("server delete {NAME} --wait")).await?;
            story::wait_state(lab, plan.name, "available").await
        })
        .await?;
    told?;
    steps
        .step("find its addresses free again", async {
            nothing_left(lab, &before).await?;
            let blue: NetworkDetail = lab.tenant.json("network show blue").await?;
            ensure!(blue.addresses.iter().all(|used| used.address.to_string() != ADDRESS), "{blue:?}");
            Ok(())
        })
        .await
}

/// A tenant makes security groups with Contrail's own tools; an administrator the flavor.
async fn catalogue(lab: &Lab) -> anyhow::Result<Uuid> {
    let body = json!({"security-group": {"fq_name": ["default-domain", "demo", GROUP], "parent_type": "project",
        "security_group_entries": {"policy_rule": []}}});
    let http = http()?;
    let sent = http.post(format!("{}/security-groups", lab.contrail_url())).json(&body).send().await?;
    let id = if sent.status().is_success() {
        sent.json::<Value>().await?["security-group"]["uuid"].clone()
    } else {
        let name = json!({"type": "security-group", "fq_name": ["default-domain", "demo", GROUP]});
        let found = http.post(format!("{}/fqname-to-id", lab.contrail_url())).json(&name).send().await?;
        found.json::<Value>().await?["uuid"].clone()
    };
    let spec = FlavorSpec {
        name: TWO_NICS.to_owned(),
        id: None,
        vcpus: 1,
        ram_mb: 512,
        disk_gb: 1,
        resource_class: "baremetal".to_owned(),
        traits: vec![TWO_NICS_TRAIT.to_owned()],
        capabilities: Default::default(),
        projects: Vec::new(),
    };
    let nova = Nova::new(cloud(lab)?.session(Who::Admin)?);
    if !nova.list_flavors(Caller::Service).await?.iter().any(|f| f.name == TWO_NICS) {
        nova.create_flavor(&spec).await?;
    }
    Ok(serde_json::from_value(id)?)
}

async fn pages(vms: [&VirtualMachine; 2], server: &Server, plan: &ServerPlan) -> anyhow::Result<()> {
    ensure!(server.networks.len() == 2 && server.networks[0].address == ADDRESS, "{server:?}");
    for (vm, attachment) in vms.into_iter().zip(&server.networks) {
        let url = format!("http://{}/", attachment.address);
        let page = wait_for(format!("the page at {url}"), WAIT_MAX, async |seen| {
            let text = vm.ns.run("curl", &["-sS", "-m", "2", &url]).await?;
            *seen = text.clone();
            Ok(Some(serde_json::from_str::<Value>(&text)?))
        })
        .await?;
        let data = &page["network_data"];
        for (index, card) in plan.cards().iter().enumerate() {
            ensure!(data["links"][index]["ethernet_mac_address"] == card.mac.to_string(), "{data}");
            ensure!(data["networks"][index]["ip_address"] == server.networks[index].address, "{data}");
        }
        let tagged = data["links"].as_array().into_iter().flatten().find(|link| link["type"] == "vlan");
        ensure!(tagged.is_some_and(|link| link["vlan_id"] == TAG), "{data}");
    }
    let shown: Vec<_> = server.networks.iter().map(|network| network.vlan).collect();
    ensure!(shown == [None, Some(TAG)], "{server:?}");
    Ok(())
}

/// What the switch's ports heard and sent since before the deploy: every IP frame with the tag on the second link, and with none
/// on the first, over which the ramdisk came, too. Gives a line for each.
fn tags(ears: &[Ear], plan: &ServerPlan) -> anyhow::Result<Vec<String>> {
    const IP: u16 = 0x0800;
    let mut said = Vec::new();
    for ((ear, card), tags) in ears.iter().zip(plan.cards()).zip([vec![], vec![Some(TAG)]]) {
        let seen: Vec<_> = ear.seen().into_iter().filter(|seen| seen.ethertype == IP).collect();
        let strange: Vec<_> = seen.iter().filter(|seen| seen.vlans() != tags).collect();
        ensure!(strange.is_empty(), "{}: frames without {tags:?}: {strange:?}", card.tap);
        let (to_server, from_server): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.outgoing);
        ensure!(!to_server.is_empty() && !from_server.is_empty(), "{}: silence: {seen:?}", card.tap);
        ensure!(from_server.iter().all(|seen| seen.source == card.mac), "{}: {from_server:?}", card.tap);
        let unfinished = from_server.iter().filter(|seen| seen.unfinished).count();
        said.push(format!(
            "{}, tags {tags:?}: {} IP frames to the server, {} from it, {unfinished} of them without a checksum",
            card.tap,
            to_server.len(),
            from_server.len(),
        ));
    }
    Ok(said)
}

/// A machine of one network gives itself an address of the other one, and still reaches nothing there.
async fn apart(vms: [&VirtualMachine; 2], server: &Server) -> anyhow::Result<()> {
    let [first, second] = server.networks.as_slice() else { anyhow::bail!("{server:?}") };
    for (vm, own, other) in [(vms[0], first, second), (vms[1], second, first)] {
        let fetch =
            async |address: &str| vm.ns.run("curl", &["-sS", "-m", "2", &format!("http://{address}/")]).await;
        let [a, b, c, _] = other.address.parse::<Ipv4Addr>()?.octets();
        let address = format!("{a}.{b}.{c}.200/24");
        vm.ns.ip(&["address", "add", &address, "dev", "eth0"]).await?;
        let reached = fetch(&other.address).await;
        vm.ns.ip(&["address", "del", &address, "dev", "eth0"]).await?;
        ensure!(
            reached.is_err(),
            "{} of network {} is reached from {}",
            other.address,
            other.network,
            own.network
        );
        fetch(&own.address).await.context("its own network's page is gone")?;
    }
    Ok(())
}

/// The security groups of the interface (virtual-machine-interface) that has this address.
async fn groups_of(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<Vec<Uuid>> {
    let detail: NetworkDetail = lab.tenant.json(&format!("network show {}", network.name)).await?;
    let used = detail.addresses.iter().find(|used| used.name == NAME).context("it has no address")?;
    let port = used.port.context("its address has no port")?;
    let url = format!("{}/virtual-machine-interface/{port}", lab.contrail_url());
    let shown: Value = http()?.get(url).send().await?.json().await?;
    let refs =
        shown["virtual-machine-interface"]["security_group_refs"].as_array().cloned().unwrap_or_default();
    Ok(refs.iter().filter_map(|group| serde_json::from_value(group["uuid"].clone()).ok()).collect())
}

async fn in_use(lab: &Lab, networks: [&TenantNetwork; 2], group: &Uuid) -> anyhow::Result<()> {
    for network in networks {
        ensure!(groups_of(lab, network).await? == [*group], "its port on {} lacks the group", network.name);
    }
    let blue: NetworkDetail = lab.tenant.json("network show blue").await?;
    let own = blue.addresses.iter().find(|used| used.address.to_string() == ADDRESS).context("not in use")?;
    ensure!(own.name == NAME && own.mac.is_some(), "{own:?}");
    let words = lab.tenant.refused("network delete green").await?;
    ensure!(words.contains("in use by") && words.contains(NAME), "{words}");
    let line = format!("server create db2 --flavor {FLAVOR} --image {IMAGE} --network blue={ADDRESS}");
    let words = lab.tenant.refused(&line).await?;
    ensure!(words.contains(&format!("in use by {NAME}")), "{words}");
    Ok(())
}

async fn proofs(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let proofs: Vec<Proof> = lab.admin.json(&format!("node show {} --proof", plan.name)).await?;
    for card in plan.cards() {
        let tenant = proofs.iter().find(|one| one.port == card.name && one.wanted.contains("tenant"));
        let tenant = tenant.with_context(|| format!("no proof of {} on the tenant's network", card.name))?;
        ensure!(tenant.holds && tenant.asked_by == AskedBy::Gate && tenant.confirmed.is_some(), "{tenant:?}");
    }
    let heard = proofs.iter().find(|one| one.wanted.contains("provisioning") && !one.seen.is_empty());
    let heard = heard.context("no probe heard the server on the provisioning network")?;
    ensure!(
        heard.seen.iter().all(|one| one.agrees && one.network == IsolatedNetwork::Provisioning),
        "{heard:?}"
    );
    ensure!(proofs.iter().flat_map(|one| &one.seen).all(|one| one.agrees), "{proofs:?}");
    let words = lab.tenant.refused(&format!("node show {} --proof", plan.name)).await?;
    ensure!(words.contains("administrator"), "{words}");
    Ok(())
}

async fn stopped(
    lab: &Lab,
    plan: &ServerPlan,
    networks: [&TenantNetwork; 2],
    group: &Uuid,
) -> anyhow::Result<()> {
    lab.tenant.run(&format!("server stop {NAME} --wait")).await?;
    let fabric = lab.site.rack().fabric;
    for card in plan.cards() {
        wait_for(format!("{} to be on the cleaning network", card.tap), WAIT_MAX, async |seen| {
            *seen = fabric.run("ip", &["-o", "link", "show", &card.tap]).await?;
            Ok(seen.contains("master br-clean").then_some(()))
        })
        .await?;
        let device = vlan_device(&card.tap, TAG);
        ensure!(fabric.run("ip", &["link", "show", &device]).await.is_err(), "the switch still has {device}");
    }
    for network in networks {
        ensure!(groups_of(lab, network).await? == [*group], "the group went with the power");
    }
    let proofs: Vec<Proof> = lab.admin.json(&format!("node show {} --proof", plan.name)).await?;
    let isolated = proofs.iter().filter(|one| one.asked_by == AskedBy::Isolate && one.holds).count();
    ensure!(isolated >= 2, "no proof of the isolation: {proofs:?}");
    Ok(())
}
