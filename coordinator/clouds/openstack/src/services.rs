//! Edges: the clients as the services that the rim names.

use std::collections::BTreeMap;

use async_trait::async_trait;
use protocol::{id::ServerId, secret::Secret};
use uuid::Uuid;

use super::ironic_node;
use crate::{
    Error,
    glance::Glance,
    ironic::{self, Ironic},
    nova::{Nova, ProjectsShown},
    placement::Placement,
};
use domain::{
    lifecycle::Node,
    rim::{
        Caller, ComputeServer, Flavor, FlavorService, FlavorSpec, Image, ImageBytes, ImageService,
        ListedNode, NewComputeServer, NewImage, NodeService, PlacementService, PowerTarget, ProvisionTarget,
        ServerService,
    },
};

#[async_trait]
impl ImageService for Glance {
    async fn create_image(&self, caller: Caller<'_>, image: &NewImage) -> Result<Image, Error> {
        Glance::create_image(self, caller, image).await
    }

    async fn upload(&self, caller: Caller<'_>, id: &str, bytes: ImageBytes) -> Result<(), Error> {
        Glance::upload(self, caller, id, bytes).await
    }

    async fn list_images(&self, caller: Caller<'_>) -> Result<Vec<Image>, Error> {
        Glance::list_images(self, caller, None).await
    }

    async fn show_image(&self, caller: Caller<'_>, id: &str) -> Result<Image, Error> {
        Glance::show_image(self, caller, id).await
    }

    async fn set_property(
        &self,
        caller: Caller<'_>,
        id: &str,
        name: &str,
        value: &str,
    ) -> Result<Image, Error> {
        Glance::set_property(self, caller, id, name, value).await
    }

    async fn delete_image(&self, caller: Caller<'_>, id: &str) -> Result<(), Error> {
        Glance::delete_image(self, caller, id).await
    }
}

#[async_trait]
impl FlavorService for Nova {
    async fn list_flavors(&self, caller: Caller<'_>) -> Result<Vec<Flavor>, Error> {
        Nova::list_flavors(self, caller).await
    }

    async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, Error> {
        Nova::create_flavor(self, spec).await
    }

    async fn flavor_projects(&self, id: &str) -> Result<Vec<String>, Error> {
        Nova::flavor_projects(self, id).await
    }

    async fn delete_flavor(&self, id: &str) -> Result<(), Error> {
        Nova::delete_flavor(self, id).await
    }
}

#[async_trait]
impl ServerService for Nova {
    async fn create_server(&self, caller: Caller<'_>, server: &NewComputeServer) -> Result<Uuid, Error> {
        Nova::create_server(self, caller, server).await
    }

    async fn show_server(&self, caller: Caller<'_>, id: Uuid) -> Result<ComputeServer, Error> {
        Nova::show_server(self, caller, id).await
    }

    async fn list_servers(&self) -> Result<Vec<ComputeServer>, Error> {
        Nova::list_servers(self, Caller::Service, ProjectsShown::All).await
    }

    async fn shows_deleted(&self, id: Uuid) -> Result<bool, Error> {
        Nova::shows_deleted(self, id).await
    }

    async fn delete_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        Nova::delete_server(self, caller, id).await
    }

    async fn rebuild_server(&self, caller: Caller<'_>, id: Uuid, image_id: &str) -> Result<(), Error> {
        Nova::rebuild_server(self, caller, id, image_id).await
    }

    async fn rescue_server(&self, caller: Caller<'_>, id: Uuid, password: &Secret) -> Result<(), Error> {
        Nova::rescue_server(self, caller, id, password).await
    }

    async fn unrescue_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        Nova::unrescue_server(self, caller, id).await
    }

    async fn reset_server(&self, id: Uuid) -> Result<(), Error> {
        Nova::reset_server(self, Caller::Service, id).await
    }
}

#[async_trait]
impl PlacementService for Placement {
    async fn has_candidates(&self, extra_specs: &BTreeMap<String, String>) -> Result<bool, Error> {
        Placement::has_candidates(self, extra_specs).await
    }
}

#[async_trait]
impl NodeService for Ironic {
    async fn get_node(&self, id: ServerId) -> Result<Node, Error> {
        Ok(ironic_node(&Ironic::get_node(self, id).await?))
    }

    async fn list_nodes(&self) -> Result<Vec<ListedNode>, Error> {
        let listed = |node: ironic::IronicNode| ListedNode {
            node: ironic_node(&node),
            name: node.name,
            power: node.power_state,
        };
        Ok(Ironic::list_nodes(self).await?.into_iter().map(listed).collect())
    }

    async fn node_of_instance(&self, instance: Uuid) -> Result<Option<Node>, Error> {
        Ok(Ironic::node_of_instance(self, instance).await?.as_ref().map(ironic_node))
    }

    async fn set_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), Error> {
        Ironic::set_provision_state(self, id, target).await
    }

    async fn try_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), Error> {
        Ironic::try_provision_state(self, id, target).await
    }

    async fn set_power_state(&self, id: ServerId, target: PowerTarget) -> Result<(), Error> {
        Ironic::set_power_state(self, id, target).await
    }

    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), Error> {
        Ironic::set_maintenance(self, id, reason).await
    }
}
