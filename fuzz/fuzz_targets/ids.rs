//! Ids in paths and headers: one way to write each, and reading gives back what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::ids::{EventId, WebhookId};

fuzz_target!(|input: (&str, i64)| {
    let (text, number) = input;
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string(), text);
        let _ = (id.unix_millis(), id.unix_seconds());
    }
    if let Ok(id) = text.parse::<WebhookId>() {
        assert_eq!(id.to_string(), text);
    }
    // No id is zero or less.
    if number > 0 {
        assert_eq!(EventId(number).to_string().parse(), Ok(EventId(number)));
        assert_eq!(WebhookId(number).to_string().parse(), Ok(WebhookId(number)));
    }
});
