//! Ironic's nodes, ports and states, and the ramdisk's side of its API.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use openstack::{
    Error,
    ironic::{
        Ensured, Ironic, LocalLink, NodeProperties, NodeSpec, PortSpec, PowerTarget, ProvisionTarget,
        RedfishAccess,
        ramdisk::{Heartbeat, InspectionReport},
    },
};
use protocol::{id::ServerId, mac::MacAddr, secret::Secret};
use serde_json::json;
use tests::openstack::Who;

use super::{Cloud, WAIT_MAX, refused};

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
        console: None,
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

pub async fn nodes(cloud: &Cloud) -> Result<()> {
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

pub async fn states(cloud: &Cloud) -> Result<()> {
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

pub async fn ramdisk(cloud: &Cloud) -> Result<()> {
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
