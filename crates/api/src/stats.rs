//! `GET …/webhooks/{webhookId}/stats`

pub(crate) mod figures;
mod interval;

use axum::Json;
use axum::extract::State;

use self::figures::{Stats, Wanted, figures};
pub(crate) use self::interval::Interval;
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::{Fields, text};
use crate::moment::Moment;
use crate::query::{QueryFields, WebhookParam};
use crate::webhooks::view;

/// Most points of one answer: a day of minutes.
const MAX_POINTS: i64 = 1500;

/// What happened per minute, hour or day
///
/// Times are those of the attempts. Figures are as exact as the history of attempts that is kept.
#[utoipa::path(
    get, operation_id = "read_stats", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/stats", tag = "statistics",
    params(
        ("chatbotId" = String, Path), ("webhookId" = String, Path),
        ("interval" = Option<Interval>, Query, description = "`hour` by default."),
        ("since" = Option<String>, Query, description = "RFC 3339. By default an hour, a day or two weeks ago."),
        ("until" = Option<String>, Query, description = "RFC 3339. By default now."),
    ),
    responses((status = 200, body = Stats), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn stats(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    QueryFields(fields): QueryFields,
) -> Result<Json<Stats>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    let wanted = read(fields)?;
    Ok(Json(figures(&api.pool, webhook, wanted).await?))
}

fn read(mut fields: Fields) -> Result<Wanted, ApiError> {
    let interval = fields
        .take("interval", |value| text(value)?.parse())
        .unwrap_or(Interval::Hour);
    let until = fields
        .take("until", |value| Moment::parse(&text(value)?))
        .unwrap_or_else(Moment::now);
    let since = fields.take("since", |value| Moment::parse(&text(value)?));
    let since = since.unwrap_or_else(|| interval.default_since(until));
    if since >= until {
        fields.problem("since", "must be before until");
    } else if (until.0 - since.0).num_seconds() / interval.length().num_seconds() > MAX_POINTS {
        fields.problem(
            "since",
            format!("must not be more than {MAX_POINTS} intervals before until"),
        );
    }
    fields.finish()?;
    Ok(Wanted { interval, since, until })
}
