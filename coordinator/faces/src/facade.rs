//! Edges: both facades towards Ironic, the Redfish systems and the ramdisks, as one service.

use std::sync::Arc;

use axum::Router;

use crate::{ramdisk_api::RamdiskApi, redfish::RedfishFacade};

/// Both facades: `/ramdisk/...`, and Redfish for everything else.
pub fn router(redfish: &Arc<RedfishFacade>, ramdisk: &RamdiskApi) -> Router {
    redfish.router().merge(ramdisk.router())
}
