//! Values: by which rules a BMC's renewed certificate is accepted without a question, in the configuration file.

use std::path::PathBuf;

use coordinator_core::certificates::authorities_of;
use domain::upkeep::certificate::{NAMES_DAYS_MAX, RackRenewals, RenewalRules, SiteRenewals};
use protocol::id::RackId;
use serde::Deserialize;

/// The rules of some racks, or of all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateRules {
    /// The racks that they are about; none: all.
    pub racks: Vec<RackId>,
    /// One with the same public key is accepted.
    pub same_key: bool,
    /// One that an authority in this file (PEM) has signed for the BMC's address is accepted.
    pub ca_file: Option<PathBuf>,
    /// One with the same owner and issuer is accepted when the old one is in its last so many days, or over: 1 to 365; none: not by names.
    pub same_names_days: Option<u32>,
    /// The authorities (DER), once the file was read.
    #[serde(skip)]
    authorities: Vec<Vec<u8>>,
}

impl Default for CertificateRules {
    fn default() -> Self {
        let RenewalRules { same_key, authorities, same_names_days } = RenewalRules::default();
        Self { racks: Vec::new(), same_key, ca_file: None, same_names_days, authorities }
    }
}

impl CertificateRules {
    /// Whether its days are in their range.
    pub fn has_good_days(&self) -> bool {
        self.same_names_days.is_none_or(|days| (1..=NAMES_DAYS_MAX).contains(&days))
    }

    /// Its authorities, by the text of their file; an error: why it is none of them.
    pub(crate) fn set_authorities(&mut self, pem: &str) -> Result<(), String> {
        self.authorities =
            authorities_of(pem).map_err(|reason| format!("bmc_certificates.ca_file: {reason}"))?;
        Ok(())
    }
}

/// As the core takes them.
pub fn renewals(rules: &[CertificateRules]) -> SiteRenewals {
    let of_racks = |one: &CertificateRules| RackRenewals {
        racks: one.racks.clone(),
        rules: RenewalRules {
            same_key: one.same_key,
            authorities: one.authorities.clone(),
            same_names_days: one.same_names_days,
        },
    };
    SiteRenewals(rules.iter().map(of_racks).collect())
}
