//! Backlogs: many events committed as fast as Postgres takes them.

use std::ops::Range;

use sqlx::PgPool;

use crate::ledger::{Fate, Ledger};
use crate::payload::{event_type, payload};
use crate::webhooks::tenant_name;

/// Events of one transaction.
const AT_ONCE: u64 = 5000;

/// Stands for a producer in the ledger.
const PRODUCER: u16 = u16::MAX;

/// Commits so many events without a key, spread evenly over these tenants.
pub(crate) async fn commit_in_bulk(pool: &PgPool, ledger: &Ledger, tenants: Range<u16>, events: u64) {
    let mut left = events;
    while left > 0 {
        let count = left.min(AT_ONCE);
        let places = (left - count..left).rev();
        let tenant_of = |place: u64| tenants.start + (place % tenants.len() as u64) as u16;
        let tenants: Vec<u16> = places.map(tenant_of).collect();
        let tokens: Vec<u64> = tenants
            .iter()
            .map(|tenant| ledger.open(*tenant, PRODUCER, None))
            .collect();
        let names: Vec<String> = tenants.iter().map(|tenant| tenant_name(*tenant)).collect();
        let types: Vec<&str> = tokens.iter().map(|token| event_type(*token)).collect();
        let payloads: Vec<String> = tokens.iter().map(|token| payload(*token)).collect();
        ledger.sending(&tokens);
        let ids: Vec<i64> = sqlx::query_scalar("select unnest(postrider.enqueue_many($1, $2, $3::text[]::json[]))")
            .bind(names)
            .bind(types)
            .bind(payloads)
            .fetch_all(pool)
            .await
            .unwrap();
        for (token, id) in tokens.iter().zip(ids) {
            ledger.name(*token, id);
        }
        ledger.close(&tokens, Fate::Committed);
        left -= count;
    }
}
