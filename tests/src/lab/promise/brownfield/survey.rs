//! Edges: the survey before an adoption: it finds what was planted, and changes nothing.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use api_types::{FindingKind, Survey, TenantNetwork};
use openstack::{
    Caller,
    ironic::{InstanceSpec, Ironic, NodeProperties, NodeSpec, RedfishAccess},
    nova::{Nova, ProjectsShown},
};
use protocol::{id::ServerId, secret::Secret};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        super::{Lab, story::NETWORK},
        networks::{cloud, http, set_fault},
    },
    ADDRESS, PLAN, adoption_file, instance, write,
};
use crate::{contrail::Fault, openstack::Who};

pub(super) async fn survey(lab: &Lab, network: &TenantNetwork, file: &str) -> anyhow::Result<()> {
    let look = async |line: &str| -> anyhow::Result<(Survey, Vec<FindingKind>)> {
        let found: Survey = lab.admin.json(line).await?;
        let kinds = found.findings.iter().map(|finding| finding.what).collect();
        Ok((found, kinds))
    };
    let (found, kinds) = look(&format!("node survey {file}")).await?;
    ensure!(kinds == [FindingKind::PortWithoutOwner], "{found:#?}");
    ensure!(found.servers == 1 && found.not_seen.is_empty(), "{found:#?}");

    let planted = plant(lab, network).await?;
    let seen = async {
        let before = everything(lab).await?;
        let (found, kinds) = look("node survey").await?;
        for kind in [
            FindingKind::MacTwice,
            FindingKind::NodeUnknown,
            FindingKind::InstanceUnknownToNova,
            FindingKind::PortWithoutOwner,
        ] {
            ensure!(kinds.contains(&kind), "{kind:?} was not found: {found:#?}");
        }
        let table = lab.admin.run("node survey").await?;
        ensure!(table.contains("ghost") && table.contains("no such server"), "{table}");
        let wrong = write(lab, "wrong.yaml", &adoption_file(&instance(NETWORK, "192.0.2.78", ""))).await?;
        let (found, kinds) = look(&format!("node survey {wrong}")).await?;
        let says = |words: &str| found.findings.iter().any(|finding| finding.contrail.contains(words));
        ensure!(kinds.contains(&FindingKind::EntryContradicts), "{found:#?}");
        ensure!(
            says(&format!("has {ADDRESS}, not 192.0.2.78")) && says("delete the wrong one"),
            "{found:#?}"
        );
        ensure!(found.findings.iter().all(|finding| finding.server != "ghost"), "{found:#?}");
        let after = everything(lab).await?;
        for (what, text) in &before {
            ensure!(after.get(what) == Some(text), "{what} was {text}, and is {:?}", after.get(what));
        }
        ensure!(before.len() == after.len(), "something was made: {:?}", after.keys());
        set_fault(lab, Fault::Unavailable).await?;
        let away = look("node survey").await;
        set_fault(lab, Fault::None).await?;
        let (found, kinds) = away?;
        ensure!(kinds.contains(&FindingKind::NodeUnknown), "what the others say is compared: {found:#?}");
        ensure!(found.not_seen.len() == 1 && found.not_seen[0].service == "contrail", "{found:#?}");
        for line in ["node survey", &format!("node survey {file}")] {
            let words = lab.tenant.refused(line).await?;
            ensure!(words.contains("administrator"), "{words}");
        }
        anyhow::Ok(())
    }
    .await;
    planted.pull_out(lab).await?;
    seen
}

/// What contradicts: a node with an instance that nobody else knows, and a second interface with the server's address.
struct Planted {
    ghost: ServerId,
    twin: String,
}

async fn plant(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<Planted> {
    let ironic = Ironic::new(cloud(lab)?.session(Who::System)?);
    let ghost = ServerId::random();
    let spec = NodeSpec {
        id: ghost,
        name: "ghost".into(),
        redfish: RedfishAccess {
            address: "https://127.0.0.1:1".into(),
            system_path: "/redfish/v1/Systems/ghost".into(),
            username: "nobody".into(),
            password: Secret::new("nothing"),
            ca_file: None,
        },
        console: None,
        ramdisk: None,
        resource_class: "ghost".into(),
        properties: NodeProperties::default(),
        traits: Default::default(),
        conductor_group: String::new(),
    };
    ironic.ensure_node(&spec).await?;
    let instance = InstanceSpec {
        id: Uuid::new_v4(),
        display_name: "ghost".into(),
        image_id: "none".into(),
        project_id: "none".into(),
    };
    ironic.set_instance(ghost, &instance).await?;
    let twin = plant_twin(lab, network).await?;
    Ok(Planted { ghost, twin })
}

impl Planted {
    async fn pull_out(self, lab: &Lab) -> anyhow::Result<()> {
        let ironic = Ironic::new(cloud(lab)?.session(Who::System)?);
        ironic.clear_instance(self.ghost).await?;
        ironic.delete_node(self.ghost).await?;
        pull_twin(lab, &self.twin).await
    }
}

/// A second interface with the server's address.
pub(super) async fn plant_twin(lab: &Lab, network: &TenantNetwork) -> anyhow::Result<String> {
    let name = ["default-domain", "demo", "twin"];
    let body = json!({"virtual-machine-interface": {
        "fq_name": name, "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", "demo", network.name]}],
        "virtual_machine_interface_mac_addresses": {"mac_address": [PLAN.mac().to_string()]},
    }});
    let url = format!("{}/virtual-machine-interfaces", lab.contrail_url());
    let made: Value = http()?.post(url).json(&body).send().await?.error_for_status()?.json().await?;
    Ok(made["virtual-machine-interface"]["uuid"].as_str().context("no uuid")?.to_owned())
}

pub(super) async fn pull_twin(lab: &Lab, twin: &str) -> anyhow::Result<()> {
    let url = format!("{}/virtual-machine-interface/{twin}", lab.contrail_url());
    http()?.delete(url).send().await?.error_for_status().map(drop).context("deleting the twin")
}

/// Everything that a survey could have changed: Ironic's nodes with the times of their last changes, Nova's servers,
/// everything in Contrail, our own inventory.
pub(super) async fn everything(lab: &Lab) -> anyhow::Result<BTreeMap<String, String>> {
    let cloud = cloud(lab)?;
    let token = cloud.session(Who::System)?.issued().await?.token.clone();
    let url = format!("{}/v1/nodes/detail", cloud.endpoints.ironic);
    let asked = http()?.get(url).header("X-Auth-Token", token.reveal());
    let asked = asked.header("x-openstack-ironic-api-version", "1.90").send().await?.error_for_status()?;
    let nodes: Value = asked.json().await?;
    let mut all = BTreeMap::new();
    for node in nodes["nodes"].as_array().into_iter().flatten() {
        let text = ["updated_at", "provision_state", "power_state", "instance_uuid", "reservation"]
            .map(|field| node[field].to_string());
        all.insert(format!("ironic {}", node["uuid"]), text.join(" "));
    }
    let nova = Nova::new(cloud.session(Who::Admin)?);
    for server in nova.list_servers(Caller::Service, ProjectsShown::All).await? {
        all.insert(format!("nova {}", server.id), format!("{server:?}"));
    }
    let contrail = tokio::fs::read(lab.site.run().join("contrail.json")).await?;
    all.insert("contrail".to_owned(), String::from_utf8_lossy(&contrail).into_owned());
    all.insert("inventory".to_owned(), lab.admin.run("node export").await?);
    all.insert("servers".to_owned(), lab.admin.run("-o json server list").await?);
    Ok(all)
}
