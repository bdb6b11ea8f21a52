//! A lead, as receivers see it.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sqlx::types::chrono::{DateTime, Utc};

use crate::open_word::open_words;

/// A lead: somebody who left word with a chatbot. Serialises to the documented `data` of `LEAD_CREATED` and
/// `LEAD_UPDATED`: always all fields, in this order, `null` for what the visitor did not say.
///
/// ```
/// use postrider_enqueue::{Lead, LeadPriority, LeadSource, LeadStatus};
/// use sqlx::types::chrono::DateTime;
///
/// let created_at = DateTime::parse_from_rfc3339("2023-11-04T15:30:56.789Z")?.to_utc();
/// let lead = Lead {
///     id: "clp123abc456".into(),
///     name: Some("John Doe".into()),
///     email: Some("john@example.com".into()),
///     phone: None,
///     company: None,
///     message: None,
///     preferred_method: Some("email".into()),
///     urgency: None,
///     source: LeadSource::ChatWidget,
///     status: LeadStatus::New,
///     priority: LeadPriority::Medium,
///     tags: vec!["website".into()],
///     custom_fields: serde_json::Map::new(),
///     chatbot_id: "clp123chatbot456".into(),
///     created_at,
///     updated_at: created_at,
/// };
/// let json = serde_json::to_string(&lead)?;
/// assert!(json.ends_with(r#""createdAt":"2023-11-04T15:30:56.789Z","updatedAt":"2023-11-04T15:30:56.789Z"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// Id of the lead.
    pub id: String,
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
    pub preferred_method: Option<ContactMethod>,
    /// How urgent the person says it is.
    pub urgency: Option<Urgency>,
    /// Where the lead came from.
    pub source: LeadSource,
    /// How far its handling is.
    pub status: LeadStatus,
    /// How important the owner of the chatbot takes it to be.
    pub priority: LeadPriority,
    /// Labels.
    pub tags: Vec<String>,
    /// What else the form of the chatbot asks for.
    pub custom_fields: Map<String, Value>,
    /// The chatbot, tenant of the events about the lead.
    pub chatbot_id: String,
    /// When it was created; receivers see milliseconds.
    #[serde(serialize_with = "rfc_3339_milliseconds")]
    pub created_at: DateTime<Utc>,
    /// When it last changed; receivers see milliseconds.
    #[serde(serialize_with = "rfc_3339_milliseconds")]
    pub updated_at: DateTime<Utc>,
}

open_words! {
    /// How a person wants to be reached.
    ContactMethod {
        /// By e-mail.
        Email = "email",
        /// By telephone.
        Phone = "phone",
    }
}

open_words! {
    /// How urgent a person says it is.
    Urgency {
        /// It can wait.
        Low = "low",
        /// Neither low nor high.
        Medium = "medium",
        /// It cannot wait.
        High = "high",
    }
}

open_words! {
    /// Where a lead came from.
    LeadSource {
        /// The chat window on a web site.
        ChatWidget = "chat_widget",
    }
}

open_words! {
    /// How far the handling of a lead is.
    LeadStatus {
        /// Nobody has looked at it yet.
        New = "NEW",
    }
}

open_words! {
    /// How important a lead is.
    LeadPriority {
        /// Less than usual.
        Low = "LOW",
        /// As usual.
        Medium = "MEDIUM",
        /// More than usual.
        High = "HIGH",
    }
}

fn rfc_3339_milliseconds<S: Serializer>(moment: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&moment.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Event;

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn john_doe() -> Lead {
        let Value::Object(custom_fields) = json!({"budget": "10000", "timeline": "Q1 2024"}) else {
            unreachable!()
        };
        Lead {
            id: "clp123abc456".into(),
            name: Some("John Doe".into()),
            email: Some("john@example.com".into()),
            phone: Some("+1234567890".into()),
            company: Some("Acme Corp".into()),
            message: Some("Interested in your services".into()),
            preferred_method: Some(ContactMethod::Email),
            urgency: Some(Urgency::Medium),
            source: LeadSource::ChatWidget,
            status: LeadStatus::New,
            priority: LeadPriority::Medium,
            tags: vec!["website".into(), "inquiry".into()],
            custom_fields,
            chatbot_id: "clp123chatbot456".into(),
            created_at: moment("2023-11-04T15:30:56.789Z"),
            updated_at: moment("2023-11-04T15:30:56.789Z"),
        }
    }

    #[test]
    fn a_lead_is_the_documented_data_to_the_byte() {
        let documented = concat!(
            r#"{"id":"clp123abc456","name":"John Doe","email":"john@example.com","phone":"+1234567890","#,
            r#""company":"Acme Corp","message":"Interested in your services","preferredMethod":"email","#,
            r#""urgency":"medium","source":"chat_widget","status":"NEW","priority":"MEDIUM","#,
            r#""tags":["website","inquiry"],"customFields":{"budget":"10000","timeline":"Q1 2024"},"#,
            r#""chatbotId":"clp123chatbot456","createdAt":"2023-11-04T15:30:56.789Z","#,
            r#""updatedAt":"2023-11-04T15:30:56.789Z"}"#,
        );
        for (event, event_type) in [
            (Event::lead_created(&john_doe()), "LEAD_CREATED"),
            (Event::lead_updated(&john_doe()), "LEAD_UPDATED"),
        ] {
            assert_eq!(event.payload(), documented);
            assert_eq!((event.event_type(), event.tenant()), (event_type, "clp123chatbot456"));
            assert_eq!(event.ordering_key.as_deref(), Some("clp123abc456"));
            assert!(event.check().is_ok());
        }
    }

    #[test]
    fn what_the_visitor_did_not_say_is_null() {
        let lead = Lead {
            name: None,
            email: None,
            phone: None,
            company: None,
            message: None,
            preferred_method: None,
            urgency: None,
            tags: vec![],
            custom_fields: Map::new(),
            ..john_doe()
        };
        let start = concat!(
            r#"{"id":"clp123abc456","name":null,"email":null,"phone":null,"company":null,"message":null,"#,
            r#""preferredMethod":null,"urgency":null,"source":"chat_widget","status":"NEW","priority":"MEDIUM","#,
            r#""tags":[],"customFields":{},"#,
        );
        assert!(Event::lead_created(&lead).payload().starts_with(start));
    }

    #[test]
    fn times_have_milliseconds_and_z() {
        for (given, written) in [
            ("2023-11-04T15:30:56Z", "2023-11-04T15:30:56.000Z"),
            ("2023-11-04T15:30:56.789999Z", "2023-11-04T15:30:56.789Z"),
            ("2023-11-04T17:30:56.7+02:00", "2023-11-04T15:30:56.700Z"),
        ] {
            let json = serde_json::to_value(Lead {
                created_at: moment(given),
                ..john_doe()
            })
            .unwrap();
            assert_eq!(json["createdAt"], written);
        }
    }

    #[test]
    fn words_of_the_application_are_kept() {
        assert_eq!(LeadStatus::from("NEW"), LeadStatus::New);
        assert_eq!(LeadStatus::from("WON".to_owned()), LeadStatus::Other("WON".to_owned()));
        let lead = Lead {
            status: "WON".into(),
            urgency: Some("today".into()),
            ..john_doe()
        };
        let json = serde_json::to_value(lead).unwrap();
        assert_eq!((&json["status"], &json["urgency"]), (&json!("WON"), &json!("today")));
    }
}
