//! One transaction of a producer, of a kind drawn by chance.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Result};
use tokio::time::sleep;

use super::Producer;
use crate::key::Key;
use crate::ledger::Fate;
use crate::payload::{event_type, payload};

/// Returns how many events it committed. An error means that the connection is of no more use; the ledger knows what
/// that means for the events.
pub(super) async fn random(producer: &mut Producer, connection: &mut PgConnection) -> Result<u64> {
    // Behind a transaction pooler only an explicit transaction keeps its statements on one session.
    let first = if producer.load.pooled { 55 } else { 0 };
    match first + producer.random.below(100 - first) {
        0..40 => alone(producer, connection).await,
        40..55 => in_bulk(producer, connection).await,
        55..70 => several(producer, connection, End::Commit).await,
        70..80 => several(producer, connection, End::RollBack).await,
        80..95 => with_savepoint(producer, connection).await,
        _ => several(producer, connection, End::HangUp).await,
    }
}

enum End {
    Commit,
    RollBack,
    /// The connection is closed in the middle of the transaction.
    HangUp,
}

/// One event, committed by its own statement.
async fn alone(producer: &mut Producer, connection: &mut PgConnection) -> Result<u64> {
    let token = open(producer);
    producer.ledger.sending(&[token]);
    let written = enqueue(producer, connection, token).await;
    // Without an answer nobody knows whether the statement, which is also the commit, was carried out.
    let fate = if written.is_ok() {
        Fate::Committed
    } else {
        Fate::Unknown
    };
    producer.ledger.close(&[token], fate);
    written.map(|()| 1)
}

/// Two to forty events in one statement.
async fn in_bulk(producer: &mut Producer, connection: &mut PgConnection) -> Result<u64> {
    let count = 2 + producer.random.below(39);
    let tokens: Vec<u64> = (0..count).map(|_| open(producer)).collect();
    producer.ledger.sending(&tokens);
    let written = enqueue_many(producer, connection, &tokens).await;
    let fate = if written.is_ok() {
        Fate::Committed
    } else {
        Fate::Unknown
    };
    producer.ledger.close(&tokens, fate);
    written.map(|()| count)
}

/// One to four events in a transaction.
async fn several(producer: &mut Producer, connection: &mut PgConnection, end: End) -> Result<u64> {
    let tokens: Vec<u64> = (0..=producer.random.below(4)).map(|_| open(producer)).collect();
    // Until the commit is sent, every error means that nothing was committed.
    producer.ledger.close(&tokens, Fate::RolledBack);
    let mut transaction = connection.begin().await?;
    for token in &tokens {
        enqueue(producer, &mut transaction, *token).await?;
        linger(producer).await;
    }
    match end {
        End::Commit => commit(producer, transaction, &tokens).await,
        End::RollBack => transaction.rollback().await.map(|()| 0),
        End::HangUp => {
            // Dropping the connection in the middle is not an option while it is borrowed: end the session from inside.
            let _ = transaction
                .execute("select pg_terminate_backend(pg_backend_pid())")
                .await;
            Err(sqlx::Error::PoolClosed)
        }
    }
}

/// Some events kept, some undone by rolling back to a savepoint, then a commit.
async fn with_savepoint(producer: &mut Producer, connection: &mut PgConnection) -> Result<u64> {
    let mut token = || (open(producer), open(producer), open(producer));
    let (before, undone, after) = token();
    producer.ledger.close(&[before, undone, after], Fate::RolledBack);
    let mut transaction = connection.begin().await?;
    enqueue(producer, &mut transaction, before).await?;
    transaction.execute("savepoint here").await?;
    enqueue(producer, &mut transaction, undone).await?;
    transaction.execute("rollback to savepoint here").await?;
    linger(producer).await;
    enqueue(producer, &mut transaction, after).await?;
    linger(producer).await;
    commit(producer, transaction, &[before, after]).await
}

/// Now and then keeps the transaction open, so that others begin and commit meanwhile: ids are given when an event is
/// written, and the order that counts is that of the commits.
async fn linger(producer: &mut Producer) {
    if producer.random.below(8) == 0 {
        let time = producer.random.milliseconds(1, 40);
        sleep(time).await;
    }
}

async fn commit(
    producer: &Producer,
    transaction: sqlx::Transaction<'_, sqlx::Postgres>,
    tokens: &[u64],
) -> Result<u64> {
    producer.ledger.sending(tokens);
    let committed = transaction.commit().await;
    let fate = if committed.is_ok() {
        Fate::Committed
    } else {
        Fate::Unknown
    };
    producer.ledger.close(tokens, fate);
    committed.map(|()| tokens.len() as u64)
}

fn open(producer: &mut Producer) -> u64 {
    let tenants = producer.load.tenants.clone();
    let tenant = tenants.start + producer.random.below(u64::from(tenants.end - tenants.start)) as u16;
    let key = Key::draw(&mut producer.random, producer.number);
    producer.ledger.open(tenant, producer.number, key)
}

async fn enqueue(producer: &Producer, connection: &mut PgConnection, token: u64) -> Result<()> {
    let event: i64 = sqlx::query_scalar("select postrider.enqueue($1, $2, $3::text::json, ordering_key => $4)")
        .bind(tenant_of(producer, token))
        .bind(event_type(token))
        .bind(payload(token))
        .bind(ordering_key(producer, token))
        .persistent(!producer.load.pooled)
        .fetch_one(connection)
        .await?;
    producer.ledger.name(token, event);
    Ok(())
}

async fn enqueue_many(producer: &Producer, connection: &mut PgConnection, tokens: &[u64]) -> Result<()> {
    let tenants: Vec<String> = tokens.iter().map(|token| tenant_of(producer, *token)).collect();
    let types: Vec<&str> = tokens.iter().map(|token| event_type(*token)).collect();
    let payloads: Vec<String> = tokens.iter().map(|token| payload(*token)).collect();
    let keys: Vec<Option<String>> = tokens.iter().map(|token| ordering_key(producer, *token)).collect();
    let events: Vec<i64> =
        sqlx::query_scalar("select unnest(postrider.enqueue_many($1, $2, $3::text[]::json[], ordering_keys => $4))")
            .bind(tenants)
            .bind(types)
            .bind(payloads)
            .bind(keys)
            .persistent(!producer.load.pooled)
            .fetch_all(connection)
            .await?;
    for (token, event) in tokens.iter().zip(events) {
        producer.ledger.name(*token, event);
    }
    Ok(())
}

fn tenant_of(producer: &Producer, token: u64) -> String {
    crate::webhooks::tenant_name(producer.ledger.entries()[token as usize].tenant)
}

fn ordering_key(producer: &Producer, token: u64) -> Option<String> {
    producer.ledger.entries()[token as usize].key.map(Key::name)
}
