//! Key rings, and secrets as they lie in the database: bytes that were changed are refused and never crash.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};

static RING: LazyLock<KeyRing> = LazyLock::new(KeyRing::generate);
static SECRET: LazyLock<Secret> = LazyLock::new(Secret::generate);

fuzz_target!(|input: (&str, &str, i64, &[u8], usize, u8)| {
    let (text, tenant, webhook, stored, place, flip) = input;
    if let Ok(ring) = KeyRing::parse(text) {
        let written = ring.expose();
        let again = KeyRing::parse(&written).expect("what a ring writes, it reads");
        let encrypted = ring.encrypt(&SECRET, tenant, WebhookId(webhook));
        assert_eq!(
            again.decrypt(&encrypted, tenant, WebhookId(webhook)).as_ref(),
            Ok(&*SECRET)
        );
    }
    assert!(
        RING.decrypt(stored, tenant, WebhookId(webhook)).is_err(),
        "bytes out of nowhere were accepted"
    );
    let mut encrypted = RING.encrypt(&SECRET, tenant, WebhookId(webhook));
    assert!(
        RING.decrypt(&encrypted, tenant, WebhookId(webhook.wrapping_add(1)))
            .is_err()
    );
    let place = place % encrypted.len();
    encrypted[place] ^= flip;
    assert_eq!(RING.decrypt(&encrypted, tenant, WebhookId(webhook)).is_ok(), flip == 0);
});
