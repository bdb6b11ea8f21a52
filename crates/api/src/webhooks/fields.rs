//! The fields of a webhook as the OpenAPI document describes them; `input` is what reads them.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Fields of a webhook that its owner sets.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "describes what is read field by field, so that all problems go into one answer"
)]
pub(crate) struct WebhookFields {
    /// 1 to 200 characters.
    #[schema(example = "Lead Notifications", min_length = 1, max_length = 200)]
    name: String,
    /// An https URL of a public host.
    #[schema(example = "https://yourapp.com/webhooks/leads", max_length = 2048)]
    url: String,
    /// 1 to 50 event types, or `["*"]` for all.
    #[schema(example = json!(["LEAD_CREATED"]), min_items = 1, max_items = 50)]
    event_types: Vec<String>,
    /// False: no event is kept for it.
    #[schema(default = true, required = false)]
    is_active: bool,
    /// Retries after the first attempt.
    #[schema(default = 3, minimum = 0, maximum = 20, required = false)]
    max_retries: i32,
    /// Base of the exponential delay between attempts, in milliseconds.
    #[schema(default = 1000, minimum = 100, maximum = 3_600_000, required = false)]
    retry_delay: i32,
    /// Limit of one whole attempt, response included, in milliseconds.
    #[schema(default = 15_000, minimum = 1000, maximum = 30_000, required = false)]
    timeout_ms: i32,
    /// Requests one worker may have open to it at a time.
    #[schema(default = 32, minimum = 1, maximum = 1000, required = false)]
    max_in_flight: i32,
    /// Requests one worker may start per second; null for no limit.
    #[schema(minimum = 1, maximum = 10_000)]
    rate_limit_per_second: Option<i32>,
    /// `key`: events with the same ordering key arrive in the order of their commits, one at a time. `none`: side by
    /// side. Holds for the events that come after the change.
    #[schema(default = "none", pattern = "^(none|key)$", required = false)]
    ordering: String,
    /// With `ordering` `key`, when a delivery is given up: `skip` lets the later ones of its key go on, `halt` lets them
    /// wait until they are released or it is sent again. Changing it to `skip` releases what is halted.
    #[schema(default = "skip", pattern = "^(skip|halt)$", required = false)]
    on_give_up: String,
    /// At most 20 extra request headers.
    #[schema(required = false)]
    headers: BTreeMap<String, String>,
}
