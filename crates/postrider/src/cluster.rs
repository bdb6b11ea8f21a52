//! A private Postgres cluster in a data folder: found, initialised, started, recovered and stopped by one process.
//!
//! `postrider dev` and the tests use it, so that trying postrider needs no database set up by hand. Clients on this
//! machine reach it over 127.0.0.1 with a random password, or over a Unix socket that only this user can open.

mod account;
mod binaries;
mod folder;
mod guard;
mod orphan;
mod server;

use std::path::PathBuf;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;

pub use binaries::{Binaries, find};
pub(crate) use folder::write_private;
pub use folder::{Folder, FolderInUse};
pub use server::{Server, Signal};

use guard::Guard;

/// What a private cluster needs to know to start.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The data folder, created when missing. One process at a time can use it.
    pub folder: PathBuf,
    /// Where the Postgres programs are; `None` looks for the newest ones.
    pub binaries: Option<PathBuf>,
    /// Postgres settings beside ours, such as `("fsync", "off")`.
    pub parameters: Vec<(String, String)>,
}

/// A running private cluster. It is stopped by [`Cluster::stop`], or by its guard when this value or process is gone.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: a dropped guard stops the server, then the folder is free for another process.
    guard: Guard,
    server: Server,
    folder: Folder,
}

impl Cluster {
    /// Starts the cluster of this folder, making it first when the folder has none and recovering it when its last
    /// user was killed.
    ///
    /// # Errors
    /// [`FolderInUse`] (inside the `anyhow::Error`) when another process uses the folder; otherwise what failed, with
    /// the end of the Postgres log when Postgres did not start.
    pub async fn start(settings: ClusterSettings) -> anyhow::Result<Self> {
        let folder = Folder::open(&settings.folder)?;
        let server = Server::start(&folder, settings.binaries.as_deref(), &settings.parameters).await?;
        let guard = Guard::arm(&server).context("cannot start the guard of the private Postgres")?;
        Ok(Self { guard, server, folder })
    }

    /// Options that connect as the superuser, over the Unix socket where there is one.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        self.server.options(database)
    }

    /// A URL for other programs: TCP, as the superuser, with the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// The folder it lives in.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The running server, for callers that signal it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Stops the cluster: open connections are closed, then everything is written to disk.
    ///
    /// # Errors
    /// When the server had to be killed because it did not stop within 20 seconds; its next start recovers.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let stopped = self.server.stop().await;
        self.guard.dismiss();
        // Somebody may have started another one in the folder, to try what happens.
        orphan::stop(&self.folder).await?;
        stopped
    }
}
