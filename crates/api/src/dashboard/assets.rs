//! The style sheet, the script and the icon, compiled in: nothing comes from elsewhere.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

const STYLE: &str = include_str!("dashboard.css");
const SCRIPT: &str = include_str!("dashboard.js");
const ICON: &str = include_str!("icon.svg");

/// Where they are.
pub(super) const STYLE_PATH: &str = "/postrider/dashboard.css";
pub(super) const SCRIPT_PATH: &str = "/postrider/dashboard.js";
pub(super) const ICON_PATH: &str = "/postrider/icon.svg";

/// Short, so that a new version of the program is seen soon.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /postrider/dashboard.css`
pub(crate) async fn style() -> impl IntoResponse {
    let css = HeaderValue::from_static("text/css; charset=utf-8");
    ([(CONTENT_TYPE, css), (CACHE_CONTROL, CACHED)], STYLE)
}

/// `GET /postrider/dashboard.js`
pub(crate) async fn script() -> impl IntoResponse {
    let javascript = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(CONTENT_TYPE, javascript), (CACHE_CONTROL, CACHED)], SCRIPT)
}

/// `GET /postrider/icon.svg`
pub(crate) async fn icon() -> impl IntoResponse {
    let svg = HeaderValue::from_static("image/svg+xml");
    ([(CONTENT_TYPE, svg), (CACHE_CONTROL, CACHED)], ICON)
}
