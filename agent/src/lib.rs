//! Edges: the agent of one rack: the servers' BMCs, their network boots, the ramdisks they boot, and one stream to the
//! coordinator. It decides nothing about a server's life; it does what it is told, once, and says what it sees.

pub mod alone;
pub mod bmc;
pub mod boot;
pub mod config;
pub mod console;
pub mod discovery;
pub mod erase_statement;
pub mod facts;
pub mod files;
pub mod firmware;
pub mod given;
pub mod hardware;
pub mod image;
pub mod journal;
pub mod metrics;
pub mod poll;
pub mod rack;
pub mod ramdisk;
pub mod results;
pub mod run;
pub mod start;
pub mod tool;
pub mod uplink;
pub mod watched;
pub mod work;

/// Tests of pure modules take their first instant from here, for those modules read no clock.
#[cfg(test)]
mod test_clock {
    pub(crate) fn start() -> std::time::Instant {
        std::time::Instant::now()
    }
}
