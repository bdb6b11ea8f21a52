//! The management API on a real Postgres, under its own role, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod app;
mod rows;
mod snapshot;

mod access;
mod auth_queries;
mod breaker;
mod browser;
mod create;
mod database_gone;
mod delete;
mod deliveries;
mod delivery;
mod halted_keys;
mod hostile;
mod list;
mod mounted;
mod openapi;
mod ordered;
mod pages;
mod pause;
mod recover;
mod resend;
mod rotate_secret;
mod speed;
mod stats;
mod test_event;
mod test_receiver;
mod update;
mod validation;
