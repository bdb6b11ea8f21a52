//! The request body: whatever the payload and the names are, it is JSON of the documented members in the documented
//! order, with the payload byte for byte inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::envelope::envelope;
use postrider_core::ids::EventId;
use serde_json::value::RawValue;

fuzz_target!(|input: (&str, i64, &str, &str)| {
    let (event_type, event, payload, tenant) = input;
    // Postgres stores nothing else in a column of type json.
    if serde_json::from_str::<&RawValue>(payload).is_err() {
        return;
    }
    let event = EventId(event & i64::MAX);
    let body = envelope(event_type, event, payload, tenant);
    let members: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(&body).expect("it is JSON");
    let text = |name: &str| serde_json::from_str::<String>(members[name].get()).expect("it is a text");
    assert_eq!(members.len(), 4);
    assert_eq!(text("event"), event_type);
    assert_eq!(text("chatbotId"), tenant);
    assert_eq!(members["timestamp"].get(), event.unix_seconds().to_string());
    assert_eq!(members["data"].get(), payload.trim_matches([' ', '\t', '\n', '\r']));
    assert!(body.contains(payload) && body.starts_with("{\"event\":"));
});
