//! The commands that run one part of postrider.

mod api;
mod migrate;
mod rekey;
mod runtime;
mod schema;
mod waiting;
mod worker;

pub(crate) use api::api;
pub(crate) use migrate::migrate;
pub(crate) use rekey::rekey;
pub(crate) use runtime::runtime;
pub(crate) use worker::worker;
