//! A server whose starter was killed together with its guard still runs: it is stopped before the next one starts.

use std::fs;
use std::path::Path;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Duration, Instant, sleep};

use super::folder::Folder;

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Stops the server that a former user of the folder left behind, if there is one.
///
/// We hold the folder's lock, so that server has no living user. A stale `postmaster.pid` without a server is left to
/// Postgres, except when its number now belongs to somebody else: Postgres would refuse to start.
pub(super) async fn stop(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.data().join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&path)
        .ok()
        .and_then(|text| text.lines().next()?.trim().parse().ok())
    else {
        return Ok(());
    };
    let pid = Pid::from_raw(pid);
    if kill(pid, None) == Err(Errno::ESRCH) {
        return Ok(());
    }
    if !serves(pid, &folder.data()) {
        return fs::remove_file(&path).with_context(|| format!("cannot remove the stale {}", path.display()));
    }
    tracing::warn!(
        process = pid.as_raw(),
        "stopping the Postgres server that a killed postrider left behind"
    );
    for (signal, seconds) in [(Signal::SIGINT, 30), (Signal::SIGQUIT, 10)] {
        let _ = kill(pid, signal);
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < deadline {
            // The file is removed last; a killed server leaves it, but ends.
            if !path.exists() || !serves(pid, &folder.data()) {
                return Ok(());
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }
    anyhow::bail!(
        "the Postgres server left behind in {} (process {pid}) does not stop",
        folder.data().display()
    )
}

/// Whether the process is the server of this PGDATA: a server's working folder is its PGDATA.
fn serves(pid: Pid, data: &Path) -> bool {
    if !Path::new("/proc/self/cwd").exists() {
        // Without /proc (macOS) the number alone must do.
        return kill(pid, None).is_ok();
    }
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data)
}
