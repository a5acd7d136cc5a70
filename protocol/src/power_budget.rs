//! Values: the minute of a power request: who may use how much of it, from the client that asks for it down to the BMC.
//!
//! ```text
//!   the Redfish client waits                                         60 s
//!     the facade answers within                                      55 s   (5 s for the network and its TLS)
//!       the gate has decided within                                  53 s   (2 s to write it down and say it)
//!         proof: state read, ports moved and read back, at most      25 s
//!         the command's way to the agent and its result's way back    2 s
//!         the agent ends a power-on within                           26 s   (first reading, boot device, switch, confirmation)
//!         a power-off needs no proof: the agent ends it within       43 s   (an operating system may need long; 8 s for an erase to stop)
//!         an order that is not about power is as a power-off       43 s   (10 s of it to read anew what it has changed)
//!       an agent that has just gone away is waited for               5 s    (of the proof's time, or the power-off's)
//! ```
//!
//! What must stay true: each share lies inside its parent, and whoever is asked ends before whoever asks gives up. So no command is
//! given when the proof has used up its share, and the agent begins no switch when its own is over: a refusal that was told is not
//! followed by a power-on. A command says how long it is wanted, from when it was given; an agent that gets it later, whatever held
//! it up, does not switch. No clock is compared with another one (`heartbeat.rs` says how that is known all the same).

use std::time::Duration;

/// The Redfish client's patience; its configuration has to say the same.
pub const CLIENT_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// From a power request to the facade's answer.
pub const FACADE_ANSWER_MAX: Duration = CLIENT_READ_TIMEOUT.saturating_sub(Duration::from_secs(5));
/// From a power request to the gate's decision.
pub const GATE_ANSWER_MAX: Duration = FACADE_ANSWER_MAX.saturating_sub(Duration::from_secs(2));
/// A command's way to the agent, and its result's way back.
pub const WAY_MAX: Duration = Duration::from_secs(2);
/// Of that, the result's way back.
pub const WAY_BACK_MAX: Duration = Duration::from_secs(1);
/// A rack's agent that has just gone away, or has not yet come since the coordinator began, is waited for so long.
pub const AGENT_WAIT_MAX: Duration = Duration::from_secs(5);
/// From a power-on's arrival at the agent to its end.
pub const ON_COMMAND_MAX: Duration = Duration::from_secs(26);
/// The gate's time for its proof: what the command does not need.
pub const PROOF_MAX: Duration = GATE_ANSWER_MAX.saturating_sub(WAY_MAX).saturating_sub(ON_COMMAND_MAX);
/// The gate's time to read a node, and the ports of one that was never given to us, before a power-off.
pub const LOOK_MAX: Duration = Duration::from_secs(3);
/// From a power-off's arrival at the agent to its end.
pub const OFF_COMMAND_MAX: Duration =
    GATE_ANSWER_MAX.saturating_sub(WAY_MAX).saturating_sub(LOOK_MAX).saturating_sub(AGENT_WAIT_MAX);
/// From when a power-on is given to when its result must be on its way: so long it is wanted.
pub const ON_WANTED_MAX: Duration = ON_COMMAND_MAX.saturating_add(WAY_MAX.saturating_sub(WAY_BACK_MAX));
/// The same of a power-off.
pub const OFF_WANTED_MAX: Duration = OFF_COMMAND_MAX.saturating_add(WAY_MAX.saturating_sub(WAY_BACK_MAX));
/// From the arrival of an order that is not about power at the agent to its end, what it may have changed read anew included.
pub const ORDER_COMMAND_MAX: Duration = OFF_COMMAND_MAX;
/// Of that, the time for reading anew.
pub const ORDER_LOOK_MAX: Duration = Duration::from_secs(10);
/// From when such an order is given to when its result must be on its way: so long it is wanted.
pub const ORDER_WANTED_MAX: Duration = ORDER_COMMAND_MAX.saturating_add(WAY_MAX.saturating_sub(WAY_BACK_MAX));
/// Longest wait for one reading of a BMC.
pub const READING_MAX: Duration = Duration::from_secs(15);
/// The end of a command's time, in which no further confirmation is begun.
pub const LAST_READING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ramdisk::STOP_WAIT_MAX;

    #[test]
    fn every_share_lies_inside_its_parent() {
        let check = |parent: Duration, shares: &[Duration]| {
            let sum: Duration = shares.iter().sum();
            assert!(sum <= parent, "{shares:?} are more than {parent:?}");
            assert!(shares.iter().all(|share| !share.is_zero()), "{shares:?}");
        };
        assert!(FACADE_ANSWER_MAX < CLIENT_READ_TIMEOUT && GATE_ANSWER_MAX < FACADE_ANSWER_MAX);
        check(GATE_ANSWER_MAX, &[PROOF_MAX, WAY_MAX, ON_COMMAND_MAX]);
        check(GATE_ANSWER_MAX, &[AGENT_WAIT_MAX, LOOK_MAX, WAY_MAX, OFF_COMMAND_MAX]);
        check(PROOF_MAX, &[AGENT_WAIT_MAX, LOOK_MAX]);
        check(GATE_ANSWER_MAX, &[PROOF_MAX, ON_WANTED_MAX, WAY_BACK_MAX]);
        check(GATE_ANSWER_MAX, &[AGENT_WAIT_MAX, LOOK_MAX, OFF_WANTED_MAX, WAY_BACK_MAX]);
        check(GATE_ANSWER_MAX, &[AGENT_WAIT_MAX, LOOK_MAX, ORDER_WANTED_MAX, WAY_BACK_MAX]);
        check(ORDER_COMMAND_MAX, &[READING_MAX, ORDER_LOOK_MAX]);
        check(ON_COMMAND_MAX, &[READING_MAX, LAST_READING]);
        check(OFF_COMMAND_MAX, &[STOP_WAIT_MAX, READING_MAX, LAST_READING]);
    }
}
