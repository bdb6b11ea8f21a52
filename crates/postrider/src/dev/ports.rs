//! The two ports: the app with the API and the test receiver, and the worker's monitoring.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;

/// Where the product's documents expect the app.
pub(super) const DEFAULT: u16 = 3000;

/// Bound ports, of 127.0.0.1 only: everybody who reaches them may use them.
#[derive(Debug)]
pub(super) struct Ports {
    app: TcpListener,
    app_port: u16,
    monitoring: TcpListener,
    monitoring_port: u16,
}

impl Ports {
    /// Binds the port and the next one; with 0 any free ones.
    pub(super) fn bind(port: u16) -> anyhow::Result<Self> {
        let app = bind(port)?;
        let monitoring = match port {
            0 => bind(0)?,
            // The next one has no promise: whoever needs it finds it in the env file and on the screen.
            port => port
                .checked_add(1)
                .and_then(|next| bind(next).ok())
                .map_or_else(|| bind(0), Ok)?,
        };
        Ok(Self {
            app_port: app.local_addr()?.port(),
            app,
            monitoring_port: monitoring.local_addr()?.port(),
            monitoring,
        })
    }

    pub(super) fn app(&self) -> anyhow::Result<TcpListener> {
        self.app.try_clone().context("cannot share the port of the app")
    }

    pub(super) fn monitoring(&self) -> anyhow::Result<TcpListener> {
        self.monitoring.try_clone().context("cannot share the monitoring port")
    }

    /// Of the app, the API and the test receiver.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.app_port)
    }

    /// The same, for people.
    pub(super) fn local_url(&self) -> String {
        format!("http://localhost:{}", self.app_port)
    }

    /// Of `/metrics`, `/healthz` and `/readyz`.
    pub(super) fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitoring_port)
    }

    /// The test receiver, as the product's documents spell it.
    pub(super) fn receiver_url(&self) -> String {
        format!("{}/api/test-webhook", self.local_url())
    }
}

fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow::anyhow!("port {port} is in use; choose another with --port, or --port 0 for free ones")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on port {port}")),
    })?;
    listener.set_nonblocking(true).context("cannot prepare the port")?;
    Ok(listener)
}
