//! Values: why a service of OpenStack did not do what it was asked.

/// An OpenStack service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Identity.
    Keystone,
    /// Bare metal.
    Ironic,
    /// Images.
    Glance,
    /// Compute.
    Nova,
    /// What Nova's scheduler counts.
    Placement,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Service::Keystone => "Keystone",
            Service::Ironic => "Ironic",
            Service::Glance => "Glance",
            Service::Nova => "Nova",
            Service::Placement => "Placement",
        })
    }
}

/// Why a request to an OpenStack service had no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The object does not exist, or this caller may not know of it.
    #[error("cannot {operation}: {service} does not know it: {message}")]
    NotFound {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// What it said.
        message: String,
    },
    /// Ironic holds the node's lock. Repeat in a moment.
    #[error("cannot {operation} yet: {service} is busy with it: {message}")]
    Locked {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// What it said, with the name of the lock's holder.
        message: String,
    },
    /// It exists already, or its state does not allow this now.
    #[error("cannot {operation}: it conflicts with what {service} has: {message}")]
    Conflict {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// What it said.
        message: String,
    },
    /// The token or the password is not good (any more).
    #[error("cannot {operation}: {service} does not accept the credentials: {message}")]
    Unauthorized {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// What it said.
        message: String,
    },
    /// No answer, or one that says "later": worth repeating.
    #[error("cannot {operation} now: {service} did not answer: {message}")]
    Unavailable {
        /// Who was asked.
        service: Service,
        /// What was tried.
        operation: String,
        /// What happened.
        message: String,
    },
    /// Refused for good: repeating the same request cannot help.
    #[error("cannot {operation}: {service} refused ({code}): {message}")]
    Refused {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// HTTP status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// The answer is not what the API promises, or larger than we take.
    #[error("cannot {operation}: the answer of {service} makes no sense: {message}")]
    Unintelligible {
        /// Who answered.
        service: Service,
        /// What was tried.
        operation: String,
        /// What is wrong with it.
        message: String,
    },
}

impl ServiceError {
    /// Who was asked.
    pub fn service(&self) -> Service {
        match self {
            ServiceError::NotFound { service, .. }
            | ServiceError::Locked { service, .. }
            | ServiceError::Conflict { service, .. }
            | ServiceError::Unauthorized { service, .. }
            | ServiceError::Unavailable { service, .. }
            | ServiceError::Refused { service, .. }
            | ServiceError::Unintelligible { service, .. } => *service,
        }
    }

    /// Only the sentence that the service (or the network) gave, without our frame around it.
    pub fn message(&self) -> &str {
        match self {
            ServiceError::NotFound { message, .. }
            | ServiceError::Locked { message, .. }
            | ServiceError::Conflict { message, .. }
            | ServiceError::Unauthorized { message, .. }
            | ServiceError::Unavailable { message, .. }
            | ServiceError::Refused { message, .. }
            | ServiceError::Unintelligible { message, .. } => message,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            ServiceError::Locked { .. } | ServiceError::Unavailable { .. } => true,
            ServiceError::NotFound { .. }
            | ServiceError::Conflict { .. }
            | ServiceError::Unauthorized { .. }
            | ServiceError::Refused { .. }
            | ServiceError::Unintelligible { .. } => false,
        }
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ServiceError::NotFound { .. })
    }
}
