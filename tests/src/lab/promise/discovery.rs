//! Edges: discovery. A fourth server stands in the rack, and nobody has enrolled it. A scan finds its BMC, a boot on the
//! discovery network its interfaces and its switch port; both are one pending machine, which is accepted.

use std::{net::IpAddr, path::Path, time::Duration};

use anyhow::{Context, ensure};
use api_types::{Discovery, DiscoveryRule, Event, FoundBy, Node, Scan, Window};
use contrail::{Config, Contrail};
use domain::rim::{Fabric, ServerPort, SwitchPort, WantedNetwork};
use protocol::{id::ServerId, network::BootNetwork};

use super::super::{
    Lab, listen,
    rack::agent_prefixes,
    server::counters,
    site::{BMC_PASSWORD, BMC_USER, RACK, SERVERS, STRANGER, SWITCH},
    step::{Steps, wait_for},
    up,
};

/// Where all BMCs of the lab are.
const RANGE: &str = "198.51.100.8/29";
/// The rule that accepts it by itself.
const RULE: &str = "lab-servers";
/// How long a virtual server may take from power on to its ramdisk's hello.
const BOOT_WAIT_MAX: Duration = Duration::from_secs(180);
/// How long anything else may take.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Native VLAN of the network on which machines are discovered.
const DISCOVERY_VLAN: u16 = 3902;

/// Plays it; afterwards the lab is as before.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let played = story(lab, steps).await;
    // Whatever went wrong, nothing of the fourth server is left behind.
    let cleared = clear(lab).await;
    played.and(cleared)
}

async fn story(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let (right, wrong) = (lab.site.run().join("bmc.password"), lab.site.run().join("bmc.wrong"));
    tokio::fs::write(&right, format!("{BMC_PASSWORD}\n")).await?;
    tokio::fs::write(&wrong, "not-the-secret\n").await?;
    steps.step("tenants may not discover, and nonsense is refused", refusals(lab, &right)).await?;
    steps.step("scan without a credential", scan_only(lab)).await?;
    steps.step("scan with a wrong and a right credential", scan_with(lab, &wrong, &right)).await?;
    steps.step("put the fourth server's port onto the discovery network", plug(lab)).await?;
    steps.step("boot it while the network is closed: no answer", closed(lab)).await?;
    let found =
        steps.step("open the network and boot it: discovered with its switch port", open(lab)).await?;
    steps.step("accept it, and it is a server", accept(lab, &found)).await?;
    steps.step("scan again: it is known, and offered no more", scan_again(lab, &right)).await?;
    steps.step("refuse bad rules, each with its field and remedy", bad_rules(lab, &right)).await?;
    steps
        .step("forget it, and let a rule with a credential accept it by itself", by_rule(lab, &right))
        .await?;
    steps.step("a restarted agent answers no stranger", restart(lab)).await
}

fn scan_line(more: &str) -> String {
    format!("discovery scan --rack {RACK} --range {RANGE} --redfish http:8000 {more} --wait")
}

async fn refusals(lab: &Lab, password: &Path) -> anyhow::Result<()> {
    for line in [
        "discovery list".to_owned(),
        format!("discovery open --rack {RACK} --for 1m"),
        format!("discovery close --rack {RACK}"),
        scan_line(""),
    ] {
        let said = lab.tenant.refused(&line).await?;
        ensure!(said.contains("administrator"), "{line}: {said}");
    }
    let credential = format!("--credential {BMC_USER}:{}", password.display());
    let four = format!("{credential} {credential} {credential} {credential}");
    for (line, expected) in [
        (format!("discovery scan --rack {RACK} --range 10.0.0.0/8"), "more than 4096"),
        (format!("discovery scan --rack {RACK} --range sausage"), "write 192.0.2.0/24"),
        (format!("discovery scan --rack nowhere --range {RANGE}"), "agent of rack nowhere"),
        (format!("discovery scan --rack {RACK} --range {RANGE} {four}"), "at most 3 are tried"),
        (format!("discovery scan --rack {RACK} --range {RANGE} --redfish ftp:21"), "not a place for Redfish"),
        (format!("discovery open --rack {RACK} --for 5h"), "choose 1 to 14400"),
        ("discovery accept 00000000 --name x".to_owned(), "no discovered machine"),
    ] {
        let said = lab.admin.refused(&line).await?;
        ensure!(said.contains(expected), "{line}: {said} lacks {expected:?}");
        ensure!(!said.contains(BMC_PASSWORD), "a password is in {said}");
    }
    Ok(())
}

