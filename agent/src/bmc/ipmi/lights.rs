//! Edges: what IPMI knows of the things that Redfish has beside power: the light by which a server is found, and the interrupt.

use protocol::{
    bmc_facts::{SystemFacts, bounded},
    bmc_order::BmcOrder,
    ipmi::front::{GetCondition, Identify},
};

use super::{CallError, IpmiBmc};
use crate::bmc::{Bmc, BmcError};

impl IpmiBmc {
    /// Does what is ordered, where IPMI has a command for it.
    pub(super) async fn carry_out(&self, order: &BmcOrder) -> Result<(), BmcError> {
        match order {
            BmcOrder::Light { is_on } => self.set_light(*is_on).await,
            BmcOrder::Interrupt => self.nmi().await,
            BmcOrder::SecureBoot { .. }
            | BmcOrder::ResetKeys { .. }
            | BmcOrder::SetBios { .. }
            | BmcOrder::ResetBios
            | BmcOrder::InsertMedia { .. }
            | BmcOrder::EjectMedia { .. } => Err(self.refused(format!(
                "IPMI has no command for {order}; if this BMC speaks Redfish too, import the server with the driver redfish"
            ))),
            BmcOrder::LimitPower { .. } => Err(self.refused(format!(
                "{order} is done by Redfish only; if this BMC speaks Redfish too, import the server with the driver redfish"
            ))),
            BmcOrder::Look { .. } => Ok(()),
        }
    }

    /// What it says of itself; a BMC that does not tell its light has none that is shown.
    pub(super) async fn system_facts(&self) -> Result<SystemFacts, BmcError> {
        let manager_version = bounded(&self.identity().await?.firmware);
        let light = self.light().await?;
        // Every BMC has the command; whether it takes it shows when it is given (section 28.3).
        Ok(SystemFacts { manager_version, light, can_nmi: true, ..SystemFacts::default() })
    }

    /// Switches the light until it is switched again, and reads it back where the BMC tells it.
    async fn set_light(&self, is_on: bool) -> Result<(), BmcError> {
        let identify = if is_on { Identify::Forever } else { Identify::Seconds(0) };
        match self.call(&identify).await {
            Ok(()) => {}
            Err(CallError::Bmc(error)) => return Err(error),
            Err(error) if is_on => {
                return Err(self.refused(format!(
                    "it does not keep its identify light on ({error}); `bms-agent bmc identify on --seconds 255` switches it on for a while"
                )));
            }
            Err(error) => return Err(self.refused(error.to_string())),
        }
        match self.light().await? {
            Some(shown) if shown != is_on => {
                Err(self.refused("it accepted the command, and its identify light is as it was".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the light is on; none: it does not tell.
    async fn light(&self) -> Result<Option<bool>, BmcError> {
        match self.call(&GetCondition).await {
            Ok(condition) => Ok(condition.identifies()),
            Err(CallError::Bmc(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}
