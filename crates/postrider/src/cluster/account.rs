//! The account Postgres runs as: Postgres refuses to run as root.

use anyhow::Context;
use nix::unistd::{User, geteuid};

/// An unprivileged account that root hands the server to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The account to drop to, or `None` when this process is not root and runs Postgres as itself.
pub(super) fn unprivileged() -> anyhow::Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        let user = User::from_name(name).with_context(|| format!("cannot look up the account {name}"))?;
        if let Some(user) = user.filter(|user| !user.uid.is_root()) {
            return Ok(Some(Account {
                name: user.name,
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            }));
        }
    }
    anyhow::bail!(
        "Postgres does not run as root, and this machine has neither an account named postgres nor one named nobody; \
         start postrider as another user"
    )
}

impl Account {
    /// Makes a command run as this account.
    pub(super) fn apply(account: Option<&Self>, command: &mut tokio::process::Command) {
        if let Some(account) = account {
            command.uid(account.uid).gid(account.gid);
        }
    }
}
