//! Values: what can be typed after `bmsctl`.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::attachment::Attachment;

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
    /// Servers that nobody has enrolled yet (administrators).
    #[command(subcommand)]
    Discovery(super::discovery::Command),
    /// Rack agents (administrators).
    #[command(subcommand)]
    Agent(Agent),
    /// Who asked for which change (administrators).
    #[command(subcommand)]
    Audit(super::audit::Command),
    /// What happened: to a project's own servers, for administrators to all.
    Events(Events),
    /// Print a shell's completion script.
    #[command(after_help = "Example: bmsctl completion bash > /etc/bash_completion.d/bmsctl")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Go on printing what happens.
    #[arg(short, long)]
    pub follow: bool,
    /// Only of this physical server, by name or id (administrators).
    #[arg(long)]
    pub node: Option<String>,
    /// Only of this tenant's server, by name or id.
    #[arg(long)]
    pub server: Option<String>,
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
    /// List them, deployed and available.
    #[command(after_help = "Example: bmsctl node list --state clean-failed,error --rack rack1 --sort -since")]
    List(NodeFilter),
    /// Show one with its ports and hardware.
    Show {
        /// Name or id.
        node: String,
        /// Show where its ports were put, what was read back, and what was heard of them.
        #[arg(long)]
        proof: bool,
    },
    /// Show what happened to one, with times.
    History {
        /// Name or id.
        node: String,
        /// Most events, the newest ones.
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
    /// Write all servers as a file that `node import` takes, without passwords.
    #[command(after_help = "Example: bmsctl node export --format csv > servers.csv")]
    Export {
        /// How to write it.
        #[arg(long, value_enum, default_value = "yaml")]
        format: FileFormat,
        /// Only of this rack.
        #[arg(long)]
        rack: Option<String>,
    },
    /// Enroll the servers of a file (Contrail's server import format), or bring them to what it says.
    #[command(
        after_help = "Example: bmsctl node import rack1.yaml --rack rack1 --dry-run\n\nThe file is taken as a whole or not at all. \
        Servers are recognised by name, and else by MAC address. The password <keep> is the stored one."
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
        /// Check the file and show what would change; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// The BMC of a server in use may change: it is meant. Such a file is refused otherwise.
        #[arg(long)]
        bmc_of_servers_in_use: bool,
        /// How the file is written; by its name (.yaml, .json, .csv) when not given.
        #[arg(long, value_enum)]
        format: Option<FileFormat>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Adopt the running servers of a file without touching their power, disks or ports.
    Adopt(super::brownfield::Adopt),
    /// List contradictions between Ironic, Nova, Contrail and what was seen; change nothing.
    Survey(super::brownfield::SurveyOf),
    /// Verify the BMC: enroll -> manageable.
    Manage(Nodes),
    /// Look at the hardware.
    Inspect(Nodes),
    /// Clean, then make available.
    Provide(Nodes),
    /// Stop what waits for a ramdisk.
    Abort(Nodes),
    /// Clean by hand: manageable -> manageable.
    #[command(after_help = "Example: bmsctl node clean srv1 --step erase_devices_metadata --wait")]
    Clean {
        #[command(flatten)]
        nodes: Nodes,
        /// A step of the ramdisk, erase_devices_metadata or erase_devices; may be given several times, done in order.
        #[arg(long = "step", required = true)]
        steps: Vec<String>,
    },
    /// The disks that a clean accounts for.
    #[command(subcommand)]
    Disk(super::disk::Disk),
    /// Let Ironic keep its hands off servers, with a reason.
    #[command(subcommand)]
    Maintenance(Maintenance),
    /// Switch servers on and off, as their states allow.
    #[command(subcommand)]
    Power(Power),
    /// Ask the servers' BMCs now, or say whose they are.
    #[command(subcommand)]
    Bmc(Bmc),
    /// Take servers away from their tenants; they are cleaned and become available.
    Reclaim(Nodes),
    /// Forget servers; a deployed one is refused.
    Delete(Nodes),
}

#[derive(Debug, Subcommand)]
pub enum Maintenance {
    /// Begin it.
    On {
        #[command(flatten)]
        nodes: Nodes,
        /// Why, for whoever finds them so.
        #[arg(long)]
        reason: String,
    },
    /// End it.
    Off(Nodes),
}

