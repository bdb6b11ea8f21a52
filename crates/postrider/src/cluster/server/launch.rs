//! One try to start the server on a chosen port.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use nix::unistd::Pid;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{LOOK_AGAIN_AFTER, READY_WITHIN, Server};
use crate::cluster::account::Account;
use crate::cluster::binaries::Binaries;
use crate::cluster::folder::Folder;

/// A socket path longer than this does not fit the kernel's structure everywhere; then TCP alone is used.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// How one try to start ended.
pub(super) enum Launch {
    Ready(Box<Server>),
    /// Somebody took the port since we looked, or what is left of the last server is about to end: try again. The end
    /// of the log.
    TryAgain(String),
}

/// Starts the server and waits until it accepts connections.
pub(super) async fn launch(
    folder: &Folder,
    binaries: &Binaries,
    parameters: &[(String, String)],
    password: &str,
    port: u16,
) -> anyhow::Result<Launch> {
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
                return Ok(Launch::TryAgain(log));
            }
            anyhow::bail!("Postgres did not start ({status}):\n{log}");
        }
        match PgConnection::connect_with(&options).await {
            Ok(connection) => {
                let _ = connection.close().await;
                return Ok(Launch::Ready(Box::new(server)));
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
pub(super) fn program(path: &Path, account: Option<&Account>) -> Command {
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

/// The end of the Postgres log, for an error message.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
