//! Values: what can be typed after `bms-agent bmc`.

mod changes;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use protocol::boot::{BootDevice, BootMode, Persistence};

pub use self::changes::{
    BiosVerb, FirmwareVerb, Keys, ManagerVerb, Media, MediaVerb, PowerLimitVerb, Restore, RestoreVerb,
    SecureBootVerb,
};

const EXAMPLES: &str = "\
Examples:
  bms-agent bmc -H 192.0.2.7 -U admin --password-file pw power status
  bms-agent bmc -H 192.0.2.7 probe
  bms-agent bmc -H 192.0.2.7 sensors --bad
  bms-agent bmc -H 192.0.2.7 sel list --last 20
  bms-agent bmc -H 192.0.2.7 boot set pxe --uefi
  bms-agent bmc -H 192.0.2.7 sol
  bms-agent bmc -H 192.0.2.7 --by redfish firmware list
  bms-agent bmc --hosts rack1.txt --json health
  bms-agent bmc --hosts rack1.txt --rounds 100 --at-once 64 power status

The password is taken from --password-file, or from BMS_BMC_PASSWORD, or asked for on the terminal; never from an argument.
A file of hosts has one BMC a line: ADDRESS[:PORT] [name=NAME] [user=USER] [password-file=FILE] [by=ipmi|redfish]; # begins a comment.

Exit status: 0 done; 1 a BMC refused or was not understood; 2 the command line or a file is wrong; 3 a BMC does not answer;
4 a BMC does not accept user or password; 130 interrupted. Of several BMCs the highest counts.";

/// The options that every verb has.
const HOW: &str = "Which BMCs, and how";

/// Ask and tell BMCs directly, without a coordinator.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, next_help_heading = HOW)]
pub struct BmcArgs {
    /// Which BMCs, and how.
    #[command(flatten)]
    pub whom: Whom,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Which BMCs, and how they are asked.
#[derive(Debug, Args)]
pub struct Whom {
    /// A BMC's address or name, with its port if that is not the usual one.
    #[arg(short = 'H', long, global = true, value_name = "ADDRESS[:PORT]", conflicts_with = "hosts")]
    pub host: Option<String>,
    /// A file with one BMC a line.
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// User, where the file of hosts names none.
    #[arg(short = 'U', long, global = true, env = "BMS_BMC_USER", default_value = "admin")]
    pub user: String,
    /// File whose first line is the password.
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Which protocol.
    #[arg(long, global = true, value_enum, default_value = "ipmi")]
    pub by: By,
    /// Redfish: SHA-256 of the BMC's certificate, hexadecimal. Without it the system's authorities are trusted.
    #[arg(long, global = true, value_name = "HEX")]
    pub certificate_sha256: Option<String>,
    /// Redfish: plain HTTP instead of HTTPS.
    #[arg(long, global = true)]
    pub http: bool,
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    pub json: bool,
    /// Ask each BMC so many times, and print rate, latencies and failures instead of the answers.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: Option<u32>,
    /// How many BMCs are asked at the same time.
    #[arg(long, global = true, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub at_once: u16,
    /// How often a question is put before the BMC counts as silent. The first wait is 1 s, each later one half as long again.
    #[arg(long, global = true, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub tries: u32,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// IPMI 2.0 over LAN.
    Ipmi,
    /// Redfish.
    Redfish,
}

/// Examples of one verb, and where the other options are described.
macro_rules! examples {
    ($($line:literal),+) => {
        concat!("Examples:\n", $("  bms-agent bmc -H 192.0.2.7 ", $line, "\n",)+ "\nOptions of all verbs, and how a password is given: bms-agent bmc --help")
    };
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Read or switch the power.
    #[command(after_help = examples!["power", "power on", "--by redfish power cycle"])]
    Power {
        /// What to do with it.
        #[arg(value_enum, default_value = "status")]
        action: PowerAction,
    },
    /// Read or set where the next boot looks first.
    #[command(subcommand, after_help = examples!["boot get", "boot set pxe --uefi"])]
    Boot(BootVerb),
    /// The system event log.
    #[command(subcommand, after_help = examples!["sel list --last 20", "sel clear", "--by redfish sel list --log Audit"])]
    Sel(SelVerb),
    /// All sensors with their readings, states and limits.
    #[command(after_help = examples!["sensors", "--by redfish sensors --bad"])]
    Sensors {
        /// Only those that are not as they should be.
        #[arg(long)]
        bad: bool,
    },
    /// The inventories of the server and its parts.
    Fru,
    /// Who the BMC is and what it manages: maker, product, serial numbers, firmware, addresses, power draw; by Redfish the parts too.
    #[command(after_help = examples!["inventory", "--by redfish --json inventory"])]
    Inventory,
    /// Whether anything is wrong with the server, in one word and its reasons.
    Health,
    /// Users of the BMC.
    #[command(subcommand, after_help = examples!["users list", "users set-password 4", "--by redfish users create backup operator"])]
    Users(UsersVerb),
    /// The light that shows which server it is.
    #[command(after_help = examples!["identify on", "identify on --seconds 30", "identify off"])]
    Identify {
        /// On or off.
        #[arg(value_enum)]
        light: Light,
        /// For how long, in seconds; without it until it is switched off. By Redfish it is always on until then.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
        seconds: Option<u8>,
    },
    /// The server's serial console on this terminal, until `~.` is typed at the beginning of a line; `~?` lists the other keys.
    #[command(after_help = examples!["sol", "sol --watch"])]
    Sol {
        /// Take the console from whoever has it.
        #[arg(long)]
        take_over: bool,
        /// Only look; nothing is sent.
        #[arg(long)]
        watch: bool,
    },
    /// Which BMC answers, what it offers, which of its quirks are heeded, and which ways of logging in it takes.
    #[command(after_help = examples!["probe", "--by redfish probe"])]
    Probe,
    /// Firmware: what there is, and its update. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish firmware list", "--by redfish firmware update bmc.bin --target BMC"])]
    Firmware(FirmwareVerb),
    /// Settings of the server's firmware. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish bios get", "--by redfish bios set LogicalProc=Disabled"])]
    Bios(BiosVerb),
    /// Virtual media: an image that the server sees as a CD or a USB stick. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish media list", "--by redfish media insert https://192.0.2.1/rescue.iso"])]
    Media(MediaVerb),
    /// Secure Boot and its keys. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish secureboot status", "--by redfish secureboot reset-keys default"])]
    Secureboot(SecureBootVerb),
    /// Send the processor an interrupt that nothing masks: an operating system may write a crash dump then.
    #[command(after_help = examples!["nmi"])]
    Nmi,
    /// The BMC itself: its clock, its restart, its certificates. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish manager show", "--by redfish manager reset"])]
    Manager(ManagerVerb),
    /// What the server draws, and may draw at most. By Redfish.
    #[command(subcommand, after_help = examples!["--by redfish power-limit show", "--by redfish power-limit set 500"])]
    PowerLimit(PowerLimitVerb),
    /// What the server does when its power comes back.
    #[command(subcommand, after_help = examples!["power-restore get", "power-restore set off"])]
    PowerRestore(RestoreVerb),
}

/// What to do with the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PowerAction {
    /// Read it.
    Status,
    /// On; done when it is read as on.
    On,
    /// Off at once; done when it is read as off.
    Off,
    /// Ask the operating system to switch off.
    Soft,
    /// Restart at once.
    Reset,
    /// Off at once, and on again.
    Cycle,
}

