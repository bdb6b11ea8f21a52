//! The real `postrider` binary: started, watched, signalled, killed.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// A started `postrider`; killed when dropped.
#[derive(Debug)]
pub struct Postrider {
    child: Child,
    pid: Pid,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

/// How a finished `postrider` ended, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// Exit status.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// Path of the binary.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    // Tests lie in target/PROFILE/deps, binaries in target/PROFILE.
    let profile = executable
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .unwrap();
    let path = profile.join("postrider");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo test --workspace`, or name the package that builds it: -p postrider -p postrider-tests",
        path.display()
    );
    path
}

/// The binary with these arguments and settings (`("database_url", "…")` becomes `POSTRIDER_DATABASE_URL`), and no other
/// `POSTRIDER_` variable.
#[must_use]
pub fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTRIDER_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(
        settings
            .iter()
            .map(|(key, value)| (format!("POSTRIDER_{}", key.to_uppercase()), value)),
    );
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs the binary to its end, at most a minute.
pub async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Finished {
    let mut postrider = Postrider::spawn(arguments, settings);
    postrider.wait(Duration::from_secs(60)).await
}

impl Postrider {
    /// Starts the binary with these arguments and settings; see [`command`].
    #[must_use]
    pub fn spawn(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::spawn_command(command(arguments, settings))
    }

    /// Starts a prepared command.
    #[must_use]
    pub fn spawn_command(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Self {
            child,
            pid,
            stdout,
            stderr,
        }
    }

    /// What it printed so far on standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.borrow().clone()
    }

    /// What it printed so far on standard error, its log.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits until standard output satisfies the condition, and returns it.
    ///
    /// # Panics
    /// When it does not in time, or the process ends before; with all that was printed.
    pub async fn wait_for_stdout(&mut self, within: Duration, condition: impl FnMut(&String) -> bool) -> String {
        let mut stdout = self.stdout.clone();
        let seen = timeout(within, stdout.wait_for(condition))
            .await
            .map(|seen| seen.map(|text| text.clone()));
        match seen {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => panic!("postrider ended before its output was as expected\n{}", self.printed()),
            Err(_) => panic!(
                "postrider's output was not as expected within {within:?}\n{}",
                self.printed()
            ),
        }
    }

    /// Waits until standard error, its log, satisfies the condition, and returns it.
    ///
    /// # Panics
    /// When it does not in time, or the process ends before; with all that was printed.
    pub async fn wait_for_stderr(&mut self, within: Duration, condition: impl FnMut(&String) -> bool) -> String {
        let mut stderr = self.stderr.clone();
        let seen = timeout(within, stderr.wait_for(condition))
            .await
            .map(|seen| seen.map(|text| text.clone()));
        match seen {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => panic!("postrider ended before its log was as expected\n{}", self.printed()),
            Err(_) => panic!(
                "postrider's log was not as expected within {within:?}\n{}",
                self.printed()
            ),
        }
    }

    /// Sends a signal, such as `SIGTERM`, `SIGKILL`, `SIGSTOP` or `SIGCONT`.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time; with all that was printed.
    pub async fn wait(&mut self, within: Duration) -> Finished {
        let Ok(status) = timeout(within, self.child.wait()).await else {
            panic!("postrider did not end within {within:?}\n{}", self.printed());
        };
        // A process it left behind may hold the pipes; what it printed itself is there at once.
        for stream in [&mut self.stdout, &mut self.stderr] {
            let _ = timeout(Duration::from_secs(1), stream.wait_for(|_| false)).await;
        }
        Finished {
            status: status.unwrap(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    fn printed(&self) -> String {
        format!(
            "--- standard output\n{}\n--- standard error\n{}",
            self.stdout(),
            self.stderr()
        )
    }
}

/// Collects a stream as it comes; the sender ends with the stream.
pub(crate) fn collect(mut stream: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut unfinished = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            unfinished.extend_from_slice(&buffer[..length]);
            // A character may be cut at the end of a read.
            let whole = match std::str::from_utf8(&unfinished) {
                Ok(_) => unfinished.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => unfinished.len(),
            };
            let rest = unfinished.split_off(whole);
            sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&unfinished)));
            unfinished = rest;
        }
    });
    receiver
}
