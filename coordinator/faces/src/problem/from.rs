//! Decisions: what each failure of the core and of the services means to whoever asked, and what of it is for administrators only.

use axum::http::StatusCode;
use coordinator_core::{
    firmware::FileError,
    images::{Cut, UploadError},
    tenancy::TenancyError,
};
use domain::rim::{AgentError, FabricError, Refusal, RefusalKind, Service, ServiceError};
use protocol::error_chain::chain;
use store::InventoryError;

use super::{Below, Problem};

/// Whether an answer tells of what only operators know. What Nova, Glance and Keystone refuse in the caller's own name is the
/// caller's; what they say of their own failures names what they work with: Nova's is Ironic's word, an address is the site's.
fn tells_of_inside(error: &ServiceError) -> bool {
    match error.service() {
        Service::Ironic | Service::Placement => true,
        Service::Nova | Service::Glance | Service::Keystone => match error {
            ServiceError::Refused { code, .. } => *code >= 500,
            ServiceError::Unavailable { .. } | ServiceError::Unintelligible { .. } => true,
            ServiceError::NotFound { .. }
            | ServiceError::Locked { .. }
            | ServiceError::Conflict { .. }
            | ServiceError::Unauthorized { .. } => false,
        },
    }
}

/// What a tenant is told when a service that it knows itself fails: which one.
fn tenants_words(error: &ServiceError) -> Option<String> {
    let service = error.service();
    match (service, error) {
        (Service::Ironic | Service::Placement, _) => None,
        (_, ServiceError::Unavailable { operation, .. }) => {
            Some(format!("cannot {operation} now: {service} did not answer; try again in a moment"))
        }
        (_, ServiceError::Refused { operation, .. } | ServiceError::Unintelligible { operation, .. }) => {
            Some(format!("cannot {operation}: {service} failed"))
        }
        (
            _,
            ServiceError::NotFound { .. }
            | ServiceError::Locked { .. }
            | ServiceError::Conflict { .. }
            | ServiceError::Unauthorized { .. },
        ) => None,
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        let below = tells_of_inside(&error).then(|| Box::new(Below { words: tenants_words(&error) }));
        let problem = match error {
            ServiceError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            ServiceError::Locked { .. } | ServiceError::Conflict { .. } => Self::conflict(detail),
            ServiceError::Unauthorized { .. } => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail),
            ServiceError::Unavailable { service, .. } => {
                let detail = format!("{detail}; check {service}, and try again");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "openstack-unavailable", detail)
            }
            ServiceError::Refused { code, .. } => {
                let status = match code {
                    403 => StatusCode::FORBIDDEN,
                    400..=499 => StatusCode::BAD_REQUEST,
                    _ => StatusCode::BAD_GATEWAY,
                };
                Self::new(status, "openstack-refused", detail)
            }
            ServiceError::Unintelligible { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "openstack-unintelligible", detail)
            }
        };
        Problem { below, ..problem }
    }
}

impl From<FabricError> for Problem {
    fn from(error: FabricError) -> Self {
        let detail = error.to_string();
        match error {
            FabricError::Unavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "contrail-unavailable", detail).below()
            }
            FabricError::UnknownPort { .. } => {
                Self::new(StatusCode::CONFLICT, "contrail-refused", detail).below()
            }
            FabricError::Refused { .. } => Self::new(StatusCode::CONFLICT, "contrail-refused", detail),
            FabricError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            FabricError::UnfitAddress { .. } => Self::bad(detail),
            FabricError::AddressTaken { .. } => Self::new(StatusCode::CONFLICT, "address-taken", detail),
            FabricError::NoAddressLeft { .. } => Self::new(StatusCode::CONFLICT, "no-address-left", detail),
            FabricError::Neighbours { .. } => Self::new(StatusCode::CONFLICT, "neighbours", detail).below(),
            FabricError::NotAlone { .. } => Self::new(StatusCode::CONFLICT, "port_not_alone", detail).below(),
            FabricError::InUse { .. } => Self::new(StatusCode::CONFLICT, "in-use", detail),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::UnknownServer => Self::new(StatusCode::NOT_FOUND, "not-found", refusal.message),
            RefusalKind::State | RefusalKind::OffUntold => Self::conflict(refusal.message),
            RefusalKind::Gate => Self::conflict(refusal.message).below(),
            RefusalKind::AgentAway | RefusalKind::Hardware | RefusalKind::Interrupted => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "hardware", refusal.message).below()
            }
        }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Inventory(error) => error.into(),
            FileError::Refused(why) => Self::conflict(why),
            FileError::Disk { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "disk", error.to_string()).below()
            }
        }
    }
}

impl From<TenancyError> for Problem {
    fn from(error: TenancyError) -> Self {
        match error {
            TenancyError::Inventory(error) => error.into(),
            TenancyError::OpenStack(error) => error.into(),
            TenancyError::Fabric(error) => error.into(),
            TenancyError::NotDeployed { .. } | TenancyError::Refused(_) => Self::conflict(error.to_string()),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::OpenStack(error) => error.into(),
            UploadError::Inventory(error) => error.into(),
            UploadError::File(fault) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "image-refused", fault.to_string());
                match parameter(&fault) {
                    Some(name) => problem.at(name, &fault),
                    None => problem,
                }
            }
            UploadError::Cut(Cut::Gone(why)) => Problem::new(StatusCode::UNAUTHORIZED, "ended", why),
            UploadError::Cut(cut @ (Cut::Slow { .. } | Cut::Long | Cut::Broken)) => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "image-cut-off", cut.to_string())
            }
            UploadError::Stopped => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "stopped", error.to_string())
            }
        }
    }
}

/// The parameter that a file does not agree with.
fn parameter(fault: &domain::images::Fault) -> Option<&'static str> {
    match fault {
        domain::images::Fault::Hash { .. } => Some("sha512"),
        domain::images::Fault::TooLarge { .. } => Some("min_disk_gb"),
        domain::images::Fault::Length { .. } => Some("Content-Length"),
        domain::images::Fault::Empty
        | domain::images::Fault::Unknown { .. }
        | domain::images::Fault::Unsupported { .. }
        | domain::images::Fault::Damaged { .. }
        | domain::images::Fault::NoDisk { .. }
        | domain::images::Fault::Inside { .. } => None,
    }
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "agent", error.to_string()).below()
    }
}

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        if let InventoryError::Taken { .. } = error {
            return Self::conflict(error.to_string());
        }
        tracing::error!(error = chain(&error), "inventory failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "inventory",
            "the inventory failed; the coordinator's log says why",
        )
    }
}
