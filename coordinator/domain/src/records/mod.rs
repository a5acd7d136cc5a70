//! Values: what the inventory keeps: servers and their interfaces, tenants' servers, agents, ramdisks, proofs.

mod agent;
mod boot;
mod command;
mod erase_certificate;
mod loader;
mod new_server;
mod proof;
mod ramdisk;
mod server;
mod tenant_reason;
mod tenant_server;
mod upload;

pub use agent::{Agent, AgentCertificate, Origin};
pub use boot::{BootReached, stage_of_sighting, stored_sighting};
pub use command::{CommandKind, StoredCommand};
pub use erase_certificate::{EraseCertificate, EraseCertificateFilter};
pub use loader::capability;
pub use new_server::{NewPort, NewServer};
pub use proof::{AskedBy, Proof, SIGHTINGS_MAX, Sighting};
pub use ramdisk::Ramdisk;
pub use server::{Adopted, Holder, Intent, Port, PowerUpdate, SeenPower, Server, Unwatched};
pub use tenant_reason::{TenantReason, TenantReasonKind, Wait};
pub use tenant_server::{TenantPortRecord, TenantServer, TenantServerState};
pub use upload::Upload;
