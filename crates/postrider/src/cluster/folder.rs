//! The data folder of a private cluster: one user at a time, and a place inside it that the server's account can enter.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use thiserror::Error;

use super::account::{self, Account};

/// Another process uses the data folder. Nothing in it was touched.
#[derive(Debug, Error)]
#[error("the data folder {} is in use by another postrider (process {process}); stop that one, or choose another folder with --data-dir", folder.display())]
pub struct FolderInUse {
    /// The folder.
    pub folder: PathBuf,
    /// Its process id as written by it, or `unknown`.
    pub process: String,
}

/// An opened data folder; no other process can open it while this value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    server: PathBuf,
    pub(super) account: Option<Account>,
    // Held, not read: closing the file frees the folder, also when this process is killed.
    _lock: File,
}

impl Folder {
    /// Opens the folder, making it when missing.
    ///
    /// # Errors
    /// [`FolderInUse`] (inside the `anyhow::Error`), or what failed.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let account = account::unprivileged()?;
        let folder_error = || format!("cannot make the data folder {}", path.display());
        // The server's account must pass through the folder of root, but need not see what is in it.
        let mode = if account.is_some() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .with_context(folder_error)?;
        let path = path.canonicalize().with_context(folder_error)?;
        let lock = lock(&path)?;
        // The folder ignores itself, so that a data folder inside a repository is never committed.
        fs::write(path.join(".gitignore"), "*\n").with_context(folder_error)?;
        let server = server_folder(&path, account.as_ref())?;
        Ok(Self {
            path,
            server,
            account,
            _lock: lock,
        })
    }

    /// The folder itself, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the server's own files, owned by the account it runs as.
    #[must_use]
    pub fn server(&self) -> &Path {
        &self.server
    }

    /// The cluster's own data folder (PGDATA).
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.server.join("data")
    }

    /// The superuser's password, made at the first call; readable by this user only.
    pub(super) fn password(&self) -> anyhow::Result<String> {
        let path = self.path.join("password");
        match fs::read_to_string(&path) {
            Ok(password) => return Ok(password),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
        let password = hex::encode(bytes);
        write_private(&path, &password)?;
        Ok(password)
    }
}

/// Writes a file that only this user can read; complete or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let lock_error = || format!("cannot lock {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(lock_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let _ = file.read_to_string(&mut process);
            let process = if process.is_empty() {
                "unknown".to_owned()
            } else {
                process
            };
            return Err(FolderInUse {
                folder: folder.to_path_buf(),
                process,
            }
            .into());
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(lock_error),
    }
    file.set_len(0).with_context(lock_error)?;
    write!(file, "{}", std::process::id()).with_context(lock_error)?;
    Ok(file)
}

/// `FOLDER/server`, or a folder in `/var/tmp` when the server's account cannot enter it, as below root's home.
fn server_folder(folder: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    let inside = folder.join("server");
    own(&inside, account)?;
    let Some(account) = account else {
        return Ok(inside);
    };
    if can_enter(&inside, account)? {
        return Ok(inside);
    }
    // Always the same for this folder, so that the next start finds its data.
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let outside = PathBuf::from(format!("/var/tmp/postrider-{:016x}", hasher.finish()));
    own(&outside, Some(account))?;
    anyhow::ensure!(
        can_enter(&outside, account)?,
        "the account {} can enter neither {} nor {}; choose another folder with --data-dir",
        account.name,
        inside.display(),
        outside.display()
    );
    // The server's files of a data folder that was removed: its password is gone, and whoever removed it wants it gone.
    if outside.join("data").exists() && !folder.join("password").exists() {
        fs::remove_dir_all(outside.join("data")).with_context(|| format!("cannot empty {}", outside.display()))?;
    }
    tracing::info!(folder = %outside.display(), account = account.name, "the account cannot enter the data folder; Postgres keeps its files here");
    Ok(outside)
}

/// Makes a folder that only the server's account can enter; refuses one that somebody else laid there.
fn own(folder: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    let own_error = || format!("cannot make the folder {}", folder.display());
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            if let Some(account) = account {
                chown(folder, Some(account.uid), Some(account.gid)).with_context(own_error)?;
            }
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder).with_context(own_error)?;
            let owner = account.map_or_else(|| nix::unistd::geteuid().as_raw(), |account| account.uid);
            anyhow::ensure!(
                found.is_dir() && found.uid() == owner && found.permissions().mode() & 0o077 == 0,
                "{} exists, but is not a folder of the account that Postgres runs as ({}) alone; remove it, or choose another folder with --data-dir",
                folder.display(),
                account.map_or_else(|| format!("user id {owner}"), |account| account.name.clone()),
            );
        }
        Err(error) => return Err(error).with_context(own_error),
    }
    Ok(())
}

/// Whether the account can enter the folder, tried by entering it: permissions on every folder above count too.
fn can_enter(folder: &Path, account: &Account) -> anyhow::Result<bool> {
    let entered = Command::new("/bin/sh")
        .args(["-c", ":"])
        .current_dir(folder)
        .uid(account.uid)
        .gid(account.gid)
        .stdin(Stdio::null())
        .status();
    match entered {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot run a program as {}", account.name)),
    }
}
