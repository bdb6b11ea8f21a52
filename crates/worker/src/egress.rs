//! Egress: the one place from which requests leave. Nothing else in the worker opens a connection to a receiver.

mod failure;
mod resolver;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use postrider_core::address::AddressPolicy;
use reqwest::{Certificate, Client, Request, Response};

pub(crate) use failure::failure_of;

/// A client that follows no redirect, uses no proxy and no cookies, unpacks no body, and connects only to checked
/// addresses.
#[derive(Debug, Clone)]
pub struct Egress(Client);

impl Egress {
    /// Builds the client.
    ///
    /// # Errors
    /// When the file of certificate authorities cannot be read or parsed, or TLS cannot be set up.
    pub fn new(policy: AddressPolicy, connect_timeout: Duration, tls_ca_file: Option<&Path>) -> anyhow::Result<Self> {
        // Fails when the process has chosen a provider already, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(128)
            .dns_resolver(resolver::CheckedResolver::new(policy));
        if let Some(path) = tls_ca_file {
            let pem = std::fs::read(path).with_context(|| format!("cannot read tls_ca_file {}", path.display()))?;
            let authorities = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("tls_ca_file {} is not a bundle of PEM certificates", path.display()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Self(builder.build().context("cannot set up the HTTP client")?))
    }

    pub(crate) async fn execute(&self, request: Request) -> reqwest::Result<Response> {
        self.0.execute(request).await
    }
}
