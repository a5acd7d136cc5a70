//! Edges: what Ironic asks for at the Redfish facade: changes of power, boot device and of what a BMC has, and log-ins that are refused.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{Method, StatusCode};
use protocol::id::ServerId;

use super::path::{Action, Resource};
use crate::audit::{Asked, Open, Witness};

/// Writes down what Ironic changes; reads are not changes, nor is a session that is opened.
pub async fn witness_ironic(
    State(witness): State<Arc<Witness>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some((route, server)) = change(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    let asked = Asked::of(&request, route);
    request.extensions_mut().insert(asked.clone());
    let object = server.map(|server| server.to_string());
    let open = Open::new(&witness, &asked, request.method(), object);
    let response = next.run(request).await;
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    if server.is_none() && !is_refused {
        open.forget();
        return response;
    }
    open.close(response).await
}

/// The route of a request that changes something, and to which server.
fn change(method: &Method, path: &str) -> Option<(&'static str, Option<ServerId>)> {
    match (method, Resource::parse(path)?) {
        (&Method::PATCH, Resource::System(id)) => Some(("/redfish/v1/Systems/{server}", Some(id))),
        (&Method::POST, Resource::Reset(id)) => {
            Some(("/redfish/v1/Systems/{server}/Actions/ComputerSystem.Reset", Some(id)))
        }
        (&Method::PATCH, Resource::SecureBoot(id)) => {
            Some(("/redfish/v1/Systems/{server}/SecureBoot", Some(id)))
        }
        (&Method::PATCH, Resource::BiosSettings(id)) => {
            Some(("/redfish/v1/Systems/{server}/Bios/Settings", Some(id)))
        }
        (&Method::PATCH, Resource::PowerLimit(id)) => {
            Some(("/redfish/v1/Chassis/{server}/Controls/PowerLimit", Some(id)))
        }
        (&Method::POST, Resource::Action(id, action)) => Some((route(&action), Some(id))),
        (&Method::POST, Resource::Sessions) => Some(("/redfish/v1/SessionService/Sessions", None)),
        _ => None,
    }
}

fn route(action: &Action) -> &'static str {
    match action {
        Action::ResetBios => "/redfish/v1/Systems/{server}/Bios/Actions/Bios.ResetBios",
        Action::ResetKeys => "/redfish/v1/Systems/{server}/SecureBoot/Actions/SecureBoot.ResetKeys",
        Action::InsertMedia(_) => {
            "/redfish/v1/Systems/{server}/VirtualMedia/{drive}/Actions/VirtualMedia.InsertMedia"
        }
        Action::EjectMedia(_) => {
            "/redfish/v1/Systems/{server}/VirtualMedia/{drive}/Actions/VirtualMedia.EjectMedia"
        }
    }
}
