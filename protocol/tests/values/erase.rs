//! Values: orders to erase, and what became of each disk.

use proptest::{collection::vec, option, prelude::*, sample::select};
use protocol::{
    erase::{ErasePolicy, ReadBack, RefusedMethod, Verified},
    step::{EraseOrder, ErasedDisk},
};

use super::{disk, text};

fn policy() -> impl Strategy<Value = ErasePolicy> {
    select(vec![ErasePolicy::Clear, ErasePolicy::Purge])
}

/// Any order of an erase of metadata.
pub fn metadata_order() -> impl Strategy<Value = EraseOrder> {
    let disks = (vec(disk(), 0..3), vec(disk(), 0..2));
    (disks, any::<bool>()).prop_map(|((expected, left_out), quick)| EraseOrder {
        expected,
        left_out,
        quick,
        ..EraseOrder::default()
    })
}

/// Any order of an erase of every byte.
pub fn disk_order() -> impl Strategy<Value = EraseOrder> {
    let disks = (vec(disk(), 0..3), vec(disk(), 0..2));
    (disks, policy(), select(vec![ReadBack::Sampled, ReadBack::Full])).prop_map(
        |((expected, left_out), policy, read_back)| EraseOrder {
            expected,
            left_out,
            policy,
            read_back,
            quick: false,
        },
    )
}

/// Any disk with what became of it.
pub fn erased_disk() -> impl Strategy<Value = ErasedDisk> {
    let refused = (text(), text()).prop_map(|(method, why)| RefusedMethod { method, why });
    let verified = select(vec![Verified::Unsaid, Verified::Nothing, Verified::Sampled, Verified::All]);
    let texts = (text(), text(), text(), text(), text(), vec(text(), 0..3));
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (texts, numbers, option::of(disk()), option::of(policy()), vec(refused, 0..3), verified).prop_map(
        |(
            (name, method, failure, found, statement, hidden),
            (erased_bytes, verified_bytes, began_after_ms, took_ms),
            disk,
            policy,
            refused,
            verified,
        )| ErasedDisk {
            name,
            method,
            erased_bytes,
            verified_bytes,
            disk,
            failure,
            began_after_ms,
            took_ms,
            policy,
            refused,
            verified,
            found,
            hidden,
            statement,
        },
    )
}
