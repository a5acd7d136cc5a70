//! Edges: a problem as an HTTP answer, whole or as a tenant is told it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Problem;

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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use api_types::Fault;
    use domain::rim::{FabricError, Refusal, RefusalKind, Service, ServiceError};

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
