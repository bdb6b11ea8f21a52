//! Names that owners give to webhooks: what is accepted is one line of a log and of a page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::limits::check_name;

fuzz_target!(|name: &str| {
    if check_name(name).is_err() {
        return;
    }
    assert!((1..=200).contains(&name.chars().count()));
    assert!(!name.trim().is_empty());
    assert!(!name.contains(['\n', '\r', '\0', '\u{85}', '\u{2028}', '\u{2029}']));
});
