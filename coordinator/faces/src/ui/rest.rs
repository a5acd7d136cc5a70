//! Edges: the REST API as the pages call it: in this process, with the visitor's token.
//!
//! The pages are one more client of the API. So nothing can be done here that the API would refuse, and every rule,
//! refusal and right has one place.

use axum::{
    Router,
    body::{self, Body},
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::Response,
};
use hyper::upgrade::OnUpgrade;
use serde::{Serialize, de::DeserializeOwned};
use tower::ServiceExt;

use super::session::Visitor;
use crate::problem::Problem;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The API's routes.
#[derive(Clone)]
pub struct Rest(Router);

impl Rest {
    /// Calls these routes.
    pub fn new(router: Router) -> Self {
        Self(router)
    }

    /// GET.
    pub async fn get<T: DeserializeOwned>(&self, who: &Visitor, path: &str) -> Result<T, Problem> {
        self.call(who, Method::GET, path, None, Body::empty()).await
    }

    /// POST of JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        who: &Visitor,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| Problem::bad(error.to_string()))?;
        self.call(who, Method::POST, path, Some("application/json"), body.into()).await
    }

    /// POST of a file's text.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        who: &Visitor,
        path: &str,
        text: String,
    ) -> Result<T, Problem> {
        self.call(who, Method::POST, path, Some("application/yaml"), text.into()).await
    }

    /// DELETE; an answer, if any, is not read.
    pub async fn delete(&self, who: &Visitor, path: &str) -> Result<(), Problem> {
        self.send(who, Method::DELETE, path, None, Body::empty()).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        who: &Visitor,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Body,
    ) -> Result<T, Problem> {
        let answer = self.send(who, method, path, content_type, body).await?;
        // An answer without a body stands for null.
        let answer = if answer.is_empty() { b"null" } else { &answer[..] };
        serde_json::from_slice(answer).map_err(|error| {
            let detail =
                format!("the answer of {path} cannot be read: {error}; this is a bug in this program");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
        })
    }

    /// A request as it came, its WebSocket too, to another path; its answer is passed on as it comes.
    pub async fn pass(
        &self,
        who: &Visitor,
        path: &str,
        mut given: Request<Body>,
    ) -> Result<Response, Problem> {
        let bad = |error: &dyn std::fmt::Display| Problem::bad(format!("{path} cannot be asked: {error}"));
        let token = HeaderValue::from_str(who.token.reveal()).map_err(|error| bad(&error))?;
        // Of what was found out about it on its way here only that it may become a WebSocket goes on.
        let upgrade = given.extensions_mut().remove::<OnUpgrade>();
        let (head, body) = given.into_parts();
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = path.parse().map_err(|error| bad(&error))?;
        *request.headers_mut() = head.headers;
        // The session stays with the pages.
        request.headers_mut().remove(header::COOKIE);
        request.headers_mut().insert("x-auth-token", token);
        if let Some(upgrade) = upgrade {
            request.extensions_mut().insert(upgrade);
        }
        if let Some(asked) = &who.asked {
            request.extensions_mut().insert(asked.clone());
        }
        let answer = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        let bytes = body::to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|e| bad(&e))?;
        Err(refused(status, &bytes))
    }

    async fn send(
        &self,
        who: &Visitor,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Body,
    ) -> Result<bytes::Bytes, Problem> {
        let bad = |error: &dyn std::fmt::Display| Problem::bad(format!("{path} cannot be asked: {error}"));
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("x-auth-token", who.token.reveal());
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let mut request = request.body(body).map_err(|error| bad(&error))?;
        if let Some(asked) = &who.asked {
            request.extensions_mut().insert(asked.clone());
        }
        let answer = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status();
        let bytes = body::to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|e| bad(&e))?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(refused(status, &bytes))
    }
}

/// Not every refusal is ours: the web framework refuses some requests in plain text.
fn refused(status: StatusCode, bytes: &[u8]) -> Problem {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Problem::new(status, "refused", String::from_utf8_lossy(bytes)))
}
