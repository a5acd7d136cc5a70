//! Edges: `bmsctl flavor`.

use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};
use api_types::{Flavor, List, NewFlavor, Server};

/// Servers that a warning names; the rest is counted.
const NAMED_MAX: usize = 5;

/// Its commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List flavors with the number of free servers; administrators also see the other counts.
    List,
    /// Show a flavor.
    Show {
        /// Name or id.
        flavor: String,
    },
    /// Create a flavor for servers of a resource class (administrators).
    #[command(
        after_help = "Example: bmsctl flavor create metal --resource-class baremetal --cpus 1 --memory-mib 512 --disk-gb 1"
    )]
    Create {
        /// Name.
        name: String,
        /// Ironic resource class that the flavor selects, as set by a pool or an import file.
        #[arg(long, default_value = "baremetal")]
        resource_class: String,
        /// Number of processors to show; it selects nothing.
        #[arg(long, default_value_t = 1)]
        cpus: u32,
        /// Memory in MiB to show; it selects nothing.
        #[arg(long, default_value_t = 1024)]
        memory_mib: u64,
        /// Disk size in GB; images that need a larger disk are refused.
        #[arg(long, default_value_t = 1)]
        disk_gb: u64,
        /// Select only servers of this manufacturer, as inspection reported it.
        #[arg(long)]
        manufacturer: Option<String>,
        /// Select only servers with at least this many network interfaces; needed for servers on several networks. The
        /// flavor requires the trait CUSTOM_BMS_NICS_n, which each server gets from its enrolled ports.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=8))]
        nics: Option<u32>,
        /// Project that can use the flavor, by name or id; can be repeated. By default every project can.
        #[arg(long = "project", value_name = "PROJECT")]
        projects: Vec<String>,
    },
    /// Delete a flavor (administrators).
    Delete {
        /// Name or id.
        flavor: String,
    },
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => print(output, &client.get::<List<Flavor>>("/v1/flavors").await?.items),
        Command::Show { flavor } => show(output, &client.get(&path(&["flavors", &flavor])?).await?),
        Command::Create { name, resource_class, cpus, memory_mib, disk_gb, manufacturer, nics, projects } => {
            let wanted =
                NewFlavor { name, resource_class, cpus, memory_mib, disk_gb, manufacturer, nics, projects };
            print(output, &[client.post("/v1/flavors", &wanted).await?])
        }
        Command::Delete { flavor } => {
            let found: Flavor = client.get(&path(&["flavors", &flavor])?).await?;
            let servers: List<Server> = client.get("/v1/servers").await?;
            client.delete(&format!("/v1/flavors/{}", found.id)).await?;
            output::say(output, format_args!("{flavor} was deleted"));
            if let Some(warning) = in_use(&found, &servers.items) {
                output::say(output, warning);
            }
            Ok(())
        }
    }
}

/// What becomes of the servers that were made with a flavor that is deleted; none: there are none.
fn in_use(flavor: &Flavor, servers: &[Server]) -> Option<String> {
    let uses = |server: &&Server| server.flavor == flavor.name || server.flavor == flavor.id;
    let names: Vec<&str> = servers.iter().filter(uses).map(|server| server.name.as_str()).collect();
    let named = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let who = match names.len() {
        0 => return None,
        1 => format!("warning: a server was created with it ({named}): it keeps running, is shown"),
        count => format!(
            "warning: {count} servers were created with it ({named}{more}): they keep running, are shown"
        ),
    };
    Some(format!(
        "{who} with the flavor's id ({}) from now on, and can be rebuilt; no more servers can be created with it",
        flavor.id
    ))
}

fn print(output: Output, flavors: &[Flavor]) -> anyhow::Result<()> {
    let mut header = vec!["name", "id", "class", "cpus", "memory", "disk", "maker", "for", "free"];
    let is_admin = flavors.iter().any(|flavor| flavor.others.is_some());
    if is_admin {
        header.extend(["used", "cleaning", "broken", "preparing"]);
    }
    output::list(output, flavors, &header, |flavor| {
        let mut row = vec![
            flavor.name.clone(),
            flavor.id.clone(),
            flavor.resource_class.clone(),
            flavor.cpus.to_string(),
            format!("{} MiB", flavor.memory_mib),
            format!("{} GB", flavor.disk_gb),
            flavor.manufacturer.clone().unwrap_or_default(),
            whom(flavor),
            flavor.free.to_string(),
        ];
        if let Some(others) = flavor.others {
            let counts = [others.used, others.cleaning, others.broken, others.preparing];
            row.extend(counts.map(|count| count.to_string()));
        }
        row
    })
}

fn whom(flavor: &Flavor) -> String {
    if flavor.public { "all" } else { "projects" }.to_owned()
}

fn show(output: Output, flavor: &Flavor) -> anyhow::Result<()> {
    let mut fields = vec![
        ("name", flavor.name.clone()),
        ("id", flavor.id.clone()),
        ("resource class", flavor.resource_class.clone()),
        ("processors", flavor.cpus.to_string()),
        ("memory", format!("{} MiB", flavor.memory_mib)),
        ("disk", format!("{} GB", flavor.disk_gb)),
        ("manufacturer", flavor.manufacturer.clone().unwrap_or_default()),
        ("network interfaces", format!("{} or more", flavor.nics)),
        ("for", whom(flavor)),
        ("projects", flavor.projects.join(", ")),
        ("free", flavor.free.to_string()),
    ];
    if let Some(others) = flavor.others {
        fields.push(("used", others.used.to_string()));
        fields.push(("cleaning", others.cleaning.to_string()));
        fields.push(("broken", others.broken.to_string()));
        fields.push(("preparing", others.preparing.to_string()));
    }
    output::one(output, flavor, fields)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::{super::args, Command, Flavor, Server, in_use};

    #[test]
    fn interfaces_are_asked_for_by_their_number() {
        let check = |nics: &str, expected: Option<u32>| {
            let line = ["bmsctl", "flavor", "create", "metal-2", "--nics", nics];
            let read = args::Args::try_parse_from(line).ok().map(|args| args.command);
            let found = match read {
                Some(args::Command::Flavor(Command::Create { nics, .. })) => nics,
                _ => None,
            };
            assert_eq!(found, expected, "{nics}");
        };
        check("2", Some(2));
        check("8", Some(8));
        for bad in ["0", "9", "two"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_flavor_in_use_is_deleted_with_a_warning() {
        let flavor: Flavor = serde_json::from_value(json!({
            "id": "f1", "name": "metal", "resource_class": "baremetal", "cpus": 1, "memory_mib": 1, "disk_gb": 1,
        }))
        .unwrap();
        let server = |name: &str, flavor: &str| -> Server {
            serde_json::from_value(json!({
                "id": uuid::Uuid::nil(), "instance": null, "name": name, "project_id": "p", "flavor": flavor, "image": "i",
                "network": "n", "address": "", "status": "active", "reason": null, "node": null,
            }))
            .unwrap()
        };
        let check = |servers: &[Server], words: Option<&str>| {
            let told = in_use(&flavor, servers);
            assert_eq!(told.is_some(), words.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()));
        };
        check(&[server("web", "other")], None);
        check(&[server("web", "metal"), server("db", "other")], Some("a server was created with it (web)"));
        check(
            &[server("web", "metal"), server("db", "f1")],
            Some("2 servers were created with it (web, db)"),
        );
        let many: Vec<_> = (0..8).map(|number| server(&format!("s{number}"), "metal")).collect();
        check(&many, Some("(s0, s1, s2, s3, s4 and 3 more)"));
    }
}
