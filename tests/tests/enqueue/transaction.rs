//! An event shares the fate of the transaction it was written in.

use std::time::{Duration, SystemTime};

use postrider_enqueue::{Event, enqueue};
use sqlx::{Connection, Executor, Row};

use crate::{TENANT, World, event};

#[tokio::test]
async fn a_committed_event_waits_in_the_outbox() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    let event = Event::from_json(TENANT, "LEAD_CREATED", r#"{"id":"lead_1"}"#)
        .unwrap()
        .ordering_key("lead_1");
    let id = enqueue(&mut *transaction, &event).await.unwrap();
    assert_eq!(world.events().await, []);
    transaction.commit().await.unwrap();

    assert_eq!(world.outbox().await, [id]);
    let row = world
        .superuser
        .fetch_one(
            "select e.tenant, e.type, e.ordering_key, e.payload::text, e.bucket = o.bucket as same_bucket,
                    postrider.time_of_id(e.id) between now() - interval '1 minute' and now() as recent
               from postrider.event e join postrider.outbox o on o.event_id = e.id",
        )
        .await
        .unwrap();
    assert_eq!(row.get::<&str, _>("tenant"), TENANT);
    assert_eq!(row.get::<&str, _>("type"), "LEAD_CREATED");
    assert_eq!(row.get::<&str, _>("ordering_key"), "lead_1");
    assert_eq!(row.get::<&str, _>("payload"), r#"{"id":"lead_1"}"#);
    assert!(row.get::<bool, _>("recent") && row.get::<bool, _>("same_bucket"));
}

#[tokio::test]
async fn a_rolled_back_event_was_never_there() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    enqueue(&mut *transaction, &event().idempotency_key("once"))
        .await
        .unwrap();
    enqueue(
        &mut *transaction,
        &event().deliver_after(SystemTime::now() + Duration::from_secs(3600)),
    )
    .await
    .unwrap();
    transaction.rollback().await.unwrap();

    assert_eq!(
        (world.events().await, world.outbox().await, world.deferred().await),
        (vec![], vec![], vec![])
    );
    let id = enqueue(&world.application, &event().idempotency_key("once"))
        .await
        .unwrap();
    assert_eq!(world.outbox().await, [id]);
}

#[tokio::test]
async fn an_event_rolled_back_to_a_savepoint_was_never_there() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    let before = enqueue(&mut *transaction, &event()).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    enqueue(&mut *savepoint, &event()).await.unwrap();
    savepoint.rollback().await.unwrap();
    let mut released = transaction.begin().await.unwrap();
    let inside = enqueue(&mut *released, &event()).await.unwrap();
    released.commit().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(world.outbox().await, [before, inside]);
}

#[tokio::test]
async fn a_pool_and_a_connection_commit_by_themselves() {
    let world = World::new().await;
    let by_pool = enqueue(&world.application, &event()).await.unwrap();
    let mut connection = world.application.acquire().await.unwrap();
    let by_connection = enqueue(&mut *connection, &event()).await.unwrap();
    assert_eq!(world.outbox().await, [by_pool, by_connection]);
}

#[tokio::test]
async fn an_event_for_later_waits_apart() {
    let world = World::new().await;
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let later = enqueue(&world.application, &event().deliver_after(in_an_hour))
        .await
        .unwrap();
    let now = enqueue(&world.application, &event().deliver_after(an_hour_ago))
        .await
        .unwrap();
    assert_eq!((world.deferred().await, world.outbox().await), (vec![later], vec![now]));
    let exact: bool = sqlx::query_scalar("select due_at = $1 from postrider.deferred")
        .bind(chrono_of(in_an_hour))
        .fetch_one(&world.superuser)
        .await
        .unwrap();
    assert!(exact);
}

/// To the microsecond, as Postgres stores it.
fn chrono_of(moment: SystemTime) -> sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc> {
    moment.into()
}

#[tokio::test]
async fn payloads_are_stored_byte_for_byte() {
    let world = World::new().await;
    let large = format!("\"{}\"", "é".repeat(125 * 1024));
    for payload in [
        "null",
        "1e400",
        "-0.0",
        "1.10",
        "123456789012345678901234567890",
        r#""\u0000 \ud800 \/ \u00e9""#,
        "\"Zoë 🎣 \u{2028} \u{10ffff}\"",
        r#"{"a":1,"a":2,"":null,"b" : [ ] }"#,
        " \n\t{ \"a\" : 1 }\r\n ",
        &large,
    ] {
        let event = Event::from_json(TENANT, "LEAD_CREATED", payload).unwrap();
        let id = enqueue(&world.application, &event).await.unwrap();
        assert_eq!(world.payload(id).await, payload);
    }
}
