//! The stage of a scenario: a Postgres of its own, a receiver, webhooks and a ledger.

mod longest_transaction;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::secret::KeyRing;
use postrider_tests::PrivateCluster;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use longest_transaction::LongestTransaction;

use crate::generator::{Generator, Load};
use crate::ledger::Ledger;
use crate::options::Options;
use crate::random::Random;
use crate::receiver::{Behaviour, Receiver};
use crate::webhooks::{self, Hook, Ordering, Wanted, Wants};

/// Tenants of the ordinary webhooks.
pub(crate) const TENANTS: u16 = 20;

/// How much the faults of a scenario may cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    /// Deliveries sent again although an attempt of that number had reached the receiver.
    pub(crate) duplicates: u64,
    /// Requests on the wire without a row in the history.
    pub(crate) unrecorded: u64,
    /// Deliveries that may still wait at the end.
    pub(crate) waiting: bool,
    /// Whether something keeps workers or Postgres from ending a transaction.
    pub(crate) long_transactions: bool,
}

/// Everything a scenario plays with.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: PrivateCluster,
    pub(crate) pool: PgPool,
    pub(crate) receiver: Receiver,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) keys: KeyRing,
    pub(crate) random: Random,
    pub(crate) seed: u64,
    pub(crate) allowed: Allowed,
    pub(crate) longest_transaction: LongestTransaction,
    /// When workers were killed, in microseconds since 1970.
    pub(crate) kills: Vec<u64>,
}

impl Stage {
    /// A stage with these webhooks.
    pub(crate) async fn set(options: &Options, scenario: &str, wanted: &[Wanted]) -> Self {
        let random = Random::new(options.seed, scenario);
        let cluster = PrivateCluster::start().await;
        let pool = cluster.pool();
        let keys = KeyRing::generate();
        let receiver = Receiver::start(options.seed).await;
        let mut stage = Self {
            longest_transaction: LongestTransaction::watch(cluster.options()),
            cluster,
            pool,
            receiver,
            hooks: Vec::new(),
            ledger: Arc::default(),
            keys,
            random,
            seed: options.seed,
            allowed: Allowed::default(),
            kills: Vec::new(),
        };
        stage.webhooks(wanted).await;
        stage
    }

    /// Makes these the webhooks, in place of none.
    pub(crate) async fn webhooks(&mut self, wanted: &[Wanted]) {
        assert!(self.hooks.is_empty(), "the place of a webhook is its path");
        let address = self.receiver.address.to_string();
        self.hooks = webhooks::create(&self.pool, &self.keys, &address, wanted).await;
        self.receiver.expect(&self.hooks, wanted);
    }

    /// Starts the producers of a load.
    pub(crate) fn produce(&self, load: &Load) -> Generator {
        Generator::start(&self.cluster.options(), &self.ledger, self.seed, load)
    }

    /// Where Postgres listens.
    pub(crate) fn database_address(&self) -> SocketAddr {
        let (_, rest) = self.cluster.url().rsplit_once('@').unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    /// The worker's URL with another address, that of a proxy.
    pub(crate) fn url_through(&self, address: SocketAddr) -> String {
        let direct = self.database_address().to_string();
        self.cluster
            .url_as("postrider_worker")
            .replace(&direct, &address.to_string())
    }

    /// Waits until nothing is left to do. False when that takes longer than allowed.
    pub(crate) async fn settle(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut idle = 0;
        while Instant::now() < deadline {
            let left: Result<i64, _> = sqlx::query_scalar(
                // What waits behind a delivery given up, at a webhook that halts then, waits for its owner.
                "select (select count(*) from postrider.outbox) + (select count(*) from postrider.ordered)
                      + (select count(*) from postrider.lease) + (select count(*) from postrider.deferred)
                      + (select count(*) from postrider.delivery d
                          where not exists (select from postrider.ordered_key k
                                             where k.webhook_id = d.webhook_id and k.ordering_key = d.ordering_key
                                               and k.halted_at is not null))",
            )
            .fetch_one(&self.pool)
            .await;
            idle = if matches!(left, Ok(0)) { idle + 1 } else { 0 };
            // Once more, in case something was on its way from one table to another in two transactions.
            if idle == 3 {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

impl Stage {
    /// What is left to do, and where: for whoever asks why it did not end.
    pub(crate) async fn left_over(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select format('outbox, bucket %s: %s events, %s redelivered', bucket, count(*),
                           count(*) filter (where redelivery > 0))
               from postrider.outbox group by bucket
             union all
             select format('ordered, bucket %s: %s events, %s without a place', bucket, count(*),
                           count(*) filter (where place is null))
               from postrider.ordered group by bucket
             union all
             select format('lease of %s, claimed %s ago: %s events, worker %s', l.worker_id, now() - l.claimed_at,
                           cardinality(l.event_ids), coalesce('alive ' || (now() - w.heartbeat_at) || ' ago', 'gone'))
               from postrider.lease l left join postrider.worker w on w.id = l.worker_id
             union all
             select format('lane of %s, due in %s, opened %s, open for %s, probing %s: %s deliveries, due in %s, %s held, %s in order; keys due in %s',
                           w.name, l.due_at - now(), l.opened_at, l.open_until - now(), l.is_probing, d.count, d.due_at - now(),
                           d.held, d.in_order, (select min(k.due_at) - now() from postrider.ordered_key k
                                                 where k.webhook_id = w.id and k.halted_at is null))
               from (select webhook_id, count(*), min(due_at) as due_at, count(token) as held, count(place) as in_order
                       from postrider.delivery group by webhook_id) d
               join postrider.webhook w on w.id = d.webhook_id
               left join postrider.lane l on l.webhook_id = d.webhook_id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap_or_else(|error| vec![error.to_string()])
    }
}

/// One webhook for each tenant, more for some: one that wants order, one with a narrow subscription. Receivers take a few
/// milliseconds and fail now and then.
pub(crate) fn ordinary() -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for tenant in 0..TENANTS {
        let delay = Duration::from_millis(u64::from(tenant % 5));
        wanted.push(Wanted::of(tenant, Behaviour::Accept(delay)));
        if tenant % 4 == 0 {
            wanted.push(Wanted::of(tenant, Behaviour::FailShare(10, delay)));
        }
        if tenant % 3 == 0 {
            wanted.push(Wanted {
                ordering: Ordering::Skip,
                ..Wanted::of(tenant, Behaviour::FailShare(5, delay))
            });
        }
        if tenant % 5 == 0 {
            wanted.push(Wanted {
                wants: Wants::OnlyLeadCreated,
                ..Wanted::of(tenant, Behaviour::FailShare(30, delay))
            });
        }
    }
    wanted
}

/// Producers for the ordinary webhooks.
pub(crate) fn ordinary_load(events: Option<u64>, per_second: u64) -> Load {
    Load {
        producers: 4,
        tenants: 0..TENANTS,
        events,
        per_second,
        pooled: false,
    }
}
