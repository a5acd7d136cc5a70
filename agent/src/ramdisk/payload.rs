//! Edges: a step on its way to the ramdisk, and the bytes that follow it.

use std::sync::Arc;

use protocol::{
    hex,
    id::CommandId,
    ramdisk::{DATA_BYTES_MAX, Task},
    step::StepProgress,
};
use ring::digest;
use tokio::sync::oneshot;

use super::conversation::{Bytes, StepResult};
use crate::image::{CachedImage, Extent, Extents, ImageError};

/// A step that somebody waits for.
pub(super) struct StepRequest {
    pub command: CommandId,
    pub task: Task,
    pub payload: Payload,
    pub on_progress: Box<dyn Fn(StepProgress) + Send + Sync>,
    pub reply: oneshot::Sender<StepResult>,
}

/// Bytes that follow a task; they can be sent again from the first one.
pub(super) enum Payload {
    None,
    Image(Arc<CachedImage>),
    Bytes(Arc<[u8]>),
}

impl Payload {
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Payload::None => Bytes::None,
            Payload::Image(_) | Payload::Bytes(_) => Bytes::Follow,
        }
    }
}

/// What remains to be sent of a payload, and the hash of what was handed out.
pub(super) struct Outgoing {
    rest: Rest,
    hash: digest::Context,
}

enum Rest {
    Nothing,
    Extents(Extents),
    Bytes { content: Arc<[u8]>, sent: usize },
}

impl Outgoing {
    /// Nothing is to be sent.
    pub(super) fn nothing() -> Self {
        Self::new(Rest::Nothing)
    }

    /// All of it, from the first byte on.
    pub(super) fn of(payload: &Payload) -> Self {
        Self::new(match payload {
            Payload::None => Rest::Nothing,
            Payload::Image(image) => Rest::Extents(image.extents()),
            Payload::Bytes(content) => Rest::Bytes { content: Arc::clone(content), sent: 0 },
        })
    }

    fn new(rest: Rest) -> Self {
        Self { rest, hash: digest::Context::new(&digest::SHA256) }
    }

    /// The next piece, or how it ended: by the SHA-256 of all pieces, in hex, or early. Never returns when there is nothing to send.
    /// Safe to be dropped and called again.
    pub(super) async fn next(&mut self) -> Piece {
        let next = match &mut self.rest {
            Rest::Nothing => std::future::pending().await,
            Rest::Extents(extents) => extents.recv().await,
            Rest::Bytes { content, sent } => {
                let rest = &content[*sent..];
                let bytes = rest[..rest.len().min(DATA_BYTES_MAX)].to_vec();
                let offset = *sent as u64;
                *sent += bytes.len();
                (!bytes.is_empty()).then_some(Ok(Extent { offset, bytes }))
            }
        };
        match next {
            Some(Ok(extent)) => {
                self.hash.update(&extent.bytes);
                Piece::Extent(extent)
            }
            Some(Err(error)) => Piece::Broken(error),
            None => Piece::End { sha256: hex::encode(self.hash.clone().finish()) },
        }
    }
}

/// What comes next of a payload.
pub(super) enum Piece {
    Extent(Extent),
    End { sha256: String },
    Broken(ImageError),
}
