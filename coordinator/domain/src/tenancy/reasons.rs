//! Decisions: why a tenant's server is as it is, in the tenant's words.
//!
//! The stored reasons are administrators' words, and each has a kind. A tenant is told the kind in words that this crate has
//! written for tenants, and never what a service or a machine said.

use crate::{
    lifecycle::trouble::Trouble,
    records::{TenantReason, TenantReasonKind, TenantServerState},
};

/// What the scheduler's fault begins with in Nova and in Ironic when nothing fits.
const NO_HOST: &str = "No valid host";

/// The reasons that are stored for a tenant's server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Of its record.
    pub record: Option<TenantReasonKind>,
    /// Whether a rescue of it, or the way back, failed.
    pub rescue_failed: bool,
    /// Of its machine: of which kind; none: its machine has no reason to tell.
    pub machine: Option<Trouble>,
}

/// What its tenant is told; none: all is well.
pub fn tenants_reason(reasons: &Reasons) -> Option<&'static str> {
    if let Some(kind) = reasons.record {
        return Some(kind.words());
    }
    if reasons.rescue_failed {
        return Some(Trouble::NotRescued.words());
    }
    reasons.machine.map(Trouble::words)
}

/// Why a server could not be built. `image` is what is known of its image's fault, `nova` what Nova said; Nova tries again
/// elsewhere and may say no more in the end than that it gave up.
pub fn of_failed_build(image: Option<String>, nova: Option<String>) -> TenantReason {
    match (image, nova) {
        (Some(image), _) => TenantReason::trouble(Trouble::ImageNotWritten, image),
        (None, Some(text)) if text.contains(NO_HOST) => TenantReason::trouble(Trouble::NoServerFree, text),
        (None, Some(text)) => TenantReason::trouble(Trouble::NotInstalled, text),
        (None, None) => TenantReason::trouble(Trouble::NotInstalled, "Nova gave no reason"),
    }
}

/// Why a look at a server came to nothing.
pub fn of_failed_look(state: TenantServerState, error: String) -> TenantReason {
    let trouble = match state {
        TenantServerState::Requested | TenantServerState::Building | TenantServerState::Deleting => {
            Trouble::Service
        }
        TenantServerState::Active => Trouble::Machine,
        TenantServerState::Error => Trouble::NotInstalled,
    };
    TenantReason::trouble(trouble, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Wait;

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
        use TenantServerState::{Active, Building, Deleting, Error, Requested};
        for text in below {
            let looks = [Requested, Building, Active, Deleting, Error]
                .map(|state| of_failed_look(state, text.to_owned()));
            let builds = [
                of_failed_build(Some(text.to_owned()), None),
                of_failed_build(None, Some(text.to_owned())),
                of_failed_build(None, Some(format!("No valid host: {text}"))),
            ];
            for reason in looks.into_iter().chain(builds) {
                assert!(reason.text.contains(text), "an administrator reads it all: {reason:?}");
                let told = tenants_reason(&Reasons { record: Some(reason.kind), ..Reasons::default() });
                let told = told.unwrap();
                assert!(!names.iter().any(|name| told.contains(name)), "{told}");
            }
        }
    }

    #[test]
    fn each_reason_is_told_by_its_kind() {
        let check = |reasons: Reasons, words: Option<&str>| {
            let told = tenants_reason(&reasons);
            assert_eq!(told.is_some(), words.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{told:?}");
        };
        use TenantServerState::{Active, Building, Deleting};
        let record = |reason: TenantReason| Reasons { record: Some(reason.kind), ..Reasons::default() };
        check(Reasons::default(), None);
        for wait in Wait::ALL {
            check(record(TenantReason::waits(wait)), Some(wait.words()));
        }
        let look = |state| of_failed_look(state, "nova did not answer".to_owned());
        check(record(look(Deleting)), Some("a service of the cloud"));
        check(record(look(Building)), Some("a service of the cloud"));
        check(record(look(Active)), Some("server's machine"));
        check(record(TenantReason::unknown_to_nova()), Some("Nova does not know this server"));
        let build = |image: Option<&str>, nova: Option<&str>| {
            record(of_failed_build(image.map(str::to_owned), nova.map(str::to_owned)))
        };
        let no_host = "No valid host was found. There are not enough hosts";
        check(build(None, Some(no_host)), Some("no server of this flavor"));
        check(build(None, Some("eth0 is elsewhere")), Some("could not be installed"));
        check(build(None, None), Some("could not be installed"));
        check(build(Some("checksum"), Some(no_host)), Some("the image could not be written"));
        check(Reasons { rescue_failed: true, ..Reasons::default() }, Some("server unrescue"));
        for trouble in Trouble::ALL {
            check(Reasons { machine: Some(*trouble), ..Reasons::default() }, Some(trouble.words()));
        }
    }
}
