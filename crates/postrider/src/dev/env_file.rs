//! What scripts need to know, as `NAME=value` lines that a shell can read.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;

use super::owner::Owner;
use super::ports::Ports;
use crate::cluster::write_private;

/// Removes the file of an earlier run.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes the file; only this user can read it, since it opens the database and the session.
pub(super) fn write(path: &Path, ports: &Ports, database_url: &str, owner: &Owner) -> anyhow::Result<()> {
    let lines = [
        ("POSTRIDER_URL", ports.url()),
        ("POSTRIDER_METRICS_URL", ports.monitoring_url()),
        ("POSTRIDER_DATABASE_URL", database_url.to_owned()),
        ("POSTRIDER_CHATBOT_ID", owner.chatbot_id.clone()),
        ("POSTRIDER_SESSION_TOKEN", owner.session_token.clone()),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write_private(path, &text)
}
