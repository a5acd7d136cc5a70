//! Values: what can be typed after `bmsctl`.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use api_types::{HardwareHealth, PowerState};

use super::{
    attachment::Attachment,
    since::{Moment, moment},
};

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
    /// The coordinator's address and the login.
    #[command(flatten, next_help_heading = "Connection")]
    pub connection: Connection,
    /// Output format.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    Table,
    /// The API's answer as JSON.
    Json,
}

/// The coordinator's address and the login.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// URL of the coordinator.
    #[arg(long, env = "BMS_URL", default_value = "https://127.0.0.1:22020", global = true)]
    pub url: String,
    /// CA certificate (PEM) of the coordinator; without it the system's CAs are trusted.
    #[arg(long, env = "BMS_CACERT", global = true)]
    pub cacert: Option<PathBuf>,
    /// URL of Keystone.
    #[arg(long, env = "OS_AUTH_URL", global = true)]
    pub os_auth_url: Option<String>,
    /// User name.
    #[arg(long, env = "OS_USERNAME", global = true)]
    pub os_username: Option<String>,
    /// The user's domain.
    #[arg(long, env = "OS_USER_DOMAIN_NAME", default_value = "Default", global = true)]
    pub os_user_domain_name: String,
    /// Project name.
    #[arg(long, env = "OS_PROJECT_NAME", global = true)]
    pub os_project_name: Option<String>,
    /// The project's domain.
    #[arg(long, env = "OS_PROJECT_DOMAIN_NAME", default_value = "Default", global = true)]
    pub os_project_domain_name: String,
    /// `all` for a system-scoped token instead of a project-scoped one.
    #[arg(long, env = "OS_SYSTEM_SCOPE", global = true)]
    pub os_system_scope: Option<String>,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enroll, inspect, clean and control physical servers (administrators).
    #[command(subcommand)]
    Node(NodeCommand),
    /// Change and show the passwords of nodes' BMCs (administrators).
    #[command(subcommand)]
    Bmc(super::bmc::Command),
    /// Create and control a project's servers.
    #[command(subcommand)]
    Server(ServerCommand),
    /// List, upload and delete images.
    #[command(subcommand)]
    Image(super::image::Command),
    /// List, create and delete flavors.
    #[command(subcommand)]
    Flavor(super::flavor::Command),
    /// Manage pools: rules that give inspected servers their resource class (administrators).
    #[command(subcommand)]
    Pool(super::pool::Command),
    /// List, create and delete networks.
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Find machines that are not enrolled yet, and enroll them (administrators).
    #[command(subcommand)]
    Discovery(super::discovery::Command),
    /// Show which firmware nodes have, and where nodes of one model differ (administrators).
    #[command(subcommand)]
    Firmware(super::firmware::Command),
    /// Show rack agents and revoke their certificates (administrators).
    #[command(subcommand)]
    Agent(AgentCommand),
    /// List, export and verify certificates of erased disks (administrators; verify works offline).
    #[command(subcommand)]
    Certificate(super::certificate::Command),
    /// Show who requested which change (administrators).
    #[command(subcommand)]
    Audit(super::audit::Command),
    /// Show the serial console of a node, or of a project's server, and type at it; ~. at the beginning of a line leaves it. With --log,
    /// print what was recorded of it.
    #[command(
        after_help = "Keys, at the beginning of a line only:\n  ~.  leave the console\n  ~B  send a break\n  ~W  take the keyboard from whoever has it (written down in the audit)\n  ~~  the character ~\n  ~?  show the keys\n\nExamples:\n  bmsctl console srv1\n  bmsctl console srv1 --watch\n  bmsctl console web1 --server\n  bmsctl console srv1 --log --since 2h --grep panic\n  bmsctl console web1 --server --log --tail 100 --follow"
    )]
    Console(Console),
    /// Show how a node's last boots over the network went: what was seen and when, what is missing first, and what to do (administrators).
    #[command(after_help = "Example: bmsctl why srv1 --last 3")]
    Why(Why),
    /// Show events: a project sees those of its own servers, administrators see all.
    Events(Events),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: bmsctl completion bash > /etc/bash_completion.d/bmsctl")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Whose console, and how.
