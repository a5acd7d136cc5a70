//! Values: orders to erase, and what became of each disk, to and from the wire.

use super::{InvalidMessage, known};
use crate::{
    erase::{ErasePolicy, ReadBack, RefusedMethod, Verified},
    grpc as wire,
    hardware::Disk,
    step::{EraseOrder, ErasedDisk, STATEMENT_BYTES_MAX},
};

/// The order of an erase of metadata.
pub(super) fn metadata_order(order: wire::EraseMetadata) -> EraseOrder {
    let wire::EraseMetadata { expected, left_out, quick } = order;
    EraseOrder { expected: disks(expected), left_out: disks(left_out), quick, ..EraseOrder::default() }
}

/// The order of an erase of every byte.
pub(super) fn disk_order(order: wire::EraseDisks) -> Result<EraseOrder, InvalidMessage> {
    let read_back = match known("EraseDisks.read_back", order.read_back)? {
        wire::ReadBack::Unspecified | wire::ReadBack::Sampled => ReadBack::Sampled,
        wire::ReadBack::Full => ReadBack::Full,
        wire::ReadBack::Nothing => {
            return Err(InvalidMessage::new(
                "EraseDisks.read_back",
                "is nothing: what is erased is read back",
            ));
        }
    };
    Ok(EraseOrder {
        policy: policy("EraseDisks.policy", order.policy)?.unwrap_or_default(),
        read_back,
        expected: disks(order.expected),
        left_out: disks(order.left_out),
        quick: false,
    })
}

/// A list of disks, either way.
pub(super) fn disks<From, To>(disks: Vec<From>) -> Vec<To>
where
    From: Into<To>,
{
    disks.into_iter().map(Into::into).collect()
}

fn policy(field: &'static str, policy: i32) -> Result<Option<ErasePolicy>, InvalidMessage> {
    Ok(match known(field, policy)? {
        wire::ErasePolicy::Unspecified => None,
        wire::ErasePolicy::Clear => Some(ErasePolicy::Clear),
        wire::ErasePolicy::Purge => Some(ErasePolicy::Purge),
    })
}

/// The usual is not said, so that an order of before has the bytes that it had.
impl From<ErasePolicy> for i32 {
    fn from(policy: ErasePolicy) -> Self {
        match policy {
            ErasePolicy::Clear => wire::ErasePolicy::Unspecified.into(),
            ErasePolicy::Purge => wire::ErasePolicy::Purge.into(),
        }
    }
}

/// As above.
impl From<ReadBack> for i32 {
    fn from(read_back: ReadBack) -> Self {
        match read_back {
            ReadBack::Sampled => wire::ReadBack::Unspecified.into(),
            ReadBack::Full => wire::ReadBack::Full.into(),
        }
    }
}

impl From<ErasedDisk> for wire::ErasedDisk {
    fn from(erased: ErasedDisk) -> Self {
        let policy = match erased.policy {
            None => wire::ErasePolicy::Unspecified,
            Some(ErasePolicy::Clear) => wire::ErasePolicy::Clear,
            Some(ErasePolicy::Purge) => wire::ErasePolicy::Purge,
        };
        let verified = match erased.verified {
            Verified::Unsaid => wire::ReadBack::Unspecified,
            Verified::Nothing => wire::ReadBack::Nothing,
            Verified::Sampled => wire::ReadBack::Sampled,
            Verified::All => wire::ReadBack::Full,
        };
        let refused = |RefusedMethod { method, why }| wire::RefusedMethod { method, why };
        Self {
            name: erased.name,
            method: erased.method,
            erased_bytes: erased.erased_bytes,
            verified_bytes: erased.verified_bytes,
            disk: erased.disk.map(Into::into),
            failure: erased.failure,
            began_after_ms: erased.began_after_ms,
            took_ms: erased.took_ms,
            policy: policy.into(),
            refused: erased.refused.into_iter().map(refused).collect(),
            verified: verified.into(),
            found: erased.found,
            hidden: erased.hidden,
            statement: erased.statement,
        }
    }
}

impl TryFrom<wire::ErasedDisk> for ErasedDisk {
    type Error = InvalidMessage;
    fn try_from(mut erased: wire::ErasedDisk) -> Result<Self, InvalidMessage> {
        // What is too long is as if it were not signed, which is no success.
        if erased.statement.len() > STATEMENT_BYTES_MAX {
            erased.statement.clear();
        }
        let verified = match known("ErasedDisk.verified", erased.verified)? {
            wire::ReadBack::Unspecified => Verified::Unsaid,
            wire::ReadBack::Nothing => Verified::Nothing,
            wire::ReadBack::Sampled => Verified::Sampled,
            wire::ReadBack::Full => Verified::All,
        };
        let refused = |wire::RefusedMethod { method, why }| RefusedMethod { method, why };
        Ok(Self {
            name: erased.name,
            method: erased.method,
            erased_bytes: erased.erased_bytes,
            verified_bytes: erased.verified_bytes,
            disk: erased.disk.map(Disk::from),
            failure: erased.failure,
            began_after_ms: erased.began_after_ms,
            took_ms: erased.took_ms,
            policy: policy("ErasedDisk.policy", erased.policy)?,
            refused: erased.refused.into_iter().map(refused).collect(),
            verified,
            found: erased.found,
            hidden: erased.hidden,
            statement: erased.statement,
        })
    }
}