async fn pending(lab: &Lab) -> anyhow::Result<Vec<Discovery>> {
    lab.admin.json("discovery list").await
}

fn address() -> IpAddr {
    STRANGER.bmc_address().ip()
}

/// Log-ins that the fourth server's BMC has seen begin.
fn attempts(lab: &Lab) -> u64 {
    let text = std::fs::read_to_string(counters(&lab.site.server(STRANGER.name))).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The fourth server's BMC and no other is pending, the others are known.
async fn only_the_stranger(lab: &Lab, scan: &Scan) -> anyhow::Result<Discovery> {
    let mut enrolled = scan.enrolled.clone();
    enrolled.sort();
    let known: Vec<_> = SERVERS.iter().map(|server| server.name.to_owned()).collect();
    ensure!(enrolled == known, "the scan found {enrolled:?} and not {known:?}");
    let pending = pending(lab).await?;
    ensure!(pending.len() == 1, "pending are {pending:#?}");
    let one = pending.into_iter().next().context("one was there")?;
    let bmc = one.bmc.as_ref().context("it has no BMC")?;
    ensure!(bmc.address == address().to_string(), "its BMC is at {}", bmc.address);
    Ok(one)
}

async fn scan_only(lab: &Lab) -> anyhow::Result<()> {
    let before = attempts(lab);
    let scan: Scan = lab.admin.json(&scan_line("")).await?;
    let one = only_the_stranger(lab, &scan).await?;
    ensure!(one.uuid.is_none(), "its BMC told its UUID to somebody without a credential");
    ensure!(one.missing.iter().any(|missing| missing.contains("--bmc-user")), "{:?}", one.missing);
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(attempts(lab) == before, "a log-in was tried although no credential was given");
    Ok(())
}

async fn scan_with(lab: &Lab, wrong: &Path, right: &Path) -> anyhow::Result<()> {
    let before = attempts(lab);
    let credentials =
        format!("--credential {BMC_USER}:{} --credential {BMC_USER}:{}", wrong.display(), right.display());
    let scan: Scan = lab.admin.json(&scan_line(&credentials)).await?;
    let one = only_the_stranger(lab, &scan).await?;
    let bmc = one.bmc.as_ref().context("it has no BMC")?;
    ensure!(bmc.username.as_deref() == Some(BMC_USER), "no credential was accepted: {}", bmc.problem);
    let expected = STRANGER.uuid().to_string();
    ensure!(one.uuid.as_deref() == Some(expected.as_str()), "its UUID is {:?}", one.uuid);
    wait_for("the BMC to have counted", WAIT_MAX, async |seen| {
        *seen = format!("{} log-ins before, {} now", before, attempts(lab));
        Ok((attempts(lab) == before + 2).then_some(()))
    })
    .await?;
    let shown = lab.admin.run("-o json discovery list --all").await?;
    ensure!(!shown.contains(BMC_PASSWORD), "the password is shown");
    Ok(())
}

/// The lab as the operator of the switches: by the VNC API, as any other tool would.
fn operator(lab: &Lab) -> anyhow::Result<(Contrail, ServerPort)> {
    let mut config = Config::with_default_names(lab.contrail_url());
    config.provisioning = ["default-domain", "bms", "discovery"].map(str::to_owned).to_vec();
    // Of its own, outside of what the manager gives.
    config.native_vlans.provisioning = DISCOVERY_VLAN;
    // The group of the ports is the manager's as well, and stays as it is.
    config.agents = agent_prefixes().to_vec();
    let link =
        SwitchPort { switch: SWITCH.to_owned(), port: STRANGER.switch_port(), switch_id: None, fabric: None };
    let server = ServerId(STRANGER.uuid());
    let port = ServerPort::alone(server, "operator", STRANGER.mac(), link);
    Ok((Contrail::new(config, None)?, port))
}

async fn plug(lab: &Lab) -> anyhow::Result<()> {
    let (contrail, port) = operator(lab)?;
    contrail.ensure_site().await?;
    let network = WantedNetwork::Boot(BootNetwork::Provisioning);
    let seen = contrail.move_port(&port, &network).await?;
    ensure!(seen.is(&network), "the port is on {seen:?}");
    Ok(())
}

/// Takes the port off and deletes the network, so that Contrail is as before.
async fn unplug(lab: &Lab) -> anyhow::Result<()> {
    let (contrail, port) = operator(lab)?;
    contrail.release_port(&port).await?;
    let http = openstack::client::http_client(None)?;
    let body =
        serde_json::json!({ "type": "virtual-network", "fq_name": ["default-domain", "bms", "discovery"] });
    let found = http.post(format!("{}/fqname-to-id", lab.contrail_url())).json(&body).send().await?;
    if found.status().is_success() {
        let found: serde_json::Value = found.json().await?;
        let id = found["uuid"].as_str().context("no uuid")?;
        let url = format!("{}/virtual-network/{id}", lab.contrail_url());
        http.delete(url).send().await?.error_for_status()?;
    }
    Ok(())
}

/// A hand at the fourth server's BMC; the manager is not asked.
async fn by_hand(lab: &Lab, words: &[&str]) -> anyhow::Result<String> {
    let address = address().to_string();
    let mut arguments = vec!["-I", "lanplus", "-C", "3", "-H", &address, "-U", BMC_USER, "-P", BMC_PASSWORD];
    arguments.extend(words);
    lab.site.rack().fabric.run("ipmitool", &arguments).await
}

async fn power_on_to_network(lab: &Lab) -> anyhow::Result<()> {
    by_hand(lab, &["chassis", "bootdev", "pxe"]).await?;
    by_hand(lab, &["chassis", "power", "on"]).await.map(drop)
}

async fn wait_off(lab: &Lab) -> anyhow::Result<()> {
    wait_for("the fourth server to be off", WAIT_MAX, async |seen| {
        *seen = by_hand(lab, &["chassis", "power", "status"]).await?;
        Ok(seen.contains("is off").then_some(()))
    })
    .await
}

async fn closed(lab: &Lab) -> anyhow::Result<()> {
    let mac = STRANGER.mac();
    // What was said and heard before counts no more: the promise may be played again.
    let (lines, frames) = (agent_log(lab).await?.len(), listen::read(&lab.site.frames()).len());
    power_on_to_network(lab).await?;
    let said = format!("not answered on the discovery network mac={mac} why=Some(Closed)");
    wait_for("the agent to have heard it and kept silent", BOOT_WAIT_MAX, async |seen| {
        let heard = listen::read(&lab.site.frames());
        let asked =
            heard.iter().skip(frames).filter(|frame| frame.source == mac && frame.bridge == "br-disc");
        let asked = asked.count();
        *seen = format!("{asked} frames of it on br-disc");
        let silent = agent_log(lab).await?.iter().skip(lines).any(|line| line.contains(&said));
        Ok((asked > 0 && silent).then_some(()))
    })
    .await?;
    let advances = format!("network boot advances mac={mac}");
    let advanced = agent_log(lab).await?.into_iter().skip(lines).find(|line| line.contains(&advances));
    ensure!(advanced.is_none(), "it was answered while the network was closed: {advanced:?}");
    by_hand(lab, &["chassis", "power", "off"]).await?;
    wait_off(lab).await
}

async fn agent_log(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let log = tokio::fs::read_to_string(lab.processes.log("agent")).await?;
    Ok(log.lines().map(str::to_owned).collect())
}

async fn open(lab: &Lab) -> anyhow::Result<Discovery> {
    let opened: Vec<Window> = lab.admin.json(&format!("discovery open --rack {RACK} --for 10m")).await?;
    ensure!(opened.iter().any(|window| window.open), "{opened:?}");
    power_on_to_network(lab).await?;
    let found = wait_for("both halves of one machine", BOOT_WAIT_MAX, async |seen| {
        let all = pending(lab).await?;
        *seen = format!("{all:?}");
        ensure!(all.len() <= 1, "one machine is {} entries: {all:#?}", all.len());
        Ok(all.into_iter().find(|one| one.found_by == [FoundBy::Bmc, FoundBy::Boot]))
    })
    .await?;
    let nic = found.nics.iter().find(|nic| nic.booted).context("no interface booted")?;
    ensure!(nic.mac == STRANGER.mac().to_string(), "it booted over {}", nic.mac);
    let plugged = (nic.switch.as_deref(), nic.port.as_deref());
    let port = STRANGER.switch_port();
    ensure!(plugged == (Some(SWITCH), Some(port.as_str())), "its switch port is {plugged:?}");
    ensure!(found.missing.is_empty(), "missing: {:?}", found.missing);
    ensure!(found.manufacturer == "BMS-Lab", "manufacturer {}", found.manufacturer);
    wait_off(lab).await?;
    let windows: Vec<Window> = lab.admin.json("discovery windows").await?;
    ensure!(windows.iter().any(|window| window.rack == RACK && window.machines == 1), "{windows:?}");
    lab.admin.run(&format!("discovery close --rack {RACK}")).await?;
    wait_for("the network to be closed", WAIT_MAX, async |seen| {
        let windows: Vec<Window> = lab.admin.json("discovery windows").await?;
        *seen = format!("{windows:?}");
        Ok(windows.iter().all(|window| !window.open).then_some(()))
    })
    .await?;
    Ok(found)
}

async fn node(lab: &Lab) -> anyhow::Result<Option<Node>> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    Ok(nodes.into_iter().find(|node| node.name == STRANGER.name))
}

