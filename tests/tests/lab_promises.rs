//! What the framework promises, each promise once, on a lab of its own: real OpenStack, real machines, our programs.
//!
//! One test, because one lab is enough. Its fabric is of the service provider style; that of the story's is of the enterprise style. `target/debug/lab promise NAME` plays one of them alone.

#![allow(clippy::print_stdout)] // a failed test explains itself

use std::path::Path;

use tests::{
    contrail::switch::Style,
    lab::{Lab, promise, site::Site, step::Steps, up},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a parent directory");
    let site = Site { fabric: Style::ServiceProvider, ..Site::beside(root, "promises", "bp", 30000) };
    let lab = Lab::at(site).expect("the checkout can be found");
    up::down(&lab).await.expect("what an earlier run left can be taken away");
    let mut steps = Steps::default();
    let told = async {
        up::up(&lab, &mut steps).await?;
        promise::play(&lab, &mut steps, &[]).await
    }
    .await;
    if told.is_err() {
        lab.explain();
    }
    let down = up::down(&lab).await;
    told.expect("the promises hold");
    down.expect("the lab goes down");
}
