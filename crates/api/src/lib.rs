//! The management API of postrider: the owner of a chatbot manages webhooks and sees what happened to their deliveries.
//!
//! A main app mounts it beside its own routes and says who its users are:
//!
//! ```no_run
//! use postrider_api::{Api, Auth, AuthError, Settings};
//!
//! struct Sessions;
//!
//! impl Auth for Sessions {
//!     async fn user(&self, session: &str) -> Result<Option<String>, AuthError> {
//!         // Look the session up, as the main app does for its own pages.
//!         Ok((session == "sample").then(|| "user_1".to_owned()))
//!     }
//!
//!     async fn owns(&self, user: &str, chatbot: &str) -> Result<bool, AuthError> {
//!         Ok(user == "user_1" && chatbot == "clp123chatbot456")
//!     }
//! }
//!
//! # async fn example(settings: Settings, main_app: axum::Router, stop: tokio_util::sync::CancellationToken) {
//! let api = Api::new(settings, Sessions);
//! let app: axum::Router = main_app.merge(postrider_api::router(api.clone()));
//! // Recoveries and the removal of deleted webhooks outlive a request; this task carries them out.
//! tokio::spawn(postrider_api::carry_out_jobs(api, stop));
//! # }
//! ```
//!
//! Run alone, [`SqlAuth`] asks the tables of the main app with two configured queries, and [`serve`] is all a binary
//! needs. The router has absolute paths (`/api/…`, `/chatbots/…`, `/postrider/…`): merge it, do not nest it.

mod settings;

mod api;
mod auth;
mod routes;
mod serve;

mod body;
mod error;
mod fields;
mod moment;
mod pretty;
mod query;

mod deliveries;
mod halted_keys;
mod jobs;
mod lane;
mod ordered;
mod recoveries;
mod resolve;
mod stats;
mod test_event;
mod webhooks;

mod dashboard;
mod openapi;
pub mod test_receiver;

pub use api::Api;
pub use auth::{Auth, AuthError, BadAuthQuery, SqlAuth, SqlAuthSettings};
pub use jobs::carry_out_jobs;
pub use resolve::Resolver;
pub use routes::{Access, Route, router, routes};
pub use serve::serve;
pub use settings::Settings;
