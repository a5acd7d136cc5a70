//! Contract: our clients against the real Keystone, Ironic, Glance and Nova.
//!
//! One test, because each test is a process of its own and a cloud takes a while to start: it starts one cloud, runs
//! every check, and then reports all that failed by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use coordinator::openstack::{
    Caller, Error,
    glance::{Glance, NewImage},
    ironic::{
        Ensured, Ironic, LocalLink, NodeProperties, NodeSpec, PortSpec, PowerTarget, ProvisionTarget,
        RedfishAccess,
        ramdisk::{Heartbeat, InspectionReport},
    },
    keystone::{self, Keystone},
    nova::{FlavorSpec, NewServer, Nova, ProjectsShown, Server, ServerNetworks},
    session::http_client,
};
use protocol::{id::ServerId, mac::MacAddr, secret::Secret, step::ImageFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tests::openstack::{OpenStack, Options, Who, ensure_venv};
use uuid::Uuid;

/// Time for any state that a check waits for.
const WAIT_MAX: Duration = Duration::from_secs(180);

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").join(".lab")
}

type Check = for<'a> fn(&'a Cloud) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A cloud with every client of ours.
struct Cloud {
    openstack: OpenStack,
    keystone: Keystone,
    ironic: Ironic,
    glance: Glance,
    nova: Nova,
    demo: Secret,
    other: Secret,
}

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
        keystone: Keystone::new(openstack.session(Who::System)?),
        ironic: Ironic::new(openstack.session(Who::System)?),
        glance: Glance::new(openstack.session(Who::Admin)?),
        nova: Nova::new(openstack.session(Who::Admin)?),
        demo: keystone::login(&http, &openstack.credentials(Who::Demo)).await?.token,
        other: keystone::login(&http, &openstack.credentials(Who::Other)).await?.token,
        openstack,
    };
    let first: [(&str, Check); 3] = [
        ("keystone tells who somebody is", |c| Box::pin(identities(c))),
        ("a refused password is said so", |c| Box::pin(bad_credentials(c))),
        ("ironic ensures nodes and ports", |c| Box::pin(nodes(c))),
    ];
    // Ironic tries an absent facade for 39 s before it says so: the others do not wait for that.
    let slow: [(&str, Check); 1] = [("ironic's states and refusals", |c| Box::pin(states(c)))];
    let rest: [(&str, Check); 4] = [
        ("the ramdisk's side of ironic", |c| Box::pin(ramdisk(c))),
        ("glance keeps bytes and their hash", |c| Box::pin(images(c))),
        ("nova's flavors and key pairs", |c| Box::pin(flavors(c))),
        ("nova deploys for a tenant", |c| Box::pin(servers(c))),
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

/// The error of a call that must fail.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Result<Error> {
    match result {
        Ok(value) => bail!("this should have been refused, but gave {value:?}"),
        Err(error) => Ok(error),
    }
}

async fn identities(cloud: &Cloud) -> Result<()> {
    let demo = cloud.keystone.validate_token(&cloud.demo).await?;
    ensure!(!demo.is_admin && demo.roles.contains(&"member".to_owned()), "{demo:?}");
    ensure!(demo.user_name == "demo" && demo.project_name.as_deref() == Some("demo"), "{demo:?}");
    let project = cloud.keystone.find_project("demo").await?;
    ensure!(demo.project_id.as_deref() == Some(&project.id), "{demo:?} {project:?}");
    let other = cloud.keystone.validate_token(&cloud.other).await?;
    ensure!(other.project_id != demo.project_id, "{other:?}");
    for (who, has_project) in [(Who::System, false), (Who::Admin, true)] {
        let token = cloud.openstack.session(who)?.issued().await?.token.clone();
        let admin = cloud.keystone.validate_token(&token).await?;
        ensure!(admin.is_admin && admin.project_id.is_some() == has_project, "{admin:?}");
        ensure!(cloud.keystone.validate_token(&token).await? == admin, "the remembered answer differs");
    }
    let error = refused(cloud.keystone.find_project("nobody's").await)?;
    ensure!(error.is_not_found(), "{error:?}");
    Ok(())
}

