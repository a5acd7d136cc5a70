//! Decisions: what a virtual IPMI BMC keeps beside power and boot: event log, sensors, inventories, users, network, power draw.
//!
//! One small server, the same each time, so that every judge can be asked what it sees. What is there can be changed while it runs.

pub mod emulation;
mod inventory;
mod log;
mod sensors;
mod settings;

use std::sync::{Arc, Mutex};

use protocol::ipmi::{
    app::DeviceId,
    bridge::SendMessage,
    call::Call,
    command::Request,
    message::{CompletionCode, RequestMessage, ResponseMessage},
};

pub use self::{
    inventory::Inventories,
    log::Log,
    sensors::{SensorState, Sensors},
    settings::{Settings, User},
};

/// Address of the other controller of the chassis, behind the BMC.
pub const SATELLITE: u8 = 0x72;

/// Everything that is kept.
#[derive(Debug)]
pub struct Records {
    /// Event log.
    pub log: Log,
    /// Sensors, with the records that describe them.
    pub sensors: Sensors,
    /// Inventories.
    pub inventories: Inventories,
    /// Users, network, identify light, power draw.
    pub settings: Settings,
    /// Most bytes that one answer carries; more is refused with 0xca.
    pub answer_bytes_max: usize,
    /// Another controller of the chassis, at [`SATELLITE`].
    pub satellite: Option<Box<Records>>,
}

impl Default for Records {
    fn default() -> Self {
        let satellite = Self {
            log: Log::default(),
            sensors: Sensors::of_satellite(),
            inventories: Inventories::default(),
            settings: Settings::default(),
            answer_bytes_max: 32,
            satellite: None,
        };
        Self {
            log: Log::example(),
            sensors: Sensors::example(),
            inventories: Inventories::example(),
            settings: Settings::default(),
            answer_bytes_max: 64,
            satellite: Some(Box::new(satellite)),
        }
    }
}

impl Records {
    /// Answers a command, or says why not. `on`: whether the server has power.
    pub fn answer(&mut self, call: &Call, on: bool) -> Result<Vec<u8>, CompletionCode> {
        let max = self.answer_bytes_max;
        self.log
            .answer(call)
            .or_else(|| self.sensors.answer(call, max, on))
            .or_else(|| self.inventories.answer(call, max))
            .or_else(|| self.settings.answer(call, on))
            .or_else(|| call.serve(|sent| self.carry(&sent, on)))
            .unwrap_or(Err(CompletionCode::INVALID_COMMAND))
    }

    /// Passes a message on to the controller behind.
    fn carry(&mut self, sent: &SendMessage, on: bool) -> Result<Vec<u8>, CompletionCode> {
        // Nobody acknowledges on that bus: 0x83 (table 22-11).
        let nobody = CompletionCode(0x83);
        let satellite =
            self.satellite.as_mut().filter(|_| sent.address() == Some(SATELLITE)).ok_or(nobody)?;
        let message = RequestMessage::parse(sent.message()).map_err(|_| CompletionCode::INVALID_FIELD)?;
        let outcome = match Request::parse(&message) {
            Ok(Request::Call(call)) => satellite.answer(&call, on),
            Ok(Request::DeviceId) => Ok(DeviceId { device: 0x21, product: 2, ..DeviceId::default() }.build()),
            Ok(_) => Err(CompletionCode::INVALID_COMMAND),
            Err(code) => Err(code),
        };
        let (code, data) = match outcome {
            Ok(data) => (CompletionCode::OK, data),
            Err(code) => (code, vec![]),
        };
        let RequestMessage { netfn, command, sequence, .. } = message;
        Ok(ResponseMessage { netfn, command, sequence, code, data: &data }.build())
    }
}

/// The records of a running BMC, to be looked at and changed while it runs. There are none until somebody looks: most of thousands
/// of BMCs are asked for their power alone.
#[derive(Clone, Debug, Default)]
pub struct SharedRecords(Arc<Mutex<Option<Box<Records>>>>);

impl SharedRecords {
    /// Looks at them, or changes them.
    pub fn with<T>(&self, act: impl FnOnce(&mut Records) -> T) -> T {
        act(self.0.lock().expect("no holder panics").get_or_insert_default())
    }
}
