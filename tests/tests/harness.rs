//! The harness itself: databases are apart, and a private Postgres survives what tests do to it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use nix::sys::signal::Signal;
use postrider_tests::{PrivateCluster, TestDatabase};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

async fn events(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.event")
        .fetch_one(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own_with_roles() {
    let (one, other) = (TestDatabase::new().await, TestDatabase::new().await);
    let mut app = PgConnection::connect(&one.url_as("postrider_enqueue")).await.unwrap();
    sqlx::query("select postrider.enqueue('tenant', 'LEAD_CREATED', '{}')")
        .execute(&mut app)
        .await
        .unwrap();
    let denied = sqlx::query("select count(*) from postrider.event")
        .execute(&mut app)
        .await
        .unwrap_err();
    assert_eq!(denied.as_database_error().unwrap().code().unwrap(), "42501");
    assert_eq!(events(&mut one.pool().acquire().await.unwrap()).await, 1);
    assert_eq!(
        events(&mut other.pool_as("postrider_worker").acquire().await.unwrap()).await,
        0
    );
}

#[tokio::test]
async fn a_crashed_private_cluster_starts_again_with_what_was_committed() {
    let mut cluster = PrivateCluster::start().await;
    let mut connection = PgConnection::connect(cluster.url()).await.unwrap();
    sqlx::query("select postrider.enqueue('tenant', 'LEAD_CREATED', '{}')")
        .execute(&mut connection)
        .await
        .unwrap();
    cluster.signal_all(Signal::SIGSTOP);
    cluster.signal_all(Signal::SIGCONT);
    for (signal, expected) in [(Signal::SIGQUIT, 1), (Signal::SIGKILL, 1)] {
        cluster.crash(signal).await;
        assert!(PgConnection::connect(cluster.url()).await.is_err());
        cluster.start_again().await;
        let mut connection = PgConnection::connect(cluster.url()).await.unwrap();
        assert_eq!(events(&mut connection).await, expected);
    }
}
