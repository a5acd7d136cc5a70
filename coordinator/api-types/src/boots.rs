//! Values: a node's attempts to boot over the network, each judged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{IsolatedNetwork, word::words};

words! {
    /// What is to be said of an attempt.
    BootFinding {
        /// The ramdisk has started, and all that it was asked was done.
        Complete = "complete",
        /// What comes next may still come.
        UnderWay = "under_way",
        /// The BMC has not confirmed the power-on.
        NoPower = "no_power",
        /// The firmware asked for no address.
        NoRequest = "no_request",
        /// It asked on another network than its boot is permitted on.
        WrongNetwork = "wrong_network",
        /// It asked by an interface by which it does not boot.
        WrongInterface = "wrong_interface",
        /// It asked, and was refused.
        Refused = "refused",
        /// It was offered an address and did not take it.
        NoLease = "no_lease",
        /// It took an address and fetched nothing.
        NoLoader = "no_loader",
        /// It fetched a loader, which did not run.
        LoaderNotRun = "loader_not_run",
        /// The loader runs, and fetched no kernel.
        NoKernel = "no_kernel",
        /// The kernel was fetched and no ramdisk.
        NoInitrd = "no_initrd",
        /// Kernel and ramdisk were fetched, and nothing came of it.
        NoHello = "no_hello",
        /// The firmware begins anew again and again.
        Loop = "loop",
        /// The ramdisk has started, and parts of the hardware stay unused.
        Unused = "unused",
        /// A step of the ramdisk has failed.
        StepFailed = "step_failed";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

words! {
    /// What a ramdisk is booted for.
    BootPurpose {
        /// To see what hardware there is.
        Inspect = "inspect",
        /// To remove what the last tenant left.
        Clean = "clean",
        /// To write a tenant's image.
        Deploy = "deploy",
        /// For an operator who looks at a broken server.
        Rescue = "rescue";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

/// An attempt to boot the ramdisk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootAttempt {
    /// When it was ordered (RFC 3339).
    pub began: String,
    /// What for.
    pub purpose: BootPurpose,
    /// On which network it was permitted.
    pub network: IsolatedNetwork,
    /// What is to be said of it: the first thing that is missing.
    pub finding: BootFinding,
    /// The same in a sentence.
    pub reason: String,
    /// What to do, the likeliest first. Empty: nothing.
    pub remedies: Vec<String>,
    /// What was seen, in the order in which it became known.
    pub marks: Vec<BootMark>,
}

/// Something that was seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootMark {
    /// When (RFC 3339), by the clock of whoever saw it: the coordinator orders, the rack's agent sees all else.
    pub at: String,
    /// How long after the order, in milliseconds; 0: before it, by another clock.
    pub after_ms: u64,
    /// What, in words.
    pub what: String,
}
