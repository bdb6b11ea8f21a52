use serde_json::{Value, json};

use crate::app::App;
use crate::rows::webhook_id;
use crate::snapshot::stable;

/// 100 attempts that take 1 to 100 ms at 10:05, ten timeouts at 10:59, one retry of an event of last week at 12:00.
async fn make_attempts(app: &App, path: &str) {
    sqlx::query(
        "with a (started_at, duration_us, status, error, age) as (
            select '2026-11-20T10:05:30Z'::timestamptz, n * 1000, 200, null, interval '1 second'
              from generate_series(1, 100) n
            union all
            select '2026-11-20T10:59:59.999Z', 15000000, null, 'timeout', interval '0' from generate_series(1, 10)
            union all
            select '2026-11-20T12:00:00Z', 5000, 500, 'status', interval '8 days'
         )
         insert into postrider.attempt (event_id, webhook_id, started_at, duration_us, bucket, number, status, error)
         select postrider.first_id_at(started_at - age), $1, started_at, duration_us, 7, 1, status, error from a",
    )
    .bind(webhook_id(path).0)
    .execute(&app.pool)
    .await
    .unwrap();
}

fn counted(stats: &Value) -> Vec<(String, i64, i64)> {
    let points = stats["points"].as_array().unwrap().iter();
    let points = points.map(|point| {
        let number = |field: &str| point[field].as_i64().unwrap();
        (
            point["time"].as_str().unwrap()[5..16].to_owned(),
            number("delivered"),
            number("failed"),
        )
    });
    points.filter(|(_, delivered, failed)| delivered + failed > 0).collect()
}

#[tokio::test]
async fn attempts_are_counted_per_hour() {
    let app = App::start().await;
    let path = app.webhook().await;
    make_attempts(&app, &path).await;
    let query = "interval=hour&since=2026-11-20T09:30:00Z&until=2026-11-20T12:30:00Z";
    let answer = app.get(&format!("{path}/stats?{query}")).await;
    let stats = answer.expect(200);
    assert_eq!(stats["totals"]["delivered"], 100);
    assert_eq!(
        stats["points"][1]["latencyMs"],
        json!({"p50": 50.5, "p95": 95.05, "p99": 99.01})
    );
    insta::assert_snapshot!(answer.text.replace("{\"time\"", "\n{\"time\""));
}

#[tokio::test]
async fn the_interval_and_the_range_are_chosen() {
    let app = App::start().await;
    let path = app.webhook().await;
    make_attempts(&app, &path).await;
    for (query, points, expected) in [
        (
            "interval=minute&since=2026-11-20T10:00:00Z&until=2026-11-20T11:00:00Z",
            60,
            vec![("11-20T10:05".to_owned(), 100, 0), ("11-20T10:59".to_owned(), 0, 10)],
        ),
        (
            "interval=day&since=2026-11-19T12:00:00Z&until=2026-11-21T00:00:00Z",
            2,
            vec![("11-20T00:00".to_owned(), 100, 11)],
        ),
        // From a moment on, and before a moment.
        (
            "interval=minute&since=2026-11-20T10:05:30Z&until=2026-11-20T10:59:59.999Z",
            55,
            vec![("11-20T10:05".to_owned(), 100, 0)],
        ),
    ] {
        let stats = app.get(&format!("{path}/stats?{query}")).await.expect(200);
        assert_eq!(counted(&stats), expected, "{query}");
        assert_eq!(stats["points"].as_array().unwrap().len(), points, "{query}");
        assert_eq!(stats["completeSince"], stats["since"]);
    }
}

#[tokio::test]
async fn without_attempts_there_are_zeros() {
    let app = App::start().await;
    let path = app.webhook().await;
    for (interval, points) in [("minute", 61), ("hour", 25), ("day", 15)] {
        let stats = app.get(&format!("{path}/stats?interval={interval}")).await.expect(200);
        assert_eq!(stats["totals"], json!({"delivered": 0, "failed": 0, "latencyMs": null}));
        assert_eq!(stats["points"].as_array().unwrap().len(), points);
    }
    let answer = app
        .get(&format!(
            "{path}/stats?interval=day&since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z"
        ))
        .await;
    insta::assert_snapshot!(stable(&answer.text));
}
