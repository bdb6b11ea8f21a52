//! The role of applications can enqueue and nothing else.

use postrider_enqueue::{enqueue, enqueue_many};
use sqlx::Executor;

use crate::{World, event, sqlstate};

#[tokio::test]
async fn the_role_may_execute_the_enqueue_functions_only() {
    let world = World::new().await;
    let allowed: Vec<String> = sqlx::query_scalar(
        "select p.proname::text from pg_proc p
          where p.pronamespace = 'postrider'::regnamespace
            and has_function_privilege('postrider_enqueue', p.oid, 'execute')
          order by 1",
    )
    .fetch_all(&world.superuser)
    .await
    .unwrap();
    assert_eq!(allowed, ["enqueue", "enqueue_many"]);
}

#[tokio::test]
async fn the_role_has_no_privilege_on_any_table_or_sequence() {
    let world = World::new().await;
    let tables: Vec<(String, bool)> = sqlx::query_as(
        "select c.relname::text, has_table_privilege('postrider_enqueue', c.oid,
                'select, insert, update, delete, truncate, references, trigger')
             or has_any_column_privilege('postrider_enqueue', c.oid, 'select, insert, update, references')
           from pg_class c
          where c.relnamespace = 'postrider'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
          union all
         select c.relname::text, has_sequence_privilege('postrider_enqueue', c.oid, 'usage, select, update')
           from pg_class c
          where c.relnamespace = 'postrider'::regnamespace and c.relkind = 'S'",
    )
    .fetch_all(&world.superuser)
    .await
    .unwrap();
    assert!(tables.iter().any(|(name, _)| name == "webhook") && tables.iter().any(|(name, _)| name == "event_id_seq"));
    let open: Vec<_> = tables.iter().filter(|(_, open)| *open).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn what_the_role_tries_is_denied() {
    let world = World::new().await;
    enqueue(&world.application, &event()).await.unwrap();
    enqueue_many(&world.application, &[event()]).await.unwrap();
    for statement in [
        "select * from postrider.event",
        "select secret from postrider.webhook",
        "delete from postrider.outbox",
        "insert into postrider.outbox values (0, 0, 1, 't')",
        "select postrider.next_id()",
        "select postrider.check_event('t', 'A', '{}', null, null)",
        "select postrider.claim_idempotency_key('t', 'key', 1)",
        "select postrider.wake_workers()",
        "create table postrider.mine ()",
        "create function postrider.mine() returns void language sql as ''",
        "drop table postrider.event",
    ] {
        let error = world.application.execute(statement).await.unwrap_err();
        assert_eq!(sqlstate(&error), "42501", "{statement}");
    }
}

/// The functions run with the rights of their owner: nothing of the caller may take part in them.
#[tokio::test]
async fn a_caller_cannot_put_functions_or_tables_of_its_own_in_front() {
    let world = World::new().await;
    let mut connection = world.application.acquire().await.unwrap();
    connection
        .execute("create temporary table event (id bigint)")
        .await
        .unwrap();
    connection
        .execute(
            "create function pg_temp.octet_length(text) returns integer language plpgsql
                 as $$ begin raise exception 'a function of the caller ran'; end $$",
        )
        .await
        .unwrap();
    connection
        .execute("set search_path = pg_temp, pg_catalog")
        .await
        .unwrap();
    let id = enqueue(&mut *connection, &event()).await.unwrap();
    assert_eq!(world.outbox().await, [id]);
}
