//! Sample data, in the order and with the names that real events have.

use postrider_core::event_type::{
    CONVERSATION_RESOLVED, CONVERSATION_STARTED, DELIVERY_EXHAUSTED, LEAD_CREATED, LEAD_UPDATED, WEBHOOK_DISABLED,
};
use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use serde::Serialize;

use crate::moment::Moment;

/// Of a webhook and a delivery that do not exist: real ids have the time in their high bits.
const SAMPLE_ID: i64 = 123;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lead<'a> {
    id: &'static str,
    name: &'static str,
    email: &'static str,
    phone: &'static str,
    company: &'static str,
    message: &'static str,
    preferred_method: &'static str,
    urgency: &'static str,
    source: &'static str,
    status: &'static str,
    priority: &'static str,
    tags: [&'static str; 1],
    custom_fields: CustomFields,
    chatbot_id: &'a str,
    created_at: Moment,
    updated_at: Moment,
}

#[derive(Serialize)]
struct CustomFields {
    test: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookDisabled {
    webhook_id: WebhookId,
    name: &'static str,
    url: &'static str,
    reason: &'static str,
    disabled_at: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryExhausted {
    webhook_id: WebhookId,
    delivery_id: EventId,
    event: &'static str,
    attempts: i32,
    reason: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Other<'a> {
    id: &'static str,
    message: &'static str,
    source: &'static str,
    status: &'static str,
    chatbot_id: &'a str,
    created_at: Moment,
    updated_at: Moment,
}

/// The `data` of a sample event, as JSON. Whoever reads it can tell that it is one.
pub(super) fn payload(event_type: &str, chatbot: &str, now: Moment) -> String {
    let json = match event_type {
        LEAD_CREATED | LEAD_UPDATED => serde_json::to_string(&Lead {
            id: "test_lead",
            name: "Test Lead",
            email: "test@example.com",
            phone: "+15550100",
            company: "Example Inc.",
            message: "This is a test event. No visitor wrote it.",
            preferred_method: "email",
            urgency: "low",
            source: "webhook_test",
            status: "NEW",
            priority: "LOW",
            tags: ["test"],
            custom_fields: CustomFields { test: "true" },
            chatbot_id: chatbot,
            created_at: now,
            updated_at: now,
        }),
        WEBHOOK_DISABLED => serde_json::to_string(&WebhookDisabled {
            webhook_id: WebhookId(SAMPLE_ID),
            name: "Test Webhook",
            url: "https://example.com/webhooks/test",
            reason: DeadLetterReason::Failing.as_str(),
            disabled_at: now,
        }),
        DELIVERY_EXHAUSTED => serde_json::to_string(&DeliveryExhausted {
            webhook_id: WebhookId(SAMPLE_ID),
            delivery_id: EventId(SAMPLE_ID),
            event: LEAD_CREATED,
            attempts: 4,
            reason: DeadLetterReason::Exhausted.as_str(),
        }),
        other => serde_json::to_string(&Other {
            id: "test_event",
            message: "This is a test event. Nothing happened.",
            source: "webhook_test",
            status: match other {
                CONVERSATION_STARTED => "OPEN",
                CONVERSATION_RESOLVED => "RESOLVED",
                _ => "TEST",
            },
            chatbot_id: chatbot,
            created_at: now,
            updated_at: now,
        }),
    };
    json.expect("texts and moments always serialise")
}
