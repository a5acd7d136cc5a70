//! Values: what the ramdisk facade needs of Ironic, of the image service and of the database, as traits with fakes in
//! the tests.

use async_trait::async_trait;
use protocol::{
    id::{RamdiskSessionId, ServerId},
    secret::Secret,
    step::ImageRef,
};

use crate::rim::InspectionReport;

/// The three requests that a ramdisk sends to Ironic.
#[async_trait]
pub trait IronicRamdisk: Send + Sync {
    /// `GET /v1/lookup?node_uuid=`: the agent token, which Ironic shows once.
    async fn lookup(&self, server: ServerId) -> Result<Token, IronicRamdiskError>;
    /// `POST /v1/heartbeat/<uuid>` with the token, our version ([`AGENT_VERSION`]), where to call back, and the CA.
    async fn heartbeat(
        &self,
        server: ServerId,
        token: &Secret,
        callback_url: &str,
        agent_verify_ca: &str,
    ) -> Result<(), IronicRamdiskError>;
    /// `POST /v1/continue_inspection?node_uuid=`.
    async fn continue_inspection(
        &self,
        server: ServerId,
        report: &InspectionReport,
    ) -> Result<(), IronicRamdiskError>;
}

/// Ironic's answer to a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The token.
    Clear(Secret),
    /// It was given to somebody before us, and is masked now.
    GivenAway,
}

/// The version that we say we are: the ironic-python-agent whose API this is. Ironic refuses a heartbeat without one.
pub const AGENT_VERSION: &str = "13.0.0";

/// Why Ironic did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IronicRamdiskError {
    /// 404 or 409: not in the right state yet, or locked for a moment. Worth repeating.
    #[error("Ironic is not ready for it: {reason}")]
    NotNow {
        /// What Ironic said.
        reason: String,
    },
    /// Any other 4xx, such as a token that is valid no more. Repeating cannot help.
    #[error("Ironic refused: {reason}")]
    Refused {
        /// What Ironic said.
        reason: String,
    },
    /// No answer, or 5xx. Worth repeating.
    #[error("Ironic did not answer: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
}

/// The image service, as far as a deployment needs it.
#[async_trait]
pub trait ImageLookup: Send + Sync {
    /// Format, size and SHA-512 of an image's file.
    async fn image(&self, id: &str) -> Result<ImageRef, ImageLookupError>;
}

/// Why an image cannot be named. The text reaches Ironic's `last_error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageLookupError {
    /// The image service does not answer now: worth repeating.
    #[error("image {id} cannot be looked up now: {reason}")]
    Unavailable {
        /// Which.
        id: String,
        /// What happened.
        reason: String,
    },
    /// It is not there, or not fit for a server.
    #[error("image {id} cannot be used: {reason}")]
    Unusable {
        /// Which.
        id: String,
        /// Why, for a person.
        reason: String,
    },
}

impl ImageLookupError {
    /// Which image.
    pub fn id(&self) -> &str {
        match self {
            ImageLookupError::Unavailable { id, .. } | ImageLookupError::Unusable { id, .. } => id,
        }
    }
}

/// Where a ramdisk's session survives the coordinator: its token and its commands, as one text. It holds secrets, so the
/// core seals it at rest.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The text saved last, if any.
    async fn load(&self, session: RamdiskSessionId) -> Result<Option<Secret>, StoreError>;
    /// Saves the text; it is on disk when this returns.
    async fn save(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
        record: Secret,
    ) -> Result<(), StoreError>;
    /// Forgets it. Done already is done.
    async fn forget(&self, session: RamdiskSessionId) -> Result<(), StoreError>;
}

/// The database failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} the ramdisk's session: {reason}")]
pub struct StoreError {
    /// What was tried.
    pub operation: &'static str,
    /// What happened.
    pub reason: String,
}
