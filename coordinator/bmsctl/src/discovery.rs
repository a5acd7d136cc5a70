//! Edges: `bmsctl discovery`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Subcommand;
use protocol::secret::Secret;

use super::{
    args::{Output, Wait},
    client::Client,
    output::{self, Look},
    path::path,
    since::since,
};
use api_types::{
    AcceptDiscovery, AcceptPort, Discovery, ImportedNode, List, NewScan, NewWindow, Scan, ScanCredential,
    Window,
};

const SCAN_HELP: &str = "\
Example: bmsctl discovery scan --rack rack1 --range 198.51.100.0/27 --credential admin:/root/bmc-password --wait

Each credential is tried once at each BMC that does not belong to an enrolled server, in the order given; at most three
can be given. The password is sent to anything that answers like a BMC: scan management networks only.";

/// Its commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List discovered machines that are not enrolled.
    List {
        /// Also list ignored machines.
        #[arg(long)]
        all: bool,
    },
    /// Show a discovered machine.
    Show {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Scan address ranges for BMCs from a rack's agent.
    #[command(after_help = SCAN_HELP)]
    Scan {
        /// Rack whose agent scans.
        #[arg(long)]
        rack: String,
        /// Addresses, such as 198.51.100.0/27 or 198.51.100.10-198.51.100.20; can be repeated.
        #[arg(long = "range", required = true)]
        ranges: Vec<String>,
        /// User name and the file with its password; can be repeated.
        #[arg(long = "credential", value_name = "USER:FILE")]
        credentials: Vec<String>,
        /// Scheme and port of Redfish, such as https:443 (the default) or http:8000.
        #[arg(long, value_name = "SCHEME:PORT")]
        redfish: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Open a rack's discovery network for a while, so that unknown machines can boot there and be inspected.
    #[command(after_help = "Example: bmsctl discovery open --rack rack1 --for 30m\n\n\
        Each machine is inspected, listed and powered off. Interfaces of enrolled servers are never answered.")]
    Open {
        /// Rack.
        #[arg(long)]
        rack: String,
        /// How long it stays open: 45s, 30m or 2h, at most 4h.
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Duration,
    },
    /// Close a discovery network now.
    Close {
        /// Rack.
        #[arg(long)]
        rack: String,
    },
    /// Show which racks' discovery networks are open.
    Windows,
    /// Enroll a discovered machine.
    #[command(after_help = "Example: bmsctl discovery accept 3f2a --name srv4\n\n\
        BMC, credential and switch ports are taken from what was found; anything missing must be given. A switch port that \
        was found is what the machine itself reports (LLDP): compare it with the cabling, or give the right one with --port.")]
    Accept {
        /// Its id, or the beginning of it.
        id: String,
        /// Name of the new node.
        #[arg(long)]
        name: String,
        /// Address of its BMC, if it was not found: ipmi://198.51.100.11, https://198.51.100.11, ...
        #[arg(long)]
        bmc: Option<String>,
        /// BMC user name, if no credential was accepted by the BMC.
        #[arg(long, requires = "password_file")]
        bmc_user: Option<String>,
        /// File with the password of that user.
        #[arg(long, requires = "bmc_user")]
        password_file: Option<PathBuf>,
        /// Switch port of an interface, if no LLDP was received there; can be repeated.
        #[arg(long = "port", value_name = "NIC=SWITCH:PORT")]
        ports: Vec<String>,
        /// Resource class.
        #[arg(long, default_value = "baremetal")]
        resource_class: String,
    },
    /// Manage rules that accept machines automatically.
    #[command(subcommand)]
    Rule(super::rule::Command),
    /// Ignore a machine, even if it is found again.
    Ignore {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Forget a machine; it is listed again if it is found again.
    Forget {
        /// Its id, or the beginning of it.
        id: String,
    },
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time; write 45s, 30m or 2h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.map(|seconds| Duration::from_secs(seconds.into())).ok_or_else(wrong)
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { all } => {
            let found: List<Discovery> = client.get(&format!("/v1/discoveries?all={all}")).await?;
            list(output, &found.items)
        }
        Command::Rule(command) => super::rule::run(client, output, command).await,
        Command::Show { id } => show(output, &find(client, &id).await?),
        Command::Scan { rack, ranges, credentials, redfish, wait } => {
            let credentials = credentials.iter().map(|text| credential(text)).collect::<Result<_, _>>()?;
            let wanted = NewScan { rack, ranges, redfish, credentials };
            let begun: Scan = client.post("/v1/discovery-scans", &wanted).await?;
            scan(client, output, begun, wait).await
        }
        Command::Open { rack, time } => {
            let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
            let window: Window = client.post("/v1/discovery-windows", &NewWindow { rack, seconds }).await?;
            windows(output, &[window])
        }
        Command::Close { rack } => {
            client.delete(&path(&["discovery-windows", &rack])?).await?;
            output::say(output, format_args!("the discovery network of rack {rack} is being closed"));
            Ok(())
        }
        Command::Windows => {
            windows(output, &client.get::<List<Window>>("/v1/discovery-windows").await?.items)
        }
        Command::Accept { id, name, bmc, bmc_user, password_file, ports, resource_class } => {
            let found = find(client, &id).await?;
            let wanted = AcceptDiscovery {
                name,
                bmc,
                bmc_username: bmc_user,
                bmc_password: password_file.map(|path| password(&path)).transpose()?,
                ports: ports.iter().map(|text| port(text)).collect::<Result<_, _>>()?,
                resource_class: Some(resource_class),
            };
            let made: ImportedNode =
                client.post(&format!("/v1/discoveries/{}/accept", found.id), &wanted).await?;
            let id = made.id.map(|id| id.to_string()).unwrap_or_default();
            output::one(output, &made, vec![("name", made.name.clone()), ("id", id)])
        }
        Command::Ignore { id } => {
            let id = find(client, &id).await?.id;
            let ignored: Discovery = client
                .post(&path(&["discoveries", &id.to_string(), "ignore"])?, &serde_json::json!({}))
                .await?;
            show(output, &ignored)
        }
        Command::Forget { id } => {
            let id = find(client, &id).await?.id;
            client.delete(&path(&["discoveries", &id.to_string()])?).await?;
            output::say(output, format_args!("{id} was forgotten"));
            Ok(())
        }
    }
}

/// The one whose id begins so.
async fn find(client: &Client, id: &str) -> anyhow::Result<Discovery> {
    let found: List<Discovery> = client.get("/v1/discoveries?all=true").await?;
    let mut fitting = found.items.into_iter().filter(|one| one.id.to_string().starts_with(id));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            bail!("several discovered machines have an id that begins with {id}; give more of it")
        }
        (None, _) => bail!("no discovered machine has an id that begins with {id}"),
    }
}