async fn accept(lab: &Lab, found: &Discovery) -> anyhow::Result<()> {
    let (id, name) = (found.id, STRANGER.name);
    let said = lab.tenant.refused(&format!("discovery accept {id} --name {name}")).await?;
    ensure!(said.contains("administrator"), "{said}");
    let said = lab.admin.refused(&format!("discovery accept {id} --name {}", SERVERS[0].name)).await?;
    ensure!(said.contains("MAC address") || said.contains("already"), "{said}");
    let said =
        lab.admin.refused(&format!("discovery accept {id} --name {name} --port eth9=leaf1:xe-0/0/3")).await?;
    ensure!(said.contains("no interface \"eth9\""), "{said}");
    ensure!(pending(lab).await?.len() == 1, "a refused acceptance changed something");
    lab.admin.run(&format!("discovery accept {id} --name {name}")).await?;
    ensure!(pending(lab).await?.is_empty(), "an accepted machine is still offered");
    let node = wait_for("the server to be manageable", WAIT_MAX, async |seen| {
        let node = node(lab).await?.context("it is not in the inventory")?;
        *seen = format!("{} {:?}", node.provision_state, node.reason);
        Ok((node.provision_state == "manageable").then_some(node))
    })
    .await?;
    let port = node.ports.first().context("it has no port")?;
    let link = (port.mac.as_str(), port.switch.as_str(), port.port.as_str(), port.pxe_enabled);
    let (mac, switch_port) = (STRANGER.mac().to_string(), STRANGER.switch_port());
    ensure!(link == (mac.as_str(), SWITCH, switch_port.as_str(), true), "its port is {link:?}");
    ensure!(node.bmc.address == address().to_string() && node.bmc.username == BMC_USER, "{:?}", node.bmc);
    ensure!(node.reason.is_none(), "{:?}", node.reason);
    Ok(())
}

