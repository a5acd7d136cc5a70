//! Decisions: when a BMC is told to leave its server off after a power failure.
//!
//! A server that starts by itself when its mains power comes back is outside the gate: nobody has looked where its ports are. So every
//! BMC is told so once it is known to be the server's, again when it is another one or has other firmware, and is looked at once a day.
//! One that cannot be told holds nothing up: its server is shown with a note that says what to do.

use serde::{Deserialize, Serialize};

use crate::records::Server;

/// A BMC that was told is looked at again after so long, in microseconds: a day.
pub const CHECK_EVERY_US: u64 = 24 * 3600 * 1_000_000;
/// One that could not be told is told again after so long, in microseconds: six hours.
pub const FAULT_RETRY_US: u64 = 6 * 3600 * 1_000_000;

/// How it was settled last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// Which BMC, as [`protocol::spec::BmcEndpoint::place`] writes it.
    pub place: String,
    /// Its firmware then: an update may set it back.
    pub firmware: String,
    /// Why the server may start by itself; none: it stays off.
    pub fault: Option<String>,
}

impl Restore {
    /// It was settled now, with this fault if any.
    pub fn settled(server: &Server, fault: Option<String>, now_us: u64) -> Self {
        Self { at_us: now_us, place: server.bmc.place(), firmware: firmware(server), fault }
    }

    /// What should be known of it; none: the server stays off.
    pub fn note(&self) -> Option<String> {
        let fault = self.fault.as_deref()?;
        Some(format!(
            "it may start by itself after a power failure, before its network is checked: its BMC could not be told to leave it off \
             ({fault}); set the power restore policy to \"always off\" in the BMC or the firmware setup"
        ))
    }
}

fn firmware(server: &Server) -> String {
    server.identity.as_ref().map(|identity| identity.firmware.clone()).unwrap_or_default()
}

/// Whether a server's BMC is to be told, or looked at, now.
pub fn is_due(server: &Server, now_us: u64) -> bool {
    let is_its_own = server.identity.is_some() && server.bmc_doubt.is_none();
    if !is_its_own || server.unwatched.is_some() || server.forgetting {
        return false;
    }
    let Some(last) = &server.upkeep.restore else { return true };
    let age_us = now_us.saturating_sub(last.at_us);
    let rest_us = if last.fault.is_some() { FAULT_RETRY_US } else { CHECK_EVERY_US };
    last.place != server.bmc.place() || last.firmware != firmware(server) || age_us >= rest_us
}

#[cfg(test)]
mod tests {
    use protocol::hardware::BmcIdentity;

    use super::*;
    use crate::samples::server;

    const NOW_US: u64 = 10 * CHECK_EVERY_US;

    fn known() -> Server {
        let identity = BmcIdentity { firmware: "1.10".to_owned(), ..BmcIdentity::default() };
        Server { identity: Some(identity), ..server() }
    }

    fn settled(age_us: u64, fault: Option<&str>) -> Server {
        let mut server = known();
        server.upkeep.restore = Some(Restore::settled(&server, fault.map(str::to_owned), NOW_US - age_us));
        server
    }

    #[test]
    fn a_bmc_is_told_once_it_is_known_and_again_when_it_has_changed() {
        let check = |server: &Server, expected: bool, why: &str| {
            assert_eq!(is_due(server, NOW_US), expected, "{why}")
        };
        check(&server(), false, "nobody knows whose BMC answers");
        check(&known(), true, "it was never asked");
        check(&settled(0, None), false, "it is settled");
        check(&settled(CHECK_EVERY_US, None), true, "somebody may have set it back");
        check(&settled(FAULT_RETRY_US - 1, Some("no")), false, "it has just refused");
        check(&settled(FAULT_RETRY_US, Some("no")), true, "an update may have taught it");
        let mut updated = settled(0, None);
        updated.identity = Some(BmcIdentity { firmware: "2.0".to_owned(), ..BmcIdentity::default() });
        check(&updated, true, "its firmware is another");
        let mut moved = settled(0, None);
        moved.bmc.address = "192.0.2.99".to_owned();
        check(&moved, true, "it is another BMC");
    }

    #[test]
    fn one_that_cannot_be_told_is_noted_with_what_to_do() {
        assert_eq!(settled(0, None).upkeep.restore.and_then(|restore| restore.note()), None);
        let note = settled(0, Some("0xc1")).upkeep.restore.and_then(|restore| restore.note()).unwrap();
        assert!(note.contains("0xc1") && note.contains("set the power restore policy"), "{note}");
    }
}
