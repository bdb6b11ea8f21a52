//! The webhooks of a chatbot: one file per call.

pub(crate) mod breaker;
pub(crate) mod create;
pub(crate) mod delete;
mod fields;
mod headers;
mod input;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod read;
pub(crate) mod resume;
pub(crate) mod rotate_secret;
pub(crate) mod update;
pub(crate) mod view;

pub(crate) use fields::WebhookFields;