#[derive(Debug, clap::Args)]
pub struct Console {
    /// Name or id of a node (administrators); with --server of a project's server.
    pub name: String,
    /// It is a project's server.
    #[arg(long)]
    pub server: bool,
    /// Only look; the keyboard is left to others.
    #[arg(long, conflicts_with = "log")]
    pub watch: bool,
    /// Print what was recorded of it (where the rack's agent records), each line with its time.
    #[arg(long)]
    pub log: bool,
    /// Only what was printed since then: a time such as 2026-11-30T08:00:00Z, or how long ago, such as 2h or 30m.
    #[arg(long, requires = "log", value_parser = moment)]
    pub since: Option<Moment>,
    /// Only what was printed before then, in the same words.
    #[arg(long, requires = "log", value_parser = moment)]
    pub until: Option<Moment>,
    /// Of those only the last so many lines.
    #[arg(long, requires = "log", value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub tail: Option<u32>,
    /// Only lines with this text in them, whatever their case.
    #[arg(long, requires = "log", value_name = "TEXT")]
    pub grep: Option<String>,
    /// Keep running and print what comes.
    #[arg(short, long, requires = "log", conflicts_with = "until")]
    pub follow: bool,
}

/// Whose boots.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// Name or id of a node.
    pub node: String,
    /// Show so many boots, the newest last.
    #[arg(long, value_name = "BOOTS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub last: u8,
}

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Keep running and print new events as they happen.
    #[arg(short, long)]
    pub follow: bool,
    /// Only events of this physical server, by name or id (administrators).
    #[arg(long)]
    pub node: Option<String>,
    /// Only events of this project's server, by name or id.
    #[arg(long)]
    pub server: Option<String>,
}

/// Waiting for completion.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Wait {
    /// Wait until it is done and show the progress.
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
pub enum NodeCommand {
    /// List nodes.
    #[command(after_help = "Example: bmsctl node list --state clean-failed,error --rack rack1 --sort -since")]
    List(NodeFilter),
    /// Show a node with its ports and hardware.
    Show {
        /// Name or id.
        node: String,
        /// Show each port move: the expected network, the network read back, and where the port was heard.
        #[arg(long)]
        proof: bool,
    },
    /// Show the history of a node.
    History {
        /// Name or id.
        node: String,
        /// Show at most this many events, the newest ones.
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
    /// Write all nodes to a file that `node import` accepts, without passwords.
    #[command(after_help = "Example: bmsctl node export --format csv > servers.csv")]
    Export {
        /// File format.
        #[arg(long, value_enum, default_value = "yaml")]
        format: FileFormat,
        /// Only nodes in this rack.
        #[arg(long)]
        rack: Option<String>,
    },
    /// Enroll the servers in a file (Contrail's server import format), or update those already enrolled.
    #[command(
        after_help = "Example: bmsctl node import rack1.yaml --rack rack1 --dry-run\n\nThe file is imported as a whole or \
            not at all. \
        Enrolled servers are recognised by name, or else by MAC address. The password <keep> keeps the stored one."
    )]
    Import {
        /// The file, or - for standard input.
        file: PathBuf,
        /// Rack of the servers for which the file names none.
        #[arg(long, default_value = "rack1")]
        rack: String,
        /// Resource class of servers for which the file names none.
        #[arg(long, default_value = "baremetal")]
        resource_class: String,
        /// Check the file and show what would change; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Allow the file to change the BMC of a server in use. Otherwise such a file is refused.
        #[arg(long)]
        bmc_of_servers_in_use: bool,
        /// File format; by default taken from the file name (.yaml, .json, .csv).
        #[arg(long, value_enum)]
        format: Option<FileFormat>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Adopt the running servers in a file without changing their power, disks or ports.
    Adopt(super::brownfield::Adopt),
    /// List contradictions between Ironic, Nova, Contrail and the observed state; changes nothing.
    Survey(super::brownfield::SurveyOf),
    /// Verify the BMC: enroll -> manageable.
    Manage(Nodes),
    /// Inspect the hardware: manageable -> manageable.
    Inspect(Nodes),
    /// Clean nodes and make them available: manageable -> available.
    Provide(Nodes),
    /// Abort a step that waits for the ramdisk.
    Abort(Nodes),
    /// Run clean steps manually: manageable -> manageable.
    #[command(after_help = "Example: bmsctl node clean srv1 --step erase_devices_metadata --wait")]
    Clean {
        #[command(flatten)]
        nodes: Nodes,
        /// Clean step: erase_devices_metadata or erase_devices. Can be repeated; the steps run in the given order.
        #[arg(long = "step", required = true)]
        steps: Vec<String>,
    },
    /// Show why nodes are not well: each sensor and log entry that says so.
    #[command(after_help = "Example: bmsctl node health srv1\n\nWithout a node: all nodes that are not ok.")]
    Health {
        /// Name or id; without one, all nodes that are not ok.
        node: Option<String>,
    },
    /// List a node's sensors and its power draw, as its agent read them last.
    Sensors {
        /// Name or id.
        node: String,
        /// Only sensors that are not well.
        #[arg(long, conflicts_with = "history")]
        bad: bool,
        /// How one of them, by name or key, or power-draw, has moved within a day.
        #[arg(long, value_name = "NAME")]
        history: Option<String>,
    },
    /// Show a node's event log, and acknowledge what is dealt with.
    #[command(subcommand)]
    Sel(super::health::Sel),
    /// Show the disks that a clean must erase, and exclude or include them.
    #[command(subcommand)]
    Disk(super::disk::Disk),
    /// Put nodes into or out of maintenance (a reason is required).
    #[command(subcommand)]
    Maintenance(Maintenance),
    /// Power nodes on or off, or reboot them, if their provision state allows it.
    #[command(subcommand)]
    Power(Power),
    /// Show how BMCs answer, accept a changed BMC, retry a refused BMC login now, or keep the list of factory passwords.
    #[command(subcommand)]
    Bmc(Bmc),
    /// Take servers back from their projects; they are cleaned and become available.
    Reclaim(Nodes),
    /// Delete nodes from the inventory and from Ironic; a deployed node is refused.
    Delete(Nodes),
}

