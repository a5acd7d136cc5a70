//! Edges: monitoring: the collector, Prometheus, the VNC API and whoever follows events know every server, and no password.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use api_types::{Event, Node};
use openstack::client::http_client;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::super::{
    Lab,
    site::{BMC_PASSWORD, RACK, SERVERS},
    step::{Steps, wait_for},
    up,
};
use crate::contrail::collector::{Known, Mood};

/// How long what happened may take to be told: longer than the longest pause before a collector is tried again.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(60);

/// Looks from each side, with everybody there, with the collector away, and with the coordinator started anew.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("find one state of every server at the collector", everything_told(lab)).await?;
    steps.step("read both pages of figures as Prometheus would", figures(lab)).await?;
    steps
        .step("find every server as node and port in Contrail, without its password", registered(lab))
        .await?;
    let mut followed = Followed::begin(lab)?;
    steps.step("see another tenant follow nothing of it", other_sees_nothing(lab)).await?;
    steps
        .step("cut the collector's connection, and have everything told again", async {
            let before = known(lab).await?.connections;
            set(lab, Mood::CutAfter { messages: 0 }).await?;
            // The next thing that happens is what it is cut at.
            lab.admin.run("node manage srv1 --wait").await?;
            wait_known(lab, "a new connection with all servers", |known| {
                (known.connections > before && known.servers.len() == SERVERS.len()).then_some(())
            })
            .await
        })
        .await?;
    steps
        .step("take the collector away while a server is inspected", async {
            set(lab, Mood::Away).await?;
            lab.admin.run("node inspect srv1 --wait").await?;
            ensure!(figure(lab, "bms_sandesh_connected ").await? == 0.0, "a collector is still known");
            Ok(())
        })
        .await?;
    steps
        .step("bring the collector back, and see it catch up", async {
            set(lab, Mood::Good).await?;
            wait_told(lab, "srv1", "manageable").await
        })
        .await?;
    steps
        .step("start the coordinator anew, and go on following where it was", async {
            lab.processes.stop("coordinator").await?;
            up::coordinator(lab).await?;
            up::agent_is_here(lab).await?;
            let before = newest(lab).await?;
            lab.admin.run("node provide srv1 --wait").await?;
            followed.wait("available", before).await?;
            let permitted = figure(lab, "bms_gate_decisions_total{decision=\"permitted\"").await?;
            ensure!(permitted >= 1.0, "it was cleaned without the gate");
            wait_told(lab, "srv1", "available").await
        })
        .await?;
    steps.step("compare what was followed with what was stored", followed.compare(lab)).await?;
    steps.step("look for a BMC's password everywhere", no_password(lab)).await
}

async fn known(lab: &Lab) -> anyhow::Result<Known> {
    let url = format!("http://{}/collector", lab.site.contrail_admin());
    Ok(http_client(None)?.get(url).send().await?.error_for_status()?.json().await?)
}

async fn set(lab: &Lab, mood: Mood) -> anyhow::Result<()> {
    let url = format!("http://{}/collector/mood", lab.site.contrail_admin());
    let answer =
        http_client(None)?.put(url).json(&mood).send().await.context("setting the collector's mood")?;
    answer.error_for_status()?;
    Ok(())
}

async fn wait_known<T>(lab: &Lab, what: &str, look: impl Fn(&Known) -> Option<T>) -> anyhow::Result<T> {
    wait_for(what, TOLD_WAIT_MAX, async |seen| {
        let known = known(lab).await?;
        *seen = format!("{} connections, {:?}, faults {:?}", known.connections, known.servers, known.faults);
        Ok(look(&known))
    })
    .await
}

async fn wait_told(lab: &Lab, name: &str, state: &str) -> anyhow::Result<()> {
    wait_known(lab, &format!("{name} to be told as {state}"), |known| {
        let told = known.servers.values().any(|it| it["host_name"] == name && it["provision_state"] == state);
        told.then_some(())
    })
    .await
}

async fn everything_told(lab: &Lab) -> anyhow::Result<()> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    let known = wait_known(lab, "the collector to know all servers", |known| {
        (known.servers.len() == nodes.len()).then(|| known.clone())
    })
    .await?;
    ensure!(known.faults.is_empty(), "the collector did not understand: {:?}", known.faults);
    for node in &nodes {
        let told = known.servers.get(&node.id.to_string());
        let told = told.with_context(|| format!("nothing is told of {}", node.name))?;
        ensure!(told["host_name"] == node.name.as_str(), "{told:?}");
        ensure!(told["provision_state"] == node.provision_state.as_str(), "{told:?}");
        ensure!(told["power_state"] == format!("power {}", node.power), "{told:?}, power is {}", node.power);
        let plan =
            SERVERS.iter().find(|plan| plan.name == node.name).context("a server that the lab has not")?;
        ensure!(told["port_info"][0]["mac_address"] == plan.mac().to_string(), "{told:?}");
    }
    Ok(())
}

