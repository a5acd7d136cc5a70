//! Values: orders to erase, and what an erased disk is told with.

use protocol::{
    erase::{ErasePolicy, ReadBack, RefusedMethod, Verified},
    step::{EraseOrder, ErasedDisk},
};

use super::hardware::example_disk;

pub(super) fn example_order() -> EraseOrder {
    EraseOrder { expected: vec![example_disk()], left_out: vec![example_disk()], ..EraseOrder::default() }
}

pub(super) fn purge() -> EraseOrder {
    EraseOrder { policy: ErasePolicy::Purge, read_back: ReadBack::Full, ..example_order() }
}

pub(super) fn purged() -> ErasedDisk {
    let refused =
        RefusedMethod { method: "nvme_sanitize_block".into(), why: "the drive does not offer it".into() };
    ErasedDisk {
        name: "/dev/nvme0n1".into(),
        method: "nvme_format_crypto".into(),
        erased_bytes: 9,
        verified_bytes: 8,
        disk: Some(example_disk()),
        began_after_ms: 1,
        took_ms: 2,
        policy: Some(ErasePolicy::Purge),
        refused: vec![refused],
        verified: Verified::Sampled,
        found: "other bytes than before".into(),
        hidden: vec!["HPA".into()],
        ..ErasedDisk::default()
    }
}
