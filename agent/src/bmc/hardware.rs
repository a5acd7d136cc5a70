//! Edges: sensors, power draw and event log of a BMC, whatever it speaks.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{
    BmcError, Line, ipmi,
    readings::{LogReading, SensorReading},
    redfish,
};

/// A BMC whose sensors and log can be read. A reading is many requests, each of which waits for its turn on the line.
#[async_trait]
pub trait HardwareReader: Send + Sync {
    /// All sensors, and the power draw.
    async fn read_sensors(&self, line: &Line, memory: &mut Memory) -> Result<SensorReading, NotRead>;
    /// What the event log has got since it was read last; `now` judges the BMC's clock.
    async fn read_log(
        &self,
        line: &Line,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Result<LogReading, NotRead>;
}

/// What is kept of one BMC between two readings.
#[derive(Debug, Default)]
pub struct Memory {
    /// By IPMI.
    pub(super) ipmi: ipmi::HardwareMemory,
    /// By Redfish.
    pub(super) redfish: redfish::HardwareMemory,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// The BMC does not answer, or lets nobody in.
    #[error(transparent)]
    Bmc(#[from] BmcError),
    /// It answers, but has nothing of the kind.
    #[error("{0}")]
    HasNone(String),
}
