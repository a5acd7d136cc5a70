//! Values: the fixed messages whose bytes are kept: one of every kind, a file for each part of what is said.

mod console;
mod declare;
mod discovery;
mod down;
mod erase;
mod hardware;
mod results;
mod up;
mod welcome;

use protocol::{
    convert::{FromAgent, ToAgent},
    id::{CommandId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    report::{Report, ReportBody},
};
use uuid::Uuid;

pub use console::{examples_console_down, examples_console_up};

pub const SERVER: ServerId = ServerId(Uuid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555));
const COMMAND: CommandId = CommandId(Uuid::from_u128(0xaaaa_aaaa_bbbb_cccc_dddd_eeee_eeee_eeee));
const SESSION: RamdiskSessionId =
    RamdiskSessionId(Uuid::from_u128(0x7777_7777_7777_7777_7777_7777_7777_7777));
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// One message of every kind, from an agent.
pub fn examples_up() -> Vec<(&'static str, FromAgent)> {
    [up::up(), results::up(), discovery::up()].concat()
}

/// One message of every kind, to an agent.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    [welcome::down(), declare::down(), down::down(), discovery::down()].concat()
}

/// The report of what was seen of [`SERVER`].
fn report(body: ReportBody) -> FromAgent {
    FromAgent::Report(Report { seq: 300, at_us: 1_700_000_000_000_000, server: SERVER, body })
}
