//! Decisions: machines that nobody has enrolled: what is known of one, whether two reports are of the same machine, which
//! server it would become, and which rules accept it without a person.

pub mod accept;
pub mod entry;
pub mod merge;
pub mod rule;
mod switch_ports;

pub use entry::Entry;
pub use rule::{RULES_MAX, Rule, RuleError};
pub use switch_ports::{NotSwitchPorts, SWITCH_PORTS_MAX, SwitchPorts};
