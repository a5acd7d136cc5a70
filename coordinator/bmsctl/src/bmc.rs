//! Edges: `bmsctl bmc`: the passwords of nodes' BMCs.

use anyhow::ensure;
use api_types::{NewPasswordReading, NewPasswordRotation, Node, Page, PasswordReading};
use clap::Subcommand;
use domain::url_text::query;

use super::{
    args::{Output, Wait},
    bmc_certificate,
    client::Client,
    output::{self, Look},
    path::path,
};

/// Commands on BMCs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Change the BMC passwords of nodes: one node of a rack at a time, each new password proved by a login.
    #[command(
        after_help = "Examples:\n  bmsctl bmc rotate srv1 --wait\n  bmsctl bmc rotate --all --rack rack1 --every 90d\n\nOnly passwords \
            of users that the coordinator's settings name as its own (bmc_passwords.users) are changed."
    )]
    Rotate(Rotate),
    /// Accept what differs in the BMCs or firmware settings of nodes since before their last tenancy (field `notes` of `node show`).
    #[command(after_help = "Example: bmsctl bmc accept-changes srv1")]
    AcceptChanges {
        /// Names or ids of nodes.
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Show the certificate of a node's BMC, and decide about one that it shows instead of the pinned one.
    #[command(subcommand)]
    Certificate(bmc_certificate::Command),
    /// Show the password of a node's BMC.
    #[command(subcommand)]
    Password(Password),
}

/// Whose passwords are changed.
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// Names or ids of nodes.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    nodes: Vec<String>,
    /// All nodes of the rack.
    #[arg(long, requires = "rack")]
    all: bool,
    /// The rack.
    #[arg(long, requires = "all")]
    rack: Option<String>,
    /// Change them again every so many days, such as 90d, instead of as the coordinator's settings say.
    #[arg(long, value_name = "DAYS", value_parser = days, conflicts_with = "cancel")]
    every: Option<u32>,
    /// Give up changes that the BMCs were not told yet, and the nodes' own schedules.
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Passwords as they are shown.
#[derive(Debug, Subcommand)]
pub enum Password {
    /// Show a password. That is recorded with the reason; the password is changed soon after if its user is the coordinator's own.
    #[command(after_help = "Example: bmsctl bmc password show srv1 --reason \"console stuck, ticket 4711\"")]
    Show {
        /// Name or id of the node.
        node: String,
        /// Why it is needed; kept in the audit record and told as an event.
        #[arg(long)]
        reason: String,
    },
}

/// Days, as people write them.
fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse();
    number.ok().filter(|days| *days > 0).ok_or_else(|| "must be a number of days, such as 90d".to_owned())
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Rotate(asked) => rotate(client, output, asked).await,
        Command::AcceptChanges { nodes } => {
            for name in &nodes {
                let path = path(&["nodes", name, "bmc", "changes-acceptance"])?;
                let _: Option<Node> = client.post(&path, &serde_json::json!({})).await?;
                output::say(output, format_args!("{name}: accepted"));
            }
            Ok(())
        }
        Command::Certificate(command) => bmc_certificate::run(client, output, command).await,
        Command::Password(Password::Show { node, reason }) => show(client, output, &node, reason).await,
    }
}

async fn rotate(client: &Client, output: Output, asked: Rotate) -> anyhow::Result<()> {
    let nodes = match &asked.rack {
        Some(rack) => of_rack(client, rack).await?,
        None => asked.nodes.clone(),
    };
    let (mut begun, mut refused) = (Vec::new(), 0);
    for name in &nodes {
        let path = path(&["nodes", name, "bmc", "password-rotation"])?;
        let done = match asked.cancel {
            true => client.delete(&path).await,
            false => {
                let wanted = NewPasswordRotation { every_days: asked.every };
                client.post::<Option<Node>>(&path, &wanted).await.map(drop)
            }
        };
        match done {
            Ok(()) if asked.cancel => {
                output::say(output, format_args!("{name}: its password is not changed"))
            }
            Ok(()) => begun.push(name),
            // One that is not ours does not keep the others of its rack from being changed.
            Err(error) if asked.all => {
                refused += 1;
                output::say(output, format_args!("{name}: {error:#}"));
            }
            Err(error) => return Err(error),
        }
    }
    for name in begun {
        if asked.wait.wait {
            follow(client, name, asked.wait).await?;
            output::say(output, format_args!("{name}: its password was changed"));
        } else {
            output::say(
                output,
                format_args!("{name}: requested; `bmsctl node show {name}` shows the progress"),
            );
        }
    }
    ensure!(refused == 0, "{refused} of {} nodes were refused; the others are changed", nodes.len());
    Ok(())
}

async fn of_rack(client: &Client, rack: &str) -> anyhow::Result<Vec<String>> {
    let (mut names, mut marker) = (Vec::new(), None);
    loop {
        let mut pairs = vec![("rack", rack)];
        pairs.extend(marker.as_deref().map(|marker| ("marker", marker)));
        let page: Page<Node> = client.get(&format!("/v1/nodes?{}", query(&pairs))).await?;
        names.extend(page.items.into_iter().map(|node| node.name));
        match page.next {
            Some(next) => marker = Some(next),
            None => break,
        }
    }
    ensure!(!names.is_empty(), "there is no node in rack {rack}; see `bmsctl node list`");
    Ok(names)
}

async fn follow(client: &Client, name: &str, wait: Wait) -> anyhow::Result<()> {
    output::wait(name, wait.timeout, async || {
        let node: Node = client.get(&path(&["nodes", name])?).await?;
        Ok(match node.bmc.password.rotation {
            None => Look::Done(()),
            Some(rotation) => {
                let trouble = rotation.trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
                Look::Going(format!("password change {}{trouble}", rotation.stage))
            }
        })
    })
    .await
}

async fn show(client: &Client, output: Output, name: &str, reason: String) -> anyhow::Result<()> {
    let path = path(&["nodes", name, "bmc", "password-reading"])?;
    let shown: PasswordReading = client.post(&path, &NewPasswordReading { reason }).await?;
    let mut fields = vec![
        ("bmc", shown.place.clone()),
        ("user", shown.username.clone()),
        ("password", shown.password.reveal().to_owned()),
    ];
    if let Some(next) = &shown.next_password {
        fields.push(("or, being changed", next.reveal().to_owned()));
    }
    output::one(output, &shown, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_understood_as_people_write_them() {
        assert_eq!((days("90d"), days("7")), (Ok(90), Ok(7)));
        for wrong in ["0d", "d", "3h", "-1d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
