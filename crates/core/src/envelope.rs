//! The body of a request to a receiver.

use crate::ids::EventId;

/// `{"event","timestamp","data","chatbotId"}`, in this order. The payload goes in byte for byte, because it is a JSON
/// document already and the signature covers bytes.
///
/// ```
/// use postrider_core::envelope::envelope;
/// use postrider_core::ids::EventId;
///
/// let event = EventId(383_257_265_177_624_577);
/// assert_eq!(
///     envelope("LEAD_CREATED", event, r#"{"budget":1e400}"#, "clp123"),
///     r#"{"event":"LEAD_CREATED","timestamp":1795442852,"data":{"budget":1e400},"chatbotId":"clp123"}"#
/// );
/// ```
#[must_use]
pub fn envelope(event_type: &str, event: EventId, payload: &str, tenant: &str) -> String {
    let [event_type, tenant] = [event_type, tenant].map(json_string);
    let timestamp = event.unix_seconds();
    format!(r#"{{"event":{event_type},"timestamp":{timestamp},"data":{payload},"chatbotId":{tenant}}}"#)
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serialises")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_payload_stays_as_it_was_written_and_the_rest_is_escaped() {
        let payload = r#"{ "a":1e400,  "a":"\u0000", "name":"\ud83c\udfa3" }"#;
        let event = EventId((1_699_123_456_789 - 1_704_067_200_000) << 22);
        assert_eq!(
            envelope("LEAD_CREATED", event, payload, "clp\"1"),
            [
                r#"{"event":"LEAD_CREATED","timestamp":1699123456,"data":"#,
                payload,
                r#","chatbotId":"clp\"1"}"#
            ]
            .concat()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_in_it_the_body_is_json_with_the_payload_byte_for_byte(
            event_type in any::<String>(), event in 1_i64.., name in any::<String>(), number: u32, blanks in "[ \t\n]{0,4}",
            tenant in any::<String>(),
        ) {
            let payload = format!("{{{blanks}{}:{blanks}{number}.50e{}}}", json_string(&name), number % 200);
            let body = envelope(&event_type, EventId(event), &payload, &tenant);
            let read: Value = serde_json::from_str(&body).expect("it is JSON");
            let members: Vec<&String> = read.as_object().expect("an object").keys().collect();
            prop_assert_eq!(members.len(), 4);
            prop_assert_eq!(&read["event"], &Value::from(event_type));
            prop_assert_eq!(&read["chatbotId"], &Value::from(tenant));
            prop_assert_eq!(read["timestamp"].as_i64(), Some(EventId(event).unix_seconds()));
            prop_assert!(body.contains(&format!(",\"data\":{payload},\"chatbotId\":")), "{body}");
        }
    }
}
