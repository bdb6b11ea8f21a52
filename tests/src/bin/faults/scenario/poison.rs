//! An event that kills every worker that sends it: it ends as a dead letter and is named in the log, and everything that
//! was claimed with it is delivered. It is killed at the moment at which its request arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postrider_core::ids::EventId;
use postrider_tests::Postrider;
use tokio::time::{Instant, timeout};

use super::finish;
use crate::generator::{Generator, commit_in_bulk};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::Stage;
use crate::webhooks::Wanted;
use crate::worker::{self, CONCURRENCY, FLUSH, How};

/// Workers that one event may kill.
const DEATHS: u64 = 5;

const TENANTS: u16 = 20;

/// More than one claim.
const EVENTS: u64 = 600;

/// The shortest lease that the heartbeat of these workers allows: each death lasts as long.
const SETTINGS: [(&str, &str); 1] = [("worker_lease_time_ms", "2000")];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let wanted: Vec<Wanted> = (0..TENANTS)
        .map(|tenant| Wanted::of(tenant, Behaviour::Accept(Duration::from_millis(1))))
        .collect();
    let mut stage = Stage::set(options, "poison", &wanted).await;
    commit_in_bulk(&stage.pool, &stage.ledger, 0..TENANTS, EVENTS).await;
    // Some requests into the first claim: others are in flight, not yet sent, and not yet recorded.
    let chosen = 100 + stage.random.below(100);
    let victim = kill_at(&stage, chosen);
    let begun = Instant::now();
    let mut deaths = 0;
    let mut worker = start(&stage, &victim);
    while deaths < DEATHS {
        let death = timeout(Duration::from_secs(30), worker.wait(Duration::from_secs(60))).await;
        if death.is_err() {
            break;
        }
        deaths += 1;
        worker = start(&stage, &victim);
    }
    outcome.figure("workers that died", deaths as f64);
    outcome.figure("seconds until the last death", begun.elapsed().as_secs_f64());
    outcome.check("it kills five workers", deaths == DEATHS, deaths);
    stage.allowed.duplicates = deaths * (CONCURRENCY + FLUSH);
    stage.allowed.unrecorded = stage.allowed.duplicates;
    let survivors = finish(&stage, Generator::none(), vec![worker], &mut outcome).await;
    buried(&stage, chosen, &survivors[0], &mut outcome).await;
    outcome
}

/// From now on, the request of this token kills the process whose id is stored here.
fn kill_at(stage: &Stage, token: u64) -> Arc<AtomicI32> {
    let victim = Arc::new(AtomicI32::new(0));
    let killed = victim.clone();
    stage.receiver.shared.watcher.act(move |arrival| {
        if arrival.token == token {
            let process = killed.swap(0, Ordering::Relaxed);
            if process > 0 {
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
    });
    victim
}

fn start(stage: &Stage, victim: &AtomicI32) -> Postrider {
    let how = How {
        settings: &SETTINGS,
        ..How::default()
    };
    let worker = worker::spawn(stage, how);
    victim.store(worker.pid(), Ordering::Relaxed);
    worker
}

/// What became of the chosen event.
async fn buried(stage: &Stage, chosen: u64, survivor: &Postrider, outcome: &mut Outcome) {
    let event = EventId(stage.ledger.entries()[chosen as usize].event);
    let found: Vec<(i64, String)> = sqlx::query_as("select event_id, reason from postrider.dead_letter")
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    outcome.check(
        "the event, and no other, is a dead letter with the reason poison",
        found == [(event.0, "poison".to_owned())],
        format!("{event}: {found:?}"),
    );
    let log = survivor.stderr();
    let named = log.lines().find(|line| line.contains(&event.to_string()));
    outcome.check("the log names it", named.is_some(), format!("{named:?}"));
    let arrivals = stage.receiver.shared.log.arrivals();
    let sent = arrivals.iter().filter(|arrival| arrival.token == chosen).count() as u64;
    outcome.check("it is not sent a sixth time", sent == DEATHS, sent);
}
