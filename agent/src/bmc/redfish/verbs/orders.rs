//! Edges: orders from the coordinator, each by the verb that does it.

use protocol::{
    bmc_order::BmcOrder,
    redfish::read::{media::MediaKind, power::Light},
};

use super::{super::RedfishBmc, media::Medium};
use crate::bmc::BmcError;

impl RedfishBmc {
    /// Does what is ordered; every verb reads back what can be read back.
    ///
    /// # Errors
    /// As of the verb behind it.
    pub(in super::super) async fn carry_out(&self, order: &BmcOrder) -> Result<(), BmcError> {
        match order {
            BmcOrder::Light { is_on } => self.set_light(if *is_on { Light::On } else { Light::Off }).await,
            BmcOrder::Interrupt => self.nmi().await,
            BmcOrder::SecureBoot { is_enabled } => self.enable_secure_boot(*is_enabled).await.map(drop),
            BmcOrder::ResetKeys { reset } => self.reset_secure_boot_keys(*reset, None).await,
            BmcOrder::SetBios { settings } => self.set_bios(settings).await.map(drop),
            BmcOrder::ResetBios => self.reset_bios().await,
            BmcOrder::InsertMedia { drive, image, is_write_protected } => {
                let medium = Medium { image, is_write_protected: *is_write_protected, account: None };
                // The drive is named, so what it can be is not asked.
                self.insert_media(Some(drive), MediaKind::Cd, medium).await.map(drop)
            }
            BmcOrder::EjectMedia { drive } => self.eject_media(Some(drive)).await.map(drop),
            BmcOrder::LimitPower { watts } => self.limit_power(*watts).await.map(drop),
            BmcOrder::Look { .. } => Ok(()),
        }
    }
}