/// Reads or sets where the next boot looks first.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum BootVerb {
    /// Read it.
    Get,
    /// Set it, and read it back.
    Set {
        /// Where to look first.
        #[arg(value_enum)]
        device: Device,
        /// For all boots; otherwise for the next one.
        #[arg(long)]
        persistent: bool,
        /// UEFI; otherwise legacy BIOS.
        #[arg(long)]
        uefi: bool,
    },
}

impl BootVerb {
    /// What is set; none: it is read.
    pub fn wanted(self) -> Option<(BootDevice, Persistence, BootMode)> {
        let BootVerb::Set { device, persistent, uefi } = self else { return None };
        let device = match device {
            Device::Pxe => BootDevice::Pxe,
            Device::Disk => BootDevice::Disk,
        };
        let persistence = if persistent { Persistence::Persistent } else { Persistence::Once };
        Some((device, persistence, if uefi { BootMode::Uefi } else { BootMode::Bios }))
    }
}

/// A boot device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The network.
    Pxe,
    /// The first disk.
    Disk,
}

/// The system event log.
#[derive(Clone, Debug, Subcommand)]
pub enum SelVerb {
    /// Its records, in words.
    List {
        /// Only the newest so many.
        #[arg(long)]
        last: Option<usize>,
        /// By Redfish: of this log; otherwise that of hardware events.
        #[arg(long)]
        log: Option<String>,
    },
    /// How full it is, and its clock.
    Info,
    /// Remove all records.
    Clear,
    /// Set its clock to this machine's.
    SetTime,
}

/// Users of the BMC.
#[derive(Clone, Debug, Subcommand)]
pub enum UsersVerb {
    /// All users with a name or a right.
    List,
    /// Let a user log in.
    Enable {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
    },
    /// Let a user log in no longer.
    Disable {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
    },
    /// Name a user.
    SetName {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
        /// The name, at most 16 bytes.
        name: String,
    },
    /// Give a user another password, and ask the BMC whether it has it.
    SetPassword {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
        /// File whose first line is the new password; without it BMS_BMC_NEW_PASSWORD, or asked for on the terminal.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Make a user that may log in. By Redfish; by IPMI users have numbers, and are named.
    Create {
        /// The name.
        name: String,
        /// How much it may do.
        #[arg(value_enum)]
        privilege: Level,
        /// File whose first line is the password; without it BMS_BMC_NEW_PASSWORD, or asked for on the terminal.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Remove a user. By Redfish; by IPMI it is disabled.
    Remove {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
    },
    /// Say how much a user may do.
    SetPrivilege {
        /// The user's number or name.
        #[arg(id = "whose", value_name = "NUMBER|NAME")]
        user: String,
        /// How much.
        #[arg(value_enum)]
        privilege: Level,
    },
}

/// How much a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing.
    None,
    /// Read.
    User,
    /// Switch the power.
    Operator,
    /// Everything.
    Administrator,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Light {
    /// On.
    On,
    /// Off.
    Off,
}

impl Verb {
    /// Its name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Power { .. } => "power",
            Verb::Boot(_) => "boot",
            Verb::Sel(_) => "sel",
            Verb::Sensors { .. } => "sensors",
            Verb::Fru => "fru",
            Verb::Inventory => "inventory",
            Verb::Health => "health",
            Verb::Users(_) => "users",
            Verb::Identify { .. } => "identify",
            Verb::Sol { .. } => "sol",
            Verb::Probe => "probe",
            Verb::Firmware(_) => "firmware",
            Verb::Bios(_) => "bios",
            Verb::Media(_) => "media",
            Verb::Secureboot(_) => "secureboot",
            Verb::Nmi => "nmi",
            Verb::Manager(_) => "manager",
            Verb::PowerLimit(_) => "power-limit",
            Verb::PowerRestore(_) => "power-restore",
        }
    }
}