fn credential(text: &str) -> anyhow::Result<ScanCredential> {
    let (user, file) = text.split_once(':').with_context(|| format!("{text:?} is not USER:FILE"))?;
    Ok(ScanCredential { username: user.to_owned(), password: password(file.as_ref())? })
}

/// A password's file; a line break at its end is not part of the password.
pub fn password(path: &std::path::Path) -> anyhow::Result<Secret> {
    let text = Secret::new(
        std::fs::read_to_string(path)
            .with_context(|| format!("reading the password file {}", path.display()))?,
    );
    Ok(Secret::new(text.reveal().trim_end_matches(['\r', '\n'])))
}

fn port(text: &str) -> anyhow::Result<AcceptPort> {
    let parts = text.split_once('=').and_then(|(nic, link)| {
        let (switch, port) = link.split_once(':')?;
        Some(AcceptPort { nic: nic.to_owned(), switch: switch.to_owned(), port: port.to_owned() })
    });
    parts.with_context(|| format!("{text:?} is not NIC=SWITCH:PORT"))
}

async fn scan(client: &Client, output: Output, begun: Scan, wait: Wait) -> anyhow::Result<()> {
    let path = format!("/v1/discovery-scans/{}", begun.id);
    let scan = if wait.wait {
        output::wait("scan", wait.timeout, async || {
            let scan: Scan = client.get(&path).await?;
            Ok(match (&scan.fault, scan.running) {
                (Some(fault), _) => Look::Failed(fault.clone()),
                (None, false) => Look::Done(scan),
                (None, true) => Look::Going(format!("{} of {} addresses", scan.done, scan.total)),
            })
        })
        .await?
    } else {
        begun
    };
    output::one(
        output,
        &scan,
        vec![
            ("scan", scan.id.to_string()),
            ("addresses", format!("{} of {}", scan.done, scan.total)),
            ("enrolled", scan.enrolled.join(", ")),
            ("pending", scan.pending.to_string()),
        ],
    )
}

