//! Edges: `bmsctl firmware`.

use api_types::{FirmwareComponent, List, NodeFirmware};
use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};

/// Nodes that are named in a row; the others are counted.
const NODES_SHOWN: usize = 8;

/// What is shown of firmware.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the firmware of all nodes by model, and which nodes have which version.
    #[command(
        after_help = "Example: bmsctl firmware list --drift\n\nBMCs are asked for their firmware a few times a day."
    )]
    List {
        /// Only where nodes of one model differ.
        #[arg(long)]
        drift: bool,
    },
    /// Show the firmware of a node.
    Show {
        /// Name or id of the node.
        node: String,
    },
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { drift } => {
            let listed: List<FirmwareComponent> = client.get(&format!("/v1/firmware?drift={drift}")).await?;
            if output == Output::Json {
                return output::json(&listed.items);
            }
            let rows: Vec<_> = listed.items.iter().flat_map(rows).collect();
            if rows.is_empty() && drift {
                output::say(output, "no nodes of one model differ in their firmware");
                return Ok(());
            }
            output::list(output, &rows, &["model", "component", "version", "nodes"], Clone::clone)
        }
        Command::Show { node } => {
            let firmware: NodeFirmware = client.get(&path(&["nodes", &node, "firmware"])?).await?;
            if output == Output::Json {
                return output::json(&firmware);
            }
            match &firmware.read {
                Some(read) => {
                    output::say(output, format_args!("{} {}, read {read}", firmware.node, firmware.model))
                }
                None => output::say(output, format_args!("the BMC of {node} has told nothing yet")),
            }
            output::list(output, &firmware.items, &["component", "version", "update", "id"], |item| {
                let update = if item.updateable { "possible" } else { "" };
                vec![item.name.clone(), item.version.clone(), update.to_owned(), item.id.clone()]
            })
        }
    }
}

/// A row for each version.
fn rows(component: &FirmwareComponent) -> Vec<Vec<String>> {
    let row = |version: &api_types::FirmwareNodes| {
        let said = if version.version.is_empty() { "not told" } else { &version.version };
        vec![component.model.clone(), component.name.clone(), said.to_owned(), nodes(&version.nodes)]
    };
    component.versions.iter().map(row).collect()
}

fn nodes(names: &[String]) -> String {
    match names.get(NODES_SHOWN..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{} and {} more", names[..NODES_SHOWN].join(", "), more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_row_of_nodes_is_counted() {
        let check = |count: usize, expected: &str| {
            let names: Vec<_> = (1..=count).map(|number| format!("n{number}")).collect();
            assert_eq!(nodes(&names), expected);
        };
        check(0, "");
        check(2, "n1, n2");
        check(8, "n1, n2, n3, n4, n5, n6, n7, n8");
        check(11, "n1, n2, n3, n4, n5, n6, n7, n8 and 3 more");
    }
}
