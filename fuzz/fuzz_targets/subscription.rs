//! Lists of event types, and event types: an accepted list matches exactly what it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::event_type::{EventType, Subscription};

fuzz_target!(|input: (Vec<&str>, &str)| {
    let (entries, other) = input;
    let is_type = other.parse::<EventType>().is_ok();
    let Ok(subscription) = Subscription::parse(&entries) else {
        return;
    };
    assert!(!entries.is_empty() && entries.len() <= Subscription::MAX_ENTRIES);
    assert_eq!(subscription.entries(), entries);
    let wants_all = entries == ["*"];
    for entry in &entries {
        assert!(wants_all || entry.parse::<EventType>().is_ok());
        assert!(wants_all || subscription.matches(entry));
    }
    if is_type {
        assert_eq!(subscription.matches(other), wants_all || entries.contains(&other));
    }
});
