//! Stops the private Postgres when the process that started it is gone, also by kill -9.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::server::Server;

/// Waits for the end of its input, which comes when the parent ends in whatever way; then stops the server of the folder,
/// if the process id in its file is still that of a server (whose working folder is its PGDATA).
const SCRIPT: &str = r#"
read -r line
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null) || exit 0
if [ "$pid" = "$1" ] || [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$2" ]; then kill -INT "$pid"; fi
"#;

/// A small shell process that outlives us by the moment it needs to stop the server.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    // Held, not written: closing it is the signal.
    line: Option<ChildStdin>,
}

impl Guard {
    pub(super) fn arm(server: &Server) -> std::io::Result<Self> {
        let mut process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "postrider-guard"])
            .arg(server.pid().to_string())
            .arg(server.data())
            .current_dir("/")
            // A group of its own: the terminal's Ctrl-C is for us.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let line = process.stdin.take();
        Ok(Self { process, line })
    }

    /// Ends the guard after the server has stopped.
    pub(super) fn dismiss(&mut self) {
        drop(self.line.take());
        let _ = self.process.wait();
    }
}
