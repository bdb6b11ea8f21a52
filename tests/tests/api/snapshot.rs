//! Bodies as they are sent, with what differs from run to run replaced.

/// The body with its own order of members, one on a line; ids, moments and secrets replaced.
pub(crate) fn stable(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some((replacement, length)) = variable(rest) {
            out.push_str(replacement);
            rest = &rest[length..];
            continue;
        }
        out.push(character);
        rest = &rest[character.len_utf8()..];
        if matches!(character, ',' | '{' | '[') && rest.starts_with(['"', '{']) {
            out.push('\n');
        }
    }
    out
}

fn variable(rest: &str) -> Option<(&'static str, usize)> {
    for (prefix, replacement) in [
        ("webhook_", "webhook_[id]"),
        ("evt_", "evt_[id]"),
        ("recovery_", "recovery_[id]"),
    ] {
        let digits = rest
            .strip_prefix(prefix)
            .map(|tail| tail.bytes().take_while(u8::is_ascii_digit).count());
        if let Some(digits @ 1..) = digits {
            return Some((replacement, prefix.len() + digits));
        }
    }
    if let Some(tail) = rest.strip_prefix("whsec_") {
        let length = tail
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
            .count();
        // 32 bytes in base64.
        assert_eq!(length, 44, "{rest}");
        return Some(("whsec_[secret]", "whsec_".len() + length));
    }
    is_moment(rest).then_some(("[moment]", MOMENT.len()))
}

const MOMENT: &str = "dddd-dd-ddTdd:dd:dd.dddZ";

fn is_moment(rest: &str) -> bool {
    let fits = |(pattern, found): (u8, u8)| {
        if pattern == b'd' {
            found.is_ascii_digit()
        } else {
            pattern == found
        }
    };
    rest.len() >= MOMENT.len() && MOMENT.bytes().zip(rest.bytes()).all(fits)
}
