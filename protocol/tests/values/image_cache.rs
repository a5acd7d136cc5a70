//! Orders for a rack's image cache, and their answers.

use proptest::prelude::*;
use protocol::{
    convert::ToAgent,
    id::{CacheOrderId, ServerId},
    image_cache::{CacheAnswer, CacheOrder, CacheState, CacheVerb, CachedImage, Standing},
    step::{ImageFormat, ImageRef},
};
use uuid::Uuid;

const ID: CacheOrderId = CacheOrderId(Uuid::from_u128(14));

fn hash(digit: char) -> String {
    digit.to_string().repeat(128)
}

fn image() -> ImageRef {
    ImageRef { id: "image".into(), format: ImageFormat::Qcow2, size_bytes: 1 << 33, sha512: hash('a') }
}

/// One order of every kind.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    let order = |verb| ToAgent::Cache(CacheOrder { id: ID, verb });
    vec![
        ("down-cache-look", order(CacheVerb::Look)),
        ("down-cache-warm", order(CacheVerb::Warm(image()))),
        ("down-cache-drop", order(CacheVerb::Drop(hash('b')))),
    ]
}

/// A cache with an image of every standing, and a refusal.
pub fn examples_answer() -> Vec<(&'static str, CacheAnswer)> {
    let server = |id| ServerId(Uuid::from_u128(id));
    let held = |digit, standing| CachedImage {
        sha512: hash(digit),
        id: Some("image".into()),
        standing,
        waiting: vec![server(1)],
        in_use: vec![server(2), server(3)],
    };
    let state = CacheState {
        max_bytes: 1 << 36,
        free_bytes: 1 << 35,
        images: vec![
            held('a', Standing::Whole { bytes: 7, used_s: 1_700_000_000, unpacked: true }),
            held('b', Standing::UnderWay { received_bytes: 3, size_bytes: 7 }),
            CachedImage { id: None, ..held('c', Standing::Failed("because".into())) },
        ],
        left_out: 2,
    };
    vec![
        ("answer-cache-state", CacheAnswer { id: ID, outcome: Ok(state) }),
        ("answer-cache-refused", CacheAnswer { id: ID, outcome: Err("because".into()) }),
    ]
}

/// Any order.
pub fn order() -> impl Strategy<Value = ToAgent> {
    let verb = prop_oneof![
        Just(CacheVerb::Look),
        any::<u64>().prop_map(|size_bytes| CacheVerb::Warm(ImageRef { size_bytes, ..image() })),
        "[0-9a-f]{128}".prop_map(CacheVerb::Drop),
    ];
    (any::<u128>(), verb)
        .prop_map(|(id, verb)| ToAgent::Cache(CacheOrder { id: CacheOrderId(Uuid::from_u128(id)), verb }))
}
