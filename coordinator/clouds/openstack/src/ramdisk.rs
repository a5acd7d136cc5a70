//! Edges: the real Ironic and the real Glance behind what the ramdisk facade needs of them.

use async_trait::async_trait;
use domain::rim::{
    AGENT_VERSION, Caller, ImageLookup, ImageLookupError, InspectionReport, IronicRamdisk,
    IronicRamdiskError, Token,
};
use protocol::{id::ServerId, secret::Secret, step::ImageRef};

use crate::{
    Error,
    glance::Glance,
    ironic::{Ironic, ramdisk::Heartbeat},
};

#[async_trait]
impl IronicRamdisk for Ironic {
    async fn lookup(&self, server: ServerId) -> Result<Token, IronicRamdiskError> {
        // 404: the node is not yet in a state in which a ramdisk is expected.
        let found = Ironic::lookup(self, &[], Some(server)).await.map_err(not_found_is_early)?;
        Ok(found.agent_token.map_or(Token::GivenAway, Token::Clear))
    }

    async fn heartbeat(
        &self,
        server: ServerId,
        token: &Secret,
        callback_url: &str,
        agent_verify_ca: &str,
    ) -> Result<(), IronicRamdiskError> {
        let heartbeat = Heartbeat {
            callback_url: callback_url.to_owned(),
            agent_version: AGENT_VERSION.to_owned(),
            agent_token: token.clone(),
            agent_verify_ca: Some(agent_verify_ca.to_owned()),
        };
        // 404: the node is gone.
        Ironic::heartbeat(self, server, &heartbeat).await.map_err(not_found_is_final)
    }

    async fn continue_inspection(
        &self,
        server: ServerId,
        report: &InspectionReport,
    ) -> Result<(), IronicRamdiskError> {
        // 404: the node is not yet in `inspect wait`.
        Ironic::continue_inspection(self, server, report).await.map(drop).map_err(not_found_is_early)
    }
}

fn not_found_is_early(error: Error) -> IronicRamdiskError {
    let reason = error.message().to_owned();
    match error {
        Error::NotFound { .. } | Error::Locked { .. } | Error::Conflict { .. } => {
            IronicRamdiskError::NotNow { reason }
        }
        Error::Unavailable { .. } | Error::Unintelligible { .. } => {
            IronicRamdiskError::Unavailable { reason }
        }
        Error::Unauthorized { .. } | Error::Refused { .. } => IronicRamdiskError::Refused { reason },
    }
}

fn not_found_is_final(error: Error) -> IronicRamdiskError {
    match error {
        Error::NotFound { message, .. } => IronicRamdiskError::Refused { reason: message },
        Error::Locked { .. }
        | Error::Conflict { .. }
        | Error::Unavailable { .. }
        | Error::Unintelligible { .. }
        | Error::Unauthorized { .. }
        | Error::Refused { .. } => not_found_is_early(error),
    }
}

#[async_trait]
impl ImageLookup for Glance {
    async fn image(&self, id: &str) -> Result<ImageRef, ImageLookupError> {
        let owned = || id.to_owned();
        let image = self.show_image(Caller::Service, id).await.map_err(|error| match &error {
            // A user's password may be changed and a service restarted: both end.
            Error::Unavailable { .. } | Error::Unauthorized { .. } | Error::Unintelligible { .. } => {
                ImageLookupError::Unavailable { id: owned(), reason: error.to_string() }
            }
            Error::NotFound { .. }
            | Error::Locked { .. }
            | Error::Conflict { .. }
            | Error::Refused { .. } => ImageLookupError::Unusable { id: owned(), reason: error.to_string() },
        })?;
        image.to_ref().map_err(|reason| ImageLookupError::Unusable { id: owned(), reason })
    }
}
