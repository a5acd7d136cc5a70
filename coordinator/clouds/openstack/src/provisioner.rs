//! Edges: Ironic and Glance as the core knows them: nodes, adoption, images' bytes.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::{
    ipmi_console,
    lifecycle::{Node, NodePower, ProvisionState},
    rim::{Adopter, ImageError, ImageSource, ImageStream, Instance, NodeSpec, Provisioner, ProvisionerError},
};
use futures::{StreamExt, stream};
use protocol::{boot::BootMode, id::ServerId};

use crate::{
    Caller, Error,
    glance::Glance,
    ironic::{
        self, ConsoleAccess, InstanceSpec, Ironic, NodeProperties, PortSpec, PowerTarget, ProvisionTarget,
        RedfishAccess,
    },
};

/// A node as the life cycle sees it.
pub fn ironic_node(node: &ironic::IronicNode) -> Node {
    let power = |word: &Option<String>| word.as_deref().and_then(NodePower::from_ironic);
    Node {
        id: node.id,
        provision_state: ProvisionState::from(node.provision_state.as_str()),
        target_provision_state: node.target_provision_state.clone(),
        power_state: power(&node.power_state),
        target_power_state: power(&node.target_power_state),
        deploy_step: node.deploy_step.as_ref().map(|step| step.step.clone()),
        clean_step: node.clean_step.as_ref().map(|step| step.step.clone()),
        reservation: node.reservation.clone(),
        instance_id: node.instance_uuid,
        maintenance: node.maintenance,
        maintenance_reason: node.maintenance_reason.clone(),
        fault: node.fault.clone(),
        since_us: node.provision_updated_at.and_then(|at| u64::try_from(at.as_microsecond()).ok()),
        last_error: node.last_error.clone(),
        root_device: node.root_device(),
    }
}

/// Ironic as the core knows it.
pub struct IronicProvisioner {
    /// The client.
    pub ironic: Ironic,
    /// Base URL of the facades, as Ironic reaches them.
    pub facade_url: String,
    /// File with our authority's certificate on the conductors' hosts.
    pub ca_file: String,
    /// Host and UDP port by which Ironic reaches servers' consoles by IPMI; none: they are not offered.
    pub ipmi_console: Option<(String, u16)>,
}

fn provisioner_error(error: Error) -> ProvisionerError {
    match &error {
        Error::Locked { operation, .. } | Error::Unavailable { operation, .. } => {
            ProvisionerError::Unavailable { operation: operation.clone(), reason: error.message().to_owned() }
        }
        // A user's password may be changed and a service restarted: both end.
        Error::Unauthorized { operation, .. } | Error::Unintelligible { operation, .. } => {
            ProvisionerError::Unavailable { operation: operation.clone(), reason: error.message().to_owned() }
        }
        Error::NotFound { operation, .. }
        | Error::Conflict { operation, .. }
        | Error::Refused { operation, .. } => {
            ProvisionerError::Refused { operation: operation.clone(), reason: error.message().to_owned() }
        }
    }
}

