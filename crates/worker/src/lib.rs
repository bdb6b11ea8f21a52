//! The postrider worker: takes committed events from Postgres and delivers them to webhooks.
//!
//! The modules read as the pipeline: `wake` until there is something, `claim` it from the outbox or from a `lane`,
//! `fan_out` to the subscribed webhooks, `sign`, `send`, `judge`, `record`. Beside it run the heartbeat, the return of
//! what dead workers held, the folding of statistics and retention.
//!
//! [`run`] is the whole worker; the binary gives it [`Settings`] and a [`Stop`].
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may panic"))]

mod run;
mod settings;
mod stop;

mod claim_loop;
mod wake;

mod batch_size;
mod claim;
mod fan_out;
mod flood;
mod lane;
mod lane_clock;
mod order;
mod pacer;
mod webhook;

mod breaker;
mod deliver;
mod egress;
mod health;
mod judge;
mod send;
mod sign;

mod record;

mod backlog;
mod context;
mod database;
mod deferred;
mod disable;
mod give_back;
mod identity;
mod maintenance;
mod retention;
mod stats;

pub mod metrics;
mod monitor;

pub use breaker::BreakerPolicy;
pub use egress::Egress;
pub use judge::{Outcome, RetryPolicy, Verdict, judge};
pub use run::run;
pub use settings::{Settings, Wake};
pub use stop::Stop;
