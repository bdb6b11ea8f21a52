//! A caller of the management API, as any program of an owner would be.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::owner::Owner;

#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub(super) fn new(url: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build();
        Ok(Self {
            http: http.context("cannot make an HTTP client")?,
            url,
        })
    }

    /// Calls the API below the owner's chatbot; the status and the JSON of the answer.
    pub(super) async fn call(
        &self,
        owner: &Owner,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let url = format!("{}/api/v1/chatbots/{}{path}", self.url, owner.chatbot_id);
        let mut request = self.http.request(method, &url).bearer_auth(&owner.session_token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.with_context(|| format!("cannot reach {url}"))?;
        let status = response.status();
        let text = response.text().await.with_context(|| format!("{url} broke off"))?;
        let answer =
            serde_json::from_str(&text).with_context(|| format!("{url} answered {status}, but not JSON: {text}"))?;
        Ok((status, answer))
    }

    /// Whether this URL answers with success.
    pub(super) async fn succeeds(&self, url: &str) -> bool {
        self.http
            .get(url)
            .send()
            .await
            .is_ok_and(|response| response.status().is_success())
    }
}