#[derive(Debug, Subcommand)]
pub enum Maintenance {
    /// Put nodes into maintenance.
    On {
        #[command(flatten)]
        nodes: Nodes,
        /// Why the nodes are in maintenance; shown to everyone who looks at them.
        #[arg(long)]
        reason: String,
    },
    /// Take nodes out of maintenance.
    Off(Nodes),
}

#[derive(Debug, Subcommand)]
pub enum Bmc {
    /// Show how the BMCs answer: whether, how fast, how often not, and why not.
    #[command(after_help = "Examples:\n  bmsctl node bmc health\n  bmsctl node bmc health srv1")]
    Health {
        /// Names or ids; none: all nodes.
        nodes: Vec<String>,
    },
    /// Accept the BMCs that now answer for these nodes: their board or BMC was replaced, or their identity cannot be proved
    /// otherwise.
    #[command(after_help = "Example: bmsctl node bmc accept srv1")]
    Accept(Nodes),
    /// Retry a refused BMC login of these nodes now instead of after the pause.
    #[command(after_help = "Example: bmsctl node bmc retry srv1")]
    Retry(Nodes),
    /// Import, list and remove the passwords that BMCs have from their factory.
    #[command(subcommand)]
    FactoryPasswords(super::factory_passwords::Command),
}

#[derive(Debug, Subcommand)]
pub enum Power {
    /// Power on.
    On(Nodes),
    /// Power off immediately.
    Off(Nodes),
    /// Power off, then on again.
    Reboot(Nodes),
}

/// The format of a file of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    Yaml,
    Json,
    Csv,
}