async fn scan_again(lab: &Lab, right: &Path) -> anyhow::Result<()> {
    let credential = format!("--credential {BMC_USER}:{}", right.display());
    let scan: Scan = lab.admin.json(&scan_line(&credential)).await?;
    ensure!(scan.enrolled.iter().any(|name| name == STRANGER.name), "{:?}", scan.enrolled);
    ensure!(pending(lab).await?.is_empty(), "an enrolled server is offered");
    Ok(())
}

fn rule_line(more: &str) -> String {
    format!("discovery rule create {RULE} {more}")
}

async fn bad_rules(lab: &Lab, right: &Path) -> anyhow::Result<()> {
    let login = format!("--bmc-user {BMC_USER} --password-file {}", right.display());
    for (more, expected) in [
        (String::new(), "would accept every machine"),
        (format!("--rack {RACK} {login}"), "needs ranges"),
        (format!("--range {RANGE} --node-name srv {login}"), "node_name: must contain {serial}"),
        ("--range 10.0.0.0/8".to_owned(), "more than 4096"),
        (format!("--range {RANGE} {login}"), "switch_ports: name 1 to"),
        (format!("--range {RANGE} --switch-port leaf* {login}"), "names no switch ports"),
    ] {
        let said = lab.admin.refused(&rule_line(&more)).await?;
        ensure!(said.contains(expected) && !said.contains(BMC_PASSWORD), "{more}: {said}");
    }
    let said = lab.tenant.refused(&rule_line(&format!("--rack {RACK}"))).await?;
    ensure!(said.contains("administrator"), "{said}");
    let rules: Vec<DiscoveryRule> = lab.admin.json("discovery rule list").await?;
    ensure!(rules.is_empty(), "a refused rule was made: {rules:?}");
    Ok(())
}

