//! A key makes one event, whoever uses it and how often.

use std::time::{Duration, Instant};

use postrider_enqueue::{EnqueueError, Event, EventId, enqueue};
use sqlx::PgConnection;
use tokio::task::JoinHandle;

use crate::{TENANT, World, event, sqlstate};

#[tokio::test]
async fn the_same_key_again_writes_nothing_and_returns_the_first_id() {
    let world = World::new().await;
    let first = enqueue(&world.application, &event().idempotency_key("key"))
        .await
        .unwrap();
    let other = Event::from_json(TENANT, "LEAD_UPDATED", "[]")
        .unwrap()
        .idempotency_key("key");
    assert_eq!(enqueue(&world.application, &other).await.unwrap(), first);

    let mut transaction = world.application.begin().await.unwrap();
    let second = enqueue(&mut *transaction, &event().idempotency_key("second"))
        .await
        .unwrap();
    assert_eq!(
        enqueue(&mut *transaction, &event().idempotency_key("second"))
            .await
            .unwrap(),
        second
    );
    transaction.commit().await.unwrap();

    assert_eq!(world.outbox().await, [first, second]);
    assert_eq!(world.payload(first).await, "{}");
}

#[tokio::test]
async fn a_key_belongs_to_its_tenant() {
    let world = World::new().await;
    let of = |tenant: &str| {
        Event::from_json(tenant, "LEAD_CREATED", "{}")
            .unwrap()
            .idempotency_key("key")
    };
    let one = enqueue(&world.application, &of("one")).await.unwrap();
    let other = enqueue(&world.application, &of("other")).await.unwrap();
    assert_ne!(one, other);
    assert_eq!(enqueue(&world.application, &of("one")).await.unwrap(), one);
    assert_eq!(world.outbox().await, [one, other]);
}

#[tokio::test]
async fn events_without_a_key_are_never_the_same() {
    let world = World::new().await;
    let one = enqueue(&world.application, &event()).await.unwrap();
    let other = enqueue(&world.application, &event()).await.unwrap();
    assert_eq!(world.outbox().await, [one, other]);
}

#[tokio::test]
async fn a_second_transaction_waits_for_the_first_and_returns_its_id() {
    let world = World::new().await;
    let mut first = world.application.begin().await.unwrap();
    let id = enqueue(&mut *first, &event().idempotency_key("key")).await.unwrap();
    let second = enqueue_once_it_may(&world).await;
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), id);
    assert_eq!(world.outbox().await, [id]);
}

#[tokio::test]
async fn a_second_transaction_writes_the_event_when_the_first_rolls_back() {
    let world = World::new().await;
    let mut first = world.application.begin().await.unwrap();
    let abandoned = enqueue(&mut *first, &event().idempotency_key("key")).await.unwrap();
    let second = enqueue_once_it_may(&world).await;
    first.rollback().await.unwrap();
    let id = second.await.unwrap();
    assert_ne!(id, abandoned);
    assert_eq!(world.outbox().await, [id]);
}

/// Begins to enqueue with the key, and returns once that waits for the transaction that used it first.
async fn enqueue_once_it_may(world: &World) -> JoinHandle<EventId> {
    let pool = world.application.clone();
    let waiting = tokio::spawn(async move {
        let mut transaction = pool.begin().await.unwrap();
        let id = enqueue(&mut *transaction, &event().idempotency_key("key"))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        id
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let blocked: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where datname = current_database()
                and cardinality(pg_blocking_pids(pid)) > 0)",
        )
        .fetch_one(&world.superuser)
        .await
        .unwrap();
        if blocked {
            return waiting;
        }
        assert!(!waiting.is_finished(), "the second transaction did not wait");
        assert!(Instant::now() < deadline, "the second transaction never came to wait");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_transactions_with_one_key_write_one_event() {
    let world = World::new().await;
    let calls = (0..40).map(|_| {
        let pool = world.application.clone();
        tokio::spawn(async move { enqueue(&pool, &event().idempotency_key("key")).await.unwrap() })
    });
    let calls: Vec<_> = calls.collect();
    let mut ids = Vec::new();
    for call in calls {
        ids.push(call.await.unwrap());
    }
    ids.dedup();
    assert_eq!(world.outbox().await, ids);
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_repeatable_read_transaction_is_told_to_run_again() {
    let world = World::new().await;
    let mut transaction = world
        .application
        .begin_with("begin isolation level repeatable read")
        .await
        .unwrap();
    look(&mut transaction).await;
    enqueue(&world.application, &event().idempotency_key("key"))
        .await
        .unwrap();
    let error = enqueue(&mut *transaction, &event().idempotency_key("key"))
        .await
        .unwrap_err();
    let EnqueueError::Database(error) = error else {
        panic!("{error}")
    };
    assert_eq!(sqlstate(&error), "40001");
}

/// Takes the snapshot of the transaction.
async fn look(connection: &mut PgConnection) {
    sqlx::query("select 1").execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_key_is_remembered_over_midnight() {
    let world = World::new().await;
    let id = enqueue(&world.application, &event().idempotency_key("key"))
        .await
        .unwrap();
    // As if the call had been made so many days ago: the rows stand for their days by these numbers alone.
    sqlx::query("update postrider.idempotency set first_id = first_id - (3 * 86400000::bigint << 22)")
        .execute(&world.superuser)
        .await
        .unwrap();
    assert_eq!(
        enqueue(&world.application, &event().idempotency_key("key"))
            .await
            .unwrap(),
        id
    );
    assert_eq!(world.outbox().await, [id]);
}