#[derive(Debug, Subcommand)]
pub enum Bmc {
    /// What answers as the BMC of these servers is their own: board or BMC was replaced, or nothing else can prove it.
    #[command(after_help = "Example: bmsctl node bmc accept srv1")]
    Accept(Nodes),
    /// Ask the BMCs of these servers now: the agent tries a refused log-in once more, whatever pause it is in.
    #[command(after_help = "Example: bmsctl node bmc retry srv1")]
    Retry(Nodes),
}

#[derive(Debug, Subcommand)]
pub enum Power {
    /// Switch on.
    On(Nodes),
    /// Switch off.
    Off(Nodes),
    /// Off, and on again.
    Reboot(Nodes),
}

/// How a file of servers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    Yaml,
    Json,
    Csv,
}

/// Which servers, and in which order.
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
    pub power: Option<String>,
    /// The servers that this flavor asks for.
    #[arg(long)]
    pub flavor: Option<String>,
    /// Resource class.
    #[arg(long)]
    pub resource_class: Option<String>,
    /// With a tenant's server on it; `--deployed=false`: without.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub deployed: Option<bool>,
    /// In maintenance; `--maintenance=false`: not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub maintenance: Option<bool>,
    /// By name, state, rack, power, class or since; with - before it the other way round.
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
pub enum Server {
    /// List them.
    List,
    /// Show one.
    Show {
        /// Name or id.
        server: String,
    },
    /// Get a physical server: a flavor, an image, one or more networks.
    #[command(
        after_help = "Examples:\n  bmsctl server create web1 --flavor metal --image demo --network blue --wait\n  bmsctl server create db1 --flavor metal-2 --image demo --network blue=192.0.2.50 --network green:vlan=100 --security-group db"
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
        /// Network, by name or id, with the address to have there and a VLAN tag if wanted. Once for each network interface;
        /// the first is for the one that boots from the network.
        #[arg(long = "network", required = true, value_name = "NETWORK[=ADDRESS][:vlan=TAG]")]
        networks: Vec<Attachment>,
        /// Security group, by name or id; may be given several times.
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
    /// Switch on, on the tenant's network.
    Start(OneServer),
    /// Let its system shut down; the server leaves the network.
    Stop {
        #[command(flatten)]
        server: OneServer,
        /// Switch off without asking its system.
        #[arg(long)]
        hard: bool,
    },
    /// Restart it by its reset line.
    Reboot {
        #[command(flatten)]
        server: OneServer,
        /// Off, and on again.
        #[arg(long)]
        hard: bool,
    },
    /// Write an image onto it anew; its disk is lost, its id and its address stay.
    #[command(after_help = "Example: bmsctl server rebuild web1 --image debian-13 --wait")]
    Rebuild {
        #[command(flatten)]
        server: OneServer,
        /// Image, by name or id.
        #[arg(long)]
        image: String,
    },
    /// Boot a rescue system on the server's own networks, to log in as `rescue` and repair its disks.
    #[command(
        after_help = "Example: bmsctl server rescue web1 --wait, then ssh rescue@ADDRESS with the password that was printed.\nNothing of the disks is changed or mounted. `bmsctl server unrescue web1 --wait` boots its own disk again."
    )]
    Rescue {
        #[command(flatten)]
        server: OneServer,
        /// File whose first line is the password; `-` for standard input. Without it one is made and printed once.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Boot its own disk again.
    Unrescue(OneServer),
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
    /// Show one with its addresses: which are in use, by whom, and how many are left.
    Show {
        /// Name or id.
        network: String,
    },
    /// Delete one that nothing uses.
    Delete {
        /// Name or id.
        network: String,
    },
    /// Make the provisioning and the cleaning network with the security group of their ports (administrators).
    #[command(after_help = "Can be repeated: what is there is found, what differs is corrected.")]
    Setup,
}

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// List them.
    List,
    /// Show one, with the certificates that its rack was given.
    Show {
        /// Its rack.
        rack: String,
    },
    /// Revoke the certificates of a rack: its agent's stream ends at once, and it is not let in again until it is issued a new one.
    #[command(
        after_help = "Can be repeated. To follow a key that may have been copied: bms-coordinator issue-agent --rack RACK --out DIR, \
                            put the files on the rack's host, start the agent, then revoke the old certificate by its fingerprint."
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
