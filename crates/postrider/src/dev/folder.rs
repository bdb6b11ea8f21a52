//! Where everything of `postrider dev` is kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use postrider_core::secret::KeyRing;
use tempfile::TempDir;

use crate::cluster::write_private;

/// The default, in the folder the command is run in.
const DEFAULT: &str = ".postrider";

/// The data folder; a temporary one goes with this value.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl DataFolder {
    /// The folder that was asked for, else a temporary one for a single check, else the default.
    pub(super) fn prepare(asked: Option<&Path>, once: bool) -> anyhow::Result<Self> {
        match asked {
            Some(path) => Ok(Self {
                path: path.to_path_buf(),
                _temporary: None,
            }),
            None if once => {
                let temporary = tempfile::Builder::new()
                    .prefix("postrider-")
                    // The account that Postgres runs as passes through.
                    .permissions(Permissions::from_mode(0o711))
                    .tempdir()
                    .context("cannot make a temporary folder")?;
                Ok(Self {
                    path: temporary.path().join("data"),
                    _temporary: Some(temporary),
                })
            }
            None => Ok(Self {
                path: PathBuf::from(DEFAULT),
                _temporary: None,
            }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys of the webhook secrets, made at the first start. Call it while the folder is ours alone.
    pub(super) fn key_ring(&self) -> anyhow::Result<KeyRing> {
        let path = self.path.join("encryption-keys");
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            return KeyRing::parse(text.trim()).with_context(|| format!("{} holds no keys", path.display()));
        }
        let key_ring = KeyRing::generate();
        write_private(&path, &key_ring.expose())?;
        Ok(key_ring)
    }
}
