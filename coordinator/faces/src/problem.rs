//! Edges: what the API answers when it does not do what it was asked (RFC 9457), and who is told how much of it.

use std::{borrow::Cow, fmt, ops::Deref};

use api_types as types;
use api_types::{Fault, FieldFault};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use coordinator_core::{
    images::{Cut, UploadError},
    tenancy::TenancyError,
};
use domain::rim::{AgentError, FabricError, Refusal, RefusalKind, Service, ServiceError};
use protocol::error_chain::chain;
use store::InventoryError;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// A problem on its way out: what is said of it, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What the client reads. Boxed, because problems go through every function.
    #[serde(flatten)]
    pub said: Box<types::Problem>,
    /// Set when its detail tells of what is below a tenant's server: Ironic, Contrail's switches, racks, a service's inside. Then it
    /// is for those who see all, and others are told what it means to them.
    #[serde(skip)]
    below: Option<Box<Below>>,
}

/// What is told instead of a detail that is not for tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Below {
    /// In words; none: what the problem's status means to a tenant.
    words: Option<String>,
}

impl Deref for Problem {
    type Target = types::Problem;
    fn deref(&self) -> &types::Problem {
        &self.said
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        types::Problem::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        types::Problem::name()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        types::Problem::schemas(schemas);
    }
}

impl Problem {
    /// A problem of a kind, with what to do about it.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        let said = Box::new(types::Problem {
            kind: kind.to_owned(),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            fields: Vec::new(),
            faults: Vec::new(),
            retry_after_s: None,
        });
        Problem { said, below: None }
    }

    /// Marks what only those who see all are told word for word.
    fn below(self) -> Self {
        Problem { below: Some(Box::default()), ..self }
    }

    /// What is told to somebody who does not see what is below a tenant's server. `request_id`: by it an operator finds all of it.
    pub(crate) fn for_tenants(self, request_id: &str) -> Self {
        let Some(below) = &self.below else { return self };
        let by_status = match self.status {
            503 => "a service that this needs does not answer; try again in a moment",
            409 => {
                "the server's machine is busy, or its state does not allow this now; try again in a moment"
            }
            _ => "the infrastructure below the server refused this",
        };
        let what = below.words.as_deref().unwrap_or(by_status);
        let detail = format!("{what}; if this persists, give the operator the request id {request_id}");
        // What is said of a field is said of what is below, too.
        let fields = self.said.fields.into_iter();
        let fields = fields.map(|one| FieldFault { message: detail.clone(), ..one }).collect();
        Problem { said: Box::new(types::Problem { detail, fields, ..*self.said }), below: None }
    }

    /// Says of a field what is wrong with it; `field` as [`FieldFault::field`] has it.
    pub fn at(mut self, field: impl Into<String>, message: impl fmt::Display) -> Self {
        self.said.fields.push(FieldFault { field: field.into(), message: message.to_string() });
        self
    }

    /// Says that a field names what was not found, or what it may not name now. A service that is away, or a caller who may not ask
    /// it, is no fault of a field.
    pub fn about(self, field: impl Into<String>) -> Self {
        match self.status {
            400 | 404 | 409 if self.below.is_none() => {
                let message = self.detail.clone();
                self.at(field, message)
            }
            _ => self,
        }
    }

    /// Says when the same may be tried again.
    pub fn again_in(self, seconds: u32) -> Self {
        let said = Box::new(types::Problem { retry_after_s: Some(seconds), ..*self.said });
        Problem { said, ..self }
    }

    /// There is no such thing, or the caller may not know of it.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what} {name:?}"))
    }

    /// The request makes no sense, and no field of it alone; `detail` says what to do.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// A field of the request makes no sense: what is wrong with it, and what to write instead.
    pub fn bad_at(field: &str, message: impl fmt::Display) -> Self {
        Self::bad(said_of(field, &message)).at(field, message)
    }

    /// Fields of the request make no sense together, or are wrong in the same way.
    pub fn bad_at_each(fields: &[&str], message: &str) -> Self {
        let problem = Self::bad(said_of(&fields.join(", "), message));
        fields.iter().fold(problem, |problem, field| problem.at(*field, message))
    }

    /// The fields are those of something inside of the body, in this place.
    pub fn within(mut self, place: &str) -> Self {
        for fault in &mut self.said.fields {
            fault.field = format!("{place}.{}", fault.field);
        }
        self
    }

    /// The state of things does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// The state of things does not allow what a field asks for.
    pub fn conflict_at(field: &str, message: impl fmt::Display) -> Self {
        Self::conflict(said_of(field, &message)).at(field, message)
    }

    /// Only administrators may say something in this field.
    pub fn forbidden_at(field: &str) -> Self {
        let detail = "only an administrator can do this; ask one, or leave out the fields that only administrators can set";
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).at(field, detail)
    }

    /// An import file with its faults.
    pub fn faults(faults: Vec<Fault>) -> Self {
        let detail = format!("the file has {} faults; nothing was changed", faults.len());
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "import-refused", detail);
        let mut problem =
            faults.iter().fold(problem, |problem, fault| problem.at(&fault.path, &fault.message));
        problem.said.faults = faults;
        problem
    }
}

/// A sentence on a field, for people: it names a list, and not the place in it.
fn said_of(field: &str, message: impl fmt::Display) -> String {
    let name = field.split_once('[').map_or(field, |(list, _)| list);
    format!("{name}: {message}")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let below = self.below.is_some().then(|| self.clone());
        let again = self.retry_after_s.map(HeaderValue::from);
        let mut response = (status, axum::Json(self.said)).into_response();
        if let Some(again) = again {
            response.headers_mut().insert(header::RETRY_AFTER, again);
        }
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(problem) = below {
            response.extensions_mut().insert(problem);
        }
        response
    }
}

