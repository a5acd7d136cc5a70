//! Edges: `power-restore` by IPMI: what a server does when its power comes back.

use protocol::{
    ipmi::front::{GetCondition, PowerPolicy},
    power::RestorePolicy,
};

use super::{
    super::{args::RestoreVerb, failure::Failure, output::Answer},
    redfish::power::policy_said,
};
use crate::bmc::IpmiBmc;

pub(super) async fn run(verb: &RestoreVerb, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    if let RestoreVerb::Set { to } = verb {
        let policy = RestorePolicy::from(*to);
        bmc.call(&PowerPolicy(Some(policy))).await?;
        let now = bmc.call(&GetCondition).await?.policy();
        // A BMC that does not tell is believed.
        if now.is_some_and(|now| now != policy) {
            return Err(Failure::NotSo(format!("the BMC accepted it, and reads back {now:?}")));
        }
        return Ok(policy_said(Some(policy)));
    }
    Ok(policy_said(bmc.call(&GetCondition).await?.policy()))
}
