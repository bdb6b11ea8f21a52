//! JSON for people, with its own order, numbers and spelling: reading it into a value would change all three.

/// Deepest indentation, in steps: a body of brackets alone must not grow to gigabytes of spaces.
const MAX_STEPS: usize = 32;

/// Indents JSON by two. `json` must be well-formed.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            push_visible(&mut out, character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                out.push(character);
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(MAX_STEPS)));
}

/// JSON lets the control characters from U+007F to U+009F stand as they are; terminals obey them.
fn push_visible(out: &mut String, character: char) {
    if character.is_control() {
        out.push_str(&format!("\\u{:04x}", u32::from(character)));
    } else {
        out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_numbers_and_spelling_stay() {
        for (json, expected) in [
            ("1e400", "1e400"),
            (
                r#"{"b":1.0,"a":{},"a":[ ]}"#,
                "{\n  \"b\": 1.0,\n  \"a\": {},\n  \"a\": []\n}",
            ),
            ("[ 1 ,[true\n, null]]", "[\n  1,\n  [\n    true,\n    null\n  ]\n]"),
            (r#"{"a":"{\"b\": [,]}\\"}"#, "{\n  \"a\": \"{\\\"b\\\": [,]}\\\\\"\n}"),
            ("\"\u{9b}2J\\u0000\"", "\"\\u009b2J\\u0000\""),
            ("\"\u{1f3a3} ü\"", "\"\u{1f3a3} ü\""),
        ] {
            assert_eq!(pretty(json), expected, "{json}");
        }
    }

    #[test]
    fn deep_nesting_stays_affordable() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert!(pretty(&deep).len() < deep.len() * 70);
    }
}
