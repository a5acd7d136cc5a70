//! Decisions and edges: whose BMC it is that answers: what is known of it, what follows, and the alarm.
//!
//! ```text
//!   import changes the address ----> Doubt::Changed ------+--> equal with what is known -----------------> no doubt
//!   agent logs in: Identified --judge--> equal / open / another machine --> Doubt::OtherMachine, alarm --> held
//!   a person: `bmsctl node bmc accept` ---------------------> what answers is this server's --> no doubt
//! ```
//!
//! What must stay true: while it is in doubt, no reading is this server's (nothing is isolated, Ironic is told nothing, its
//! power is shown as unknown), and no power command is sent, neither on nor off: it would reach somebody else's machine. The
//! doubt is stored, so that a restart of either program keeps it; a restart alone makes none.

mod take_in;

pub use take_in::{Heard, Source, heard};

#[cfg(test)]
mod tests;
