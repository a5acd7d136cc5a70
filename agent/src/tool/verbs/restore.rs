//! Edges: `power-restore` by IPMI: what a server does when its power comes back.

use protocol::{
    ipmi::front::{GetCondition, PowerPolicy, RestorePolicy as Ours},
    redfish::read::power::RestorePolicy,
};

use super::{
    super::{
        args::{Restore, RestoreVerb},
        failure::Failure,
        output::Answer,
    },
    redfish::power::policy_said,
};
use crate::bmc::IpmiBmc;

pub(super) async fn run(verb: &RestoreVerb, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    if let RestoreVerb::Set { to } = verb {
        let policy = match to {
            Restore::Off => Ours::AlwaysOff,
            Restore::On => Ours::AlwaysOn,
            Restore::Last => Ours::Previous,
        };
        bmc.call(&PowerPolicy(Some(policy))).await?;
        let now = bmc.call(&GetCondition).await?.policy();
        // A BMC that does not tell is believed.
        if now.is_some_and(|now| now != policy) {
            return Err(Failure::NotSo(format!("the BMC accepted it, and reads back {now:?}")));
        }
        return Ok(policy_said(Some((*to).into())));
    }
    let now = bmc.call(&GetCondition).await?.policy();
    Ok(policy_said(now.map(|now| match now {
        Ours::AlwaysOff => RestorePolicy::AlwaysOff,
        Ours::AlwaysOn => RestorePolicy::AlwaysOn,
        Ours::Previous => RestorePolicy::LastState,
    })))
}
