//! The schema: brought up to date by one command, and checked by every part before it starts.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use postrider::migrate::{latest_version, migrator};
use postrider_tests::process::{Finished, run};
use postrider_tests::{Postrider, TestDatabase};
use sqlx::{AssertSqlSafe, Executor};

const KEYS: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

async fn migrate(database: &TestDatabase) -> Finished {
    run(&["migrate"], &[("database_url", &database.url())]).await
}

async fn worker(database: &TestDatabase) -> Finished {
    let url = database.url_as("postrider_worker");
    let settings = [
        ("database_url", url.as_str()),
        ("encryption_keys", KEYS),
        ("worker_monitoring_listen", "127.0.0.1:0"),
    ];
    run(&["worker"], &settings).await
}

async fn api(database: &TestDatabase) -> Finished {
    let url = database.url_as("postrider_api");
    let settings = [
        ("database_url", url.as_str()),
        ("encryption_keys", KEYS),
        ("api_listen", "127.0.0.1:0"),
        ("api_session_query", "select $1::text"),
        ("api_ownership_query", "select 1 where $1 = $2"),
    ];
    run(&["api"], &settings).await
}

async fn execute(database: &TestDatabase, statement: &str) {
    database.pool().execute(AssertSqlSafe(statement)).await.unwrap();
}

#[tokio::test]
async fn migrating_twice_changes_nothing_the_second_time() {
    let database = TestDatabase::empty().await;
    let latest = latest_version();
    let first = migrate(&database).await;
    assert!(first.status.success(), "{}", first.stderr);
    assert_eq!(
        first.stdout,
        format!("migrated an empty database to schema version {latest}\n")
    );
    let second = migrate(&database).await;
    assert!(second.status.success(), "{}", second.stderr);
    assert_eq!(second.stdout, format!("the schema has version {latest} already\n"));
}

#[tokio::test]
async fn several_programs_may_migrate_at_the_same_time() {
    let database = TestDatabase::empty().await;
    let (a, b, c) = tokio::join!(migrate(&database), migrate(&database), migrate(&database));
    for finished in [a, b, c] {
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    let versions: i64 = sqlx::query_scalar("select count(*) from postrider.schema_migration")
        .fetch_one(&database.pool())
        .await
        .unwrap();
    assert_eq!(versions, latest_version());
}

#[tokio::test]
async fn a_migration_that_others_are_in_the_way_of_is_tried_again() {
    const BEFORE: i64 = 5;
    let database = TestDatabase::empty().await;
    migrator().run_to(BEFORE, &database.pool()).await.unwrap();
    // A worker in the middle of a transaction.
    let mut in_the_way = database.pool().begin().await.unwrap();
    in_the_way
        .execute("lock table postrider.lane in access share mode")
        .await
        .unwrap();
    let mut migrating = Postrider::spawn(&["migrate"], &[("database_url", &database.url())]);
    migrating
        .wait_for_stderr(Duration::from_secs(30), |log| log.contains("was in the way"))
        .await;
    in_the_way.rollback().await.unwrap();
    let finished = migrating.wait(Duration::from_secs(30)).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    let latest = latest_version();
    assert_eq!(
        finished.stdout,
        format!("migrated from schema version {BEFORE} to {latest}\n")
    );
}

#[tokio::test]
async fn our_migrations_table_leaves_the_one_of_the_application_alone() {
    let database = TestDatabase::empty().await;
    execute(&database, "create table _sqlx_migrations (version bigint, app text)").await;
    assert!(migrate(&database).await.status.success());
    let tables: Vec<String> = sqlx::query_scalar("select tablename from pg_tables where schemaname = 'public'")
        .fetch_all(&database.pool())
        .await
        .unwrap();
    assert_eq!(tables, ["_sqlx_migrations"]);
}

#[tokio::test]
async fn no_part_starts_on_a_schema_that_is_missing_older_newer_or_changed() {
    let latest = latest_version();
    let (older, newer) = (latest - 1, latest + 1);
    let remove = format!("delete from postrider.schema_migration where version = {latest}");
    let add = format!(
        "insert into postrider.schema_migration (version, description, success, checksum, execution_time)
         values ({newer}, 'of the future', true, '', 0)"
    );
    let change = "update postrider.schema_migration set checksum = '' where version = 1".to_owned();
    let drop = "drop schema postrider cascade".to_owned();
    for (statement, words) in [
        (
            remove,
            format!("has postrider schema version {older}, this program needs version {latest}"),
        ),
        (
            add,
            format!("has postrider schema version {newer}, this program knows only version {latest}"),
        ),
        (
            change,
            "migration 1 was applied to the database in another form".to_owned(),
        ),
        (
            drop,
            format!("has no postrider schema, this program needs version {latest}"),
        ),
    ] {
        let database = TestDatabase::new().await;
        execute(&database, &statement).await;
        for refused in [worker(&database).await, api(&database).await] {
            assert_eq!(refused.status.code(), Some(3), "{}", refused.stderr);
            assert!(refused.stderr.contains(&words), "{}", refused.stderr);
        }
    }
}

#[tokio::test]
async fn migrating_does_not_touch_a_newer_schema() {
    let database = TestDatabase::new().await;
    execute(
        &database,
        "insert into postrider.schema_migration (version, description, success, checksum, execution_time)
         values (9999, 'of the future', true, '', 0)",
    )
    .await;
    let refused = migrate(&database).await;
    assert_eq!(refused.status.code(), Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("knows only version"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_user_without_privileges_is_told_what_to_grant() {
    let database = TestDatabase::new().await;
    let url = database.url_as("pg_monitor");
    let settings = [
        ("database_url", url.as_str()),
        ("encryption_keys", KEYS),
        ("worker_monitoring_listen", "127.0.0.1:0"),
    ];
    let refused = run(&["worker"], &settings).await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("grant it postrider_worker or postrider_api"),
        "{}",
        refused.stderr
    );
}
