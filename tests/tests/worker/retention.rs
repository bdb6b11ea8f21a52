//! Day partitions come and go; nothing that is still needed goes.

use postrider_tests::product::Product;
use postrider_tests::{Receiver, TestDatabase};

/// An event as if enqueued so many days ago, in a partition of its day.
async fn old_event(product: &Product, days: i32) -> i64 {
    let mut connection = product.pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "create or replace function public.make_day(days integer) returns void language plpgsql as $$
         declare
            day date := (now() at time zone 'UTC')::date - days;
            parent text;
         begin
            foreach parent in array postrider.partitioned_tables() loop
                execute format('create table if not exists postrider.%I partition of postrider.%I for values from (%s) to (%s)',
                    parent || '_' || to_char(day, 'YYYYMMDD'), parent,
                    postrider.first_id_at(day::timestamp at time zone 'UTC'),
                    postrider.first_id_at((day + 1)::timestamp at time zone 'UTC'));
            end loop;
         end $$",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query("select public.make_day($1)")
        .bind(days)
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query_scalar(
        "insert into postrider.event (id, bucket, tenant, type, payload)
         values (postrider.first_id_at(now() - $1 * interval '1 day') + 1, 0, 'bot', 'OLD', '{}') returning id",
    )
    .bind(days)
    .fetch_one(&mut *connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_worker_drops_days_past_retention_but_none_that_a_waiting_delivery_needs() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product.webhook_with("bot", &receiver.url(), "paused_at = now()").await;
    old_event(&product, 40).await;
    let needed = old_event(&product, 30).await;
    old_event(&product, 5).await;
    sqlx::query(
        "with waiting as (
            insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at) values ($1, $2, 0, 1, now()))
         insert into postrider.lane (webhook_id, due_at) values ($1, now())",
    )
    .bind(webhook.id.0)
    .bind(needed)
    .execute(&product.pool)
    .await
    .unwrap();

    let _worker = product
        .worker_with(&[("retention_days", "10"), ("partition_days_ahead", "12")])
        .await;
    product
        .wait_for(2, "select count(*) from postrider.event where type = 'OLD'")
        .await;
    assert_eq!(product.number("select count(*) from postrider.event where type = 'OLD' and id < postrider.first_id_at(now() - interval '35 days')").await, 0);
    // Yesterday, today and twelve days ahead, and the two old days.
    product
        .wait_for(
            16,
            "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = 'postrider.event'::regclass and c.relname <> 'event_default'",
        )
        .await;
}

#[tokio::test]
async fn events_of_a_day_without_a_partition_are_kept_and_delivered() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    sqlx::raw_sql(
        "do $$ declare parent text; begin
            foreach parent in array postrider.partitioned_tables() loop
                execute format('drop table postrider.%I', parent || '_' || to_char(now() at time zone 'UTC', 'YYYYMMDD'));
            end loop;
         end $$",
    )
    .execute(&product.pool)
    .await
    .unwrap();
    product.commit_many("bot", 3).await;
    assert_eq!(product.number("select count(*) from postrider.event_default").await, 3);
    let _worker = product.worker().await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 3);
}
