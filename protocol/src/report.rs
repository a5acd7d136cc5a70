//! Values: what an agent saw. Observations only: never "deployed", always "power off, nobody asked".

use serde::{Deserialize, Serialize};

use crate::{
    bmc_facts::PartFacts,
    boot::{BootProgress, BootPurpose},
    command::CommandResult,
    discovery::Finding,
    hardware::{BmcIdentity, HardwareReport},
    health::HardwareChange,
    id::{CommandId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    shown_certificate::ShownCertificate,
    step::StepProgress,
    watch::Watch,
};

/// One report. Reports are numbered by the agent, kept on its disk until acknowledged, and replayed after a break;
/// a receiver drops a number it has seen from the same agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Number, rising by one over the life of the agent's spool (it survives restarts).
    pub seq: u64,
    /// When it was seen, in microseconds since 1970 by the agent's clock. For people; order comes from `seq`.
    pub at_us: u64,
    /// Of which server; of a finding, the id of the order.
    pub server: ServerId,
    /// What was seen.
    pub body: ReportBody,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum ReportBody {
    /// A power reading that differs from the last one, or the first, or a refresh after a reconnect.
    Power {
        /// What the BMC says.
        reading: PowerReading,
        /// Why.
        cause: PowerCause,
    },
    /// Who a BMC said it is when the agent logged in: the first time, and whenever it is not what it was. It precedes every
    /// reading of that log-in.
    Identified {
        /// Where it was asked, as [`crate::spec::BmcEndpoint::place`] writes it: a late answer of a former BMC is none of this one's.
        place: String,
        /// Who it said it is.
        identity: BmcIdentity,
    },
    /// A BMC showed this certificate, and has not shown it at this place since the agent was started or told otherwise. Sent only to who
    /// understands it.
    CertificateShown {
        /// Where it was asked, as [`crate::spec::BmcEndpoint::place`] writes it.
        place: String,
        /// What it showed.
        shown: ShownCertificate,
    },
    /// A network boot moved on.
    Boot(BootProgress),
    /// A server asked for a boot on one of our networks and was not answered: it is not in a state that calls for one.
    BootRefused {
        /// Where it was seen.
        network: BootNetwork,
        /// Which of its interfaces asked; none: an older agent did not say.
        #[serde(default)]
        mac: Option<MacAddr>,
        /// Where its boot is permitted instead: its port is on the wrong network.
        #[serde(default)]
        planned: Option<BootNetwork>,
        /// Why it got no answer.
        reason: String,
    },
    /// A ramdisk said hello with a valid token.
    RamdiskReady {
        /// This run of the ramdisk.
        session: RamdiskSessionId,
        /// What it was booted for.
        purpose: BootPurpose,
        /// The network it came from.
        network: BootNetwork,
        /// What it found.
        hardware: Box<HardwareReport>,
    },
    /// The ramdisk's connection is gone.
    RamdiskGone {
        /// Which run.
        session: RamdiskSessionId,
        /// Why.
        reason: String,
    },
    /// A long step moved on; at most one a second is sent.
    StepProgress {
        /// The command that runs the step.
        command: CommandId,
        /// How far.
        progress: StepProgress,
    },
    /// A command ended.
    Command(CommandResult),
    /// Whether the server is watched: said when that changes, and again after a reconnect while it is not.
    Watch {
        /// Whether it is.
        watch: Watch,
    },
    /// A part of what a BMC says of itself and its server was read anew.
    Facts {
        /// Which, and what it says.
        part: PartFacts,
    },
    /// Sensors, power draw or event log say what they did not say before. Sent only to who understands it.
    Hardware {
        /// What has changed.
        change: HardwareChange,
    },
    /// Something was found that nobody has enrolled, or the search for it moved on.
    Found {
        /// What.
        finding: Finding,
    },
}
