//! The bulk form does what so many single calls would do.

use std::time::{Duration, SystemTime};

use postrider_enqueue::{EnqueueError, Event, InvalidEvent, enqueue, enqueue_many};

use crate::{TENANT, World, event};

fn numbered(count: usize) -> Vec<Event> {
    let event = |number| Event::new(format!("tenant_{}", number % 7), "LEAD_CREATED", &number).unwrap();
    (0..count).map(event).collect()
}

#[tokio::test]
async fn ids_come_back_in_the_order_of_the_events() {
    let world = World::new().await;
    let ids = enqueue_many(&world.application, &numbered(1000)).await.unwrap();
    assert!(ids.is_sorted_by(|one, next| one < next));
    assert_eq!(world.outbox().await, ids);
    for place in [0, 1, 500, 999] {
        assert_eq!(world.payload(ids[place]).await, place.to_string());
    }
}

#[tokio::test]
async fn a_rolled_back_batch_was_never_there() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    enqueue_many(&mut *transaction, &numbered(10)).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!((world.events().await, world.outbox().await), (vec![], vec![]));
}

#[tokio::test]
async fn an_empty_batch_is_nothing() {
    let world = World::new().await;
    assert_eq!(enqueue_many(&world.application, &[]).await.unwrap(), []);
    assert_eq!(world.events().await, []);
}

#[tokio::test]
async fn each_event_of_a_batch_has_its_own_options() {
    let world = World::new().await;
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    let batch = [
        event(),
        event().ordering_key("a"),
        event().deliver_after(in_an_hour),
        event().deliver_after(SystemTime::now()),
    ];
    let ids = enqueue_many(&world.application, &batch).await.unwrap();
    assert_eq!(world.deferred().await, [ids[2]]);
    assert_eq!(world.outbox().await, [ids[0], ids[1], ids[3]]);
    let keys: Vec<Option<String>> = sqlx::query_scalar("select ordering_key from postrider.event order by id")
        .fetch_all(&world.superuser)
        .await
        .unwrap();
    assert_eq!(keys, [None, Some("a".to_owned()), None, None]);
}

#[tokio::test]
async fn a_batch_with_idempotency_keys_writes_only_what_is_new() {
    let world = World::new().await;
    let first = enqueue(&world.application, &event().idempotency_key("b"))
        .await
        .unwrap();
    let keyed = |key: &str| event().idempotency_key(key).ordering_key("order");
    let batch = [keyed("c"), event(), keyed("b"), keyed("a"), keyed("c"), event()];
    let ids = enqueue_many(&world.application, &batch).await.unwrap();
    assert_eq!(ids[2], first);
    assert_eq!(ids[4], ids[0]);
    let mut written = vec![first, ids[0], ids[1], ids[3], ids[5]];
    written.sort();
    assert_eq!(world.outbox().await, written);
}

#[tokio::test]
async fn a_batch_with_idempotency_keys_keeps_the_order_of_the_batch() {
    let world = World::new().await;
    let batch = ["c", "a", "b"].map(|key| event().idempotency_key(key).ordering_key("order"));
    let ids = enqueue_many(&world.application, &batch).await.unwrap();
    // The order of ids is the order of delivery.
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn payloads_of_a_batch_are_stored_byte_for_byte() {
    let world = World::new().await;
    let large = format!("\"{}\"", "a".repeat(250 * 1024));
    let payloads = [
        r#"{"a":1,"a":2}"#,
        "1e400",
        r#""\u0000,\"NULL\",{}""#,
        "null",
        "\"NULL\"",
        "\"Zoë 🎣\"",
        " [ 1 ] ",
        r#""\\""#,
        &large,
    ];
    let batch = payloads.map(|payload| Event::from_json(TENANT, "LEAD_CREATED", payload).unwrap());
    let ids = enqueue_many(&world.application, &batch).await.unwrap();
    for (id, payload) in ids.into_iter().zip(payloads) {
        assert_eq!(world.payload(id).await, payload);
    }
}

#[tokio::test]
async fn one_malformed_event_refuses_the_batch_and_is_named() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    let mut batch = numbered(3);
    batch[2] = Event::new("", "LEAD_CREATED", &()).unwrap();
    let error = enqueue_many(&mut *transaction, &batch).await.unwrap_err();
    assert!(matches!(
        error,
        EnqueueError::InvalidInBatch {
            index: 2,
            reason: InvalidEvent::EmptyTenant
        }
    ));
    assert_eq!(error.to_string(), "invalid event 2 of the batch: the tenant is empty");
    // Nothing reached the database: the transaction is not aborted.
    let id = enqueue(&mut *transaction, &event()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(world.outbox().await, [id]);
}
