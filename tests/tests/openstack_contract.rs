//! Contract: our clients against the real Keystone, Ironic, Glance and Nova.
//!
//! One test, because each test is a process of its own and a cloud takes a while to start: it starts one cloud, runs
//! every check of `contract/`, a file per service, and then reports all that failed by name.

mod contract;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::Instant,
};

use anyhow::{Result, ensure};
use contract::Cloud;
use openstack::{
    client::http_client, glance::Glance, ironic::Ironic, keystone::Keystone, login::login, nova::Nova,
    placement::Placement,
};
use tests::openstack::{OpenStack, Options, Who, ensure_venv};

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").join(".lab")
}

type Check = for<'a> fn(&'a Cloud) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

#[tokio::test]
async fn clients_agree_with_the_real_services() -> Result<()> {
    let begin = Instant::now();
    let options = Options::in_lab(&lab(), "openstack-contract", 23000);
    let venv = options.venv.clone();
    tokio::task::spawn_blocking(move || ensure_venv(&venv)).await??;
    eprintln!("{:6.1} s virtual environment", begin.elapsed().as_secs_f32());
    let openstack = OpenStack::start(options).await?;
    eprintln!("{:6.1} s cloud is up", begin.elapsed().as_secs_f32());
    let http = http_client(None)?;
    let cloud = Cloud {
        keystone: Keystone::new(openstack.session(Who::System)?, openstack.session(Who::Admin)?),
        ironic: Ironic::new(openstack.session(Who::System)?),
        glance: Glance::new(openstack.session(Who::Admin)?),
        nova: Nova::new(openstack.session(Who::Admin)?),
        placement: Placement::new(openstack.session(Who::Admin)?),
        demo: login(&http, &openstack.credentials(Who::Demo)).await?.token,
        other: login(&http, &openstack.credentials(Who::Other)).await?.token,
        openstack,
    };
    let first: [(&str, Check); 4] = [
        ("keystone tells who somebody is", |c| Box::pin(contract::keystone::identities(c))),
        ("a role counts where it was given", |c| Box::pin(contract::keystone::standings(c))),
        ("a refused password is said so", |c| Box::pin(contract::keystone::bad_credentials(c))),
        ("ironic ensures nodes and ports", |c| Box::pin(contract::ironic::nodes(c))),
    ];
    // Ironic tries an absent facade for 39 s before it says so: the others do not wait for that.
    let slow: [(&str, Check); 1] =
        [("ironic's states and refusals", |c| Box::pin(contract::ironic::states(c)))];
    let rest: [(&str, Check); 4] = [
        ("the ramdisk's side of ironic", |c| Box::pin(contract::ironic::ramdisk(c))),
        ("glance keeps bytes and their hash", |c| Box::pin(contract::glance::images(c))),
        ("nova's flavors and key pairs", |c| Box::pin(contract::nova::flavors(c))),
        ("nova deploys for a tenant", |c| Box::pin(contract::nova::servers(c))),
    ];
    let mut failures = run(&cloud, begin, &first).await;
    let (slow, rest) = tokio::join!(run(&cloud, begin, &slow), run(&cloud, begin, &rest));
    failures.extend(slow.into_iter().chain(rest));
    let logs = cloud.openstack.dir.join("log");
    // Another program finds and stops what this one started.
    let attached = OpenStack::attach(&cloud.openstack.dir)?;
    let status = attached.status();
    ensure!(status.len() == 6 && status.iter().all(|service| service.pid.is_some()), "{status:?}");
    ensure!(attached.endpoints == cloud.openstack.endpoints);
    attached.stop();
    ensure!(cloud.openstack.status().is_empty(), "stop left {:?}", cloud.openstack.status());
    eprintln!("{:6.1} s stopped", begin.elapsed().as_secs_f32());
    ensure!(failures.is_empty(), "{}\nlogs are in {}", failures.join("\n\n"), logs.display());
    Ok(())
}

/// Runs checks one after the other and tells of those that failed.
async fn run(cloud: &Cloud, begin: Instant, checks: &[(&str, Check)]) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, check) in checks {
        let result = check(cloud).await;
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        eprintln!("{:6.1} s {name}: {verdict}", begin.elapsed().as_secs_f32());
        if let Err(error) = result {
            failures.push(format!("{name}: {error:?}"));
        }
    }
    failures
}
