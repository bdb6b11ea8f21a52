//! A plain HTTP client for tests that call the product.

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

/// A client that uses no proxy of the environment, and shows redirects instead of following them.
#[must_use]
pub fn client() -> Client {
    // Fails when it is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

/// Sends the request; the status and the JSON of the answer.
///
/// # Panics
/// When there is no answer, or it is not JSON.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text);
    (status, json.unwrap_or_else(|error| panic!("{status}: {error}: {text}")))
}
