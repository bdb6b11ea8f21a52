//! The figures that the API promises. Run them with
//! `cargo test --release -p postrider-tests --test api -- --ignored --nocapture speed`.

use std::time::{Duration, Instant};

use crate::app::{App, MINE};
use crate::rows::webhook_id;

/// The 95th percentile of so many calls.
async fn p95(app: &App, path: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        app.get(path).await.expect(200);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[189]
}

#[tokio::test]
#[ignore = "a measurement, for a release build on a quiet machine"]
async fn a_list_of_a_thousand_webhooks_takes_20_ms() {
    let app = App::start().await;
    sqlx::query(
        "with w as (
            insert into postrider.webhook (tenant, name, url, event_types, secret)
            select case when n <= 1000 then 'clp123chatbot456' else 'tenant ' || n end, 'Lead Notifications',
                   'https://yourapp.com/webhooks/leads', '{LEAD_CREATED}', ''
              from generate_series(1, 5000) n
            returning id
         ), s as (
            insert into postrider.webhook_stats (webhook_id, delivered, last_triggered_at) select id, 25, now() from w
         )
         insert into postrider.stats_delta
                (webhook_ids, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
         select array_agg(id), array_agg(1), array_agg(0), array_agg(0), array_agg(now()), array_agg(now())
           from (select id, row_number() over () % 50 as flush from w) w group by flush",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("analyze").execute(&app.pool).await.unwrap();
    let p95 = p95(&app, MINE).await;
    println!("list of 1,000 webhooks: p95 {p95:?}");
    assert!(p95 <= Duration::from_millis(20), "{p95:?}");
}

#[tokio::test]
#[ignore = "a measurement, for a release build on a quiet machine"]
async fn a_page_of_deliveries_over_a_million_attempts_takes_30_ms() {
    let app = App::start().await;
    let path = app.webhook().await;
    // A receiver that fails nine times of ten, over two weeks; a tenth of a million deliveries still waits.
    sqlx::query(
        "with e as materialized (
            select n, postrider.first_id_at(now() - n * interval '1.2 seconds') + 1 as id from generate_series(1, 1000000) n
         ), events as (
            insert into postrider.event (id, bucket, tenant, type, payload)
            select id, 7, 'clp123chatbot456', 'LEAD_CREATED', '{}' from e
         ), waiting as (
            insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
            select $1, id, 7, 1, now() + interval '1 hour' from e where n % 10 = 1
         ), given_up as (
            insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason)
            select $1, id, 7, 1, 'exhausted' from e where n % 10 > 1
         )
         insert into postrider.attempt (event_id, webhook_id, started_at, duration_us, bucket, number, status, error, response)
         select id, $1, now(), 20000, 7, 1, case n % 10 when 0 then 200 else 500 end,
                case n % 10 when 0 then null else 'status' end, 'hello'
           from e order by id",
    )
    .bind(webhook_id(&path).0)
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("vacuum analyze").execute(&app.pool).await.unwrap();
    let middle = "until=".to_owned()
        + &chrono::Utc::now()
            .checked_sub_days(chrono::Days::new(6))
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut slowest = Duration::ZERO;
    for query in [
        "",
        "state=delivered",
        "state=failed",
        "state=retrying",
        "state=pending",
        &middle,
    ] {
        let p95 = p95(&app, &format!("{path}/deliveries?{query}")).await;
        println!("page of deliveries over 1,000,000 attempts, {query:?}: p95 {p95:?}");
        slowest = slowest.max(p95);
    }
    let stats = p95(&app, &format!("{path}/stats?interval=hour")).await;
    println!("statistics of a day with 72,000 attempts: p95 {stats:?}");
    assert!(slowest <= Duration::from_millis(30), "{slowest:?}");
}
