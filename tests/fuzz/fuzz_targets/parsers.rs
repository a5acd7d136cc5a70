//! Edges: one program for all parsers, because linking each with everything takes longer than it tells. `FUZZ_TARGET` names
//! the one of `tests::fuzz` that is fed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tests::fuzz::{Target, by_name};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    by_name(&name)
        .unwrap_or_else(|| panic!("FUZZ_TARGET={name} is none of the names in tests/src/fuzz/mod.rs"))
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
