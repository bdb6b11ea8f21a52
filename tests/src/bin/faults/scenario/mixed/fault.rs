//! One fault after the other, drawn by chance, and what each may cost.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nix::sys::signal::Signal;
use postrider_tests::Postrider;
use tokio::time::sleep;

use crate::outcome::Outcome;
use crate::proxy::Proxy;
use crate::stage::{Allowed, Stage};
use crate::worker::{self, CLAIM, CONCURRENCY, FLUSH, How, LEASE_TIME};

/// The workers, and what they suffered.
pub(super) struct Crew {
    pub(super) workers: Vec<Postrider>,
    proxy: SocketAddr,
    suffered: BTreeMap<&'static str, u64>,
    allowed: Allowed,
}

/// What one worker may hold: being sent, waiting to be sent, and not recorded yet.
const HELD: u64 = CONCURRENCY + 2 * CLAIM;

/// Draws that stand for one fault of each kind.
const FIRST: [u64; 6] = [0, 47, 60, 99, 30, 85];

impl Crew {
    pub(super) fn new(workers: Vec<Postrider>, proxy: &Proxy) -> Self {
        Self {
            workers,
            proxy: proxy.address,
            suffered: BTreeMap::new(),
            allowed: Allowed {
                long_transactions: true,
                ..Allowed::default()
            },
        }
    }

    /// Lets one fault happen.
    pub(super) async fn suffer(&mut self, stage: &mut Stage) {
        let victim = stage.random.below(self.workers.len() as u64) as usize;
        // Each kind in its turn, so that a short run has them all; then by chance.
        let drawn = FIRST
            .get(self.turns())
            .copied()
            .unwrap_or_else(|| stage.random.below(100));
        let name = match drawn {
            0..30 => {
                worker::kill(&mut self.workers[victim]).await;
                self.workers[victim] = self.start(stage).await;
                self.allow(CONCURRENCY + FLUSH, CONCURRENCY + FLUSH);
                "killed"
            }
            30..45 => {
                let stopped = worker::stop(&mut self.workers[victim]).await;
                self.workers[victim] = self.start(stage).await;
                match stopped {
                    Ok(()) => "terminated",
                    // A statement that got no answer while it drained: it ends as if killed.
                    Err(_) => {
                        self.allow(CONCURRENCY + FLUSH, CONCURRENCY + FLUSH);
                        "terminated, not drained in time"
                    }
                }
            }
            45..60 => {
                self.workers[victim].signal(Signal::SIGSTOP);
                let longer_than_the_lease = drawn < 50;
                if longer_than_the_lease {
                    sleep(LEASE_TIME + stage.random.milliseconds(500, 2000)).await;
                    self.allow(HELD, 0);
                } else {
                    sleep(stage.random.milliseconds(20, 1000)).await;
                }
                self.workers[victim].signal(Signal::SIGCONT);
                "stopped"
            }
            60..85 => {
                let terminated = sqlx::query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                      where pid <> pg_backend_pid() and backend_type = 'client backend' and random() < 0.6",
                )
                .execute(&stage.pool)
                .await;
                // The storm may hit a session of this pool; the next one gets a new one.
                drop(terminated);
                "sessions terminated"
            }
            85..92 => {
                stage.cluster.signal_all(Signal::SIGSTOP);
                sleep(stage.random.milliseconds(200, 5000)).await;
                stage.cluster.signal_all(Signal::SIGCONT);
                "Postgres frozen"
            }
            _ => {
                let signal = if drawn.is_multiple_of(2) {
                    Signal::SIGQUIT
                } else {
                    Signal::SIGKILL
                };
                stage.cluster.crash(signal).await;
                sleep(stage.random.milliseconds(0, 1500)).await;
                stage.cluster.start_again().await;
                // Each worker may have lost its last claims, and goes on sending what was in them.
                self.allow(HELD * self.workers.len() as u64, 0);
                "Postgres crashed"
            }
        };
        *self.suffered.entry(name).or_default() += 1;
    }

    fn turns(&self) -> usize {
        self.suffered.values().sum::<u64>() as usize
    }

    /// Whether each kind of fault happened.
    pub(super) fn suffered_every_kind(&self) -> bool {
        self.turns() >= FIRST.len()
    }

    fn allow(&mut self, duplicates: u64, unrecorded: u64) {
        self.allowed.duplicates += duplicates;
        self.allowed.unrecorded += unrecorded;
    }

    /// A new worker, through the proxy or not.
    async fn start(&self, stage: &mut Stage) -> Postrider {
        let database_url = (stage.random.below(2) == 0).then(|| stage.url_through(self.proxy));
        let how = How {
            database_url,
            ..How::default()
        };
        worker::start_with(stage, how).await
    }

    /// Tells what happened, and what it may cost.
    pub(super) fn report(&self, stage: &mut Stage, outcome: &mut Outcome) {
        stage.allowed = self.allowed;
        for (name, count) in &self.suffered {
            outcome.figure(name, *count as f64);
        }
    }
}
