//! Values: the rim towards OpenStack: what the coordinator asks of each service, as traits with values of ours.
//!
//! ```text
//!   access, ui                  identity.rs             IdentityService     Keystone
//!   api, images, adoption       image_service.rs        ImageService        Glance
//!   api, pools                  flavor_service.rs       FlavorService       Nova
//!   tenancy, survey             server_service.rs       ServerService       Nova
//!   tenancy                     placement_service.rs    PlacementService    Placement
//!   tenancy, api, survey        node_service.rs         NodeService         Ironic, in a person's name
//! ```
//!
//! What must stay true: nothing here knows HTTP, JSON or a session; a tenant's request goes out with the tenant's own token
//! ([`Caller::Tenant`]), so that quota, ownership and policy stay OpenStack's business; every failure is a [`ServiceError`],
//! which says who was asked, what was tried, and what the service said to people. `fakes` holds all of it in memory for tests.

mod caller;
mod error;
#[cfg(test)]
pub(crate) mod fakes;
mod flavor_service;
mod identity;
mod image_service;
mod inspection;
mod node_service;
mod placement_service;
mod server_service;

pub use caller::Caller;
pub use error::{Service, ServiceError};
pub use flavor_service::{Flavor, FlavorService, FlavorSpec, custom_resource};
pub use identity::{Bearer, Identity, IdentityService, Project, SignIn, SignedIn, TokenScope};
pub use image_service::{Image, ImageBytes, ImageService, NewImage, Unfinished};
pub use inspection::InspectionReport;
pub use node_service::{ListedNode, NodeService, PowerTarget, ProvisionTarget};
pub use placement_service::PlacementService;
pub use server_service::{
    ComputeServer, NewComputeServer, ProjectsShown, ServerFault, ServerNetworks, ServerService,
};
