//! The server process: initialised once, started on a free port, waited for, stopped.

mod initialise;

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::unistd::Pid;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::account::Account;
use super::binaries::{self, Binaries};
use super::folder::{Folder, write_private};
use super::orphan;

pub use nix::sys::signal::Signal;

/// The superuser that initdb makes.
const SUPERUSER: &str = "postgres";

/// A socket path longer than this does not fit the kernel's structure everywhere; then TCP alone is used.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// Crash recovery of a large write-ahead log takes its time.
const READY_WITHIN: Duration = Duration::from_secs(120);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A running Postgres server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    pid: Pid,
    port: u16,
    password: String,
    data: PathBuf,
    socket: Option<PathBuf>,
}

/// How one try to start ended.
enum Start {
    Ready(Box<Server>),
    /// Somebody took the port since we looked, or what is left of the last server is about to end: try again.
    TryAgain(String),
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

        let mut port = remembered_port(folder);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let chosen = match port.take().filter(|port| is_free(*port)) {
                Some(port) => port,
                None => free_port().context("127.0.0.1 has no free port")?,
            };
            match try_start(folder, &binaries, parameters, &password, chosen).await? {
                Start::Ready(server) => {
                    write_private(&folder.path().join("port"), &chosen.to_string())?;
                    return Ok(*server);
                }
                Start::TryAgain(log) if Instant::now() > deadline => anyhow::bail!("Postgres did not start:\n{log}"),
                Start::TryAgain(_) => sleep(LOOK_AGAIN_AFTER * 5).await,
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

async fn try_start(
    folder: &Folder,
    binaries: &Binaries,
    parameters: &[(String, String)],
    password: &str,
    port: u16,
) -> anyhow::Result<Start> {
    let socket = socket_folder(folder)?;
    let log_path = folder.path().join("postgres.log");
    let log = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&log_path);
    let log = log.with_context(|| format!("cannot write {}", log_path.display()))?;
    let mut command = program(&binaries.folder.join("postgres"), folder.account.as_ref());
    command
        .arg("-D")
        .arg(folder.data())
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    let socket_setting = socket
        .as_deref()
        .map_or(String::new(), |path| path.display().to_string());
    command.args([
        "-c",
        &format!("unix_socket_directories={socket_setting}"),
        "-c",
        "unix_socket_permissions=0700",
    ]);
    for (name, value) in parameters {
        command.args(["-c", &format!("{name}={value}")]);
    }
    command
        .stdout(log.try_clone().context("cannot write the Postgres log")?)
        .stderr(log);
    let process = command
        .spawn()
        .with_context(|| format!("cannot run {}", binaries.folder.join("postgres").display()))?;
    let pid = process
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .context("Postgres ended before it began")?;
    let mut server = Server {
        process,
        pid: Pid::from_raw(pid),
        port,
        password: password.to_owned(),
        data: folder.data(),
        socket,
    };

    let options = server.options("postgres");
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = server.ended()? {
            let log = tail(&log_path);
            let passing = [
                "Address already in use",
                "shared memory block",
                "lock file \"postmaster.pid\" already exists",
            ];
            if passing.iter().any(|words| log.contains(words)) {
                return Ok(Start::TryAgain(log));
            }
            anyhow::bail!("Postgres did not start ({status}):\n{log}");
        }
        match PgConnection::connect_with(&options).await {
            Ok(connection) => {
                let _ = connection.close().await;
                return Ok(Start::Ready(Box::new(server)));
            }
            Err(error) if Instant::now() > deadline => {
                let _ = server.stop().await;
                return Err(error).with_context(|| format!("Postgres does not answer:\n{}", tail(&log_path)));
            }
            Err(_) => sleep(LOOK_AGAIN_AFTER).await,
        }
    }
}

/// A Postgres program, run as the right account, deaf to the terminal and to our Postgres environment.
fn program(path: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(path);
    Account::apply(account, &mut command);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    // We read its messages; and a terminal's Ctrl-C must not stop the server before its users.
    command
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null());
    command
}

fn socket_folder(folder: &Folder) -> anyhow::Result<Option<PathBuf>> {
    let path = folder.server().to_path_buf();
    // The folder is 0700 and belongs to the account of the server; sockets in it are out of reach for others.
    Ok(Some(path).filter(|path| path.as_os_str().len() <= LONGEST_SOCKET_FOLDER))
}

fn remembered_port(folder: &Folder) -> Option<u16> {
    fs::read_to_string(folder.path().join("port")).ok()?.trim().parse().ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The end of the Postgres log, for an error message.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
