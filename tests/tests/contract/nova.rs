//! Nova's flavors, key pairs and servers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use domain::rim::IdentityService;
use openstack::{
    Caller, Error,
    client::http_client,
    glance::NewImage,
    ironic::{PowerTarget, ProvisionTarget},
    nova::{Flavor, FlavorSpec, NewServer, ProjectsShown, Server, ServerNetworks},
};
use protocol::{id::ServerId, step::ImageFormat};
use serde_json::json;
use tests::openstack::Who;
use uuid::Uuid;

use super::{Cloud, WAIT_MAX, refused, wait_for_node, wait_for_power};

fn flavor(name: &str) -> FlavorSpec {
    FlavorSpec {
        name: name.into(),
        id: None,
        vcpus: 2,
        ram_mb: 2048,
        disk_gb: 4,
        resource_class: "contract".into(),
        traits: vec![],
        capabilities: BTreeMap::new(),
        projects: Vec::new(),
    }
}

pub async fn flavors(cloud: &Cloud) -> Result<()> {
    let (nova, demo) = (&cloud.nova, Caller::Tenant(&cloud.demo));
    let made = nova.create_flavor(&flavor("bm.contract")).await?;
    let error = refused(nova.create_flavor(&flavor("bm.contract")).await)?;
    ensure!(
        matches!(&error, Error::Conflict { message, .. } if message.contains("bm.contract")),
        "{error:?}"
    );
    let seen = nova.list_flavors(Caller::Service).await?;
    ensure!(seen == [made.clone()], "{seen:?} instead of {made:?}");
    ensure!(seen[0].extra_specs["resources:CUSTOM_CONTRACT"] == "1", "{seen:?}");
    ensure!(nova.list_flavors(demo).await?.len() == 1);
    // A flavor of one project: the service sees it, and of the tenants only that one.
    let project = cloud.keystone.find_project("demo").await?;
    ensure!(cloud.keystone.find_project(&project.id).await? == project);
    let spec = FlavorSpec {
        projects: vec![project.id.clone()],
        traits: vec!["CUSTOM_MANUFACTURER_QEMU".into()],
        ..flavor("bm.own")
    };
    let own = nova.create_flavor(&spec).await?;
    ensure!(!own.is_public && own.traits() == ["CUSTOM_MANUFACTURER_QEMU"], "{own:?}");
    ensure!(nova.flavor_projects(&own.id).await? == [project.id]);
    let names = async |caller| -> Result<Vec<String>> {
        Ok(nova.list_flavors(caller).await?.into_iter().map(|flavor| flavor.name).collect())
    };
    ensure!(names(Caller::Service).await?.len() == 2 && names(demo).await?.len() == 2);
    ensure!(names(Caller::Tenant(&cloud.other)).await? == ["bm.contract"]);
    nova.delete_flavor(&own.id).await?;
    nova.delete_flavor(&made.id).await?;
    nova.delete_flavor(&made.id).await?;
    ensure!(nova.list_flavors(Caller::Service).await?.is_empty());

    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone";
    let pair = nova.create_key_pair(demo, "my key", key).await?;
    ensure!(nova.list_key_pairs(demo).await? == [pair], "the pair is not listed");
    ensure!(nova.list_key_pairs(Caller::Tenant(&cloud.other)).await?.is_empty());
    nova.delete_key_pair(demo, "my key").await?;
    ensure!(nova.list_key_pairs(demo).await?.is_empty());
    let error = refused(nova.create_key_pair(demo, "bad", "no key").await)?;
    ensure!(matches!(error, Error::Refused { code: 400, .. }), "{error:?}");
    Ok(())
}

