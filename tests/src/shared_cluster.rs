//! One throwaway Postgres for all test processes of a target folder. The first one starts it, the others join; a watchdog
//! stops it and removes its files soon after the last one is gone, however it went.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postrider::cluster::{Folder, Server};
use postrider::migrate;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;

/// Waits until no process holds the shared lock of `users`, gives the next test two seconds to come, and then stops
/// the server and removes its files while holding the lock alone, so that nobody joins a cluster about to end.
const WATCHDOG: &str = r#"
while :; do
    flock --exclusive "$1/users" true
    sleep 2
    flock --exclusive --nonblock "$1/users" sh -c '
        pidfile="$2/data/postmaster.pid"
        kill -QUIT "$(head -n 1 "$pidfile" 2>/dev/null)" 2>/dev/null
        tries=0
        while [ -e "$pidfile" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
        rm -rf "$2" "$1/cluster" "$1/running"
    ' stop "$1" "$2" && exit 0
done
"#;

/// Durability is not tested here; speed is wanted.
const PARAMETERS: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "400"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
    ("autovacuum_naptime", "5s"),
];

/// The cluster as a joined process sees it.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    /// Name of the template database with the current schema.
    pub(crate) template: String,
    options: PgConnectOptions,
    url: String,
    // Held, not read: the watchdog waits for all of these to be closed.
    _user: File,
}

impl SharedCluster {
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        self.options.clone().database(database)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}{database}", self.url)
    }
}

/// Joins the cluster, once for each process.
pub(crate) async fn join() -> &'static SharedCluster {
    static JOINED: OnceCell<SharedCluster> = OnceCell::const_new();
    JOINED.get_or_init(start_or_join).await
}

async fn start_or_join() -> SharedCluster {
    let base = crate::scratch_folder().join("postrider-tests");
    fs::create_dir_all(&base).unwrap();
    // In this order: holding the user lock, the cluster we find or start stays.
    let user = open(&base.join("users"));
    user.lock_shared().unwrap();
    let start = open(&base.join("start"));
    start.lock().unwrap();

    let Running { url, options } = match running(&base).await {
        Some(running) => running,
        None => start_cluster(&base).await,
    };
    let template = template(&options).await;
    SharedCluster {
        template,
        options,
        url,
        _user: user,
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

/// How to reach the running cluster; both without a database name.
struct Running {
    url: String,
    options: PgConnectOptions,
}

/// The cluster that runs already, as its starter noted it: the URL, and the folder of the Unix socket where there is one.
async fn running(base: &Path) -> Option<Running> {
    let note = fs::read_to_string(base.join("running")).ok()?;
    let (url, socket) = note.split_once('\n')?;
    let mut options: PgConnectOptions = url.parse().ok()?;
    if !socket.is_empty() {
        options = options.socket(socket);
    }
    PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .ok()?
        .close()
        .await
        .ok()?;
    Some(Running {
        url: url.to_owned(),
        options,
    })
}

async fn start_cluster(base: &Path) -> Running {
    let path = base.join("cluster");
    let parameters: Vec<(String, String)> = PARAMETERS
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut folder = Folder::open(&path).unwrap();
    let server = match Server::start(&folder, None, &parameters).await {
        Ok(server) => server,
        Err(_) if folder.data().exists() => {
            // Left by a machine that went down, and without fsync beyond repair.
            let server_folder = folder.server().to_path_buf();
            drop(folder);
            fs::remove_dir_all(server_folder).unwrap();
            folder = Folder::open(&path).unwrap();
            Server::start(&folder, None, &parameters).await.unwrap()
        }
        Err(error) => panic!("cannot start the Postgres of the tests: {error:#}"),
    };
    watch(base, folder.server());
    let (url, options) = (server.url(""), server.options(""));
    let socket = options
        .get_socket()
        .map_or(String::new(), |path| path.display().to_string());
    fs::write(base.join("running"), format!("{url}\n{socket}")).unwrap();
    Running { url, options }
}

#[expect(
    clippy::zombie_processes,
    reason = "it outlives this process: waiting is what it does"
)]
fn watch(base: &Path, server_folder: &Path) {
    let tool: Option<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("flock"))
        .find(|path| path.is_file());
    assert!(tool.is_some(), "the tests need the program flock (package util-linux)");
    Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "postrider-tests-watchdog"])
        .args([base, server_folder])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
}

/// Makes the template database of the current migrations, unless it is there; the caller holds the start lock.
async fn template(cluster: &PgConnectOptions) -> String {
    let mut hasher = DefaultHasher::new();
    for migration in migrate::migrator().iter() {
        migration.checksum.hash(&mut hasher);
    }
    let name = format!("postrider_template_{:016x}", hasher.finish());
    let mut admin = PgConnection::connect_with(&cluster.clone().database("postgres"))
        .await
        .unwrap();
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !exists {
        // Renamed when complete: a test killed meanwhile leaves no half-made template.
        let draft = format!("{name}_draft");
        for statement in [
            format!("drop database if exists {draft} with (force)"),
            format!("create database {draft}"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        migrate::migrate(&cluster.clone().database(&draft)).await.unwrap();
        admin
            .execute(AssertSqlSafe(format!("alter database {draft} rename to {name}")))
            .await
            .unwrap();
    }
    admin.close().await.unwrap();
    name
}
