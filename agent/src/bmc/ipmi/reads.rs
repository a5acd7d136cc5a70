//! Edges: what takes many commands to read: the sensor records, an inventory, the event log.

use protocol::ipmi::{
    call::Command,
    fru::{AreaInfo, Inventory, ReadData, reading::Reading as FruReading},
    message::CompletionCode,
    sdr::{
        Reserve,
        record::Record as SensorRecord,
        walk::{Ask, Walk},
    },
    sel::{self, GetEntry, record::Record as LogRecord},
};

use super::{IpmiBmc, call::CallError};
use crate::bmc::Line;

/// Records that are read of one event log.
pub const LOG_RECORDS_MAX: usize = 10_000;

impl IpmiBmc {
    /// All sensor records, and how many there are that cannot be read.
    pub async fn sensor_records(&self) -> Result<(Vec<SensorRecord>, usize), CallError> {
        self.sensor_records_on(&Line::default()).await
    }

    /// The same for whoever has to wait for the line.
    pub(super) async fn sensor_records_on(
        &self,
        line: &Line,
    ) -> Result<(Vec<SensorRecord>, usize), CallError> {
        let mut walk = Walk::default();
        while let Some(ask) = walk.ask()? {
            let _turn = line.spare_turn().await;
            match ask {
                Ask::Reserve => walk.reserved(said(self.call(&Reserve).await)?),
                Ask::Part(part) => walk.read(said(self.call(&part).await)?)?,
            }
        }
        Ok(walk.finished())
    }

    /// The inventory with this number; none: nothing is written there.
    pub async fn inventory(&self, device: u8) -> Result<Option<Inventory>, CallError> {
        let size = self.call(&AreaInfo(device)).await?;
        let mut reading = FruReading::new(device, size);
        while let Some(part) = reading.ask() {
            let answer = said(self.call(&part).await)?;
            let command = ReadData::KIND.name;
            reading.read(answer).map_err(|code| CallError::Refused { command, code })?;
        }
        Ok(Inventory::parse(reading.bytes()).ok())
    }

    /// The event log, oldest record first.
    pub async fn log(&self) -> Result<Vec<LogRecord>, CallError> {
        let (mut records, mut id) = (vec![], sel::FIRST);
        while records.len() < LOG_RECORDS_MAX {
            let entry = match said(self.call(&GetEntry { reservation: 0, id }).await)? {
                Ok(entry) => entry,
                // An empty log, or the record has just gone.
                Err(CompletionCode(sel::NOT_PRESENT)) => break,
                Err(code) => return Err(CallError::Refused { command: GetEntry::KIND.name, code }),
            };
            records.push(LogRecord::parse(&entry.record));
            if entry.next == sel::LAST || entry.next == id {
                break;
            }
            id = entry.next;
        }
        Ok(records)
    }
}

/// A refusal is an answer here; what is none stays an error.
fn said<T>(answer: Result<T, CallError>) -> Result<Result<T, CompletionCode>, CallError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(CallError::Refused { code, .. }) => Ok(Err(code)),
        Err(error) => Err(error),
    }
}
