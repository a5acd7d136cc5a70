//! Edges: Ironic's API: nodes, ports, states; the ramdisk's side of it is in [`ramdisk`].
//!
//! Every request names the API version: without it Ironic speaks 1.1, in which an available node has no state at all.

pub mod node;
pub mod patience;
pub mod ramdisk;
pub mod spec;

use std::collections::BTreeSet;

use http::Method;
use protocol::{id::ServerId, mac::MacAddr};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Service, call::Call, error::Error, session::Session};
use patience::when_unlocked;

pub use node::{IronicNode, NodeProperties, NodeStep, Port, PowerTarget, ProvisionTarget};
pub use spec::{
    ConsoleAccess, Ensured, InstanceSpec, LocalLink, NodeSpec, PortSpec, RamdiskFiles, RedfishAccess,
};

/// API version that is asked for: OpenStack 2024.1 and later have it, and `continue_inspection` needs 1.84.
pub const MICROVERSION: &str = "1.90";
/// Nodes in one page of a list.
pub const PAGE_NODES: usize = 1000;
/// Pages of one list: 100,000 nodes.
pub const PAGES_MAX: usize = 100;

/// The fields of a node that we read: naming them keeps answers small and makes Ironic skip what is costly.
const NODE_FIELDS: &str = "uuid,name,driver,provision_state,target_provision_state,power_state,target_power_state,\
    maintenance,maintenance_reason,fault,last_error,reservation,deploy_step,clean_step,instance_uuid,resource_class,\
    properties,traits,extra,conductor_group,owner,provision_updated_at,inspection_finished_at,instance_info";

/// The bare metal service.
#[derive(Clone, Debug)]
pub struct Ironic {
    session: Session,
}

