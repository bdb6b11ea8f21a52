//! The webhooks of a scenario: tenants, their webhooks, secrets, and what each receiver does.

use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};
use sqlx::PgPool;

use crate::payload::event_type;
use crate::receiver::Behaviour;

/// What a webhook subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Everything,
    OnlyLeadCreated,
}

/// Whether events of one key must come in order, and what happens to the key when one of them is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// They need not.
    None,
    /// The later ones go on.
    Skip,
    /// The later ones wait.
    Halt,
}

/// A webhook of a scenario. Its place in the list is the path its requests go to.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) id: WebhookId,
    pub(crate) tenant: u16,
    pub(crate) wants: Wants,
    pub(crate) secret: Secret,
    pub(crate) ordering: Ordering,
    /// Whether an attempt is a request that the receiver sees: false where no connection comes about.
    pub(crate) on_the_wire: bool,
}

/// What a scenario asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) tenant: u16,
    pub(crate) wants: Wants,
    /// `None`: the receiver's own address.
    pub(crate) url: Option<String>,
    pub(crate) behaviour: Behaviour,
    pub(crate) max_retries: i32,
    pub(crate) timeout_ms: i32,
    pub(crate) ordering: Ordering,
}

impl Wanted {
    /// A webhook of this tenant at the scenario's receiver.
    pub(crate) fn of(tenant: u16, behaviour: Behaviour) -> Self {
        Self {
            tenant,
            wants: Wants::Everything,
            url: None,
            behaviour,
            max_retries: 3,
            timeout_ms: 2000,
            ordering: Ordering::None,
        }
    }
}

impl Hook {
    /// Whether an event of this token and tenant goes to it.
    pub(crate) fn is_subscribed_to(&self, token: u64, tenant: u16) -> bool {
        self.tenant == tenant && (self.wants == Wants::Everything || event_type(token) == "LEAD_CREATED")
    }
}

/// Name of a tenant in the database.
pub(crate) fn tenant_name(tenant: u16) -> String {
    format!("bot-{tenant}")
}

/// Writes the webhooks into the database; `address` is where the receiver listens.
pub(crate) async fn create(pool: &PgPool, keys: &KeyRing, address: &str, wanted: &[Wanted]) -> Vec<Hook> {
    let mut hooks = Vec::with_capacity(wanted.len());
    for (place, one) in wanted.iter().enumerate() {
        let id: i64 = sqlx::query_scalar("select postrider.next_id()")
            .fetch_one(pool)
            .await
            .unwrap();
        let secret = Secret::generate();
        let tenant = tenant_name(one.tenant);
        let event_types = match one.wants {
            Wants::Everything => vec!["*"],
            Wants::OnlyLeadCreated => vec!["LEAD_CREATED"],
        };
        sqlx::query(
            "insert into postrider.webhook
                    (id, tenant, name, url, event_types, secret, max_retries, retry_delay_ms, timeout_ms)
             values ($1, $2, $3, $4, $5, $6, $7, 200, $8)",
        )
        .bind(id)
        .bind(&tenant)
        .bind(format!("webhook {place}"))
        .bind(one.url.clone().unwrap_or_else(|| format!("http://{address}/{place}")))
        .bind(event_types)
        .bind(keys.encrypt(&secret, &tenant, WebhookId(id)))
        .bind(one.max_retries)
        .bind(one.timeout_ms)
        .execute(pool)
        .await
        .unwrap();
        // A schema of the past has no such columns.
        if one.ordering != Ordering::None {
            let on_give_up = if one.ordering == Ordering::Halt { "halt" } else { "skip" };
            sqlx::query("update postrider.webhook set ordering = 'key', on_give_up = $2 where id = $1")
                .bind(id)
                .bind(on_give_up)
                .execute(pool)
                .await
                .unwrap();
        }
        hooks.push(Hook {
            id: WebhookId(id),
            ordering: one.ordering,
            tenant: one.tenant,
            wants: one.wants,
            secret,
            on_the_wire: one.url.is_none(),
        });
    }
    hooks
}