/// Enrolls a node of Ironic's fake hardware, which needs no BMC and no ramdisk.
async fn enroll_fake(cloud: &Cloud) -> Result<ServerId> {
    let id = ServerId::random();
    let token = cloud.openstack.session(Who::System)?.issued().await?.token.clone();
    let request = http_client(None)?
        .post(format!("{}/v1/nodes", cloud.openstack.endpoints.ironic))
        .header("X-Auth-Token", token.reveal())
        .header("X-OpenStack-Ironic-API-Version", "1.90")
        .json(&json!({
            "uuid": id, "name": "fake-1", "driver": "fake-hardware", "resource_class": "contract",
            "boot_interface": "fake", "deploy_interface": "fake", "properties": {"cpu_arch": "x86_64"},
        }));
    let answer = request.send().await?;
    ensure!(answer.status().is_success(), "{}", answer.text().await?);
    let ironic = &cloud.ironic;
    for (target, state) in [(ProvisionTarget::Manage, "manageable"), (ProvisionTarget::Provide, "available")]
    {
        ironic.set_provision_state(id, &target).await?;
        wait_for_node(cloud, id, state).await?;
    }
    ironic.set_power_state(id, PowerTarget::Off).await?;
    Ok(id)
}

async fn wait_for_server(cloud: &Cloud, id: Uuid, status: &str) -> Result<Server> {
    let begin = Instant::now();
    loop {
        let server = cloud.nova.show_server(Caller::Service, id).await?;
        if server.status == status {
            return Ok(server);
        }
        ensure!(begin.elapsed() < WAIT_MAX && server.status != "ERROR", "waited for {status}: {server:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Nova tells Placement of a node some time after it became available.
async fn wait_for_placement(cloud: &Cloud, flavor: &Flavor) -> Result<()> {
    let begin = Instant::now();
    while !cloud.placement.has_candidates(&flavor.extra_specs).await? {
        ensure!(begin.elapsed() < WAIT_MAX, "placement has no candidate for {flavor:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("         schedulable {:.1} s after available", begin.elapsed().as_secs_f32());
    Ok(())
}

pub async fn servers(cloud: &Cloud) -> Result<()> {
    let (nova, demo, other) = (&cloud.nova, Caller::Tenant(&cloud.demo), Caller::Tenant(&cloud.other));
    let node = enroll_fake(cloud).await?;
    let flavor = nova.create_flavor(&flavor("bm.server")).await?;
    let image = cloud
        .glance
        .create_image(
            Caller::Service,
            &NewImage {
                name: "tiny".into(),
                format: ImageFormat::Raw,
                public: true,
                id: None,
                min_disk_gb: 1,
                boot_mode: None,
                properties: BTreeMap::new(),
            },
        )
        .await?;
    let bytes = [Ok::<_, std::io::Error>(Bytes::from(vec![7; 1 << 20]))];
    cloud.glance.upload(Caller::Service, &image.id, futures::stream::iter(bytes)).await?;
    wait_for_placement(cloud, &flavor).await?;
    let nobodys = BTreeMap::from([("resources:CUSTOM_NOBODYS".to_owned(), "1".to_owned())]);
    ensure!(!cloud.placement.has_candidates(&nobodys).await?, "nobody has such a resource");
    let without = BTreeMap::from([
        ("resources:CUSTOM_CONTRACT".to_owned(), "1".to_owned()),
        ("trait:HW_CPU_X86_VMX".to_owned(), "required".to_owned()),
    ]);
    ensure!(!cloud.placement.has_candidates(&without).await?, "no node has that trait");
    let new = NewServer {
        name: "web".into(),
        flavor_id: flavor.id.clone(),
        image_id: image.id.clone(),
        key_name: None,
        user_data: Some("IyEvYmluL3NoCg==".into()),
        metadata: BTreeMap::from([("role".into(), "web".into())]),
        networks: ServerNetworks::None,
    };
    let begin = Instant::now();
    let id = nova.create_server(demo, &new).await?;
    let server = wait_for_server(cloud, id, "ACTIVE").await?;
    eprintln!("         server ACTIVE after {:.1} s", begin.elapsed().as_secs_f32());
    ensure!(server.node == Some(node.0) && server.flavor_name.as_deref() == Some("bm.server"), "{server:?}");
    let project = cloud.keystone.find_project("demo").await?;
    ensure!(server.project_id == project.id && server.image_id.as_ref() == Some(&image.id), "{server:?}");
    let node_now = cloud.ironic.get_node(node).await?;
    ensure!(node_now.instance_uuid == Some(id) && node_now.provision_state == "active", "{node_now:?}");
    ensure!(node_now.instance_info.image_source.as_ref() == Some(&image.id), "{node_now:?}");

    ensure!(nova.list_servers(demo, ProjectsShown::Own).await?.len() == 1);
    ensure!(nova.list_servers(Caller::Service, ProjectsShown::Own).await?.is_empty());
    ensure!(nova.list_servers(Caller::Service, ProjectsShown::All).await?.len() == 1);
    ensure!(nova.list_servers(other, ProjectsShown::Own).await?.is_empty());
    let error = refused(nova.list_servers(other, ProjectsShown::All).await.map(|s| s.len()));
    ensure!(matches!(error, Ok(Error::Refused { code: 403, .. })), "{error:?}");
    ensure!(refused(nova.show_server(other, id).await)?.is_not_found());
    let error = refused(nova.stop_server(other, id).await)?;
    ensure!(error.is_not_found(), "{error:?}");

    let begin = Instant::now();
    nova.stop_server(demo, id).await?;
    wait_for_server(cloud, id, "SHUTOFF").await?;
    eprintln!("         stopped in {:.1} s", begin.elapsed().as_secs_f32());
    let begin = Instant::now();
    nova.start_server(demo, id).await?;
    wait_for_server(cloud, id, "ACTIVE").await?;
    wait_for_power(cloud, node, "power on").await?;
    eprintln!("         started in {:.1} s", begin.elapsed().as_secs_f32());
    // Power that changes behind Nova's back: Ironic tells it.
    let begin = Instant::now();
    cloud.ironic.set_power_state(node, PowerTarget::Off).await?;
    wait_for_server(cloud, id, "SHUTOFF").await?;
    eprintln!("         Nova told of power off after {:.1} s", begin.elapsed().as_secs_f32());

    // No second server: the reason is for the tenant to see.
    let second = nova.create_server(demo, &new).await?;
    let failed = wait_for_server(cloud, second, "ERROR").await?;
    let fault = failed.fault.context("a server in ERROR has a fault")?;
    ensure!(fault.message.contains("No valid host"), "{fault:?}");
    ensure!(!nova.shows_deleted(id).await?, "a server in use is shown as deleted");
    // Its tenant deletes it by itself: by Nova's API, with the tenant's own token.
    for one in [second, id, id] {
        nova.delete_server(demo, one).await?;
    }
    let begin = Instant::now();
    while !nova.list_servers(demo, ProjectsShown::Own).await?.is_empty() {
        ensure!(begin.elapsed() < WAIT_MAX, "the server is not deleted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("         deleted in {:.1} s", begin.elapsed().as_secs_f32());
    ensure!(refused(nova.show_server(Caller::Service, id).await)?.is_not_found(), "it is still shown");
    ensure!(nova.shows_deleted(id).await?, "what its tenant deleted is not shown as deleted");
    // The filter is Nova's: of another server, or of one that never was, it shows nothing.
    ensure!(nova.shows_deleted(second).await?, "the other one that was deleted");
    ensure!(!nova.shows_deleted(Uuid::new_v4()).await?, "a server that never was is shown as deleted");
    wait_for_node(cloud, node, "available").await?;
    cloud.ironic.delete_node(node).await?;
    nova.delete_flavor(&flavor.id).await?;
    let error = refused(nova.create_server(demo, &new).await)?;
    ensure!(
        matches!(&error, Error::Refused { code: 400, message, .. } if message.contains("lavor")),
        "{error:?}"
    );
    Ok(())
}
