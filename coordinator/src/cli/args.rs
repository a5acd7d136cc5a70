//! Values: what can be typed after `bmsctl`.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  bmsctl node import rack1.yaml --rack rack1
  bmsctl node inspect srv1 --wait
  bmsctl node provide srv1 srv2 srv3 --wait
  bmsctl server create web1 --flavor metal --image demo --network blue --wait
  bmsctl events --follow

The login is taken from the usual OS_* variables (OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, ...) or
from OS_TOKEN; the coordinator's address from BMS_URL and its authority's certificate from BMS_CACERT.";

/// Bare-metal servers: inventory, deployment, networks.
#[derive(Debug, Parser)]
#[command(name = "bmsctl", version, after_help = EXAMPLES)]
pub struct Args {
    /// Where to go and who we are.
    #[command(flatten, next_help_heading = "Connection")]
    pub connection: Connection,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// What the API said.
    Json,
}

/// Where to go and who we are.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// The coordinator.
    #[arg(long, env = "BMS_URL", default_value = "https://127.0.0.1:22020", global = true)]
    pub url: String,
    /// Certificate of the coordinator's authority (PEM); without it the system's authorities are trusted.
    #[arg(long, env = "BMS_CACERT", global = true)]
    pub cacert: Option<PathBuf>,
    /// Keystone.
    #[arg(long, env = "OS_AUTH_URL", global = true)]
    pub os_auth_url: Option<String>,
    /// User.
    #[arg(long, env = "OS_USERNAME", global = true)]
    pub os_username: Option<String>,
    /// Domain of the user.
    #[arg(long, env = "OS_USER_DOMAIN_NAME", default_value = "Default", global = true)]
    pub os_user_domain_name: String,
    /// Project.
    #[arg(long, env = "OS_PROJECT_NAME", global = true)]
    pub os_project_name: Option<String>,
    /// Domain of the project.
    #[arg(long, env = "OS_PROJECT_DOMAIN_NAME", default_value = "Default", global = true)]
    pub os_project_domain_name: String,
    /// `all` for a token of the whole cloud instead of a project's.
    #[arg(long, env = "OS_SYSTEM_SCOPE", global = true)]
    pub os_system_scope: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Physical servers (administrators).
    #[command(subcommand)]
    Node(Node),
    /// Tenants' servers.
    #[command(subcommand)]
    Server(Server),
    /// Images.
    #[command(subcommand)]
    Image(super::image::Command),
    /// Flavors, with the servers they take.
    #[command(subcommand)]
    Flavor(super::flavor::Command),
    /// Pools: rules that give inspected servers their resource class (administrators).
    #[command(subcommand)]
    Pool(super::pool::Command),
    /// Tenants' networks.
    #[command(subcommand)]
    Network(Network),
    /// Rack agents (administrators).
    #[command(subcommand)]
    Agent(Agent),
    /// What happened.
    Events {
        /// Go on printing what happens.
        #[arg(short, long)]
        follow: bool,
        /// Only of this physical server, by name or id.
        #[arg(long)]
        node: Option<String>,
    },
    /// Print a shell's completion script.
    #[command(after_help = "Example: bmsctl completion bash > /etc/bash_completion.d/bmsctl")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Waiting for the end.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Wait {
    /// Wait for the end and show the progress.
    #[arg(short, long)]
    pub wait: bool,
    /// Give up waiting after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    pub timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (1..=86400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a whole number of seconds from 1 to 86400".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub enum Node {
    /// List them.
    List,
    /// Show one with its ports and hardware.
    Show {
        /// Name or id.
        node: String,
    },
    /// Enroll the servers of a file (Contrail's server import format, YAML or JSON).
    #[command(
        after_help = "Example: bmsctl node import rack1.yaml --rack rack1\n\nThe file is taken as a whole or not at all."
    )]
    Import {
        /// The file, or - for standard input.
        file: PathBuf,
        /// The rack of servers for which the file names none.
        #[arg(long, default_value = "rack1")]
        rack: String,
        /// Resource class of servers for which the file names none.
        #[arg(long, default_value = "baremetal")]
        resource_class: String,
        /// Check the file, change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Verify the BMC: enroll -> manageable.
    Manage(Nodes),
    /// Look at the hardware.
    Inspect(Nodes),
    /// Clean, then make available.
    Provide(Nodes),
    /// Stop what waits for a ramdisk.
    Abort(Nodes),
    /// Forget servers; a deployed one is refused.
    Delete(Nodes),
}

/// Some nodes.
#[derive(Debug, clap::Args)]
pub struct Nodes {
    /// Names or ids.
    #[arg(required = true)]
    pub nodes: Vec<String>,
    #[command(flatten)]
    pub wait: Wait,
}

#[derive(Debug, Subcommand)]
pub enum Server {
    /// List them.
    List,
    /// Show one.
    Show {
        /// Name or id.
        server: String,
    },
    /// Get a physical server: a flavor, an image, a network.
    #[command(
        after_help = "Example: bmsctl server create web1 --flavor metal --image demo --network blue --wait"
    )]
    Create {
        /// Its name.
        name: String,
        /// Flavor, by name or id.
        #[arg(long)]
        flavor: String,
        /// Image, by name or id.
        #[arg(long)]
        image: String,
        /// Network, by name or id.
        #[arg(long)]
        network: String,
        /// Nova key pair.
        #[arg(long)]
        key_name: Option<String>,
        /// File with user data.
        #[arg(long)]
        user_data: Option<PathBuf>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Switch on, on the tenant's network.
    Start(OneServer),
    /// Switch off; the server leaves the network.
    Stop(OneServer),
    /// Restart.
    Reboot(OneServer),
    /// Give it back; it is cleaned before anybody else gets it.
    Delete(OneServer),
}

/// One server.
#[derive(Debug, clap::Args)]
pub struct OneServer {
    /// Name or id.
    pub server: String,
    #[command(flatten)]
    pub wait: Wait,
}

#[derive(Debug, Subcommand)]
pub enum Network {
    /// List them.
    List,
    /// Make one with a subnet.
    #[command(after_help = "Example: bmsctl network create blue --subnet 192.0.2.0/24")]
    Create {
        /// Its name.
        name: String,
        /// Its IPv4 subnet.
        #[arg(long)]
        subnet: String,
    },
    /// Delete one that nothing uses.
    Delete {
        /// Name or id.
        network: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// List them.
    List,
}

/// Prints the completion script.
pub fn print_completion(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Args::command(), "bmsctl", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
