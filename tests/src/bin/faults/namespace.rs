//! Scenarios that change the machine - name lookup, mounts - play in namespaces of their own: the harness starts itself
//! again inside, and what was changed ends with it.

use std::process::Stdio;

use tokio::process::Command;

use crate::options::Options;
use crate::outcome::Outcome;

/// Set inside.
const INSIDE: &str = "FAULTS_INSIDE_NAMESPACE";

/// What the child's standard output has before the outcome.
const MARK: &str = "outcome: ";

/// Whether this process is the one inside.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Prints the outcome for the process outside.
pub(crate) fn hand_out(outcome: &Outcome) {
    println!("{MARK}{}", serde_json::to_string(outcome).unwrap());
}

/// Plays this scenario inside a new network and a new mount namespace with the loopback device up.
pub(crate) async fn play_inside(scenario: &str, options: &Options) -> Outcome {
    if !nix::unistd::geteuid().is_root() {
        return Outcome::skipped("needs root to make namespaces");
    }
    let harness = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--propagation", "private", "--", "sh", "-c"])
        .arg("ip link set lo up && exec \"$0\" \"$@\"")
        .arg(harness)
        .arg(scenario)
        .args(options.again())
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) => return Outcome::skipped(format!("unshare (package util-linux) does not run: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(MARK));
    match line.map(serde_json::from_str) {
        Some(Ok(outcome)) => outcome,
        _ if !works().await => {
            Outcome::skipped("this machine lets nobody make namespaces, or has no ip (package iproute2)")
        }
        _ => {
            let mut outcome = Outcome::default();
            outcome.check("played to its end inside its namespaces", false, output.status);
            outcome
        }
    }
}

async fn works() -> bool {
    let tried = Command::new("unshare")
        .args(["--net", "--mount", "ip", "link", "set", "lo", "up"])
        .stdin(Stdio::null())
        .output();
    tried.await.is_ok_and(|output| output.status.success())
}
