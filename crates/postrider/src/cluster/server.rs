//! The server process: initialised once, started on a free port, waited for, stopped.

mod initialise;
mod launch;
mod port;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::binaries;
use super::folder::{Folder, write_private};
use super::orphan;
use launch::Launch;

pub use nix::sys::signal::Signal;

/// The superuser that initdb makes.
const SUPERUSER: &str = "postgres";

/// Crash recovery of a large write-ahead log takes its time.
const READY_WITHIN: Duration = Duration::from_secs(120);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A running Postgres server.
pub struct Server {
    process: Child,
    pid: Pid,
    port: u16,
    password: String,
    data: PathBuf,
    socket: Option<PathBuf>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Server");
        shown
            .field("pid", &self.pid)
            .field("port", &self.port)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts the server of this folder and waits until it accepts connections. The server goes on when this value is
    /// dropped.
    ///
    /// # Errors
    /// What failed, with the end of the Postgres log.
    pub async fn start(
        folder: &Folder,
        binaries: Option<&Path>,
        parameters: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let binaries = match binaries {
            Some(path) => binaries::in_folder(path)?,
            None => binaries::find(initialise::major_of(folder)?)?,
        };
        let password = folder.password()?;
        initialise::initialise(folder, &binaries, &password).await?;
        orphan::stop(folder).await?;

        let remembered = port::remembered(folder);
        let deadline = Instant::now() + READY_WITHIN;
        let mut tries = 0;
        loop {
            tries += 1;
            // Clients of the last start find it where it was, unless the port stays somebody else's.
            let chosen = match remembered.filter(|port| tries < 20 && port::is_free(*port)) {
                Some(port) => port,
                None => port::any_free().context("127.0.0.1 has no free port")?,
            };
            match launch::launch(folder, &binaries, parameters, &password, chosen).await? {
                Launch::Ready(server) => {
                    write_private(&folder.path().join("port"), &chosen.to_string())?;
                    return Ok(*server);
                }
                Launch::TryAgain(log) if Instant::now() > deadline => anyhow::bail!("Postgres did not start:\n{log}"),
                Launch::TryAgain(_) => sleep(LOOK_AGAIN_AFTER * 5).await,
            }
        }
    }

    /// Process id of the server.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Its PGDATA.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Options that connect as the superuser, over the Unix socket where there is one.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(SUPERUSER)
            .password(&self.password)
            .database(database)
            .ssl_mode(PgSslMode::Disable);
        match &self.socket {
            Some(socket) => options.socket(socket),
            None => options,
        }
    }

    /// A URL for other programs: TCP, as the superuser, with the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// Sends a signal to the server: `SIGINT` stops it fast, `SIGQUIT` at once without writing anything.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        nix::sys::signal::kill(self.pid, signal).with_context(|| format!("cannot send {signal} to Postgres"))
    }

    /// How the server ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.try_wait().context("cannot wait for Postgres")
    }

    /// Stops it: open connections are closed, everything is written to disk.
    ///
    /// # Errors
    /// When it had to be stopped hard, because it did not end within 20 seconds; its next start recovers.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        for (signal, seconds) in [(Signal::SIGINT, 15), (Signal::SIGQUIT, 5), (Signal::SIGKILL, 5)] {
            if self.ended()?.is_some() {
                return Ok(());
            }
            self.signal(signal)?;
            let ended = tokio::time::timeout(Duration::from_secs(seconds), self.process.wait()).await;
            if ended.is_ok() {
                anyhow::ensure!(
                    signal == Signal::SIGINT,
                    "Postgres did not stop in time and was ended by {signal}"
                );
                return Ok(());
            }
        }
        anyhow::bail!("Postgres (process {}) does not end", self.pid)
    }
}