#[async_trait]
impl Provisioner for IronicProvisioner {
    async fn get_node(&self, id: ServerId) -> Result<Option<Node>, ProvisionerError> {
        match self.ironic.get_node(id).await {
            Ok(node) => Ok(Some(ironic_node(&node))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(provisioner_error(error)),
        }
    }

    async fn list_nodes(&self) -> Result<Vec<Node>, ProvisionerError> {
        let nodes = self.ironic.list_nodes().await.map_err(provisioner_error)?;
        Ok(nodes.iter().map(ironic_node).collect())
    }

    async fn tell_power_off(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.ironic.set_power_state(id, PowerTarget::Off).await.map_err(provisioner_error)
    }

    async fn ensure_node(&self, spec: &NodeSpec) -> Result<(), ProvisionerError> {
        let number = |name: &str| spec.properties.get(name).and_then(|text| text.parse().ok());
        let mut capabilities: std::collections::BTreeMap<String, String> =
            spec.properties.get("capabilities").map_or_else(Default::default, |text| {
                let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
                pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
            });
        let mode = match spec.boot_mode {
            BootMode::Bios => "bios",
            BootMode::Uefi => "uefi",
        };
        capabilities.insert("boot_mode".to_owned(), mode.to_owned());
        let node = ironic::NodeSpec {
            id: spec.id,
            name: spec.name.clone(),
            redfish: RedfishAccess {
                address: self.facade_url.clone(),
                system_path: format!("/redfish/v1/Systems/{}", spec.id),
                username: spec.facade_user.clone(),
                password: spec.facade_password.clone(),
                ca_file: Some(self.ca_file.clone()),
            },
            console: self.ipmi_console.as_ref().map(|(address, port)| ConsoleAccess {
                address: address.clone(),
                port: *port,
                username: ipmi_console::user(spec.id),
                password: ipmi_console::password(spec.id, &spec.facade_password),
            }),
            ramdisk: None,
            resource_class: spec.resource_class.clone(),
            properties: NodeProperties {
                cpus: number("cpus"),
                memory_mb: number("memory_mb"),
                local_gb: number("local_gb"),
                cpu_arch: spec.properties.get("cpu_arch").cloned(),
                capabilities,
                root_device: None,
            },
            traits: spec.traits.clone(),
            conductor_group: String::new(),
        };
        self.ironic.ensure_node(&node).await.map_err(provisioner_error)?;
        for (mac, pxe_enabled) in &spec.ports {
            let port = PortSpec { node: spec.id, mac: *mac, pxe_enabled: *pxe_enabled, link: None };
            self.ironic.ensure_port(&port).await.map_err(provisioner_error)?;
        }
        Ok(())
    }

    async fn classify(
        &self,
        id: ServerId,
        class: &str,
        traits: &BTreeSet<String>,
    ) -> Result<(), ProvisionerError> {
        let node = self.ironic.get_node(id).await.map_err(provisioner_error)?;
        if node.resource_class.as_deref() != Some(class) {
            self.ironic.set_resource_class(id, class).await.map_err(provisioner_error)?;
        }
        if node.traits.iter().collect::<BTreeSet<_>>() != traits.iter().collect() {
            self.ironic.set_traits(id, traits).await.map_err(provisioner_error)?;
        }
        Ok(())
    }

    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), ProvisionerError> {
        self.ironic.set_maintenance(id, reason).await.map_err(provisioner_error)
    }

    async fn delete_node(&self, id: ServerId) -> Result<(), ProvisionerError> {
        match self.ironic.delete_node(id).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(provisioner_error(error)),
        }
    }
}

#[async_trait]
impl Adopter for IronicProvisioner {
    async fn manage(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.ironic.set_provision_state(id, &ProvisionTarget::Manage).await.map_err(provisioner_error)
    }

    async fn set_instance(&self, id: ServerId, instance: &Instance) -> Result<(), ProvisionerError> {
        let spec = InstanceSpec {
            id: instance.id,
            display_name: instance.name.clone(),
            image_id: instance.image.clone(),
            project_id: instance.project_id.clone(),
        };
        self.ironic.set_instance(id, &spec).await.map_err(provisioner_error)
    }

    async fn clear_instance(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.ironic.clear_instance(id).await.map_err(provisioner_error)
    }

    async fn adopt(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.ironic.set_provision_state(id, &ProvisionTarget::Adopt).await.map_err(provisioner_error)
    }
}

/// Glance, for the agents' caches.
pub struct GlanceImages(pub Glance);

#[async_trait]
impl ImageSource for GlanceImages {
    async fn open(&self, id: &str, offset: u64) -> Result<ImageStream, ImageError> {
        let failed = |error: Error| ImageError {
            id: id.to_owned(),
            is_away: matches!(error, Error::Unavailable { .. } | Error::Unauthorized { .. }),
            reason: error.to_string(),
        };
        let bytes = self.0.download(Caller::Service, id, offset).await.map_err(failed)?;
        let id = id.to_owned();
        let pieces = stream::unfold(Some(bytes), move |bytes| {
            let id = id.clone();
            async move {
                let mut bytes = bytes?;
                match bytes.next().await {
                    Ok(Some(piece)) => Some((Ok(piece), Some(bytes))),
                    Ok(None) => None,
                    Err(error) => {
                        let (reason, is_away) = (error.to_string(), true);
                        Some((Err(ImageError { id, reason, is_away }), None))
                    }
                }
            }
        });
        Ok(pieces.boxed())
    }
}
