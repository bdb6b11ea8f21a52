use serde_json::{Value, json};

use crate::app::App;
use crate::rows::{event, given_up, webhook_id};
use crate::snapshot::stable;

/// Dead letters of events of two hours ago: every second one given up ten minutes ago, the others an hour ago.
async fn give_up_many(app: &App, path: &str, count: i32) {
    sqlx::query(
        "with e as (
            select n, postrider.first_id_at(now() - interval '2 hours') + n as id from generate_series(1, $2) n
         )
         insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason, created_at)
         select $1, id, 7, 4, 'exhausted', now() - case n % 2 when 0 then 10 else 60 end * interval '1 minute' from e",
    )
    .bind(webhook_id(path).0)
    .bind(count)
    .execute(&app.pool)
    .await
    .unwrap();
}

fn half_an_hour_ago() -> Value {
    let moment = std::time::SystemTime::now() - std::time::Duration::from_secs(1800);
    json!({"since": chrono::DateTime::<chrono::Utc>::from(moment).to_rfc3339()})
}

#[tokio::test]
async fn all_that_was_given_up_since_then_is_sent_again() {
    let app = App::start().await;
    let path = app.webhook().await;
    // More than two batches, so that the job is carried on where it was.
    give_up_many(&app, &path, 2500).await;
    let other = app.webhook().await;
    given_up(&app.pool, webhook_id(&other), event(&app.pool, 5).await, 4).await;

    let started = app.post(&format!("{path}/recover"), &half_an_hour_ago()).await;
    let id = started.expect(202)["recovery"]["id"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(stable(&started.text));
    app.wait_for(1, "select count(*) from postrider.job where finished_at is not null")
        .await;

    app.wait_for(
        1250,
        "select count(*) from postrider.delivery where attempts = 0 and due_at <= now()",
    )
    .await;
    app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
        .await;
    app.wait_for(1251, "select count(*) from postrider.dead_letter").await;
    let read = app.get(&format!("{path}/recoveries/{id}")).await.expect(200);
    assert_eq!(
        (&read["recovery"]["state"], &read["recovery"]["recovered"]),
        (&json!("finished"), &json!(1250))
    );
    let list = app.get(&format!("{path}/recoveries")).await.expect(200);
    assert_eq!(list, json!({"recoveries": [read["recovery"]]}));
    app.get(&format!("{other}/recoveries/{id}")).await.expect(404);
}

#[tokio::test]
async fn a_recovery_survives_a_restart_and_is_carried_on() {
    let mut app = App::start().await;
    let path = app.webhook().await;
    give_up_many(&app, &path, 2500).await;
    // The first batch cannot be done: somebody holds its rows. So the job stays where it is until the process ends.
    let mut held = app.pool.begin().await.unwrap();
    sqlx::query("select from postrider.lane for update")
        .execute(&mut *held)
        .await
        .unwrap();
    sqlx::query("insert into postrider.lane (webhook_id, due_at) values ($1, 'infinity')")
        .bind(webhook_id(&path).0)
        .execute(&mut *held)
        .await
        .unwrap();
    app.post(&format!("{path}/recover"), &half_an_hour_ago())
        .await
        .expect(202);
    app.stop().await;
    app.wait_for(
        1,
        "select count(*) from postrider.job where finished_at is null and moved = 0",
    )
    .await;
    held.rollback().await.unwrap();

    app.start_again().await;
    app.wait_for(
        1,
        "select count(*) from postrider.job where finished_at is not null and moved = 1250",
    )
    .await;
    app.wait_for(1250, "select count(*) from postrider.delivery").await;
}

#[tokio::test]
async fn two_processes_share_the_jobs_and_do_nothing_twice() {
    let mut first = App::start().await;
    let paths = [first.webhook().await, first.webhook().await, first.webhook().await];
    for path in &paths {
        give_up_many(&first, path, 3000).await;
    }
    // A second process on the same database; the first one's handle is replaced, not its task.
    let url = first.url.clone();
    first.start_again().await;
    assert_ne!(first.url, url);
    for path in &paths {
        first
            .post(&format!("{path}/recover"), &half_an_hour_ago())
            .await
            .expect(202);
    }
    first
        .wait_for(
            3,
            "select count(*) from postrider.job where finished_at is not null and moved = 1500",
        )
        .await;
    first.wait_for(4500, "select count(*) from postrider.delivery").await;
    first.wait_for(4500, "select count(*) from postrider.dead_letter").await;
}

#[tokio::test]
async fn a_recovery_of_a_deleted_webhook_ends() {
    let app = App::start().await;
    let path = app.webhook().await;
    give_up_many(&app, &path, 10).await;
    app.call("DELETE", &path, &json!({})).await.expect(200);
    // The erasure takes recoveries with it, so this one begins after it.
    app.wait_for(1, "select count(*) from postrider.job where position = 1")
        .await;
    app.wait_for(0, "select count(*) from postrider.dead_letter").await;
    sqlx::query("insert into postrider.job (kind, webhook_id, since) values ('recover', $1, '2026-01-01')")
        .bind(webhook_id(&path).0)
        .execute(&app.pool)
        .await
        .unwrap();
    app.wait_for(
        1,
        "select count(*) from postrider.job where kind = 'recover' and finished_at is not null",
    )
    .await;
    app.wait_for(0, "select count(*) from postrider.lane").await;
}
