use super::*;

const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ONES: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const WEBHOOK: WebhookId = WebhookId(42);

fn secret() -> Secret {
    Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(text).unwrap()
}

#[test]
fn the_first_key_encrypts_and_all_decrypt() {
    let old = ring(&format!("a:{ZEROS}"));
    let both = ring(&format!("b:{ONES},a:{ZEROS}"));
    let new = ring(&format!("b:{ONES}"));
    let by_old = old.encrypt(&secret(), "tenant", WEBHOOK);
    let by_both = both.encrypt(&secret(), "tenant", WEBHOOK);
    assert_eq!(both.decrypt(&by_old, "tenant", WEBHOOK), Ok(secret()));
    assert!(by_both.starts_with(&both.current_header()));
    assert!(!by_old.starts_with(&both.current_header()));
    assert_eq!(new.decrypt(&by_both, "tenant", WEBHOOK), Ok(secret()));
    assert_eq!(
        new.decrypt(&by_old, "tenant", WEBHOOK),
        Err(DecryptError::UnknownKey { id: "a".to_owned() })
    );
}

#[test]
fn a_stored_secret_belongs_to_its_webhook_tenant_and_key() {
    let ring = ring(&format!("a:{ZEROS}"));
    let stored = ring.encrypt(&secret(), "tenant", WEBHOOK);
    assert_eq!(ring.decrypt(&stored, "tenant", WEBHOOK), Ok(secret()));
    assert_eq!(
        ring.decrypt(&stored, "tenant", WebhookId(43)),
        Err(DecryptError::Refused)
    );
    assert_eq!(ring.decrypt(&stored, "tenan", WEBHOOK), Err(DecryptError::Refused));
    assert_eq!(ring.decrypt(&stored, "", WEBHOOK), Err(DecryptError::Refused));
    let same_id = super::KeyRing::parse(&format!("a:{ONES}")).unwrap();
    assert_eq!(same_id.decrypt(&stored, "tenant", WEBHOOK), Err(DecryptError::Refused));
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let ring = ring(&format!("a:{ZEROS}"));
    let stored = ring.encrypt(&secret(), "tenant", WEBHOOK);
    for place in 0..stored.len() {
        let mut changed = stored.clone();
        changed[place] ^= 1;
        assert!(ring.decrypt(&changed, "tenant", WEBHOOK).is_err(), "byte {place}");
        assert!(
            ring.decrypt(&stored[..place], "tenant", WEBHOOK).is_err(),
            "{place} bytes"
        );
    }
    assert!(ring.decrypt(&[&stored[..], &[0]].concat(), "tenant", WEBHOOK).is_err());
    assert_eq!(ring.decrypt(&[], "tenant", WEBHOOK), Err(DecryptError::Malformed));
    assert_eq!(
        ring.decrypt(&[1, 200, 0], "tenant", WEBHOOK),
        Err(DecryptError::Malformed)
    );
    assert_eq!(
        ring.decrypt(&[2, 1, b'a'], "tenant", WEBHOOK),
        Err(DecryptError::Malformed)
    );
}

/// Secrets stored by an earlier version must stay readable. The bytes were made with libsodium.
#[test]
fn the_stored_format_never_changes() {
    let stored = hex::decode(FIXED).unwrap();
    assert_eq!(
        ring(&format!("a:{ZEROS}")).decrypt(&stored, "tenant", WEBHOOK),
        Ok(secret())
    );
}

const FIXED: &str = "010161000102030405060708090a0b0c0d0e0f1011121314151617cabf9137936e2cc769531017a04b88baa2e9442c0e768a7b23787919c5f56e5e72e6dc881fb5194b1da0779072193f7b89e41214af34";

#[test]
fn stored_bytes_show_nothing_and_never_repeat() {
    let ring = ring(&format!("a:{ZEROS}"));
    let stored = ring.encrypt(&secret(), "tenant", WEBHOOK);
    assert_eq!(stored.len(), 3 + NONCE_BYTES + secret().expose().len() + 16);
    assert!(!stored.windows(6).any(|window| window == b"whsec_"));
    assert_ne!(ring.encrypt(&secret(), "tenant", WEBHOOK), stored);
}

#[test]
fn a_generated_ring_can_be_kept() {
    let generated = KeyRing::generate();
    let stored = generated.encrypt(&secret(), "tenant", WEBHOOK);
    assert_eq!(
        ring(&generated.expose()).decrypt(&stored, "tenant", WEBHOOK),
        Ok(secret())
    );
    let text = format!("b:{ONES},a:{ZEROS}");
    assert_eq!(*ring(&text).expose(), text);
}

#[test]
fn spaces_between_entries_and_missing_padding_are_forgiven() {
    let forgiven = ring(&format!(" b:{ONES} , a:{} ", ZEROS.trim_end_matches('=')));
    assert_eq!(*forgiven.expose(), format!("b:{ONES},a:{ZEROS}"));
}

#[test]
fn bad_rings_are_named_without_their_keys() {
    let too_long = format!("{}:{ZEROS}", "a".repeat(33));
    for (text, message) in [
        ("", "entry 1 is not of the form id:key"),
        (ZEROS, "entry 1 is not of the form id:key"),
        (&format!("a:{ZEROS},"), "entry 2 is not of the form id:key"),
        (&format!(":{ZEROS}"), "entry 1 is not of the form id:key"),
        (&format!("a b:{ZEROS}"), "entry 1 is not of the form id:key"),
        (&too_long, "entry 1 is not of the form id:key"),
        ("a:", "key \"a\" is not the base64 of 32 bytes"),
        ("a:AAAA", "key \"a\" is not the base64 of 32 bytes"),
        (&format!("a:{ZEROS}AAAA"), "key \"a\" is not the base64 of 32 bytes"),
        (&format!("a:{ZEROS},a:{ONES}"), "two keys have the id \"a\""),
    ] {
        let error = KeyRing::parse(text).unwrap_err();
        assert!(error.to_string().starts_with(message), "{text:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("AAAA"), "{error}");
    }
}

#[test]
fn debug_shows_ids_only() {
    assert_eq!(
        format!("{:?}", ring(&format!("b:{ONES},a:{ZEROS}"))),
        r#"KeyRing["b", "a"]"#
    );
}
