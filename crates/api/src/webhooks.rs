//! The webhooks of a chatbot: one file per call.

mod create;
mod fields;
mod headers;
mod input;
mod list;
mod view;

pub(crate) use create::create;
pub(crate) use fields::WebhookFields;
pub(crate) use list::list;
