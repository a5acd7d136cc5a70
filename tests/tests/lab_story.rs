//! The whole story of the first server on a lab of its own: real OpenStack, real machines, our programs.
//!
//! One test, because one lab is enough: the main story, the same on UEFI, the bad days, and at last nothing may be left
//! behind.

#![allow(clippy::print_stdout)] // a failed test explains itself

use std::path::Path;

use tests::lab::{Lab, bad_days, site::Site, step::Steps, story, up};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_server_from_import_to_deletion() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a parent directory");
    let lab = Lab::at(Site::beside(root, "story", "bt", 26000)).expect("the checkout can be found");
    up::down(&lab).await.expect("what an earlier run left can be taken away");
    let mut steps = Steps::default();
    let told = async {
        up::up(&lab, &mut steps).await?;
        story::play(&lab, &mut steps).await?;
        story::play_uefi(&lab, &mut steps).await?;
        bad_days::play(&lab, &mut steps).await
    }
    .await;
    if told.is_err() {
        lab.explain();
    }
    let down = up::down(&lab).await;
    told.expect("the story holds");
    down.expect("the lab goes down");
    assert!(!lab.site.rack().fabric.exists(), "a namespace is left");
    assert!(!lab.site.run().exists(), "files are left");
}
