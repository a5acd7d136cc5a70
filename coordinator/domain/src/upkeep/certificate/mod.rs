//! Decisions: a BMC whose certificate is pinned shows another one: whether it was renewed is decided by a rule of the site, or asked about.
//!
//! ```text
//!   shown and pinned ------------------------------> known: names, key and dates, to compare another one with
//!   shown and not pinned --a rule accepts it-------> pinned from now on, told as an event
//!                        '-no rule does-----------> asked: alarm; nobody is told a password, no power command is sent
//!   a person: `bmsctl bmc certificate accept` ----> pinned from now on
//!   a person: `bmsctl bmc certificate refuse` ----> not asked about again; the BMC stays out of reach
//! ```
//!
//! What must stay true: nothing is sent to a BMC behind a certificate that is not pinned, whatever was decided meanwhile: an agent takes
//! the pinned one and no other. And whether a server's port is isolated does not depend on any of it.

mod heard;
mod kept;
mod rules;

pub use self::{
    heard::{Course, heard},
    kept::{BmcCertificates, CertificateFacts, Der, Question},
    rules::{NAMES_DAYS_MAX, RackRenewals, RenewalRules, Rule, SiteRenewals, Verdict, judge},
};
