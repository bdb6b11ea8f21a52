//! Postgres runs out of disk, in the end even for its write-ahead log, and gets space again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::time::sleep;

use super::finish;
use crate::namespace;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, CLAIM, CONCURRENCY};

/// Enough for an empty cluster and a little more.
const DISK_MB: u64 = 220;

pub(super) async fn play(options: &Options) -> Outcome {
    if !namespace::is_inside() {
        return namespace::play_inside("disk_full", options).await;
    }
    let mut outcome = Outcome::default();
    // The clusters of this process lie below the target folder: a small disk is laid over that place.
    let disk = postrider_tests::target_folder().join("tmp");
    fs::create_dir_all(&disk).unwrap();
    mount_disk(&disk);
    let mut stage = Stage::set(options, "disk_full", &ordinary()).await;
    stage.allowed.long_transactions = true;
    // Or its log alone would fill the disk, for good.
    for setting in ["max_wal_size = '48MB'", "min_wal_size = '32MB'"] {
        let set = AssertSqlSafe(format!("alter system set {setting}"));
        stage.pool.execute(set).await.unwrap();
    }
    stage.pool.execute("select pg_reload_conf()").await.unwrap();
    let worker = worker::start(&stage).await;
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let rounds = options.pick(options.kills, 2, 8);
    let mut refused = 0_u64;
    for round in 0..rounds {
        sleep(Duration::from_secs(1)).await;
        let filler = disk.join("filler");
        fill(&filler);
        // Postgres writes its log into space it reserved: use that up too.
        for _ in 0..20 {
            refused += u64::from(use_up_log(&stage).await.is_err());
            sleep(Duration::from_millis(150)).await;
        }
        fs::remove_file(&filler).unwrap();
        let recovered = until_it_answers(&mut stage).await;
        outcome.check(
            &format!("Postgres answers again after round {round}"),
            recovered,
            recovered,
        );
    }
    outcome.figure("statements refused for lack of disk", refused as f64);
    outcome.check("the disk was full", refused > 0, refused);
    stage.allowed.duplicates = rounds * (CONCURRENCY + 2 * CLAIM);
    finish(&stage, generator, vec![worker], &mut outcome).await;
    outcome
}

fn mount_disk(place: &Path) {
    let size = format!("size={DISK_MB}m,mode=0755");
    let status = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(place)
        .status();
    assert!(status.unwrap().success(), "cannot mount a tmpfs");
}

/// Takes all space that is left.
fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let piece = vec![0x5a_u8; 64 * 1024];
    while file.write_all(&piece).is_ok() {}
}

/// Writes 8 MB of log and takes them back.
async fn use_up_log(stage: &Stage) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(&stage.cluster.options()).await?;
    let mut transaction = connection.begin().await?;
    transaction
        .execute("create table filling (text text); insert into filling select repeat(md5(n::text), 30) from generate_series(1, 8000) n")
        .await?;
    transaction.rollback().await
}

/// Postgres may have ended when it could not write its log; then it is started again.
async fn until_it_answers(stage: &mut Stage) -> bool {
    for round in 1..=200 {
        if use_up_log(stage).await.is_ok() {
            return true;
        }
        if round % 50 == 0 {
            // Also when it has ended already: until its end is asked for, its process id is its own.
            stage.cluster.crash(Signal::SIGKILL).await;
            stage.cluster.start_again().await;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}
