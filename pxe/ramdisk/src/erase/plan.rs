//! Decisions: which methods are tried on a disk, in which order, and what is said when none has worked.

use protocol::erase::{EraseMethod, ErasePolicy, RefusedMethod};

use EraseMethod::*;

/// Only what the drive does by itself. A block erase comes before a crypto erase, because it can be seen; overwriting comes last, because it
/// takes hours.
const PURGE: [EraseMethod; 11] = [
    NvmeSanitizeBlock,
    NvmeSanitizeCrypto,
    NvmeFormatCrypto,
    NvmeSanitizeOverwrite,
    AtaSanitizeBlock,
    AtaSanitizeCrypto,
    AtaSecurityEnhanced,
    AtaSanitizeOverwrite,
    ScsiSanitizeBlock,
    ScsiSanitizeCrypto,
    ScsiSanitizeOverwrite,
];
/// What every disk can do first; a drive that is locked, or does not take writes any more, may still erase itself. SCSI's format is the last,
/// because a drive in which it breaks off is good for nothing but another one.
const CLEAR: [EraseMethod; 18] = [
    SecureDiscard,
    DeviceZeroes,
    Discard,
    Overwrite,
    NvmeFormatCrypto,
    NvmeFormat,
    NvmeSanitizeBlock,
    NvmeSanitizeCrypto,
    NvmeSanitizeOverwrite,
    AtaSanitizeBlock,
    AtaSanitizeCrypto,
    AtaSecurityEnhanced,
    AtaSecurity,
    AtaSanitizeOverwrite,
    ScsiSanitizeBlock,
    ScsiSanitizeCrypto,
    ScsiSanitizeOverwrite,
    ScsiFormat,
];
/// What takes moments, whatever the size.
const QUICK: [EraseMethod; 2] = [NvmeFormatCrypto, NvmeFormat];

/// How a disk stands to a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// The method is for other kinds of disks.
    Foreign,
    /// It is for disks like this one, and cannot be had, for this reason.
    Refused(String),
    /// It can be tried.
    Offered,
}

/// Why a method did not erase a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was not done, or what was done is not enough.
    NotDone(String),
    /// The disk cannot be written or read: no other method that writes or reads is worth its hours.
    Broken(String),
}

/// What is left to try on one disk.
#[derive(Debug)]
pub struct Plan {
    left: Vec<EraseMethod>,
    refused: Vec<RefusedMethod>,
}

impl Plan {
    /// For an erase of every byte.
    pub fn of(policy: ErasePolicy) -> Self {
        match policy {
            ErasePolicy::Clear => Self::with(&CLEAR),
            ErasePolicy::Purge => Self::with(&PURGE),
        }
    }

    /// For what a drive does within moments.
    pub fn quick() -> Self {
        Self::with(&QUICK)
    }

    fn with(methods: &[EraseMethod]) -> Self {
        Self { left: methods.iter().rev().copied().collect(), refused: Vec::new() }
    }

    /// The next method to try; those that cannot be had are noted with the reason.
    pub fn next(&mut self, stand: &dyn Fn(EraseMethod) -> Stand) -> Option<EraseMethod> {
        while let Some(method) = self.left.pop() {
            match stand(method) {
                Stand::Offered => return Some(method),
                Stand::Refused(why) => self.note(method, why),
                Stand::Foreign => {}
            }
        }
        None
    }

    /// A method that was tried did not do it.
    pub fn handle_refused(&mut self, method: EraseMethod, refused: Refused) {
        match refused {
            Refused::NotDone(why) => self.note(method, why),
            Refused::Broken(why) => {
                self.left.retain(|method| !is_plain(*method));
                self.note(method, why);
            }
        }
    }

    fn note(&mut self, method: EraseMethod, why: String) {
        self.refused.push(RefusedMethod { method: method.as_str().to_owned(), why });
    }

    /// What did not do it.
    pub fn refused(self) -> Vec<RefusedMethod> {
        self.refused
    }

    /// What is said when nothing is left; `offered`: what the disk says that it can do at all.
    pub fn failure(&self, policy: ErasePolicy, offered: &[EraseMethod]) -> String {
        let said = |refused: &RefusedMethod| match EraseMethod::parse(&refused.method) {
            Some(method) => format!("{method}: {}", refused.why),
            None => refused.why.clone(),
        };
        let refused: Vec<_> = self.refused.iter().map(said).collect();
        match (policy, &self.refused[..]) {
            (ErasePolicy::Clear, [one]) => one.why.clone(),
            (ErasePolicy::Clear, _) => format!("no method worked: {}", refused.join("; ")),
            (ErasePolicy::Purge, refusals) => {
                let was_refused =
                    |method: &EraseMethod| refusals.iter().any(|one| one.method == method.as_str());
                let offered = offered.iter().filter(|method| !was_refused(method));
                let offered: Vec<_> = offered.map(ToString::to_string).collect();
                let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
                let why =
                    if refusals.is_empty() { String::new() } else { format!("; {}", refused.join("; ")) };
                format!("no method that counts as purge worked on it; methods that it offers: {offered}{why}")
            }
        }
    }
}