/// An answer for somebody who does not see what is below a tenant's server.
pub(crate) fn for_tenants(mut response: Response, request_id: &str) -> Response {
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => {
            tracing::info!(kind = problem.kind, detail = problem.detail, "a tenant was told less");
            problem.for_tenants(request_id).into_response()
        }
        None => response,
    }
}

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
            RefusalKind::State => Self::conflict(refusal.message),
            RefusalKind::Gate => Self::conflict(refusal.message).below(),
            RefusalKind::AgentAway | RefusalKind::Hardware | RefusalKind::Interrupted => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "hardware", refusal.message).below()
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
        | domain::images::Fault::Damaged { .. } => None,
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const BELOW: &str = "node 3f2a of leaf1 is locked by conductor-9 at http://192.0.2.1:8082";

    async fn told(problem: Problem) -> String {
        let status = problem.status;
        let response = for_tenants(problem.into_response(), "req-1");
        assert_eq!(response.status().as_u16(), status);
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn a_refusal_names_its_fields_and_their_list_in_its_sentence() {
        let check = |problem: Problem, detail: &str, fields: &[(&str, &str)]| {
            let found: Vec<_> =
                problem.fields.iter().map(|one| (one.field.as_str(), one.message.as_str())).collect();
            assert_eq!((problem.detail.as_str(), found.as_slice()), (detail, fields));
        };
        check(Problem::bad_at("name", "is empty"), "name: is empty", &[("name", "is empty")]);
        check(
            Problem::conflict_at("networks[1].vlan", "tag 7 is taken"),
            "networks: tag 7 is taken",
            &[("networks[1].vlan", "tag 7 is taken")],
        );
        check(
            Problem::bad_at_each(&["network", "networks"], "give only one of them"),
            "network, networks: give only one of them",
            &[("network", "give only one of them"), ("networks", "give only one of them")],
        );
        let none = "there is no image \"x\"";
        check(Problem::not_found("image", "x").about("image"), none, &[("image", none)]);
        let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "away", "Glance is away");
        check(away().about("image"), "Glance is away", &[]);
        check(Problem::conflict(BELOW).below().about("image"), BELOW, &[]);
        let fault = |path: &str| Fault { line: 3, path: path.to_owned(), message: "is missing".to_owned() };
        check(
            Problem::faults(vec![fault("nodes[0].name"), fault("")]),
            "the file has 2 faults; nothing was changed",
            &[("nodes[0].name", "is missing"), ("", "is missing")],
        );
    }

    #[tokio::test]
    async fn a_tenant_is_told_of_a_refusal_from_below_what_it_means_to_it() {
        let (service, operation, message) = (Service::Ironic, "stop".to_owned(), BELOW.to_owned());
        let of_ironic: [Problem; 4] = [
            ServiceError::Locked { service, operation: operation.clone(), message: message.clone() }.into(),
            ServiceError::Conflict { service, operation: operation.clone(), message: message.clone() }.into(),
            ServiceError::Unavailable { service, operation: operation.clone(), message: message.clone() }
                .into(),
            ServiceError::Refused { service, operation, code: 500, message }.into(),
        ];
        let refusal = |kind| Problem::from(Refusal { kind, message: BELOW.to_owned() });
        let others = [
            FabricError::Unavailable { url: BELOW.to_owned(), reason: BELOW.to_owned() }.into(),
            FabricError::UnknownPort { switch: "leaf1".into(), port: BELOW.into(), reason: BELOW.into() }
                .into(),
            refusal(RefusalKind::Gate),
            refusal(RefusalKind::AgentAway),
            refusal(RefusalKind::Hardware),
            refusal(RefusalKind::Interrupted).at("image", BELOW),
        ];
        for problem in of_ironic.into_iter().chain(others) {
            let said = told(problem).await;
            for name in ["3f2a", "leaf1", "conductor", "192.0.2"] {
                assert!(!said.contains(name), "{said}");
            }
            assert!(said.contains("req-1") && said.contains("operator"), "{said}");
        }
        let of_nova = |code| ServiceError::Refused {
            service: Service::Nova,
            operation: "rescue web".to_owned(),
            code,
            message: BELOW.to_owned(),
        };
        for service in [Service::Nova, Service::Glance, Service::Keystone] {
            let (operation, message) = ("rescue web".to_owned(), BELOW.to_owned());
            let away =
                ServiceError::Unavailable { service, operation: operation.clone(), message: message.clone() };
            let strange = ServiceError::Unintelligible { service, operation, message };
            for (problem, words) in
                [(away, "did not answer; try again"), (strange, "failed"), (of_nova(500), "failed")]
            {
                let said = told(problem.into()).await;
                assert!(!said.contains("3f2a") && !said.contains("192.0.2"), "{said}");
                assert!(
                    said.contains("cannot rescue web") && said.contains(words) && said.contains("req-1"),
                    "{said}"
                );
            }
        }
        let of_placement = ServiceError::Conflict {
            service: Service::Placement,
            operation: "free it".to_owned(),
            message: BELOW.to_owned(),
        };
        assert!(!told(of_placement.into()).await.contains("3f2a"));
        let refused = told(of_nova(403).into()).await;
        assert!(refused.contains("3f2a"), "what is refused to the tenant itself is told in full: {refused}");
        let own = told(Problem::bad_at("name", "must have 1 to 63 letters")).await;
        assert!(own.contains("1 to 63 letters"), "what is the tenant's own is told: {own}");
    }
}
