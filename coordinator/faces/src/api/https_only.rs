//! Edges: browsers that have been here by a certificate that they trust come by HTTPS only (RFC 6797).
//!
//! For this very name only, without the names below it and without a preload list: neither is ours to promise. A browser
//! heeds it for every port of the name, so a site whose other services under the same name speak plain HTTP sets 0. A
//! browser that does not trust our authority ignores it (section 8.1), and nobody is locked out by a private one; who
//! does trust it is no longer offered to click a wrong certificate away, which is the point.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
};

/// Days that browsers remember, where the site does not say. Each visit begins them anew, so a month does what a year does, and
/// a name that is given to something else is free after a month.
pub const HTTPS_ONLY_DAYS: u32 = 30;
/// Most days that make sense: two years.
pub const HTTPS_ONLY_DAYS_MAX: u32 = 730;

/// Routes whose answers say so. 0 days: browsers forget what they remember.
pub fn https_only(router: Router, days: u32) -> Router {
    let value = format!("max-age={}", u64::from(days) * 24 * 3600);
    let value = HeaderValue::from_str(&value).expect("digits are good in a header");
    router.layer(map_response(move |mut response: Response| {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
        std::future::ready(response)
    }))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn every_answer_says_that_we_speak_https_only() {
        let check = async |days: u32, path: &str, expected: &str| {
            let router = https_only(Router::new().route("/", get(async || "")), days);
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.oneshot(request).await.unwrap();
            assert_eq!(answer.headers()["strict-transport-security"], expected, "{path}");
        };
        check(HTTPS_ONLY_DAYS, "/", "max-age=2592000").await;
        check(HTTPS_ONLY_DAYS, "/no/such/path", "max-age=2592000").await;
        check(0, "/", "max-age=0").await;
    }
}