fn windows(output: Output, windows: &[Window]) -> anyhow::Result<()> {
    output::list(output, windows, &["rack", "open", "until", "machines", "reason"], |window| {
        let Window { rack, open, until, machines, reason } = window.clone();
        let open = if open { "yes" } else { "no" }.to_owned();
        vec![rack, open, until.unwrap_or_default(), machines.to_string(), reason.unwrap_or_default()]
    })
}

fn list(output: Output, found: &[Discovery]) -> anyhow::Result<()> {
    let now = jiff::Timestamp::now();
    let header =
        ["id", "rack", "found by", "manufacturer", "product", "bmc", "claims port", "seen", "missing"];
    output::list(output, found, &header, |one| {
        vec![
            one.id.to_string(),
            one.rack.clone(),
            found_by(one, "+"),
            one.manufacturer.clone(),
            one.product.clone(),
            one.bmc.as_ref().map(|bmc| bmc.address.clone()).unwrap_or_default(),
            one.nics.iter().find(|nic| nic.booted).map(plugged).unwrap_or_default(),
            since(one.last_seen.as_deref(), now),
            if one.ignored { "ignored".to_owned() } else { one.missing.len().to_string() },
        ]
    })
}

fn found_by(one: &Discovery, between: &str) -> String {
    let ways: Vec<_> = one.found_by.iter().map(|by| by.as_str()).collect();
    ways.join(between)
}

fn plugged(nic: &api_types::DiscoveredNic) -> String {
    match (&nic.switch, &nic.port) {
        (Some(switch), Some(port)) => format!("{switch}:{port}"),
        _ => String::new(),
    }
}

/// Nobody but the machine itself has said so.
fn claimed(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{text} (claimed by the machine)") }
}

fn show(output: Output, one: &Discovery) -> anyhow::Result<()> {
    let bmc = one.bmc.as_ref().map(|bmc| {
        let user = bmc.username.as_ref().map(|user| format!(", user {user} accepted")).unwrap_or_default();
        format!("{} at {}:{}{user} {}", bmc.protocol, bmc.address, bmc.port, bmc.problem)
    });
    let certificate = one.bmc.as_ref().and_then(|bmc| bmc.certificate_sha256.clone());
    let nics: Vec<_> = one
        .nics
        .iter()
        .map(|nic| {
            let (plugged, booted) = (plugged(nic), if nic.booted { " (booted)" } else { "" });
            format!("{} {} {}{booted}", nic.name, nic.mac, claimed(&plugged))
        })
        .collect();
    let fields = vec![
        ("id", one.id.to_string()),
        ("rack", one.rack.clone()),
        ("found by", found_by(one, ", ")),
        ("ignored", if one.ignored { "yes".to_owned() } else { String::new() }),
        ("uuid", one.uuid.clone().unwrap_or_default()),
        ("manufacturer", one.manufacturer.clone()),
        ("product", one.product.clone()),
        ("serial", claimed(&one.serial)),
        ("boot mode", one.boot_mode.map(|mode| mode.to_string()).unwrap_or_default()),
        ("bmc", bmc.unwrap_or_default()),
        ("certificate", certificate.unwrap_or_default()),
        ("interfaces", nics.join("; ")),
        ("first seen", one.first_seen.clone().unwrap_or_default()),
        ("last seen", one.last_seen.clone().unwrap_or_default()),
        ("missing", one.missing.join("; ")),
    ];
    output::one(output, one, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ports_are_read() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(time(text).ok().map(|time| time.as_secs()), seconds, "{text}");
        };
        check("45s", Some(45));
        check("30m", Some(1800));
        check("2h", Some(7200));
        for bad in ["", "h", "30", "-1m", "5d", "4294967295h", "3ä"] {
            check(bad, None);
        }
        let port = |text| port(text).ok().map(|port| (port.nic, port.switch, port.port));
        let expected = ("eth0".to_owned(), "leaf1".to_owned(), "xe-0/0/0:1".to_owned());
        assert_eq!(port("eth0=leaf1:xe-0/0/0:1"), Some(expected));
        assert_eq!((port("eth0"), port("eth0=leaf1")), (None, None));
    }
}
