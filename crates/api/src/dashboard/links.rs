//! Paths of pages and calls.

use std::fmt::Write;

use postrider_core::ids::{EventId, WebhookId};

use crate::auth::Tenant;

/// Paths below one chatbot.
#[derive(Debug, Clone)]
pub(super) struct Links {
    chatbot: String,
}

impl Links {
    pub(super) fn new(tenant: &Tenant) -> Self {
        Self {
            chatbot: segment(tenant.as_str()),
        }
    }

    /// The page with all webhooks.
    pub(super) fn list(&self) -> String {
        format!("/chatbots/{}/webhooks", self.chatbot)
    }

    pub(super) fn create(&self) -> String {
        format!("{}/new", self.list())
    }

    pub(super) fn received(&self) -> String {
        format!("{}/test-receiver", self.list())
    }

    pub(super) fn webhook(&self, webhook: WebhookId) -> String {
        format!("{}/{webhook}", self.list())
    }

    pub(super) fn edit(&self, webhook: WebhookId) -> String {
        format!("{}/edit", self.webhook(webhook))
    }

    pub(super) fn deliveries(&self, webhook: WebhookId) -> String {
        format!("{}/deliveries", self.webhook(webhook))
    }

    pub(super) fn delivery(&self, webhook: WebhookId, event: EventId) -> String {
        format!("{}/{event}", self.deliveries(webhook))
    }

    /// The calls of the API.
    pub(super) fn api(&self) -> String {
        format!("/api/v1/chatbots/{}/webhooks", self.chatbot)
    }

    /// The calls of the API about one webhook.
    pub(super) fn webhook_api(&self, webhook: WebhookId) -> String {
        format!("{}/{webhook}", self.api())
    }
}

/// A text as one segment of a path, or as a value of a query.
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes any text");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chatbot_id_stays_one_segment() {
        assert_eq!(segment("clp123-_~.A"), "clp123-_~.A");
        assert_eq!(segment("a/b?c#d%é\"<"), "a%2Fb%3Fc%23d%25%C3%A9%22%3C");
    }
}
