//! Edges: what a client changes beside the power.

use axum::extract::Request;
use domain::rim::FacadeServer;
use http::StatusCode;
use protocol::{bmc_facts::BmcFacts, bmc_order::BmcOrder, id::ServerId};
use tracing::{info, warn};

use super::{
    OVERRIDES_MAX, Principal, RedfishFacade,
    answer::{Failed, RedfishAnswer},
    bmc,
    boot::BootPatch,
    controls::LimitPatch,
    lock,
    orders::{BiosPatch, InsertMedia, Nothing, ResetKeys, SecureBootPatch, SystemPatch},
    path::{Action, Resource},
    read_body,
};

impl RedfishFacade {
    /// The boot override is kept and echoed; the light is the BMC's. The system is answered as it is then: some clients take nothing else
    /// for a success.
    pub(super) async fn patch_system(
        &self,
        request: Request,
        principal: &Principal,
    ) -> Result<RedfishAnswer, Failed> {
        let server = &principal.server;
        let patch: SystemPatch = read_body(request).await?;
        let light = patch.light().map_err(not_possible)?;
        if light.is_none() && patch.boot.is_none() {
            return Err(not_possible("the body changes neither Boot nor the light".to_owned()));
        }
        if let Some(boot) = &patch.boot {
            self.keep_override(boot, server)?;
        }
        if let Some(order) = light {
            self.order(server.id, order).await?;
        }
        // It is done, even if the system cannot be shown now.
        let now = self.get(&Resource::System(server.id), principal).await;
        Ok(now.map_or(RedfishAnswer::Done, RedfishAnswer::Found))
    }

    fn keep_override(&self, patch: &BootPatch, server: &FacadeServer) -> Result<(), Failed> {
        let mut overrides = lock(&self.overrides);
        let before = overrides.get(&server.id).copied().unwrap_or_default();
        let after = before.patched(patch, server.boot_mode).map_err(not_possible)?;
        if overrides.len() >= OVERRIDES_MAX && !overrides.contains_key(&server.id) {
            overrides.clear();
        }
        overrides.insert(server.id, after);
        Ok(())
    }

    pub(super) async fn patch_secure_boot(
        &self,
        request: Request,
        id: ServerId,
    ) -> Result<RedfishAnswer, Failed> {
        self.facts_if(id, |facts| facts.secure_boot.is_known()).await?;
        let patch: SecureBootPatch = read_body(request).await?;
        self.order(id, patch.order()).await
    }

    pub(super) async fn patch_bios(&self, request: Request, id: ServerId) -> Result<RedfishAnswer, Failed> {
        self.facts_if(id, bmc::has_bios).await?;
        let patch: BiosPatch = read_body(request).await?;
        self.order(id, patch.order().map_err(not_possible)?).await
    }

    pub(super) async fn patch_limit(&self, request: Request, id: ServerId) -> Result<RedfishAnswer, Failed> {
        self.facts_if(id, |facts| facts.system.power_limit.is_some()).await?;
        let patch: LimitPatch = read_body(request).await?;
        self.order(id, patch.order().map_err(not_possible)?).await
    }

    /// An action on what the BMC has.
    pub(super) async fn act(
        &self,
        request: Request,
        id: ServerId,
        action: &Action,
    ) -> Result<RedfishAnswer, Failed> {
        let order = match action {
            Action::ResetBios => {
                self.facts_if(id, bmc::has_bios).await?;
                let Nothing {} = read_body(request).await?;
                BmcOrder::ResetBios
            }
            Action::ResetKeys => {
                self.facts_if(id, |facts| facts.secure_boot.is_known()).await?;
                let reset: ResetKeys = read_body(request).await?;
                reset.order().map_err(not_possible)?
            }
            Action::InsertMedia(name) => {
                let drive = self.drive(id, name).await?;
                let insert: InsertMedia = read_body(request).await?;
                insert.order(drive).map_err(not_possible)?
            }
            Action::EjectMedia(name) => {
                let drive = self.drive(id, name).await?;
                let Nothing {} = read_body(request).await?;
                BmcOrder::EjectMedia { drive }
            }
        };
        self.order(id, order).await
    }

    /// What the BMC says, if it has what is to be changed.
    async fn facts_if(&self, id: ServerId, has: impl Fn(&BmcFacts) -> bool) -> Result<BmcFacts, Failed> {
        let facts = self.hardware.facts(id).await;
        if has(&facts) { Ok(facts) } else { Err(Failed::not_found()) }
    }

    /// The id that the BMC gives a drive, by its name in the path.
    async fn drive(&self, id: ServerId, name: &str) -> Result<String, Failed> {
        let facts = self.hardware.facts(id).await;
        bmc::slot(name, &facts).map(|slot| slot.id.clone()).ok_or_else(Failed::not_found)
    }

    /// Gives an order, and answers when it is done or refused. Should it take longer, it goes on, in a task of the core's.
    pub(super) async fn order(&self, id: ServerId, order: BmcOrder) -> Result<RedfishAnswer, Failed> {
        let what = order.to_string();
        info!(server = %id, order = what, "ironic asks for a change at the bmc");
        match tokio::time::timeout(self.reset_wait, self.hardware.order(id, order)).await {
            Ok(Ok(())) => Ok(RedfishAnswer::Done),
            Ok(Err(refusal)) => {
                warn!(server = %id, order = what, reason = %refusal, "change at the bmc refused");
                Err(Failed::refused(&refusal))
            }
            Err(_) => Err(Failed::order_too_slow(&what, self.reset_wait)),
        }
    }
}

/// A body that says something that is not done here.
fn not_possible(why: String) -> Failed {
    Failed::new(StatusCode::BAD_REQUEST, "Base.1.18.PropertyValueNotInList", why)
}
