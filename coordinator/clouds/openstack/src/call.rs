//! Values: one request to an OpenStack service.

use domain::rim::{Caller, Service};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

/// What a request carries.
pub(crate) enum Body {
    None,
    Json(Value),
    Stream(reqwest::Body),
}

/// One request.
pub(crate) struct Call<'a> {
    pub service: Service,
    /// In whose name; none: without a token.
    pub caller: Option<Caller<'a>>,
    pub method: Method,
    /// Path with its version and query.
    pub path: String,
    /// What is tried, as it follows "cannot".
    pub operation: String,
    pub headers: HeaderMap,
    pub body: Body,
    /// Whether the request or the answer is a stream of any length, bounded by silence rather than by total time.
    pub streaming: bool,
}

impl Call<'_> {
    /// A request of the session's own user, without a body.
    pub fn new(service: Service, method: Method, path: String, operation: String) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        let caller = Some(Caller::Service);
        Call { service, caller, method, path, operation, headers, body: Body::None, streaming: false }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Adds a JSON body.
    pub fn body(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }
}

impl<'a> Call<'a> {
    /// Uses another's rights.
    pub fn caller<'b>(self, caller: Caller<'b>) -> Call<'b>
    where
        'a: 'b,
    {
        Call { caller: Some(caller), ..self }
    }

    /// Shows no token: the service lets anyone ask this.
    pub fn without_token(self) -> Self {
        Call { caller: None, ..self }
    }
}
