//! Ids of the app's own rows.

/// Letters and digits of an id.
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A new id like `clp4k0v9xq8m2w7t1z5r3n6j`: `clp` and 21 random letters and digits (108 bits).
pub(crate) fn new_id() -> String {
    let mut id = String::from("clp");
    while id.len() < 24 {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        // 252 is the largest multiple of 36: above it some letters would come more often.
        let letters = bytes
            .iter()
            .filter(|byte| **byte < 252)
            .map(|byte| char::from(ALPHABET[usize::from(byte % 36)]));
        id.extend(letters.take(24 - id.len()));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::new_id;

    #[test]
    fn ids_are_short_plain_and_never_the_same() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 24, "{id}");
            assert!(
                id.starts_with("clp") && id.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{id}"
            );
        }
    }
}
