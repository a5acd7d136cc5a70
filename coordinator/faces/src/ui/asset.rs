//! Edges: the style sheet, the script and the icon, compiled in.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use protocol::hex;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("../../ui/style.css");
const SCRIPT: &str = include_str!("../../ui/live.js");
const CONSOLE: &str = include_str!("../../ui/console.js");
const ICON: &str = include_str!("../../ui/icon.svg");

/// Changes with the style sheet and the scripts, so that browsers may keep them for ever.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let digest = Sha256::new().chain_update(STYLE).chain_update(SCRIPT).chain_update(CONSOLE).finalize();
        hex::encode(&digest[..6])
    });
    &VERSION
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, text).into_response()
}

/// The style sheet.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// The script.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// The script of a console.
pub async fn console() -> Response {
    asset("text/javascript; charset=utf-8", CONSOLE)
}

/// The icon.
pub async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}