/// Whether a method writes or discards through the kernel, as every disk can.
pub fn is_plain(method: EraseMethod) -> bool {
    matches!(method, Metadata | Discard | SecureDiscard | DeviceZeroes | Overwrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(offered: &[EraseMethod]) -> impl Fn(EraseMethod) -> Stand {
        move |method| match method {
            method if offered.contains(&method) => Stand::Offered,
            NvmeSanitizeBlock => Stand::Refused("the drive does not offer it".into()),
            _ => Stand::Foreign,
        }
    }

    #[test]
    fn a_purge_is_by_methods_that_count_for_it_and_a_clear_ends_with_what_is_last() {
        let all = |policy| {
            let (mut plan, mut methods) = (Plan::of(policy), Vec::new());
            while let Some(method) = plan.next(&|_| Stand::Offered) {
                methods.push(method);
            }
            methods
        };
        let purge = all(ErasePolicy::Purge);
        assert!(purge.iter().all(|method| method.counts_for() == Some(ErasePolicy::Purge)));
        let counting =
            EraseMethod::ALL.iter().filter(|method| method.counts_for() == Some(ErasePolicy::Purge));
        assert_eq!(purge.len(), counting.count(), "each that counts is tried");
        let clear = all(ErasePolicy::Clear);
        assert_eq!(clear.len(), EraseMethod::ALL.len() - 1, "every one but the erase of metadata");
        assert!(clear[..4].iter().all(|method| is_plain(*method)));
        assert_eq!(clear.last(), Some(&ScsiFormat));
    }

    #[test]
    fn what_was_tried_before_is_kept_with_its_reason() {
        let mut plan = Plan::of(ErasePolicy::Purge);
        let offered = [NvmeSanitizeCrypto, NvmeFormatCrypto];
        assert_eq!(plan.next(&stand(&offered)), Some(NvmeSanitizeCrypto));
        plan.handle_refused(NvmeSanitizeCrypto, Refused::NotDone("it reads as before".into()));
        assert_eq!(plan.next(&stand(&offered)), Some(NvmeFormatCrypto));
        let refused = plan.refused();
        let words: Vec<_> = refused.iter().map(|one| (one.method.as_str(), one.why.as_str())).collect();
        assert_eq!(
            words,
            [
                ("nvme_sanitize_block", "the drive does not offer it"),
                ("nvme_sanitize_crypto", "it reads as before")
            ]
        );
    }

    #[test]
    fn a_broken_disk_is_not_written_again_and_again() {
        let mut plan = Plan::of(ErasePolicy::Clear);
        let offered = [DeviceZeroes, Discard, Overwrite, AtaSecurity];
        assert_eq!(plan.next(&stand(&offered)), Some(DeviceZeroes));
        plan.handle_refused(DeviceZeroes, Refused::Broken("read at 7: error".into()));
        assert_eq!(plan.next(&stand(&offered)), Some(AtaSecurity));
        let mut plan = Plan::of(ErasePolicy::Clear);
        plan.next(&stand(&offered));
        plan.handle_refused(DeviceZeroes, Refused::NotDone("not supported".into()));
        assert_eq!(plan.next(&stand(&offered)), Some(Discard));
    }

    #[test]
    fn a_disk_on_which_nothing_works_is_told_with_what_it_offers() {
        let mut plan = Plan::of(ErasePolicy::Purge);
        assert_eq!(plan.next(&stand(&[])), None);
        let failure = plan.failure(ErasePolicy::Purge, &[DeviceZeroes, Overwrite, NvmeSanitizeBlock]);
        let words = "methods that it offers: write zeroes, overwrite; NVMe sanitize (block erase): the drive does not offer it";
        assert!(failure.contains(words), "{failure}");
        let mut plan = Plan::of(ErasePolicy::Clear);
        plan.handle_refused(DeviceZeroes, Refused::Broken("read at 7: error".into()));
        assert_eq!(plan.failure(ErasePolicy::Clear, &[]), "read at 7: error");
    }
}
