//! Values: the rim of the coordinator: what it asks of everything outside, as traits with values of ours. Each has a real
//! implementation and a fake for tests.
//!
//! ```text
//!   gate, mover, reconcile      fabric, agents, presence, provisioner    Contrail, the racks' agents, Ironic
//!   adoption, survey            adopter                                  Ironic, Contrail
//!   tenancy, api                tenant_networks                          Contrail
//!   discovery                   agents                                   the racks' agents
//!   access, ui                  identity                                 Keystone
//!   api, images, adoption       image_service, image_source              Glance
//!   api, pools                  flavor_service                           Nova
//!   tenancy, survey             server_service                           Nova
//!   tenancy                     placement_service                        Placement
//!   tenancy, api, survey        node_service                             Ironic, in a person's name
//!   the facades towards Ironic  hardware, ramdisk                        the core; Ironic, Glance, the store
//! ```
//!
//! What must stay true: nothing here knows HTTP, the VNC API, gRPC or a session; a tenant's request goes out with the tenant's own
//! token ([`Caller::Tenant`]), so that quota, ownership and policy stay OpenStack's business; a failure says who was asked, what was
//! tried, and what was said to people. All verbs are safe to repeat.

mod adopter;
mod agents;
mod caller;
mod drive_source;
mod error;
mod fabric;
mod flavor_service;
mod hardware;
mod identity;
mod image_service;
mod image_source;
mod inspection;
mod node_service;
mod placement_service;
mod presence;
mod provisioner;
mod ramdisk;
mod server_service;
mod switch_port;
mod tenant_networks;

pub use adopter::{Adopter, Instance, Interfaces};
pub use agents::{AgentError, Agents, Declarations, DiscoveryOrders};
pub use caller::Caller;
pub use drive_source::{DriveError, DriveSource, NoDrives, shown_url};
pub use error::{Service, ServiceError};
pub use fabric::{Fabric, FabricError};
pub use flavor_service::{Flavor, FlavorService, FlavorSpec, custom_resource};
pub use hardware::{FacadeSensors, FacadeServer, Hardware, ImageNews, PowerRequest, Refusal, RefusalKind};
pub use identity::{Bearer, Identity, IdentityService, Project, SignIn, SignedIn, TokenScope};
pub use image_service::{Image, ImageBytes, ImageService, NewImage, SECTOR_BYTES, Unfinished};
pub use image_source::{ImageError, ImageSource, ImageStream};
pub use inspection::InspectionReport;
pub use node_service::{ListedNode, NodeService, PowerTarget, ProvisionTarget};
pub use placement_service::PlacementService;
pub use presence::{AgentConnection, HeardHealth, Presence};
pub use provisioner::{NodeSpec, Provisioner, ProvisionerError};
pub use ramdisk::{
    AGENT_VERSION, ImageLookup, ImageLookupError, IronicRamdisk, IronicRamdiskError, SessionStore,
    StoreError, Token,
};
pub use server_service::{
    ComputeServer, NewComputeServer, ProjectsShown, ServerFault, ServerNetworks, ServerService,
};
pub use switch_port::{
    ObservedNetwork, ServerPort, Sibling, SwitchPort, WantedNetwork, describe_observed, describe_wanted,
};
pub use tenant_networks::{
    NetworkAddresses, NewTenantPort, SecurityGroup, SiteObject, SiteObjectState, TenantNetwork,
    TenantNetworks, TenantPort, UsedAddress,
};
