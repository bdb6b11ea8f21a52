//! What is refused, by the crate before the database is asked and by the database itself.

use postrider_enqueue::{EnqueueError, Event, InvalidEvent, enqueue};
use sqlx::{AssertSqlSafe, Executor};

use crate::{TENANT, World, event, sqlstate};

#[tokio::test]
async fn a_malformed_event_leaves_the_transaction_alive() {
    let world = World::new().await;
    let mut transaction = world.application.begin().await.unwrap();
    let large = Event::new(TENANT, "LEAD_CREATED", &"a".repeat(256 * 1024)).unwrap();
    for malformed in [
        Event::new("", "LEAD_CREATED", &()).unwrap(),
        Event::new(TENANT, "lead", &()).unwrap(),
        event().idempotency_key(""),
        event().ordering_key("\0"),
        large,
    ] {
        let error = enqueue(&mut *transaction, &malformed).await.unwrap_err();
        assert!(matches!(error, EnqueueError::Invalid(_)), "{error}");
    }
    let id = enqueue(&mut *transaction, &event()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(world.events().await, [id]);
}

#[tokio::test]
async fn the_database_and_the_crate_agree_about_what_is_well_formed() {
    let world = World::new().await;
    let longest = "é".repeat(200);
    let too_long = "é".repeat(201);
    for (tenant, event_type, key) in [
        ("a", "A", "a"),
        (&*longest, &*"A".repeat(100), &*longest),
        (" ", "A_9", " "),
        ("", "A", "a"),
        (&*too_long, "A", "a"),
        ("a", "", "a"),
        ("a", &*"A".repeat(101), "a"),
        ("a", "a", "a"),
        ("a", "_A", "a"),
        ("a", "9A", "a"),
        ("a", "A\n", "a"),
        ("a", "A\nB", "a"),
        ("a", "É", "a"),
        ("a", "A-B", "a"),
        ("a", "*", "a"),
        ("a", "A", ""),
        ("a", "A", &*too_long),
    ] {
        let by_database = sqlx::query("select postrider.enqueue($1, $2, '{}', $3, $4)")
            .bind(tenant)
            .bind(event_type)
            .bind(key)
            .bind(key)
            .execute(&world.application)
            .await;
        let by_crate = Event::new(tenant, event_type, &())
            .unwrap()
            .idempotency_key(key)
            .ordering_key(key)
            .check();
        assert_eq!(
            by_database.is_ok(),
            by_crate.is_ok(),
            "{tenant:?} {event_type:?} {key:?}: {by_crate:?}"
        );
        if let Err(error) = by_database {
            assert_eq!(sqlstate(&error), "22023");
        }
    }
}

#[tokio::test]
async fn each_documented_error_has_its_sqlstate_and_message() {
    let world = World::new().await;
    for (call, state, message) in [
        (
            "enqueue('', 'A', '{}')",
            "22023",
            "postrider: tenant must have 1 to 200 characters",
        ),
        (
            "enqueue(null, 'A', '{}')",
            "22023",
            "postrider: tenant must have 1 to 200 characters",
        ),
        ("enqueue('t', 'a', '{}')", "22023", "postrider: invalid event type 'a'"),
        (
            "enqueue('t', null, '{}')",
            "22023",
            "postrider: invalid event type null",
        ),
        (
            "enqueue('t', 'A', null)",
            "22023",
            "postrider: payload must not be null",
        ),
        (
            "enqueue('t', 'A', to_json(repeat('a', 262143)))",
            "22023",
            "postrider: payload has 262145 bytes, the limit is 262144",
        ),
        (
            "enqueue('t', 'A', '{}', '')",
            "22023",
            "postrider: idempotency_key must have 1 to 200 characters, or be null",
        ),
        (
            "enqueue('t', 'A', '{}', ordering_key => '')",
            "22023",
            "postrider: ordering_key must have 1 to 200 characters, or be null",
        ),
        ("enqueue('t', 'A', '{')", "22P02", "invalid input syntax for type json"),
        (
            "enqueue_many(array['t'], array['A', 'B'], array['{}']::json[])",
            "22023",
            "postrider: the arrays must have the same length",
        ),
        (
            "enqueue_many(array['t'], array['A'], array['{}']::json[], ordering_keys => '{}')",
            "22023",
            "postrider: the arrays must have the same length",
        ),
        (
            "enqueue_many(array['t', 't'], array['A', 'b'], array['{}', '{}']::json[])",
            "22023",
            "postrider: invalid event type 'b'",
        ),
    ] {
        let statement = AssertSqlSafe(format!("select postrider.{call}"));
        let error = world.application.execute(statement).await.unwrap_err();
        assert_eq!(sqlstate(&error), state, "{call}");
        assert_eq!(error.as_database_error().unwrap().message(), message);
    }
    let nul = sqlx::query("select postrider.enqueue($1, 'A', '{}')")
        .bind("a\0b")
        .execute(&world.application)
        .await;
    assert_eq!(sqlstate(&nul.unwrap_err()), "22021");
    assert_eq!((world.events().await, world.outbox().await), (vec![], vec![]));
}

#[tokio::test]
async fn the_payload_limit_can_be_raised_on_both_sides() {
    let world = World::new().await;
    let large = Event::new(TENANT, "LEAD_CREATED", &"a".repeat(300_000)).unwrap();
    let error = enqueue(&world.application, &large).await.unwrap_err();
    assert!(matches!(
        error,
        EnqueueError::Invalid(InvalidEvent::PayloadTooLarge {
            bytes: 300_002,
            limit: 262_144
        })
    ));

    let allowed_here = large.max_payload_bytes(400_000);
    let EnqueueError::Database(error) = enqueue(&world.application, &allowed_here).await.unwrap_err() else {
        panic!("the database has a limit of its own");
    };
    assert_eq!(sqlstate(&error), "22023");

    let mut transaction = world.application.begin().await.unwrap();
    transaction
        .execute("set local postrider.max_payload_bytes = 400000")
        .await
        .unwrap();
    let id = enqueue(&mut *transaction, &allowed_here).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(world.payload(id).await.len(), 300_002);
}

#[tokio::test]
async fn a_missing_schema_is_an_error_of_the_database() {
    let database = postrider_tests::TestDatabase::empty().await;
    let EnqueueError::Database(error) = enqueue(&database.pool(), &event()).await.unwrap_err() else {
        panic!("there is no schema");
    };
    assert_eq!(sqlstate(&error), "3F000");
}
