//! Edges: what the Redfish specification (DSP0266) asks of every answer, whatever the resource: headers, versions, and the documents of
//! OData.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::redfish::problem;

/// The version of OData that is spoken.
const ODATA_VERSION: &str = "4.0";
const ODATA: HeaderName = HeaderName::from_static("odata-version");
/// Where the documents of OData are (section 7.3), which nobody has to log in for.
const SERVICE_DOCUMENT: &str = "/redfish/v1/odata";
const METADATA: &str = "/redfish/v1/$metadata";

/// Types of the resources, with the versions of their schemas.
const TYPES: [&str; 8] = [
    "ServiceRoot.v1_5_0",
    "ComputerSystem.v1_13_0",
    "Chassis.v1_15_0",
    "Manager.v1_5_0",
    "EthernetInterface.v1_4_0",
    "SessionService.v1_0_2",
    "Session.v1_0_0",
    "Message.v1_0_0",
];

/// What is answered before anybody looks at the resource; none: go on.
pub(super) fn before(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    // Section 6.5: a version that is not spoken is refused.
    if headers.get(ODATA).is_some_and(|version| version != ODATA_VERSION) {
        return Some(problem(StatusCode::PRECONDITION_FAILED, "OData-Version: only 4.0 is spoken."));
    }
    match (method, path) {
        (&Method::GET, SERVICE_DOCUMENT) => Some(axum::Json(service_document()).into_response()),
        (&Method::GET, METADATA) => {
            Some(([(header::CONTENT_TYPE, "application/xml")], metadata()).into_response())
        }
        _ => None,
    }
}

fn service_document() -> Value {
    let entry = |name: &str, path: &str| json!({ "name": name, "kind": "Singleton", "url": path });
    let children = ["Systems", "Chassis", "Managers", "SessionService"];
    let children = children.iter().map(|name| entry(name, &format!("/redfish/v1/{name}")));
    let all: Vec<Value> = std::iter::once(entry("Service", "/redfish/v1/")).chain(children).collect();
    json!({ "@odata.context": METADATA, "value": all })
}

fn metadata() -> String {
    let reference = |name: &&str| {
        let file = name.split('.').next().unwrap_or(name);
        format!(
            "<edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/{file}_v1.xml\"><edmx:Include Namespace=\"{file}\"/>\
             <edmx:Include Namespace=\"{name}\"/></edmx:Reference>"
        )
    };
    let references: String = TYPES.iter().map(reference).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">{references}<edmx:DataServices>\
         <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\
         <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_5_0.ServiceContainer\"/></Schema>\
         </edmx:DataServices></edmx:Edmx>"
    )
}

/// The answer with the headers that section 6.6 asks for. `kind`: the `@odata.type` of what it shows.
pub(super) fn dressed(mut response: Response, path: &str, kind: Option<&str>) -> Response {
    let (status, headers) = (response.status(), response.headers_mut());
    headers.insert(ODATA, HeaderValue::from_static(ODATA_VERSION));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"virtual BMC\""));
    }
    let is_shown = status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED;
    if let Some(methods) = methods(path).filter(|_| is_shown) {
        headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    let schema = kind.and_then(|kind| kind.trim_start_matches('#').rsplit_once('.')).map(|(kind, _)| kind);
    if let Some(schema) = schema {
        let link = format!("<http://redfish.dmtf.org/schemas/v1/{schema}.json>; rel=describedby");
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    response
}

/// Methods of a path, as `Allow` tells them; none: whoever serves it knows.
fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/redfish/v1" | "/redfish" | SERVICE_DOCUMENT | METADATA => Some("GET, HEAD"),
        "/redfish/v1/SessionService/Sessions" => Some("GET, HEAD, POST"),
        path if path.starts_with("/redfish/v1/SessionService/Sessions/") => Some("GET, HEAD, DELETE"),
        _ => None,
    }
}
