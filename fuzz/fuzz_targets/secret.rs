//! Signing secrets: what is accepted is kept as it is, can sign, and never shows itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::secret::Secret;
use postrider_core::signature::Signer;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, body) = input;
    let Ok(secret) = Secret::parse(text) else { return };
    assert_eq!(secret.expose(), text);
    assert!(!format!("{secret:?}").contains(text));
    let signer = Signer::new(&secret);
    assert_eq!(signer.sign_body(body).len(), "sha256=".len() + 64);
    assert_eq!(
        signer.sign_standard("evt_1", 1_795_000_000, body).len(),
        "v1,".len() + 44
    );
});