/// The page, checked line by line as a parser of the format would.
async fn page(lab: &Lab) -> anyhow::Result<String> {
    let url = format!("http://{}/metrics", lab.site.metrics());
    let page = http_client(None)?.get(url).send().await?.error_for_status()?.text().await?;
    check_page(&page)?;
    Ok(page)
}

async fn figure(lab: &Lab, series: &str) -> anyhow::Result<f64> {
    let page = page(lab).await?;
    let line = page.lines().find(|line| line.starts_with(series));
    let line = line.with_context(|| format!("no {series} in\n{page}"))?;
    line.rsplit(' ').next().and_then(|text| text.parse().ok()).with_context(|| format!("no number: {line}"))
}

/// Every sample belongs to a metric with a type and a help, has a number, and the page has its end.
fn check_page(page: &str) -> anyhow::Result<()> {
    let mut types = BTreeMap::new();
    let mut helps = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            ensure!(types.insert(name, kind).is_none(), "two types of {name}");
        } else if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            ensure!(!help.is_empty() && helps.insert(name, help).is_none(), "two helps of {name}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
            value.parse::<f64>().with_context(|| format!("no number: {line}"))?;
            let name = series.split('{').next().unwrap_or(series);
            let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_info"];
            let known = suffixes
                .iter()
                .any(|suffix| name.strip_suffix(suffix).is_some_and(|it| types.contains_key(it)));
            ensure!(known, "a sample without a type: {line}");
        }
    }
    ensure!(page.ends_with("# EOF\n"), "the page is cut off");
    ensure!(types.keys().all(|name| helps.contains_key(name)), "a metric without help: {types:?}");
    Ok(())
}

async fn figures(lab: &Lab) -> anyhow::Result<()> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    let mut counts = BTreeMap::new();
    for node in &nodes {
        *counts.entry((node.provision_state.clone(), node.power.to_string())).or_insert(0.0) += 1.0;
    }
    for ((state, power), count) in counts {
        let series = format!("bms_servers{{provision_state=\"{state}\",power=\"{power}\"}} ");
        let shown = figure(lab, &series).await?;
        ensure!(shown == count, "{series}is {shown}, {count} are listed");
    }
    ensure!(
        figure(lab, &format!("bms_agent_connected{{rack=\"{RACK}\"}} ")).await? == 1.0,
        "the agent is away"
    );
    ensure!(figure(lab, "bms_sandesh_connected ").await? == 1.0, "no collector");
    ensure!(figure(lab, "bms_contrail_unregistered_servers ").await? == 0.0, "some are not registered");
    let agent = agent_page(lab).await?;
    check_page(&agent)?;
    let servers = format!("bms_agent_servers {}", SERVERS.len());
    ensure!(agent.lines().any(|line| line == servers), "{servers} is not in\n{agent}");
    ensure!(agent.contains("bms_agent_bmc_poll_seconds_count{outcome=\"answered\"}"), "{agent}");
    Ok(())
}

async fn agent_page(lab: &Lab) -> anyhow::Result<String> {
    let url = format!("http://{}/metrics", lab.site.agent_metrics());
    lab.site.rack().agent.run("curl", &["--silent", "--fail", "--max-time", "10", &url]).await
}

