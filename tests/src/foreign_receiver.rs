//! Receivers in other languages, below `tests/receivers/`, that verify deliveries with code nobody here wrote.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::installed::install;
use crate::process::collect;

/// A running receiver; ends when dropped.
#[derive(Debug)]
pub struct ForeignReceiver {
    address: SocketAddr,
    reports: watch::Receiver<Vec<Report>>,
    stderr: watch::Receiver<String>,
    _child: Child,
}

/// What it says about one request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// Whether the signature is ours.
    pub accepted: bool,
    /// SHA-256 of the body as it came, in hex.
    pub sha256: String,
}

impl ForeignReceiver {
    /// Installs and starts the receiver of this folder, such as `node-express`, with this secret.
    ///
    /// # Panics
    /// When it does not start within 30 s.
    pub async fn start(folder: &str, secret: &str) -> Self {
        let installed = install(&format!("receivers/{folder}")).await;
        let program = if folder.starts_with("node") {
            "receiver.js"
        } else {
            "receiver.py"
        };
        let mut child = installed
            .command(program)
            .env("WEBHOOK_SECRET", secret)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = collect(child.stderr.take().unwrap());

        let first = timeout(Duration::from_secs(30), stdout.next_line()).await;
        let Ok(Ok(Some(port))) = first else {
            panic!("{folder} did not start: {}", stderr.borrow().as_str());
        };
        let (sender, reports) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                let report: Report = serde_json::from_str(&line).expect("receivers print lines of JSON");
                sender.send_modify(|reports| reports.push(report));
            }
        });
        Self {
            address: (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into(),
            reports,
            stderr,
            _child: child,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its webhook URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// Waits until it has reported on this many requests, and returns its reports.
    ///
    /// # Panics
    /// When it has not in time; with what it printed.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Report> {
        let mut reports = self.reports.clone();
        if let Ok(Ok(reports)) = timeout(within, reports.wait_for(|reports| reports.len() >= count)).await {
            return reports.clone();
        }
        panic!(
            "fewer than {count} requests within {within:?}: {:#?}\n{}",
            self.reports.borrow().as_slice(),
            self.stderr.borrow().as_str()
        );
    }
}
