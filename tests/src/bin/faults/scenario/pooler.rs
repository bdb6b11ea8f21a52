//! PgBouncer between Postgres and both sides: in transaction mode for the producers, and for the workers as well where
//! its version keeps prepared statements apart; otherwise they get session mode.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::finish;
use crate::generator::Generator;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

pub(super) async fn play(options: &Options) -> Outcome {
    let Some(program) = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        return Outcome::skipped("pgbouncer is missing (package pgbouncer)");
    };
    let mut outcome = Outcome::default();
    let stage = Stage::set(options, "pooler", &ordinary()).await;
    let bouncer = Bouncer::start(program, &stage).await;
    let mode = if keeps_statements_apart(program).await {
        "transaction"
    } else {
        "session"
    };
    outcome.note(format!("workers in {mode} mode, producers in transaction mode"));
    let how = || How {
        database_url: Some(format!("postgres://worker@{}/{mode}", bouncer.address)),
        settings: &[("worker_wake", "poll"), ("worker_poll_interval_ms", "100")],
        ..How::default()
    };
    let workers = vec![
        worker::start_with(&stage, how()).await,
        worker::start_with(&stage, how()).await,
    ];
    let mut load = ordinary_load(options.events, 300);
    load.pooled = true;
    let pooled: PgConnectOptions = format!("postgres://app@{}/transaction", bouncer.address)
        .parse()
        .unwrap();
    let generator = Generator::start(&pooled.statement_cache_capacity(0), &stage.ledger, stage.seed, &load);
    sleep(Duration::from_secs(options.pick(options.seconds, 4, 60))).await;
    finish(&stage, generator, workers, &mut outcome).await;
    let committed = outcome.figures["committed"];
    outcome.check("events were committed through the pooler", committed > 0.0, committed);
    outcome
}

struct Bouncer {
    _process: Child,
    _folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Bouncer {
    async fn start(program: &str, stage: &Stage) -> Self {
        // An address of its own: between now and its start nobody else takes the port there.
        let free = tokio::net::TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let server = stage.database_address();
        let (login, _) = stage.cluster.url().rsplit_once('@').unwrap();
        let password = login.rsplit_once(':').unwrap().1;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        // Few server sessions, so that clients do share them.
        let settings = format!(
            "[databases]
             transaction = host={host} port={port} dbname=postrider user=postgres password={password} pool_mode=transaction
             session = host={host} port={port} dbname=postrider user=postgres password={password} pool_mode=session pool_size=20
             [pgbouncer]
             listen_addr = {}
             listen_port = {}
             unix_socket_dir =
             auth_type = any
             default_pool_size = 4
             max_client_conn = 200
             ignore_startup_parameters = extra_float_digits
             log_connections = 0
             log_disconnections = 0
             log_stats = 0\n",
            address.ip(),
            address.port(),
            host = server.ip(),
            port = server.port(),
        );
        let settings = if keeps_statements_apart(program).await {
            settings + "max_prepared_statements = 100\n"
        } else {
            settings
        };
        let unindented: Vec<&str> = settings.lines().map(str::trim_start).collect();
        std::fs::write(&file, unindented.join("\n")).unwrap();
        let mut command = Command::new(program);
        command
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if nix::unistd::geteuid().is_root() {
            // It refuses to run as root.
            let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
        let process = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < deadline, "pgbouncer does not listen");
            sleep(Duration::from_millis(20)).await;
        }
        Self {
            _process: process,
            _folder: folder,
            address,
        }
    }
}

/// Whether prepared statements of several clients can share a server session: since PgBouncer 1.21.
async fn keeps_statements_apart(program: &str) -> bool {
    let output = Command::new(program).arg("--version").output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (1, 21)
}
