//! Extra headers that owners set: what is accepted cannot end a header or replace one of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::limits::ExtraHeaders;

fuzz_target!(|headers: Vec<(&str, &str)>| {
    let Ok(checked) = ExtraHeaders::check(headers.iter().copied()) else {
        return;
    };
    assert!(checked.iter().eq(headers.iter().copied()));
    for (name, value) in checked.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let reserved = [
            "host",
            "content-length",
            "content-type",
            "transfer-encoding",
            "webhook-signature",
        ];
        assert!(!reserved.iter().any(|ours| name.eq_ignore_ascii_case(ours)));
    }
});
