//! Workers of a scenario: the real binary with settings under which leases end soon.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::{Postrider, process};

use crate::stage::Stage;

/// Most requests a worker has open.
pub(crate) const CONCURRENCY: u64 = 64;

/// Most results of one flush of the worker.
pub(crate) const FLUSH: u64 = 500;

/// Most events of one claim: the worker's default.
pub(crate) const CLAIM: u64 = 500;

/// Time after which a silent worker loses what it holds. Shorter than in production, and long enough that a machine busy
/// with several scenarios does not silence a worker for it.
pub(crate) const LEASE_TIME: Duration = Duration::from_secs(5);

/// Breakers open for the first time for so long, then twice as long each time, and at most for so long: receivers come
/// back within seconds here.
const BREAKER: [(&str, &str); 2] = [
    ("worker_breaker_open_ms", "300"),
    ("worker_breaker_longest_open_ms", "2000"),
];
const FIRST_OPEN: Duration = Duration::from_millis(300);
pub(crate) const LONGEST_OPEN: Duration = Duration::from_millis(2000);

/// How often a breaker can half-open in this time, when every probe fails at once.
pub(crate) fn openings_within(time: Duration) -> u64 {
    let (mut openings, mut open, mut passed) = (0, FIRST_OPEN, FIRST_OPEN);
    while passed <= time {
        openings += 1;
        open = LONGEST_OPEN.min(open * 2);
        passed += open;
    }
    openings
}

/// More failures in a row than a scenario has: for those about what becomes of each attempt, whose receivers never get
/// better.
pub(crate) const NO_BREAKER: (&str, &str) = ("worker_breaker_failures", "1000000");

/// Settings that are the worker's defaults again, where those of production are measured.
pub(crate) const PRODUCTION: [(&str, &str); 3] = [
    ("worker_lease_time_ms", "15000"),
    ("worker_heartbeat_interval_ms", "3000"),
    ("worker_concurrency", "auto"),
];

/// What differs from worker to worker.
#[derive(Debug, Default)]
pub(crate) struct How<'a> {
    /// Where it finds Postgres; `None`: directly.
    pub(crate) database_url: Option<String>,
    /// Settings beside those of every worker.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// Variables of its environment, such as `LD_PRELOAD`.
    pub(crate) environment: &'a [(&'a str, &'a str)],
    /// Another build of the program.
    pub(crate) binary: Option<&'a Path>,
}

/// Starts a worker and waits until it runs.
pub(crate) async fn start(stage: &Stage) -> Postrider {
    start_with(stage, How::default()).await
}

/// Starts a worker of a special kind and waits until it runs.
pub(crate) async fn start_with(stage: &Stage, how: How<'_>) -> Postrider {
    let mut worker = spawn(stage, how);
    worker
        .wait_for_stderr(Duration::from_secs(60), |log| log.contains("worker runs"))
        .await;
    worker
}

/// Starts a worker without waiting.
pub(crate) fn spawn(stage: &Stage, how: How<'_>) -> Postrider {
    let url = how
        .database_url
        .unwrap_or_else(|| stage.cluster.url_as("postrider_worker"));
    let keys = stage.keys.expose();
    let mut settings = vec![
        ("database_url", url.as_str()),
        ("encryption_keys", keys.as_str()),
        ("allow_http", "true"),
        ("allow_networks", "127.0.0.0/8"),
        ("worker_monitoring_listen", "127.0.0.1:0"),
        ("worker_concurrency", "64"),
        ("worker_lease_time_ms", "5000"),
        ("worker_heartbeat_interval_ms", "500"),
        ("log", "warn,postrider_worker=info"),
    ];
    let binary = how.binary.map_or_else(process::binary, Path::to_path_buf);
    settings.extend(BREAKER.into_iter().filter(|(name, _)| knows(&binary, name)));
    settings.extend_from_slice(how.settings);
    let mut command = process::command(&["worker"], &settings);
    if let Some(binary) = how.binary {
        let mut other = tokio::process::Command::new(binary);
        other.args(["worker"]).kill_on_drop(true);
        for (name, value) in command.as_std().get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        other
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command = other;
    }
    command.envs(how.environment.iter().copied());
    Postrider::spawn_command(command)
}

/// Whether a build has a setting. A worker refuses to start with one that it does not know, and an old one may be asked to.
pub(crate) fn knows(binary: &Path, setting: &str) -> bool {
    static SETTINGS: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
    let mut settings = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let of_builds = settings.get_or_insert_default();
    let printed = of_builds.entry(binary.to_path_buf()).or_insert_with(|| {
        let output = std::process::Command::new(binary).arg("config").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    printed.contains(setting)
}

/// Ends a worker the hard way.
pub(crate) async fn kill(worker: &mut Postrider) {
    worker.signal(Signal::SIGKILL);
    worker.wait(Duration::from_secs(20)).await;
}

/// Ends a worker the soft way. What it says when it does not end well is the error.
pub(crate) async fn stop(worker: &mut Postrider) -> Result<(), String> {
    worker.signal(Signal::SIGTERM);
    let ended = worker.wait(Duration::from_secs(40)).await;
    if ended.status.success() {
        return Ok(());
    }
    let last: Vec<&str> = ended.stderr.lines().rev().take(3).collect();
    Err(format!("{}: {}", ended.status, last.join(" / ")))
}