async fn bad_credentials(cloud: &Cloud) -> Result<()> {
    for token in ["no such token", "gAAAAAB", "line\nfeed", ""] {
        let error = refused(cloud.keystone.validate_token(&Secret::new(token)).await)?;
        ensure!(
            matches!(error, Error::Unauthorized { .. } | Error::Refused { code: 400, .. }),
            "{token:?}: {error:?}"
        );
    }
    let mut credentials = cloud.openstack.credentials(Who::Demo);
    credentials.password = Secret::new("wrong");
    let error = refused(keystone::login(&http_client(None)?, &credentials).await)?;
    ensure!(
        matches!(&error, Error::Unauthorized { message, .. } if message.contains("authentication")),
        "{error:?}"
    );
    credentials.auth_url = "http://127.0.0.1:1/v3".into();
    let error = refused(keystone::login(&http_client(None)?, &credentials).await)?;
    ensure!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    Ok(())
}

fn spec(name: &str) -> NodeSpec {
    let id = ServerId::random();
    NodeSpec {
        id,
        name: name.into(),
        redfish: RedfishAccess {
            address: "https://127.0.0.1:1".into(),
            system_path: format!("/redfish/v1/Systems/{id}"),
            username: "ironic".into(),
            password: Secret::new("first password"),
            ca_file: None,
        },
        ramdisk: None,
        resource_class: "gold".into(),
        properties: NodeProperties {
            cpus: Some(2),
            capabilities: BTreeMap::from([("boot_mode".into(), "uefi".into())]),
            ..NodeProperties::default()
        },
        traits: BTreeSet::from(["CUSTOM_FAST".to_owned()]),
        conductor_group: String::new(),
    }
}

async fn nodes(cloud: &Cloud) -> Result<()> {
    let ironic = &cloud.ironic;
    let mut spec = spec("contract-1");
    let made = ironic.ensure_node(&spec).await?;
    let Ensured::Created(node) = made else { bail!("{made:?}") };
    ensure!(node.id == spec.id && node.provision_state == "enroll", "{node:?}");
    ensure!(node.traits == ["CUSTOM_FAST"] && node.resource_class.as_deref() == Some("gold"), "{node:?}");
    let again = ironic.ensure_node(&spec).await?;
    ensure!(matches!(again, Ensured::Same(_)), "{again:?}");
    spec.redfish.password = Secret::new("second password");
    spec.properties.memory_mb = Some(4096);
    spec.properties.capabilities = BTreeMap::from([("secure_boot".into(), "true".into())]);
    spec.traits.insert("CUSTOM_LARGE".into());
    spec.name = "contract-one".into();
    let changed = ironic.ensure_node(&spec).await?;
    let Ensured::Changed(node) = changed else { bail!("{changed:?}") };
    ensure!(node.name.as_deref() == Some("contract-one") && node.traits.len() == 2, "{node:?}");
    ensure!(node.properties.memory_mb == Some(4096) && node.properties.cpus == Some(2), "{node:?}");
    ensure!(node.properties.capabilities.len() == 2, "capabilities are merged: {node:?}");
    let again = ironic.ensure_node(&spec).await?;
    ensure!(matches!(again, Ensured::Same(_)), "{again:?}");
    ironic.set_resource_class(spec.id, "silver").await?;
    ironic
        .set_properties(spec.id, &NodeProperties { local_gb: Some(7), ..NodeProperties::default() })
        .await?;
    let node = ironic.get_node(spec.id).await?;
    ensure!(
        node.resource_class.as_deref() == Some("silver") && node.properties.local_gb == Some(7),
        "{node:?}"
    );

    let mut port = PortSpec {
        node: spec.id,
        mac: "52:54:00:c0:00:01".parse()?,
        pxe_enabled: true,
        link: Some(LocalLink {
            switch_id: "52:54:00:ff:00:01".parse()?,
            port_id: "xe-0/0/1".into(),
            switch_info: "leaf1".into(),
        }),
    };
    let made = ironic.ensure_port(&port).await?;
    ensure!(matches!(made, Ensured::Created(_)), "{made:?}");
    let again = ironic.ensure_port(&port).await?;
    ensure!(matches!(again, Ensured::Same(_)), "{again:?}");
    port.pxe_enabled = false;
    let changed = ironic.ensure_port(&port).await?;
    ensure!(matches!(&changed, Ensured::Changed(p) if !p.pxe_enabled), "{changed:?}");
    ensure!(ironic.list_ports(spec.id).await?.len() == 1);

    let mut twin = self::spec("contract-one");
    twin.properties = NodeProperties::default();
    let error = refused(ironic.ensure_node(&twin).await)?;
    ensure!(
        matches!(&error, Error::Conflict { message, .. } if message.contains("contract-one")),
        "{error:?}"
    );
    twin.name = "contract-2".into();
    ironic.ensure_node(&twin).await?;
    let error = refused(ironic.ensure_port(&PortSpec { node: twin.id, ..port }).await)?;
    ensure!(
        matches!(&error, Error::Conflict { message, .. } if message.contains("52:54:00:c0:00:01")),
        "{error:?}"
    );
    let listed = ironic.list_nodes().await?;
    ensure!(listed.len() == 2 && listed.iter().any(|node| node.id == twin.id), "{listed:?}");

    ironic.delete_node(twin.id).await?;
    ironic.delete_node(twin.id).await?;
    ironic.delete_node(spec.id).await?;
    let error = refused(ironic.get_node(spec.id).await)?;
    ensure!(error.is_not_found() && error.message().contains("could not be found"), "{error:?}");
    ensure!(!error.message().contains("faultstring"), "the text is for people: {error}");
    Ok(())
}

