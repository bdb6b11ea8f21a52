//! Finds the Postgres programs of this machine.

mod missing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The oldest major version that has what the schema uses (SQL-standard function bodies).
const OLDEST_MAJOR: u32 = 14;

/// Folders where distributions and installers put a version's programs; `*` stands for the version.
const KNOWN_FOLDERS: [&str; 10] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/usr/local/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The programs of one Postgres version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder with `postgres` and `initdb`.
    pub folder: PathBuf,
    /// Major version, such as 15.
    pub major: u32,
}

/// Finds the newest usable Postgres programs on PATH, where `pg_config` says, and in the folders of distributions.
///
/// A data folder made by one major version opens only with that one: `major` asks for it.
///
/// # Errors
/// When there are none, with the command that installs them.
pub fn find(major: Option<u32>) -> anyhow::Result<Binaries> {
    let found: Vec<Binaries> = candidates().iter().filter_map(|folder| inspect(folder)).collect();
    let usable = |binaries: &&Binaries| major.map_or(binaries.major >= OLDEST_MAJOR, |major| binaries.major == major);
    found
        .iter()
        .filter(usable)
        .max_by_key(|binaries| binaries.major)
        .cloned()
        .with_context(|| missing::message(major, &found))
}

/// The programs in a folder that the user named.
pub(super) fn in_folder(folder: &Path) -> anyhow::Result<Binaries> {
    let found =
        inspect(folder).with_context(|| format!("{} has no working postgres and initdb programs", folder.display()))?;
    anyhow::ensure!(
        found.major >= OLDEST_MAJOR,
        "{} has Postgres {}, but postrider needs {OLDEST_MAJOR} or newer",
        folder.display(),
        found.major
    );
    Ok(found)
}

fn candidates() -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
    }
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.insert(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders.extend(KNOWN_FOLDERS.iter().flat_map(|pattern| expand(pattern)));
    // Links such as /usr/local/bin/postgres lead to the folder that has all programs of the version.
    folders
        .iter()
        .filter_map(|folder| folder.join("postgres").canonicalize().ok()?.parent().map(PathBuf::from))
        .collect()
}

/// The folders that a pattern with at most one `*` stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| PathBuf::from(format!("{}{after}", entry.path().display())))
        .collect()
}

/// The version in a folder, or `None` when it lacks a program or the program does not run.
fn inspect(folder: &Path) -> Option<Binaries> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries {
        folder: folder.to_path_buf(),
        major,
    })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15; also `17devel` and `18beta1`.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .map_or(number, |end| &number[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_prints() {
        for (printed, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 17devel", Some(17)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.1", Some(9)),
            ("something else", None),
        ] {
            assert_eq!(parse_major(printed), major, "{printed}");
        }
    }
}
