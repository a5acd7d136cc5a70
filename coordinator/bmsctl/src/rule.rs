//! Edges: `bmsctl discovery rule`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{args::Output, client::Client, discovery::password, output, path::path};
use api_types::{DiscoveryRule, List, NewDiscoveryRule};

const CREATE_HELP: &str = "\
Example: bmsctl discovery rule create r650 --rack rack1 --range 198.51.100.0/27 --manufacturer 'Dell*' --product '*R650' \\
           --switch-port leaf1:xe-0/0/10-20 --bmc-user root --password-file /root/bmc-password

A machine is accepted as soon as its BMC and its interfaces are known and it meets all conditions of the rule. The first
rule that it meets is used. The switch port that a machine reports is only a claim: it is accepted only on the switch ports
that the rule names; on others it waits for an administrator. A rule with a credential needs ranges, because the password is
sent to anything that answers there. Scans within the ranges try the credential too, because a BMC identifies its machine
only after a login.";

/// Its commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one is made in a run of the program")]
pub enum Command {
    /// List rules in the order in which they are evaluated.
    List,
    /// Create a rule; it is evaluated after all others.
    #[command(after_help = CREATE_HELP)]
    Create {
        /// Name; shown in the event when a machine is accepted.
        name: String,
        /// Only machines of this rack.
        #[arg(long)]
        rack: Option<String>,
        /// Only machines whose BMC is in this range, such as 198.51.100.0/27; can be repeated.
        #[arg(long = "range")]
        ranges: Vec<String>,
        /// Only machines of this manufacturer; * matches any text.
        #[arg(long)]
        manufacturer: Option<String>,
        /// Only this product; * matches any text.
        #[arg(long)]
        product: Option<String>,
        /// Switch ports on which machines are accepted: leaf1, leaf1:xe-0/0/7 or leaf1:xe-0/0/10-20; can be repeated.
        #[arg(long = "switch-port", value_name = "SWITCH[:PORT]")]
        switch_ports: Vec<String>,
        /// Name of the new nodes, containing {serial}, {rack}, {bmc} or {uuid}.
        #[arg(long, default_value = "{rack}-{serial}")]
        node_name: String,
        /// Resource class of the new nodes.
        #[arg(long, default_value = "baremetal")]
        resource_class: String,
        /// User name for BMCs that have accepted no credential yet.
        #[arg(long, requires = "password_file")]
        bmc_user: Option<String>,
        /// File with the password of that user.
        #[arg(long, requires = "bmc_user")]
        password_file: Option<PathBuf>,
    },
    /// Delete a rule. Machines that it accepted stay enrolled.
    Delete {
        /// Name.
        rule: String,
    },
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let rules: List<DiscoveryRule> = client.get("/v1/discovery-rules").await?;
            print(output, &rules.items)
        }
        Command::Create {
            name,
            rack,
            ranges,
            manufacturer,
            product,
            switch_ports,
            node_name,
            resource_class,
            bmc_user,
            password_file,
        } => {
            let wanted = NewDiscoveryRule {
                name,
                rack,
                ranges,
                manufacturer,
                product,
                switch_ports,
                node_name: Some(node_name),
                resource_class: Some(resource_class),
                bmc_username: bmc_user,
                bmc_password: password_file.map(|path| password(&path)).transpose()?,
            };
            print(output, &[client.post("/v1/discovery-rules", &wanted).await?])
        }
        Command::Delete { rule } => {
            client.delete(&path(&["discovery-rules", &rule])?).await?;
            output::say(output, format_args!("{rule} was deleted"));
            Ok(())
        }
    }
}

fn print(output: Output, rules: &[DiscoveryRule]) -> anyhow::Result<()> {
    let header =
        ["name", "rack", "ranges", "manufacturer", "product", "switch ports", "node name", "class", "user"];
    output::list(output, rules, &header, |rule| {
        let rule = rule.clone();
        let any = |text: Option<String>| text.unwrap_or_else(|| "any".to_owned());
        vec![
            rule.name,
            any(rule.rack),
            if rule.ranges.is_empty() { "any".to_owned() } else { rule.ranges.join(", ") },
            any(rule.manufacturer),
            any(rule.product),
            rule.switch_ports.join(", "),
            rule.node_name,
            rule.resource_class,
            rule.bmc_username.unwrap_or_default(),
        ]
    })
}
