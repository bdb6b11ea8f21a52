//! Makes the cluster of a fresh data folder.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

use anyhow::Context;

use super::SUPERUSER;
use super::launch::program;
use crate::cluster::account::Account;
use crate::cluster::binaries::Binaries;
use crate::cluster::folder::Folder;

/// The major version that made the folder's cluster; `None` when there is none yet.
pub(super) fn major_of(folder: &Folder) -> anyhow::Result<Option<u32>> {
    let path = folder.data().join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(
            text.trim()
                .parse()
                .with_context(|| format!("{} is not a version", path.display()))?,
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Runs initdb, unless the folder has a cluster.
pub(super) async fn initialise(folder: &Folder, binaries: &Binaries, password: &str) -> anyhow::Result<()> {
    if folder.data().join("PG_VERSION").exists() {
        return Ok(());
    }
    // Made beside its place and then renamed: an initdb that was killed leaves nothing that looks like a cluster.
    let fresh = folder.server().join("data.new");
    for leftover in [fresh.clone(), folder.data()] {
        if leftover.exists() {
            fs::remove_dir_all(&leftover).with_context(|| format!("cannot remove {}", leftover.display()))?;
        }
    }
    let password_file = folder.server().join("password");
    hand_over(&password_file, password, folder.account.as_ref()).context("cannot hand the password to initdb")?;
    let mut initdb = program(&binaries.folder.join("initdb"), folder.account.as_ref());
    // The Unix socket lies in a folder that only its account can enter, which is as good as a password in a file.
    initdb.args([
        "--username",
        SUPERUSER,
        "--auth-local",
        "trust",
        "--auth-host",
        "scram-sha-256",
    ]);
    initdb.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    initdb.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&fresh);
    let output = initdb
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run initdb in {}", binaries.folder.display()))?;
    fs::remove_file(&password_file).context("cannot remove the password of initdb")?;
    anyhow::ensure!(
        output.status.success(),
        "initdb failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, folder.data()).context("cannot move the new cluster to its place")
}

/// Writes a file for the server's account in a folder of that account: a new one, so that no link it laid is followed.
fn hand_over(path: &Path, text: &str, account: Option<&Account>) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(account) = account {
        fchown(&file, Some(account.uid), Some(account.gid))?;
    }
    file.write_all(text.as_bytes())
}
