//! What a caller says about a new lead.

use chrono::{SubsecRound, Utc};
use postrider_enqueue::{Lead, LeadPriority, LeadSource, LeadStatus};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::FieldError;
use crate::id::new_id;

/// Body of a call that creates a lead. Every field may be left out, but there must be some way to reach the person, or
/// at least a name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLead {
    /// Name of the person.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Company of the person.
    pub company: Option<String>,
    /// What the person wrote.
    pub message: Option<String>,
    /// How the person wants to be reached.
    pub preferred_method: Option<String>,
    /// How urgent the person says it is.
    pub urgency: Option<String>,
    /// Where the lead came from; `chat_widget` when left out.
    pub source: Option<String>,
    /// How far its handling is; `NEW` when left out.
    pub status: Option<String>,
    /// How important it is; `MEDIUM` when left out.
    pub priority: Option<String>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What else the form of the chatbot asks for.
    #[serde(default)]
    pub custom_fields: Map<String, Value>,
}

impl NewLead {
    /// Names every field that is not as it must be, `prefix` in front.
    pub(super) fn check(&self, prefix: &str) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, message: String| {
            wrong.push(FieldError {
                field: format!("{prefix}{field}"),
                message,
            });
        };
        if [&self.name, &self.email, &self.phone]
            .iter()
            .all(|field| field.is_none())
        {
            refuse("name", "a name, an email or a phone must be given".to_owned());
        }
        for (field, value, longest) in [
            ("name", &self.name, 200),
            ("email", &self.email, 320),
            ("phone", &self.phone, 50),
            ("company", &self.company, 200),
            ("message", &self.message, 20_000),
            ("preferredMethod", &self.preferred_method, 50),
            ("urgency", &self.urgency, 50),
            ("source", &self.source, 50),
            ("status", &self.status, 50),
            ("priority", &self.priority, 50),
        ] {
            let Some(value) = value else { continue };
            if !(1..=longest).contains(&value.chars().count()) {
                refuse(field, format!("must have 1 to {longest} characters"));
            } else if value.contains('\0') {
                refuse(field, "must not contain the character U+0000".to_owned());
            }
        }
        if self.email.as_ref().is_some_and(|email| !looks_like_an_address(email)) {
            refuse("email", "must look like name@example.com".to_owned());
        }
        if self.tags.len() > 50
            || self
                .tags
                .iter()
                .any(|tag| !(1..=100).contains(&tag.chars().count()) || tag.contains('\0'))
        {
            refuse("tags", "must be at most 50 labels of 1 to 100 characters".to_owned());
        }
        if self
            .custom_fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value))
        {
            refuse("customFields", "must not contain the character U+0000".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The lead it becomes, now.
    pub(super) fn into_lead(self, chatbot_id: &str) -> Lead {
        // What the database keeps and what receivers see is the same moment.
        let now = Utc::now().trunc_subsecs(3);
        Lead {
            id: new_id(),
            name: self.name,
            email: self.email,
            phone: self.phone,
            company: self.company,
            message: self.message,
            preferred_method: self.preferred_method.map(Into::into),
            urgency: self.urgency.map(Into::into),
            source: self.source.map_or(LeadSource::ChatWidget, Into::into),
            status: self.status.map_or(LeadStatus::New, Into::into),
            priority: self.priority.map_or(LeadPriority::Medium, Into::into),
            tags: self.tags,
            custom_fields: self.custom_fields,
            chatbot_id: chatbot_id.to_owned(),
            created_at: now,
            updated_at: now,
        }
    }
}

fn looks_like_an_address(email: &str) -> bool {
    let Some((name, host)) = email.rsplit_once('@') else {
        return false;
    };
    !name.is_empty() && !host.is_empty() && !email.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Postgres cannot take this character out of JSON.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Vec<String> {
        let new: NewLead = serde_json::from_str(json).expect("the test writes the right fields");
        new.check("")
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|error| error.field)
            .collect()
    }

    #[test]
    fn every_bad_field_is_named() {
        let none: [&str; 0] = [];
        assert_eq!(refused(r#"{"name":"Jane"}"#), none);
        assert_eq!(
            refused(r#"{"phone":"+1","tags":["a"],"customFields":{"a":[1,{"b":null}]}}"#),
            none
        );
        assert_eq!(refused("{}"), ["name"]);
        assert_eq!(
            refused(r#"{"name":"","email":"jane","phone":"a\u0000"}"#),
            ["name", "phone", "email"]
        );
        assert_eq!(
            refused(r#"{"name":"J","tags":[""],"customFields":{"a":[{"b":"\u0000"}]}}"#),
            ["tags", "customFields"]
        );
        assert_eq!(refused(r#"{"name":"J","customFields":{"\u0000":1}}"#), ["customFields"]);
        assert_eq!(refused(&format!(r#"{{"name":"{}"}}"#, "é".repeat(201))), ["name"]);
    }

    #[test]
    fn what_was_left_out_has_the_documented_defaults() {
        let new: NewLead = serde_json::from_str(r#"{"name":"Jane"}"#).expect("it is valid");
        let lead = new.into_lead("clp1");
        assert_eq!(
            (lead.source.as_str(), lead.status.as_str(), lead.priority.as_str()),
            ("chat_widget", "NEW", "MEDIUM")
        );
        assert_eq!((lead.chatbot_id.as_str(), lead.created_at), ("clp1", lead.updated_at));
    }
}
