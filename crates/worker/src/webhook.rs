//! Webhooks compiled for sending: URL parsed and checked, secret decrypted, headers built; once per version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use postrider_core::address::AddressPolicy;
use postrider_core::failure::FailureKind;
use postrider_core::ids::WebhookId;
use postrider_core::secret::KeyRing;
use postrider_core::signature::Signer;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use tokio::sync::Semaphore;

use crate::claim::Subscription;
use crate::health::Health;
use crate::judge::{Failure, RetryPolicy};
use crate::pacer::Pacer;
use crate::settings::Settings;

/// More compiled webhooks than this, and those not in use are forgotten.
const CACHE_SIZE: usize = 10_000;

/// What is needed to sign and address a request.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) signer: Signer,
    /// Signer of the secret before the last rotation, until it expires.
    pub(crate) previous: Option<(Signer, SystemTime)>,
}

/// A webhook as of one version.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) id: WebhookId,
    pub(crate) tenant: String,
    version: i64,
    /// A webhook that cannot be sent to fails its attempts with this.
    pub(crate) target: Result<Target, Failure>,
    pub(crate) is_paused: bool,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_in_flight: usize,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) pacer: Pacer,
    /// The same for all its versions.
    pub(crate) health: Arc<Health>,
}

impl Webhook {
    /// How many more deliveries this worker should take for it.
    pub(crate) fn room(&self) -> usize {
        self.health.room(self.max_in_flight, self.pacer.most_held())
    }

    /// The same, or none while it is not worth a claim.
    pub(crate) fn worthwhile_room(&self) -> usize {
        let room = self.room();
        if room * 4 < self.health.most_held(self.max_in_flight).min(self.pacer.most_held()) {
            0
        } else {
            room
        }
    }

    /// Whether most of what this worker took for it is done.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.health.has_caught_up(self.max_in_flight, self.pacer.most_held())
    }

    /// True once, when its lane has more and there is room for it again.
    pub(crate) fn wants_lane(&self) -> bool {
        self.health.wants_lane(self.max_in_flight, self.pacer.most_held())
    }

    /// Whether its new deliveries go to its lane at once.
    pub(crate) fn parks(&self) -> bool {
        self.is_paused || self.health.is_off_the_fast_path()
    }
}

/// Compiled webhooks of the versions last seen.
#[derive(Debug, Default)]
pub(crate) struct Webhooks(Mutex<HashMap<WebhookId, Arc<Webhook>>>);

impl Webhooks {
    /// The webhooks of these subscriptions, compiling those that are new or changed. One deleted meanwhile is absent.
    pub(crate) async fn get(
        &self,
        connection: &mut PgConnection,
        settings: &Settings,
        wanted: impl IntoIterator<Item = Subscription>,
    ) -> sqlx::Result<HashMap<WebhookId, Arc<Webhook>>> {
        let mut found = HashMap::new();
        let mut stale = Vec::new();
        {
            let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for subscription in wanted {
                match cache.get(&subscription.webhook) {
                    Some(webhook) if webhook.version >= subscription.version => {
                        found.insert(webhook.id, webhook.clone());
                    }
                    _ => stale.push(subscription.webhook.0),
                }
            }
        }
        if stale.is_empty() {
            return Ok(found);
        }
        let rows = load(connection, &stale).await?;
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() > CACHE_SIZE {
            cache.retain(|_, webhook| Arc::strong_count(webhook) > 1);
        }
        for row in rows {
            let id = WebhookId(row.try_get("id")?);
            let health = cache
                .get(&id)
                .map_or_else(Health::new, |webhook| webhook.health.clone());
            let webhook = Arc::new(compile(&row, id, settings, health)?);
            cache.insert(webhook.id, webhook.clone());
            found.insert(webhook.id, webhook);
        }
        Ok(found)
    }

    /// Webhooks for which this worker should take nothing more now: it would only fill the memory. What waits for them
    /// is looked at again when there is room.
    pub(crate) fn saturated(&self) -> Vec<i64> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = cache.values().filter(|webhook| webhook.room() == 0);
        full.map(|webhook| {
            webhook.health.set_lane_waits(true);
            webhook.id.0
        })
        .collect()
    }

    /// How many deliveries to take for each of these, of which some may be unknown here.
    pub(crate) fn rooms(&self, ids: &[i64], unknown: usize) -> Vec<i32> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = |id: &i64| cache.get(&WebhookId(*id)).map_or(unknown, |webhook| webhook.room());
        ids.iter().map(|id| room(id) as i32).collect()
    }
}

