//! What the database would refuse, found without asking it: the rules of `postrider.check_event` in SQL.

use super::Event;
use crate::InvalidEvent;

impl Event {
    /// Checks everything that [`enqueue`](crate::enqueue) checks before it asks the database.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidEvent> {
        if self.tenant.is_empty() {
            return Err(InvalidEvent::EmptyTenant);
        }
        check_text("tenant", &self.tenant)?;
        if !is_event_type(&self.event_type) {
            return Err(InvalidEvent::EventType {
                event_type: self.event_type.chars().take(120).collect(),
            });
        }
        for (field, key) in [
            ("idempotency key", &self.idempotency_key),
            ("ordering key", &self.ordering_key),
        ] {
            if let Some(key) = key {
                check_text(field, key)?;
            }
        }
        if self.payload.len() > self.max_payload_bytes {
            return Err(InvalidEvent::PayloadTooLarge {
                bytes: self.payload.len(),
                limit: self.max_payload_bytes,
            });
        }
        Ok(())
    }
}

fn is_event_type(text: &str) -> bool {
    text.len() <= 100
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn check_text(field: &'static str, text: &str) -> Result<(), InvalidEvent> {
    if !(1..=200).contains(&text.chars().count()) {
        return Err(InvalidEvent::Length { field });
    }
    // Postgres cannot store it.
    if text.contains('\0') {
        return Err(InvalidEvent::NulCharacter { field });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Event {
        Event::new("tenant", "LEAD_CREATED", &json!({})).unwrap()
    }

    fn refusal(event: &Event) -> String {
        event.check().unwrap_err().to_string()
    }

    #[test]
    fn a_plain_event_passes() {
        let longest = "é".repeat(200);
        for tenant in ["a", "clp123chatbot456", " ", "ünï", &longest] {
            let event = Event::new(tenant, "A", &())
                .unwrap()
                .ordering_key(&longest)
                .idempotency_key(&longest);
            assert!(event.check().is_ok(), "{tenant:?}");
            assert_eq!(
                (event.tenant(), event.event_type(), event.payload()),
                (tenant, "A", "null")
            );
        }
    }

    #[test]
    fn each_field_is_checked() {
        let too_long = "é".repeat(201);
        for (event, message) in [
            (Event::new("", "A", &()).unwrap(), "the tenant is empty"),
            (
                Event::new(&too_long, "A", &()).unwrap(),
                "the tenant must have 1 to 200 characters",
            ),
            (
                Event::new("a\0b", "A", &()).unwrap(),
                "the tenant must not contain a NUL character",
            ),
            (
                event().idempotency_key(""),
                "the idempotency key must have 1 to 200 characters",
            ),
            (
                event().idempotency_key(&too_long),
                "the idempotency key must have 1 to 200 characters",
            ),
            (
                event().idempotency_key("\0"),
                "the idempotency key must not contain a NUL character",
            ),
            (
                event().ordering_key(""),
                "the ordering key must have 1 to 200 characters",
            ),
            (
                event().ordering_key(&too_long),
                "the ordering key must have 1 to 200 characters",
            ),
            (
                event().ordering_key("\0"),
                "the ordering key must not contain a NUL character",
            ),
        ] {
            assert_eq!(refusal(&event), message);
        }
        for event_type in ["", "lead", "_A", "1A", "A B", "A\n", "Ä", &"A".repeat(101)] {
            let event = Event::new("tenant", event_type, &()).unwrap();
            assert!(
                matches!(event.check(), Err(InvalidEvent::EventType { .. })),
                "{event_type:?}"
            );
        }
        assert!(Event::new("tenant", "A".repeat(100), &()).unwrap().check().is_ok());
    }

    #[test]
    fn the_payload_limit_is_in_bytes_and_adjustable() {
        let of_bytes =
            |bytes: usize| Event::from_json("tenant", "A", format!("\"{}\"", "a".repeat(bytes - 2))).unwrap();
        assert!(of_bytes(262_144).check().is_ok());
        assert_eq!(
            refusal(&of_bytes(262_145)),
            "the payload has 262145 bytes, the limit is 262144"
        );
        assert!(of_bytes(262_145).max_payload_bytes(262_145).check().is_ok());
        assert_eq!(
            refusal(&of_bytes(11).max_payload_bytes(10)),
            "the payload has 11 bytes, the limit is 10"
        );
        let wide = Event::from_json("tenant", "A", "\"éé\"").unwrap();
        assert_eq!(
            refusal(&wide.max_payload_bytes(5)),
            "the payload has 6 bytes, the limit is 5"
        );
    }
}
