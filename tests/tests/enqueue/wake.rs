//! A producer sends a notice only when every worker sleeps.

use std::time::Duration;

use postrider_enqueue::{enqueue, enqueue_many};
use sqlx::Executor;
use sqlx::postgres::PgListener;

use crate::{World, event};

async fn next_notice(listener: &mut PgListener) -> String {
    let notice = tokio::time::timeout(Duration::from_secs(20), listener.recv()).await;
    notice
        .expect("a notice within 20 seconds")
        .unwrap()
        .payload()
        .to_owned()
}

#[tokio::test]
async fn a_notice_is_sent_when_every_worker_sleeps() {
    let world = World::new().await;
    let mut listener = PgListener::connect_with(&world.superuser).await.unwrap();
    listener.listen("postrider").await.unwrap();

    // Awake: the first notice that arrives is the marker sent after the event.
    enqueue(&world.application, &event()).await.unwrap();
    enqueue_many(&world.application, &[event()]).await.unwrap();
    world.superuser.execute("notify postrider, 'marker'").await.unwrap();
    assert_eq!(next_notice(&mut listener).await, "marker");

    let mut sleeper = world.superuser.acquire().await.unwrap();
    sleeper
        .execute("select pg_advisory_lock(8103510517862818085)")
        .await
        .unwrap();
    enqueue(&world.application, &event()).await.unwrap();
    assert_eq!(next_notice(&mut listener).await, "");
    enqueue_many(&world.application, &[event()]).await.unwrap();
    assert_eq!(next_notice(&mut listener).await, "");

    // Nobody needs to be woken for what is not there.
    let mut transaction = world.application.begin().await.unwrap();
    enqueue(&mut *transaction, &event()).await.unwrap();
    transaction.rollback().await.unwrap();
    world.superuser.execute("notify postrider, 'marker'").await.unwrap();
    assert_eq!(next_notice(&mut listener).await, "marker");
}

#[tokio::test]
async fn no_worker_falls_asleep_between_the_write_and_its_commit() {
    let world = World::new().await;
    let try_to_sleep = || async {
        let mut transaction = world.superuser.begin().await.unwrap();
        let asleep: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(8103510517862818085)")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        asleep
    };
    assert!(try_to_sleep().await);
    let mut transaction = world.application.begin().await.unwrap();
    enqueue(&mut *transaction, &event()).await.unwrap();
    assert!(!try_to_sleep().await);
    transaction.commit().await.unwrap();
    assert!(try_to_sleep().await);
}