async fn load(connection: &mut PgConnection, ids: &[i64]) -> sqlx::Result<Vec<PgRow>> {
    sqlx::query(
        "-- load webhooks
         select w.id, w.version, w.tenant, w.url, w.secret, w.previous_secret,
                extract(epoch from w.previous_secret_expires_at)::float8 as previous_secret_expires_at, w.headers,
                w.paused_at is not null as is_paused, w.timeout_ms, w.max_retries, w.retry_delay_ms, w.max_in_flight,
                w.rate_limit_per_second
           from postrider.webhook w where w.id = any ($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await
}

fn compile(row: &PgRow, id: WebhookId, settings: &Settings, health: Arc<Health>) -> sqlx::Result<Webhook> {
    let max_in_flight = row.try_get::<i32, _>("max_in_flight")?.max(1) as usize;
    let target = compile_target(row, id, &settings.key_ring, &settings.address_policy)?;
    if let Err(failure) = &target {
        tracing::warn!(webhook = %id, reason = failure.detail, "webhook cannot be sent to");
    }
    Ok(Webhook {
        id,
        tenant: row.try_get("tenant")?,
        version: row.try_get("version")?,
        target,
        is_paused: row.try_get("is_paused")?,
        timeout: Duration::from_millis(row.try_get::<i32, _>("timeout_ms")?.max(1) as u64),
        retry: RetryPolicy {
            max_retries: row.try_get::<i32, _>("max_retries")?.max(0) as u32,
            delay: Duration::from_millis(row.try_get::<i32, _>("retry_delay_ms")?.max(0) as u64),
            delay_cap: settings.retry_delay_cap,
            retry_after_floor: settings.retry_after_floor,
            retry_after_cap: settings.retry_after_cap,
        },
        max_in_flight,
        slots: Arc::new(Semaphore::new(max_in_flight)),
        pacer: Pacer::new(row.try_get("rate_limit_per_second")?),
        health,
    })
}

fn compile_target(
    row: &PgRow,
    id: WebhookId,
    key_ring: &KeyRing,
    policy: &AddressPolicy,
) -> sqlx::Result<Result<Target, Failure>> {
    let tenant: String = row.try_get("tenant")?;
    let url: String = row.try_get("url")?;
    let secret: Vec<u8> = row.try_get("secret")?;
    let previous: Option<Vec<u8>> = row.try_get("previous_secret")?;
    let expires_at: Option<f64> = row.try_get("previous_secret_expires_at")?;
    let extra: sqlx::Result<Json<HashMap<String, String>>> = row.try_get("headers");

    let failure = |kind, detail: String| Failure { kind, detail };
    Ok((|| {
        let url = policy
            .check_url(&url)
            .map_err(|error| failure(FailureKind::InvalidUrl, error.to_string()))?;
        let decrypt = |stored: &[u8]| {
            key_ring
                .decrypt(stored, &tenant, id)
                .map(|secret| Signer::new(&secret))
                .map_err(|error| failure(FailureKind::Internal, error.to_string()))
        };
        let previous = match (&previous, expires_at) {
            (Some(stored), Some(at)) => Some((
                decrypt(stored)?,
                SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at.max(0.0)),
            )),
            _ => None,
        };
        // Of this webhook only: an error here would hold up everybody's deliveries.
        let extra = extra.map_err(|_| "the extra headers are not an object of strings".to_owned());
        let headers = extra
            .and_then(|extra| compile_headers(&extra.0))
            .map_err(|detail| failure(FailureKind::Internal, detail))?;
        Ok(Target {
            url: url.url().clone(),
            headers,
            signer: decrypt(&secret)?,
            previous,
        })
    })())
}

fn compile_headers(extra: &HashMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(extra.len() + 8);
    for (name, value) in extra {
        let parsed_name = HeaderName::try_from(name.as_str()).map_err(|_| format!("invalid header name {name:?}"))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| format!("invalid value of header {name:?}"))?;
        headers.insert(parsed_name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("postrider/", env!("CARGO_PKG_VERSION"))),
    );
    Ok(headers)
}
