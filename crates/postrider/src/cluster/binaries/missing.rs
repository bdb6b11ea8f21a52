//! What to say when there is no usable Postgres: what was found, and the command that installs one.

use super::{Binaries, OLDEST_MAJOR};

/// The message.
pub(super) fn message(major: Option<u32>, found: &[Binaries]) -> String {
    let mut message = match major {
        Some(major) => {
            format!("the data folder was made by Postgres {major}, and this machine has no Postgres {major}")
        }
        None => format!("this machine has no Postgres {OLDEST_MAJOR} or newer that postrider could start"),
    };
    if !found.is_empty() {
        let list: Vec<String> = found
            .iter()
            .map(|binaries| format!("{} in {}", binaries.major, binaries.folder.display()))
            .collect();
        message.push_str(&format!(" (found {})", list.join(", ")));
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    message.push_str(&format!(
        "; install it with: {}",
        install_command(std::env::consts::OS, &release, major)
    ));
    message
}

/// The command that installs Postgres, from the text of `/etc/os-release`.
fn install_command(system: &str, os_release: &str, major: Option<u32>) -> String {
    if system == "macos" {
        return format!("brew install postgresql@{}", major.unwrap_or(17));
    }
    let value = |key: &str| {
        let line = os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let family = format!("{} {}", value("ID"), value("ID_LIKE"));
    let version = major.map_or(String::new(), |major| format!("-{major}"));
    for name in family.split_whitespace() {
        match name {
            "debian" | "ubuntu" => return format!("sudo apt-get install postgresql{version}"),
            "fedora" | "rhel" | "centos" => return "sudo dnf install postgresql-server".to_owned(),
            "alpine" => return format!("apk add postgresql{}", major.unwrap_or(17)),
            "arch" => return "sudo pacman -S postgresql".to_owned(),
            "suse" | "opensuse" => return "sudo zypper install postgresql-server".to_owned(),
            _ => {}
        }
    }
    "your package manager (the package is usually called postgresql)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_command_fits_the_distribution() {
        for (system, release, command) in [
            ("linux", "NAME=x\nID=debian\n", "sudo apt-get install postgresql"),
            (
                "linux",
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "sudo apt-get install postgresql",
            ),
            (
                "linux",
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "sudo dnf install postgresql-server",
            ),
            ("linux", "ID=alpine\n", "apk add postgresql17"),
            (
                "linux",
                "",
                "your package manager (the package is usually called postgresql)",
            ),
            ("macos", "", "brew install postgresql@17"),
        ] {
            assert_eq!(install_command(system, release, None), command, "{system} {release}");
        }
        assert_eq!(
            install_command("linux", "ID=debian", Some(16)),
            "sudo apt-get install postgresql-16"
        );
    }

    #[test]
    fn a_message_about_missing_programs_names_the_version_and_the_command() {
        let message = super::message(
            Some(16),
            &[Binaries {
                folder: std::path::PathBuf::from("/opt/pg/bin"),
                major: 15,
            }],
        );
        assert!(message.contains("made by Postgres 16"), "{message}");
        assert!(message.contains("15 in /opt/pg/bin"), "{message}");
        assert!(message.contains("install it with: "), "{message}");
    }
}