impl Ironic {
    /// Asks with the given session. To see every node its token must be good for the whole system.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    fn call<'a>(&self, method: Method, path: String, operation: String) -> Call<'a> {
        Call::new(Service::Ironic, method, path, operation)
            .header("x-openstack-ironic-api-version", MICROVERSION)
    }

    async fn get<T: DeserializeOwned>(&self, path: String, operation: String) -> Result<T, Error> {
        self.session.json(self.call(Method::GET, path, operation)).await
    }

    /// Reads a node.
    pub async fn get_node(&self, id: ServerId) -> Result<IronicNode, Error> {
        self.get(format!("/v1/nodes/{id}?fields={NODE_FIELDS}"), format!("read node {id}")).await
    }

    /// Reads all nodes, page by page.
    pub async fn list_nodes(&self) -> Result<Vec<IronicNode>, Error> {
        #[derive(Deserialize)]
        struct Page {
            nodes: Vec<IronicNode>,
            next: Option<String>,
        }
        let mut nodes: Vec<IronicNode> = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut path = format!("/v1/nodes?fields={NODE_FIELDS}&limit={PAGE_NODES}");
            if let Some(last) = nodes.last() {
                path.push_str(&format!("&marker={}", last.id));
            }
            let mut page: Page = self.get(path, "list the nodes".to_owned()).await?;
            let empty = page.nodes.is_empty();
            nodes.append(&mut page.nodes);
            if page.next.is_none() || empty {
                break;
            }
        }
        Ok(nodes)
    }

    /// The node that carries an instance.
    pub async fn node_of_instance(&self, instance: Uuid) -> Result<Option<IronicNode>, Error> {
        #[derive(Deserialize)]
        struct Nodes {
            nodes: Vec<IronicNode>,
        }
        let path = format!("/v1/nodes?instance_uuid={instance}&fields={NODE_FIELDS}");
        let answer: Nodes = self.get(path, format!("find the node of instance {instance}")).await?;
        Ok(answer.nodes.into_iter().find(|node| node.instance_uuid == Some(instance)))
    }

    /// Makes the node as the specification says, under its uuid, or changes what differs.
    pub async fn ensure_node(&self, spec: &NodeSpec) -> Result<Ensured<IronicNode>, Error> {
        let id = spec.id;
        let existing = format!("/v1/nodes/{id}");
        let read = || self.get::<Value>(existing.clone(), format!("read node {id}"));
        let current = match read().await {
            Ok(current) => current,
            Err(Error::NotFound { .. }) => {
                let create = self
                    .call(Method::POST, "/v1/nodes".to_owned(), format!("create node {id} ({})", spec.name))
                    .body(spec.create_body());
                match self.session.send(create).await {
                    Ok(_) => {
                        self.set_traits(id, &spec.traits).await?;
                        return Ok(Ensured::Created(self.get_node(id).await?));
                    }
                    // Somebody made it between our two requests; a name that is taken also ends here, and reading tells.
                    Err(conflict @ Error::Conflict { .. }) => read().await.map_err(|error| match error {
                        Error::NotFound { .. } => conflict,
                        other => other,
                    })?,
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let patch = spec.patch(&current);
        let traits_differ = spec.traits_differ(&current);
        if !patch.is_empty() {
            self.patch_node(id, Value::Array(patch.clone())).await?;
        }
        if traits_differ {
            self.set_traits(id, &spec.traits).await?;
        }
        let node = self.get_node(id).await?;
        Ok(if patch.is_empty() && !traits_differ { Ensured::Same(node) } else { Ensured::Changed(node) })
    }

    async fn patch_node(&self, id: ServerId, patch: Value) -> Result<(), Error> {
        let call = || self.call(Method::PATCH, format!("/v1/nodes/{id}"), format!("change node {id}"));
        when_unlocked(|| self.session.send(call().body(patch.clone()))).await.map(drop)
    }

    /// Replaces the node's traits.
    pub async fn set_traits(&self, id: ServerId, traits: &BTreeSet<String>) -> Result<(), Error> {
        let call = self
            .call(Method::PUT, format!("/v1/nodes/{id}/traits"), format!("set the traits of node {id}"))
            .body(json!({"traits": traits}));
        self.session.send(call).await.map(drop)
    }

    /// Replaces the node's resource class (what a flavor asks for as `resources:CUSTOM_<CLASS>=1`).
    pub async fn set_resource_class(&self, id: ServerId, class: &str) -> Result<(), Error> {
        self.patch_node(id, json!([{"op": "add", "path": "/resource_class", "value": class}])).await
    }

    /// Changes those properties of the node that are given; capabilities are merged.
    pub async fn set_properties(&self, id: ServerId, properties: &NodeProperties) -> Result<(), Error> {
        let current: Value = self.get(format!("/v1/nodes/{id}"), format!("read node {id}")).await?;
        let patch = spec::property_patch(properties, &current);
        if patch.is_empty() { Ok(()) } else { self.patch_node(id, Value::Array(patch)).await }
    }

    /// Says what is to be deployed, for a site without Nova. Follow with [`ProvisionTarget::Active`].
    pub async fn set_instance(&self, id: ServerId, instance: &InstanceSpec) -> Result<(), Error> {
        self.patch_node(id, Value::Array(instance.patch())).await
    }

    /// Takes back what [`Ironic::set_instance`] wrote. Done already is done.
    pub async fn clear_instance(&self, id: ServerId) -> Result<(), Error> {
        let current = self.get_node(id).await?;
        let mut patch = vec![json!({"op": "add", "path": "/instance_info", "value": {}})];
        if current.instance_uuid.is_some() {
            patch.push(json!({"op": "remove", "path": "/instance_uuid"}));
        }
        self.patch_node(id, Value::Array(patch)).await
    }

    /// Deletes the node with its ports. Done already is done.
    pub async fn delete_node(&self, id: ServerId) -> Result<(), Error> {
        let call = self.call(Method::DELETE, format!("/v1/nodes/{id}"), format!("delete node {id}"));
        match self.session.send(call).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Starts a change of the provision state. Success means that Ironic has accepted it, not that it is done.
    pub async fn set_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), Error> {
        when_unlocked(|| self.try_provision_state(id, target)).await
    }

    /// The same, asked once: a node that is locked is an error.
    pub async fn try_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), Error> {
        let path = format!("/v1/nodes/{id}/states/provision");
        let operation = format!("{} node {id}", target.verb());
        let call = self.call(Method::PUT, path, operation).body(node::provision_body(target));
        self.session.send(call).await.map(drop)
    }

    /// Starts a change of the power. Success means that Ironic has accepted it.
    pub async fn set_power_state(&self, id: ServerId, target: PowerTarget) -> Result<(), Error> {
        let path = format!("/v1/nodes/{id}/states/power");
        let operation = format!("request {} of node {id}", target.as_str());
        let body = json!({"target": target.as_str()});
        let call = || self.call(Method::PUT, path.clone(), operation.clone()).body(body.clone());
        when_unlocked(|| self.session.send(call())).await.map(drop)
    }

    /// Puts the node into maintenance for the given reason, or out of it with none.
    pub async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), Error> {
        let path = format!("/v1/nodes/{id}/maintenance");
        let call = || match reason {
            Some(reason) => self
                .call(Method::PUT, path.clone(), format!("put node {id} into maintenance"))
                .body(json!({"reason": reason})),
            None => self.call(Method::DELETE, path.clone(), format!("take node {id} out of maintenance")),
        };
        when_unlocked(|| self.session.send(call())).await.map(drop)
    }

    /// Makes the port as the specification says, or changes what differs. A MAC address that another node has is a conflict.
    pub async fn ensure_port(&self, spec: &PortSpec) -> Result<Ensured<Port>, Error> {
        let operation = format!("ensure port {} of node {}", spec.mac, spec.node);
        match self.find_port(spec.mac).await? {
            None => {
                let call =
                    self.call(Method::POST, "/v1/ports".to_owned(), operation).body(spec.create_body());
                Ok(Ensured::Created(self.session.json(call).await?))
            }
            Some((port, _)) if port.node != spec.node => Err(Error::Conflict {
                service: Service::Ironic,
                operation,
                message: format!("node {} has the MAC address {} already", port.node, spec.mac),
            }),
            Some((port, current)) => {
                let patch = spec.patch(&current);
                if patch.is_empty() {
                    return Ok(Ensured::Same(port));
                }
                let path = format!("/v1/ports/{}", port.id);
                let call = self.call(Method::PATCH, path, operation).body(Value::Array(patch));
                Ok(Ensured::Changed(self.session.json(call).await?))
            }
        }
    }

    async fn find_port(&self, mac: MacAddr) -> Result<Option<(Port, Value)>, Error> {
        #[derive(Deserialize)]
        struct Ports {
            ports: Vec<Value>,
        }
        let operation = format!("find port {mac}");
        let path = format!("/v1/ports/detail?{}", domain::url_text::query(&[("address", &mac.to_string())]));
        let answer: Ports = self.get(path, operation.clone()).await?;
        let Some(current) = answer.ports.into_iter().next() else { return Ok(None) };
        let port = Port::deserialize(&current).map_err(|e| Error::Unintelligible {
            service: Service::Ironic,
            operation,
            message: e.to_string(),
        })?;
        Ok(Some((port, current)))
    }

    /// Reads the ports of a node.
    pub async fn list_ports(&self, node: ServerId) -> Result<Vec<Port>, Error> {
        #[derive(Deserialize)]
        struct Ports {
            ports: Vec<Port>,
        }
        let path = format!("/v1/nodes/{node}/ports?detail=true");
        let answer: Ports = self.get(path, format!("list the ports of node {node}")).await?;
        Ok(answer.ports)
    }

    /// Names of the drivers that a running conductor serves: empty while Ironic is still starting.
    pub async fn list_drivers(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Drivers {
            drivers: Vec<Driver>,
        }
        #[derive(Deserialize)]
        struct Driver {
            name: String,
        }
        let answer: Drivers = self.get("/v1/drivers".to_owned(), "list the drivers".to_owned()).await?;
        Ok(answer.drivers.into_iter().map(|d| d.name).collect())
    }
}
