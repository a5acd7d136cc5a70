//! Values: the rim of the coordinator, as traits. Each has a real implementation and a fake for tests.
//!
//! Everything inside speaks these words; only the implementations know HTTP, the VNC API or gRPC. All verbs are safe
//! to repeat.

mod agents;
mod fabric;
mod hardware;
mod image_source;
mod provisioner;
mod switch_port;
mod tenant_networks;

pub use agents::{AgentError, Agents};
pub use fabric::{Fabric, FabricError};
pub use hardware::{FacadeServer, Hardware, ImageNews, PowerRequest, Refusal, RefusalKind};
pub use image_source::{ImageError, ImageSource, ImageStream};
pub use provisioner::{NodeSpec, Provisioner, ProvisionerError};
pub use switch_port::{
    ObservedNetwork, ServerPort, Sibling, SwitchPort, WantedNetwork, describe_observed, describe_wanted,
};
pub use tenant_networks::{
    NetworkAddresses, NewTenantPort, SecurityGroup, SiteObject, SiteObjectState, TenantNetwork,
    TenantNetworks, TenantPort, UsedAddress,
};