/// The same machine once more, found without a credential: the rule knows one, and gives the name by the serial number.
async fn by_rule(lab: &Lab, right: &Path) -> anyhow::Result<()> {
    forget_node(lab).await?;
    let login = format!("--bmc-user {BMC_USER} --password-file {}", right.display());
    let place = format!("--switch-port {SWITCH}:{}", STRANGER.switch_port());
    let which = format!("--rack {RACK} --range {RANGE} --manufacturer bms-* {place} --node-name {{serial}}");
    let made = lab.admin.run(&format!("-o json {}", rule_line(&format!("{which} {login}")))).await?;
    ensure!(!made.contains(BMC_PASSWORD), "the rule's password is shown: {made}");
    lab.admin.run(&scan_line("")).await?;
    // A BMC alone is not enough: nobody knows what is behind it.
    ensure!(node(lab).await?.is_none() && pending(lab).await?.len() == 1, "half a machine was accepted");
    lab.admin.run(&format!("discovery open --rack {RACK} --for 10m")).await?;
    power_on_to_network(lab).await?;
    wait_for("the rule to have accepted it", BOOT_WAIT_MAX, async |seen| {
        let node = node(lab).await?;
        *seen = format!("{:?}, pending {:?}", node, pending(lab).await?);
        Ok(node.filter(|node| node.provision_state == "manageable"))
    })
    .await?;
    let events: Vec<Event> = lab.admin.json(&format!("node history {}", STRANGER.name)).await?;
    let told = events.iter().any(|event| event.text.contains(&format!("accepted by rule {RULE}")));
    ensure!(told, "no event names the rule: {events:?}");
    ensure!(pending(lab).await?.is_empty(), "it is still offered");
    lab.admin.run(&format!("discovery rule delete {RULE}")).await?;
    let said = lab.admin.refused(&format!("discovery rule delete {RULE}")).await?;
    ensure!(said.contains("there is no rule"), "{said}");
    wait_off(lab).await
}

/// Without its agent a rack is not searched, and with a new run of it nothing is open.
async fn restart(lab: &Lab) -> anyhow::Result<()> {
    lab.admin.run(&format!("discovery open --rack {RACK} --for 10m")).await?;
    lab.processes.stop("agent").await?;
    wait_for("a refusal that says that the agent is away", WAIT_MAX, async |seen| {
        *seen = lab.admin.refused(&scan_line("")).await?;
        Ok(seen.contains("has been disconnected since").then_some(()))
    })
    .await?;
    up::agent(lab).await?;
    wait_for("the network to be closed", WAIT_MAX, async |seen| {
        let windows: Vec<Window> = lab.admin.json("discovery windows").await?;
        *seen = format!("{windows:?}");
        Ok(windows.iter().all(|window| !window.open && window.reason.is_some()).then_some(()))
    })
    .await
}

async fn forget_node(lab: &Lab) -> anyhow::Result<()> {
    if node(lab).await?.is_none() {
        return Ok(());
    }
    lab.admin.run(&format!("node delete {}", STRANGER.name)).await?;
    wait_for("the fourth server to be forgotten", WAIT_MAX, async |seen| {
        let node = node(lab).await?;
        *seen = format!("{node:?}");
        Ok(node.is_none().then_some(()))
    })
    .await
}

async fn clear(lab: &Lab) -> anyhow::Result<()> {
    for rule in lab.admin.json::<Vec<DiscoveryRule>>("discovery rule list").await? {
        lab.admin.run(&format!("discovery rule delete {}", rule.name)).await?;
    }
    forget_node(lab).await?;
    for one in pending(lab).await? {
        lab.admin.run(&format!("discovery forget {}", one.id)).await?;
    }
    by_hand(lab, &["chassis", "power", "off"]).await?;
    unplug(lab).await
}
