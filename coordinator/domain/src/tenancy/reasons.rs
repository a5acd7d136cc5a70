//! Decisions: why a tenant's server is as it is, in the tenant's words.
//!
//! The stored reasons are administrators' words. Of them a tenant is shown only those that this crate has written for tenants,
//! recognised letter by letter; all others count by their place (whose reason it is, in which state), and are told by their
//! kind of [`Trouble`].

use super::ending::Wait;
use crate::{lifecycle::trouble::Trouble, records::TenantServerState};

/// What the scheduler's fault begins with in Nova and in Ironic when nothing fits.
const NO_HOST: &str = "No valid host";

/// What is said of a server in use that Nova has lost. Nothing is ended for it: its tenant did not ask.
pub const FORGOTTEN: &str = "Nova does not know this server any more, and nobody is seen to have deleted it there; it is left running: \
                         give it back (server delete), or have an administrator look at Nova";

/// The reasons that are stored for a tenant's server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons<'a> {
    /// Of its record.
    pub record: Option<&'a str>,
    /// Whether its image was at fault while it was built.
    pub image_failed: bool,
    /// Whether a rescue of it, or the way back, failed.
    pub rescue_failed: bool,
    /// Of its machine: of which kind; none: its machine has no reason to tell.
    pub machine: Option<Trouble>,
}

/// What its tenant is told; none: all is well.
pub fn tenants_reason(state: TenantServerState, reasons: &Reasons<'_>) -> Option<&'static str> {
    if let Some(text) = reasons.record {
        let ours = Wait::ALL.into_iter().map(Wait::reason).find(|words| *words == text);
        return Some(ours.unwrap_or_else(|| of_record(state, text, reasons.image_failed).words()));
    }
    if reasons.rescue_failed {
        return Some(Trouble::NotRescued.words());
    }
    reasons.machine.map(Trouble::words)
}

/// What kind of trouble the reason of its record is.
pub fn of_record(state: TenantServerState, text: &str, image_failed: bool) -> Trouble {
    match state {
        _ if text == FORGOTTEN => Trouble::UnknownToNova,
        TenantServerState::Error if image_failed => Trouble::ImageNotWritten,
        TenantServerState::Error if text.contains(NO_HOST) => Trouble::NoServerFree,
        TenantServerState::Error => Trouble::NotInstalled,
        TenantServerState::Requested | TenantServerState::Building | TenantServerState::Deleting => {
            Trouble::Service
        }
        TenantServerState::Active => Trouble::Machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [TenantServerState; 5] = [
        TenantServerState::Requested,
        TenantServerState::Building,
        TenantServerState::Active,
        TenantServerState::Deleting,
        TenantServerState::Error,
    ];

    #[test]
    fn no_word_from_below_reaches_a_tenant() {
        let below = [
            "the BMC of srv1 at 192.0.2.7:623 refused user ADMIN",
            "eth0 (xe-0/0/7 of leaf-3) is on other-project's network blue",
            "write image failed: 198.18.1.1:8444 closed",
            "Node 3f2a-77 is locked by host conductor-9",
            "the Contrail API at http://192.0.2.1:8082 did not answer: timed out",
            "its disks are being erased on srv1",
        ];
        let names = [
            "srv1",
            "192.0.2",
            "198.18",
            "ADMIN",
            "eth0",
            "leaf-3",
            "xe-0",
            "blue",
            "3f2a",
            "conductor",
            "8082",
        ];
        for state in STATES {
            for text in below {
                for image_failed in [false, true] {
                    let reasons = Reasons { record: Some(text), image_failed, ..Reasons::default() };
                    let told = tenants_reason(state, &reasons).unwrap();
                    assert!(!names.iter().any(|name| told.contains(name)), "{state:?}: {told}");
                }
            }
        }
    }

    #[test]
    fn each_reason_is_told_by_its_kind() {
        let check = |state, reasons: Reasons<'_>, words: Option<&str>| {
            let told = tenants_reason(state, &reasons);
            assert_eq!(told.is_some(), words.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{told:?}");
        };
        use TenantServerState::{Active, Building, Deleting, Error};
        let record = |text| Reasons { record: Some(text), ..Reasons::default() };
        for state in STATES {
            check(state, Reasons::default(), None);
        }
        for wait in Wait::ALL {
            check(Deleting, record(wait.reason()), Some(wait.reason()));
        }
        check(Deleting, record("cannot delete: nova did not answer"), Some("a service of the cloud"));
        check(Building, record("address 192.0.2.5 is in use"), Some("a service of the cloud"));
        check(Active, record(FORGOTTEN), Some("Nova does not know this server"));
        check(
            Error,
            record("No valid host was found. There are not enough hosts"),
            Some("no server of this flavor"),
        );
        check(Error, record("eth0 is elsewhere"), Some("could not be installed"));
        check(
            Error,
            Reasons { image_failed: true, ..record("checksum") },
            Some("the image could not be written"),
        );
        check(Active, Reasons { rescue_failed: true, ..Reasons::default() }, Some("server unrescue"));
        for trouble in Trouble::ALL {
            check(Active, Reasons { machine: Some(*trouble), ..Reasons::default() }, Some(trouble.words()));
        }
    }
}
