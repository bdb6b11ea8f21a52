//! What enqueueing costs a producer, against a plain insert of the same row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::stage::{PAYLOAD_BYTES, Stage};

const WRITERS: usize = 8;

const ROUNDS: usize = 3;

/// Alternates the two for so many seconds each, three times, with eight writers, every statement a transaction.
pub(crate) async fn measure(seconds: u64) {
    let stage = Stage::start().await;
    sqlx::raw_sql(
        "create table plain (id bigserial, bucket smallint, tenant text, type text, ordering_key text, payload json,
                             primary key (bucket, id))",
    )
    .execute(&stage.product.pool)
    .await
    .unwrap();
    let plain = "insert into plain (bucket, tenant, type, payload) values (7, $1, 'LEAD_CREATED', $2::json)";
    let enqueue = "select postrider.enqueue($1, 'LEAD_CREATED', $2::json)";
    println!("enqueue: {WRITERS} writers, one event of {PAYLOAD_BYTES} bytes per transaction");
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (a, b) = (rate(&stage, plain, seconds).await, rate(&stage, enqueue, seconds).await);
        println!("  plain insert {a:>8.0}/s   enqueue {b:>8.0}/s   ratio {:.2}", b / a);
        ratios.push(b / a);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median ratio {:.2}", ratios[ROUNDS / 2]);
}

async fn rate(stage: &Stage, statement: &'static str, seconds: u64) -> f64 {
    sqlx::raw_sql("truncate plain, postrider.event, postrider.outbox; checkpoint")
        .execute(&stage.product.pool)
        .await
        .unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut connection = PgConnection::connect_with(&stage.cluster.options()).await.unwrap();
        let done = done.clone();
        writers.push(tokio::spawn(async move {
            let payload = format!("{{\"message\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES - 14));
            let tenant = format!("tenant_{writer}");
            while Instant::now() < end {
                sqlx::query(AssertSqlSafe(statement))
                    .bind(&tenant)
                    .bind(&payload)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / seconds as f64
}