/// Which nodes to list, and in which order.
#[derive(Debug, clap::Args)]
pub struct NodeFilter {
    /// Provision states, separated by commas, such as available or clean-failed.
    #[arg(long)]
    pub state: Option<String>,
    /// Rack.
    #[arg(long)]
    pub rack: Option<String>,
    /// Power: on, off, unreachable or unknown.
    #[arg(long)]
    pub power: Option<PowerState>,
    /// Health of the hardware: ok, warning, critical or unknown.
    #[arg(long)]
    pub health: Option<HardwareHealth>,
    /// Only nodes that this flavor selects.
    #[arg(long)]
    pub flavor: Option<String>,
    /// Resource class.
    #[arg(long)]
    pub resource_class: Option<String>,
    /// Only deployed nodes; `--deployed=false`: only nodes that are not deployed.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub deployed: Option<bool>,
    /// Only nodes in maintenance; `--maintenance=false`: only nodes that are not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub maintenance: Option<bool>,
    /// Sort by name, state, rack, power, class or since; a leading - reverses the order.
    #[arg(long, allow_hyphen_values = true)]
    pub sort: Option<String>,
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
pub enum ServerCommand {
    /// List servers.
    List,
    /// Show a server.
    Show {
        /// Name or id.
        server: String,
    },
    /// Create a server on a physical machine from a flavor, an image and one or more networks.
    #[command(
        after_help = "Examples:\n  bmsctl server create web1 --flavor metal --image demo --network blue --wait\n  bmsctl server create db1 --flavor metal-2 --image demo --network blue=192.0.2.50 --network green:vlan=100 --security-group db"
    )]
    Create {
        /// Name.
        name: String,
        /// Flavor, by name or id.
        #[arg(long)]
        flavor: String,
        /// Image, by name or id.
        #[arg(long)]
        image: String,
        /// Network, by name or id, optionally with a fixed address and a VLAN tag. Give it once for each network interface;
        /// the first is attached to the interface that boots from the network.
        #[arg(long = "network", required = true, value_name = "NETWORK[=ADDRESS][:vlan=TAG]")]
        networks: Vec<Attachment>,
        /// Security group, by name or id; can be repeated.
        #[arg(long = "security-group", value_name = "GROUP")]
        security_groups: Vec<String>,
        /// Nova key pair.
        #[arg(long)]
        key_name: Option<String>,
        /// File with user data.
        #[arg(long)]
        user_data: Option<PathBuf>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Start a stopped server on its own networks.
    Start(OneServer),
    /// Shut a server down; its ports leave the network until it is started.
    Stop {
        #[command(flatten)]
        server: OneServer,
        /// Power off without shutting down the operating system.
        #[arg(long)]
        hard: bool,
    },
    /// Reboot a server by a hardware reset.
    Reboot {
        #[command(flatten)]
        server: OneServer,
        /// Power off, then on again.
        #[arg(long)]
        hard: bool,
    },
    /// Rebuild a server from an image; its disk is overwritten, its id and addresses are kept.
    #[command(after_help = "Example: bmsctl server rebuild web1 --image debian-13 --wait")]
    Rebuild {
        #[command(flatten)]
        server: OneServer,
        /// Image, by name or id.
        #[arg(long)]
        image: String,
    },
    /// Boot a rescue system on the server's own networks; log in as `rescue` to repair its disks.
    #[command(
        after_help = "Example: bmsctl server rescue web1 --wait, then ssh rescue@ADDRESS with the password that was \
            printed.\nThe disks are neither changed nor mounted. `bmsctl server unrescue web1 --wait` boots from the \
            server's disk again."
    )]
    Rescue {
        #[command(flatten)]
        server: OneServer,
        /// File whose first line is the password; `-` for standard input. By default a password is generated and printed once.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// End the rescue: boot from the server's disk again.
    Unrescue(OneServer),
    /// Delete a server; its machine is cleaned before anyone else gets it.
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
pub enum NetworkCommand {
    /// List networks.
    List,
    /// Create a network with a subnet.
    #[command(after_help = "Example: bmsctl network create blue --subnet 192.0.2.0/24")]
    Create {
        /// Name.
        name: String,
        /// Its IPv4 subnet.
        #[arg(long)]
        subnet: String,
    },
    /// Show a network with its addresses: which are in use, by whom, and how many are free.
    Show {
        /// Name or id.
        network: String,
    },
    /// Delete an unused network.
    Delete {
        /// Name or id.
        network: String,
    },
    /// Create the provisioning and cleaning networks and the security group of their ports (administrators).
    #[command(after_help = "Can be run again: existing objects are kept, and differences are corrected.")]
    Setup,
}

#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// List agents.
    List,
    /// Show an agent and all certificates issued to its rack.
    Show {
        /// Its rack.
        rack: String,
    },
    /// Revoke the certificates of a rack: its agent is disconnected at once and cannot connect again until it has a new
    /// certificate.
    #[command(
        after_help = "Can be run again. If a key may have been copied: run bms-coordinator issue-agent --rack RACK --out \
                      DIR, put the files on the rack's host, restart the agent, then revoke the old certificate by its \
                      fingerprint."
    )]
    Revoke {
        /// The rack.
        rack: String,
        /// Only the certificate with this fingerprint (SHA-256, 64 hexadecimal digits).
        #[arg(long)]
        fingerprint: Option<String>,
    },
}

/// Prints the completion script.
pub fn print_completion(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "bmsctl", &mut script);
    super::output::file(String::from_utf8_lossy(&script).trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