/// Ensures a node while other checks write to Ironic's database, too: what is worth repeating is repeated.
async fn enroll(ironic: &Ironic, spec: &NodeSpec) -> Result<()> {
    let begin = Instant::now();
    loop {
        match ironic.ensure_node(spec).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_worth_repeating() && begin.elapsed() < WAIT_MAX => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn states(cloud: &Cloud) -> Result<()> {
    let ironic = &cloud.ironic;
    let mut spec = spec("contract-3");
    spec.redfish.address = cloud.openstack.endpoints.glance.clone();
    let id = spec.id;
    enroll(ironic, &spec).await?;
    let error = refused(ironic.set_provision_state(id, &ProvisionTarget::Provide).await)?;
    ensure!(
        matches!(&error, Error::Refused { code: 400, message, .. } if message.contains("provide")),
        "{error:?}"
    );
    ironic.set_maintenance(id, Some("a test")).await?;
    let node = ironic.get_node(id).await?;
    ensure!(node.maintenance && node.maintenance_reason.as_deref() == Some("a test"), "{node:?}");
    ironic.set_maintenance(id, None).await?;
    ensure!(!ironic.get_node(id).await?.maintenance);
    // Nobody listens at the facade's address, and Ironic tries for more than half a minute: that long the node is locked.
    let mut patient = self::spec("contract-5");
    enroll(ironic, &patient).await?;
    ironic.set_provision_state(patient.id, &ProvisionTarget::Manage).await?;
    let error = refused(ironic.set_power_state(patient.id, PowerTarget::On).await)?;
    ensure!(error.is_worth_repeating(), "the node is locked while it is verified: {error:?}");
    ensure!(matches!(error, Error::Locked { .. }), "{error:?}");
    patient.name = "contract-five".into();
    let error = refused(ironic.ensure_node(&patient).await)?;
    ensure!(matches!(error, Error::Locked { .. }), "{error:?}");
    // Something listens that is no Redfish service: Ironic says so on the node.
    ironic.set_provision_state(id, &ProvisionTarget::Manage).await?;
    let begin = Instant::now();
    let node = loop {
        let node = ironic.get_node(id).await?;
        // The lock is given back a moment after the failure is written down.
        if node.provision_state == "enroll" && node.last_error.is_some() && node.reservation.is_none() {
            break node;
        }
        ensure!(begin.elapsed() < WAIT_MAX, "the failure was not shown: {node:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(node.target_provision_state.is_none(), "{node:?}");
    // A tenant has no say over nodes (and sees one at most while it is the lessee).
    let tenant = Ironic::new(cloud.openstack.session(Who::Other)?);
    ensure!(refused(tenant.get_node(id).await)?.is_not_found());
    ensure!(tenant.list_nodes().await?.is_empty());
    let error = refused(tenant.ensure_node(&self::spec("demo-1")).await)?;
    ensure!(matches!(error, Error::Refused { code: 403, .. }), "{error:?}");
    ironic.delete_node(id).await?;
    Ok(())
}

async fn ramdisk(cloud: &Cloud) -> Result<()> {
    let ironic = &cloud.ironic;
    let spec = spec("contract-4");
    let mac: MacAddr = "52:54:00:c0:00:04".parse()?;
    enroll(ironic, &spec).await?;
    ironic.ensure_port(&PortSpec { node: spec.id, mac, pxe_enabled: true, link: None }).await?;
    // No ramdisk is expected in this state, and Ironic tells nothing to those who ask out of turn.
    let error = refused(ironic.lookup(&[mac], Some(spec.id)).await)?;
    ensure!(error.is_not_found(), "{error:?}");
    let heartbeat = Heartbeat {
        callback_url: "https://127.0.0.1:1/".into(),
        agent_version: "1.0".into(),
        agent_token: Secret::new("not the token"),
        agent_verify_ca: None,
    };
    let error = refused(ironic.heartbeat(spec.id, &heartbeat).await)?;
    ensure!(
        matches!(&error, Error::Refused { code: 400, message, .. } if message.contains("oken")),
        "{error:?}"
    );
    let report = InspectionReport {
        inventory: json!({
            "interfaces": [{"name": "eth0", "mac_address": mac, "ipv4_address": "198.18.1.10"}],
            "cpu": {"count": 1, "architecture": "x86_64"}, "disks": [], "memory": {"physical_mb": 512},
        }),
        error: None,
        root_disk: None,
        boot_interface: Some(mac),
    };
    let error = refused(ironic.continue_inspection(spec.id, &report).await)?;
    ensure!(error.is_not_found(), "{error:?}");
    ironic.delete_node(spec.id).await?;
    Ok(())
}

async fn images(cloud: &Cloud) -> Result<()> {
    let (glance, demo) = (&cloud.glance, Caller::Tenant(&cloud.demo));
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
    let hash: String = Sha512::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let new = |name: &str, public| NewImage {
        name: name.into(),
        format: ImageFormat::Raw,
        public,
        properties: BTreeMap::from([("os_distro".into(), "debian".into())]),
    };
    let private = glance.create_image(demo, &new("private", false)).await?;
    ensure!(private.status == "queued" && private.to_ref().is_err(), "{private:?}");
    let chunks = || {
        let chunks: Vec<_> =
            content.chunks(100_000).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
        futures::stream::iter(chunks)
    };
    glance.upload(demo, &private.id, chunks()).await?;
    let shown = glance.show_image(demo, &private.id).await?;
    let image = shown.to_ref().map_err(anyhow::Error::msg)?;
    ensure!(image.sha512 == hash && image.size_bytes == 3_000_000, "{shown:?}");
    let error = refused(glance.upload(demo, &private.id, chunks()).await)?;
    ensure!(matches!(error, Error::Conflict { .. }), "{error:?}");
    for offset in [0, 1, 1_234_567, 2_999_999] {
        let mut bytes = glance.download(Caller::Service, &private.id, offset).await?;
        let mut seen = Vec::new();
        while let Some(chunk) = bytes.next().await? {
            seen.extend_from_slice(&chunk);
        }
        ensure!(seen == content[offset as usize..], "from {offset} came {} bytes", seen.len());
    }
    let beyond = glance.download(Caller::Service, &private.id, 3_000_000).await.map(|bytes| bytes.offset);
    let error = refused(beyond)?;
    ensure!(matches!(error, Error::Refused { code: 416, .. }), "{error:?}");
    let renamed = glance.set_property(demo, &private.id, "name", "renamed").await?;
    ensure!(renamed.name.as_deref() == Some("renamed"), "{renamed:?}");
    // Another tenant sees nothing of it; an administrator does.
    let other = Caller::Tenant(&cloud.other);
    ensure!(refused(glance.show_image(other, &private.id).await)?.is_not_found());
    ensure!(glance.list_images(other, None).await?.is_empty());
    ensure!(glance.list_images(Caller::Service, Some("renamed")).await?.len() == 1);
    ensure!(glance.list_images(demo, Some("no such")).await?.is_empty());
    let error = refused(glance.create_image(demo, &new("public", true)).await)?;
    ensure!(matches!(error, Error::Refused { code: 403, .. }), "{error:?}");
    // A file that is not what it claims to be.
    let liar =
        glance.create_image(demo, &NewImage { format: ImageFormat::Qcow2, ..new("liar", false) }).await?;
    let junk = [Ok::<_, std::io::Error>(Bytes::from(vec![1; 70_000]))];
    let error = refused(glance.upload(demo, &liar.id, futures::stream::iter(junk)).await)?;
    ensure!(matches!(&error, Error::Refused { message, .. } if message.contains("qcow2")), "{error:?}");
    for id in [&private.id, &private.id, &liar.id] {
        glance.delete_image(demo, id).await?;
    }
    let error = refused(glance.show_image(demo, &private.id).await)?;
    ensure!(error.is_not_found() && !error.message().contains('<'), "{error:?}");
    Ok(())
}

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
    }
}

async fn flavors(cloud: &Cloud) -> Result<()> {
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

async fn wait_for_node(cloud: &Cloud, id: ServerId, state: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let node = cloud.ironic.get_node(id).await?;
        if node.provision_state == state && node.reservation.is_none() {
            return Ok(());
        }
        ensure!(begin.elapsed() < WAIT_MAX, "waited for {state}: {node:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn wait_for_power(cloud: &Cloud, id: ServerId, state: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let node = cloud.ironic.get_node(id).await?;
        if node.power_state.as_deref() == Some(state) && node.reservation.is_none() {
            return Ok(());
        }
        ensure!(begin.elapsed() < WAIT_MAX, "waited for {state}: {node:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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

/// The resources of a node as the scheduler sees them: none is free before Nova has told Placement.
async fn wait_for_placement(cloud: &Cloud, node: ServerId) -> Result<()> {
    let begin = Instant::now();
    let token = cloud.openstack.session(Who::Admin)?.issued().await?.token.clone();
    let url = format!("{}/resource_providers/{node}/inventories", cloud.openstack.endpoints.placement);
    loop {
        let answer = http_client(None)?.get(&url).header("X-Auth-Token", token.reveal()).send().await?;
        let seen: Value = answer.json().await.context("placement's answer")?;
        if seen["inventories"]["CUSTOM_CONTRACT"]["reserved"] == 0 {
            eprintln!("         schedulable {:.1} s after available", begin.elapsed().as_secs_f32());
            return Ok(());
        }
        ensure!(begin.elapsed() < WAIT_MAX, "placement shows {seen}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn servers(cloud: &Cloud) -> Result<()> {
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
                properties: BTreeMap::new(),
            },
        )
        .await?;
    let bytes = [Ok::<_, std::io::Error>(Bytes::from(vec![7; 1 << 20]))];
    cloud.glance.upload(Caller::Service, &image.id, futures::stream::iter(bytes)).await?;
    wait_for_placement(cloud, node).await?;
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
    for one in [second, id, id] {
        nova.delete_server(demo, one).await?;
    }
    let begin = Instant::now();
    while !nova.list_servers(demo, ProjectsShown::Own).await?.is_empty() {
        ensure!(begin.elapsed() < WAIT_MAX, "the server is not deleted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("         deleted in {:.1} s", begin.elapsed().as_secs_f32());
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
