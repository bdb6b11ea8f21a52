//! A Postgres of its own for tests that stop it, kill it or freeze it.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postrider::cluster::{Cluster, ClusterSettings};
use postrider::migrate;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection, Executor, PgPool};
use tempfile::TempDir;

const DATABASE: &str = "postrider";

/// A cluster with one migrated database.
#[derive(Debug)]
pub struct PrivateCluster {
    cluster: Option<Cluster>,
    settings: ClusterSettings,
    options: PgConnectOptions,
    url: String,
    stopped: Option<Pid>,
    _folder: TempDir,
}

impl PrivateCluster {
    /// A running cluster. It loses nothing when its processes are killed; what only a power cut could lose is not kept.
    pub async fn start() -> Self {
        Self::start_with(&[("fsync", "off")]).await
    }

    /// A running cluster with these Postgres settings.
    pub async fn start_with(parameters: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postgres-")
            .tempdir_in(crate::scratch_folder())
            .unwrap();
        let settings = ClusterSettings {
            folder: folder.path().join("cluster"),
            binaries: None,
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        // The server's account passes through.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let cluster = Cluster::start(settings.clone()).await.unwrap();
        let mut admin = PgConnection::connect_with(&cluster.options("postgres")).await.unwrap();
        admin.execute("create database postrider").await.unwrap();
        admin.close().await.unwrap();
        let options = cluster.options(DATABASE);
        migrate::migrate(&options).await.unwrap();
        let url = cluster.url(DATABASE);
        Self {
            cluster: Some(cluster),
            settings,
            options,
            url,
            stopped: None,
            _folder: folder,
        }
    }

    /// URL of the database for the superuser; the same after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// URL under a role such as `postrider_worker`.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        format!("{}?options=-c%20role%3D{role}", self.url)
    }

    /// Options that connect as the superuser.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Options that connect under a role such as `postrider_worker`.
    #[must_use]
    pub fn options_as(&self, role: &str) -> PgConnectOptions {
        self.options().options([("role", role)])
    }

    /// A new pool of at most five connections as the superuser.
    #[must_use]
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(5)
            .connect_lazy_with(self.options())
    }

    /// Stops Postgres the way `pg_ctl stop -m immediate` does, or kills it: pass `SIGQUIT` or `SIGKILL`.
    pub async fn crash(&mut self, signal: Signal) {
        let mut cluster = self.cluster.take().expect("it runs");
        cluster.server().signal(signal).unwrap();
        if let Some(stopped) = self.stopped.take() {
            // It would not notice that its server is gone.
            kill(stopped, Signal::SIGKILL).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while cluster.server().ended().unwrap().is_none() {
            assert!(Instant::now() < deadline, "Postgres does not end on {signal}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts Postgres again on the same port.
    pub async fn start_again(&mut self) {
        assert!(self.cluster.is_none(), "it runs already");
        let cluster = Cluster::start(self.settings.clone()).await.unwrap();
        assert_eq!(
            cluster.url(DATABASE),
            self.url,
            "another program took the port meanwhile"
        );
        self.cluster = Some(cluster);
    }

    /// Stops the process that writes the log of commits which do not wait for the disk: a crash undoes them, unless another
    /// commit that does wait comes after them. Until the crash.
    pub fn stop_wal_writer(&mut self) {
        let server = self.cluster.as_mut().expect("it runs").server().pid();
        let writer = children_of(server).into_iter().find(|process| {
            fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|name| name.starts_with(b"postgres: walwriter"))
        });
        let writer = Pid::from_raw(writer.expect("it has one"));
        kill(writer, Signal::SIGSTOP).unwrap();
        self.stopped = Some(writer);
    }

    /// Sends a signal such as `SIGSTOP` or `SIGCONT` to the server and every process of it.
    pub fn signal_all(&mut self, signal: Signal) {
        let server = self.cluster.as_mut().expect("it runs").server().pid();
        // The server first: stopped, it starts no new process.
        kill(Pid::from_raw(server), signal).unwrap();
        for process in children_of(server) {
            // A backend may end meanwhile.
            let _ = kill(Pid::from_raw(process), signal);
        }
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        let Some(mut cluster) = self.cluster.take() else { return };
        // A stopped process obeys only SIGKILL and SIGCONT.
        for signal in [Signal::SIGCONT, Signal::SIGQUIT] {
            let _ = cluster.server().signal(signal);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(cluster.server().ended(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Processes whose parent is this one, from the fourth field of `/proc/PID/stat`.
fn children_of(parent: i32) -> Vec<i32> {
    let children = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let process: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The second field, the name in parentheses, may hold anything.
        let after_name = stat.rsplit_once(')')?.1;
        let found: i32 = after_name.split_whitespace().nth(1)?.parse().ok()?;
        (found == parent).then_some(process)
    });
    children.collect()
}
