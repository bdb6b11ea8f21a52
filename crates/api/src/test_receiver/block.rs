//! The block of text that the product's documents show.

use std::fmt::Write;

use super::Received;
use super::members::{members, text_member};

const LINE: &str = "==========================================";

/// The block for one request. Events that are not about a lead have no lead information.
pub(super) fn block(received: &Received) -> String {
    let mut block = format!(
        "🎣 WEBHOOK TEST RECEIVED!\n{LINE}\n⏰ Time: {}\n📦 Payload: {}\n",
        received.time, received.pretty
    );
    let body = members(&received.body);
    if received
        .event
        .as_deref()
        .is_some_and(|event| event.starts_with("LEAD_"))
    {
        let data = body.get("data").map(|data| members(data.get())).unwrap_or_default();
        block.push_str("🎯 LEAD INFORMATION:\n");
        for (label, field) in [("Name", "name"), ("Email", "email"), ("Phone", "phone")] {
            add_line(
                &mut block,
                label,
                text_member(&data, field).as_deref().unwrap_or("not given"),
            );
        }
    }
    block.push_str("🔐 SIGNATURE INFO:\n");
    add_line(&mut block, "Signature", received.signature.as_deref().unwrap_or("none"));
    add_line(
        &mut block,
        "Timestamp",
        body.get("timestamp").map_or("none", |timestamp| timestamp.get()),
    );
    block.push_str(LINE);
    block.push('\n');
    block
}

/// Whoever sends chooses the value, so it must not be able to begin a line of its own.
fn add_line(block: &mut String, label: &str, value: &str) {
    let shown: String = value
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    writeln!(block, "{label}: {shown}").expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(event: &str, body: &str) -> Received {
        Received {
            time: "2025-10-10T15:30:45.123Z".into(),
            event: Some(event.into()),
            chatbot: None,
            signature: Some("sha256=abc123".into()),
            delivery: None,
            attempt: None,
            body: body.into(),
            pretty: crate::pretty::pretty(body),
        }
    }

    #[test]
    fn a_lead_is_shown_as_documented() {
        let body = r#"{"event":"LEAD_CREATED","timestamp":1728573045,"data":{"id":"lead_123","name":"John Doe",
            "email":"john@example.com","phone":"+1234567890"}}"#;
        assert_eq!(
            block(&received("LEAD_CREATED", body)),
            r#"🎣 WEBHOOK TEST RECEIVED!
==========================================
⏰ Time: 2025-10-10T15:30:45.123Z
📦 Payload: {
  "event": "LEAD_CREATED",
  "timestamp": 1728573045,
  "data": {
    "id": "lead_123",
    "name": "John Doe",
    "email": "john@example.com",
    "phone": "+1234567890"
  }
}
🎯 LEAD INFORMATION:
Name: John Doe
Email: john@example.com
Phone: +1234567890
🔐 SIGNATURE INFO:
Signature: sha256=abc123
Timestamp: 1728573045
==========================================
"#
        );
    }

    #[test]
    fn other_events_have_no_lead_information() {
        let block = block(&received(
            "CONVERSATION_STARTED",
            r#"{"event":"CONVERSATION_STARTED","data":null}"#,
        ));
        assert!(!block.contains("LEAD"), "{block}");
        assert!(
            block.contains("🔐 SIGNATURE INFO:\nSignature: sha256=abc123\nTimestamp: none\n"),
            "{block}"
        );
    }

    #[test]
    fn a_value_cannot_begin_a_line_of_its_own() {
        let body = r#"{"event":"LEAD_CREATED","data":{"name":"x\nEmail: forged\u001b[2J"}}"#;
        let block = block(&received("LEAD_CREATED", body));
        assert!(
            block.contains("\nName: x\u{fffd}Email: forged\u{fffd}[2J\nEmail: not given\n"),
            "{block}"
        );
    }
}
