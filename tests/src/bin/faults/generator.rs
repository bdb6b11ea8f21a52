//! Producers: they commit, roll back and roll back to savepoints, and write into the ledger what they did.

mod bulk;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub(crate) use bulk::commit_in_bulk;

use crate::ledger::Ledger;
use crate::random::Random;

/// What the producers shall do.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) producers: u16,
    /// Events are spread over the tenants of these numbers.
    pub(crate) tenants: std::ops::Range<u16>,
    /// Stop after about so many committed events; `None`: when told to.
    pub(crate) events: Option<u64>,
    /// Events per second of all producers together; zero means as fast as possible.
    pub(crate) per_second: u64,
    /// Whether they connect through a transaction pooler.
    pub(crate) pooled: bool,
}

/// Running producers.
#[derive(Debug)]
pub(crate) struct Generator {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

/// What one producer knows.
#[derive(Debug)]
struct Producer {
    number: u16,
    options: PgConnectOptions,
    ledger: Arc<Ledger>,
    load: Load,
    random: Random,
    stop: Arc<AtomicBool>,
    /// Events committed by all producers of this load.
    committed: Arc<AtomicU64>,
}

impl Generator {
    /// Starts producers that connect with these options.
    pub(crate) fn start(options: &PgConnectOptions, ledger: &Arc<Ledger>, seed: u64, load: &Load) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..load.producers {
            let producer = Producer {
                number,
                options: options.clone(),
                ledger: ledger.clone(),
                load: load.clone(),
                random: Random::new(seed, &format!("producer {number} of {:?}", load.tenants)),
                stop: stop.clone(),
                committed: committed.clone(),
            };
            tasks.spawn(produce(producer));
        }
        Self { tasks, stop }
    }

    /// No producers, where a scenario commits what it needs itself.
    pub(crate) fn none() -> Self {
        Self {
            tasks: JoinSet::new(),
            stop: Arc::default(),
        }
    }

    /// Waits until the load's number of events is committed.
    pub(crate) async fn wait(&mut self, within: Duration) {
        let ended = timeout(within, async { while self.tasks.join_next().await.is_some() {} }).await;
        assert!(
            ended.is_ok(),
            "the producers did not commit their events within {within:?}"
        );
    }

    /// Whether the load's number of events is committed.
    pub(crate) fn is_done(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.is_empty()
    }

    /// Lets each producer end its transaction, and waits for it.
    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wait(Duration::from_secs(60)).await;
    }
}

impl Producer {
    fn is_done(&self) -> bool {
        let enough = |events| self.committed.load(Ordering::Relaxed) >= events;
        self.stop.load(Ordering::Relaxed) || self.load.events.is_some_and(enough)
    }
}

async fn produce(mut producer: Producer) {
    let begun = Instant::now();
    let mut made = 0;
    while !producer.is_done() {
        // The database may be away: that is what some scenarios are about.
        let Ok(connection) = producer.options.connect().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        produce_on(&mut producer, connection, begun, &mut made).await;
    }
}

/// Goes on until done or the connection fails.
async fn produce_on(producer: &mut Producer, mut connection: PgConnection, begun: Instant, made: &mut u64) {
    while !producer.is_done() {
        let Ok(committed) = transaction::random(producer, &mut connection).await else {
            return;
        };
        producer.committed.fetch_add(committed, Ordering::Relaxed);
        *made += committed;
        let each = producer.load.per_second / u64::from(producer.load.producers);
        if each > 0 {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(*made as f64 / each as f64)).await;
        }
    }
    let _ = connection.close().await;
}