async fn registered(lab: &Lab) -> anyhow::Result<()> {
    let http = http_client(None)?;
    for plan in SERVERS {
        wait_for(format!("{} to be a node with a port", plan.name), TOLD_WAIT_MAX, async |seen| {
            let find = async |kind: &str| -> anyhow::Result<Vec<Value>> {
                let url = format!("{}/{kind}s?detail=true", lab.contrail_url());
                let mut all: Value = http.get(url).send().await?.error_for_status()?.json().await?;
                let rows = all[format!("{kind}s")].as_array_mut().map(std::mem::take).unwrap_or_default();
                let ours = rows.into_iter().map(|mut row| row[kind].take());
                Ok(ours.filter(|row| row["fq_name"][1] == plan.name).collect())
            };
            let (nodes, ports) = (find("node").await?, find("port").await?);
            *seen = format!("{nodes:?} {ports:?}");
            ensure!(!seen.contains(BMC_PASSWORD), "a password is in Contrail");
            let mac = plan.mac().to_string();
            let port = ports.iter().find(|port| port["bms_port_info"]["address"] == mac);
            let ([node], Some(port)) = (nodes.as_slice(), port) else { return Ok(None) };
            let info = &port["bms_port_info"];
            let good = node["node_type"] == "baremetal"
                && node["bms_info"]["driver_info"]["ipmi_address"] == plan.bmc_address().ip().to_string()
                && info["local_link_connection"]["port_id"] == plan.switch_port();
            Ok(good.then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// What `bmsctl -o json events --follow` prints, read in the background.
struct Followed {
    lines: tokio::sync::mpsc::Receiver<String>,
    seen: Vec<Event>,
    // Killed when this is dropped.
    _child: tokio::process::Child,
}

impl Followed {
    fn begin(lab: &Lab) -> anyhow::Result<Self> {
        let mut command = lab.admin.command("-o json events --follow");
        let mut child = command.stdout(std::process::Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("no output")?;
        let (send, lines) = tokio::sync::mpsc::channel(10_000);
        tokio::spawn(async move {
            let mut out = BufReader::new(out).lines();
            while let Ok(Some(line)) = out.next_line().await {
                if send.send(line).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { lines, seen: Vec::new(), _child: child })
    }

    /// Reads on until an event after this one has this text.
    async fn wait(&mut self, text: &str, after: u64) -> anyhow::Result<()> {
        let until = async {
            while let Some(line) = self.lines.recv().await {
                let event: Event =
                    serde_json::from_str(&line).with_context(|| format!("no event: {line}"))?;
                let found = event.text == text && event.id > after;
                self.seen.push(event);
                if found {
                    return Ok(());
                }
            }
            anyhow::bail!("bmsctl events --follow ended")
        };
        let waited = tokio::time::timeout(TOLD_WAIT_MAX, until).await;
        waited.unwrap_or_else(|_| anyhow::bail!("no event {text:?} in {} s", TOLD_WAIT_MAX.as_secs()))
    }

    /// Between the first and the last that was followed, nothing is missing, twice, or out of order.
    async fn compare(&self, lab: &Lab) -> anyhow::Result<()> {
        let (Some(first), Some(last)) = (self.seen.first(), self.seen.last()) else {
            anyhow::bail!("nothing was followed")
        };
        let stored: Vec<Event> = lab.admin.json("events").await?;
        let stored: Vec<_> =
            stored.iter().map(|event| event.id).filter(|id| (first.id..=last.id).contains(id)).collect();
        let oldest = stored.first().copied().context("nothing is stored")?;
        let seen: Vec<_> = self.seen.iter().map(|event| event.id).filter(|id| *id >= oldest).collect();
        ensure!(seen == stored, "followed {seen:?}, stored {stored:?}");
        Ok(())
    }
}

/// The newest event's id.
async fn newest(lab: &Lab) -> anyhow::Result<u64> {
    let events: Vec<Event> = lab.admin.json("events").await?;
    Ok(events.last().map_or(0, |event| event.id))
}

async fn other_sees_nothing(lab: &Lab) -> anyhow::Result<()> {
    let events: Vec<Event> = lab.other.json("events").await?;
    let seen = events
        .iter()
        .find(|event| event.node.is_some() || event.rack.is_some() || event.text.contains("srv"));
    ensure!(seen.is_none(), "another tenant sees {seen:?}");
    let refused = lab.other.refused("events --node srv1").await?;
    ensure!(refused.contains("administrator"), "{refused}");
    Ok(())
}

async fn no_password(lab: &Lab) -> anyhow::Result<()> {
    let url = format!("http://{}/collector/received", lab.site.contrail_admin());
    let received = async |text: &str| -> anyhow::Result<bool> {
        let answer = http_client(None)?.put(&url).json(text).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    };
    ensure!(received("srv1").await?, "the search finds nothing at all");
    ensure!(!received(BMC_PASSWORD).await?, "a BMC password was sent to the collector");
    ensure!(!page(lab).await?.contains(BMC_PASSWORD), "a BMC password is among the coordinator's figures");
    ensure!(!agent_page(lab).await?.contains(BMC_PASSWORD), "a BMC password is among the agent's figures");
    Ok(())
}
