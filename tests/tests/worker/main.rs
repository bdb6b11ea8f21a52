//! The worker end to end: the real binary, a real Postgres, real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_receivers;
mod breaker;
mod commit;
mod crash;
mod database_gone;
mod deferred;
mod disable;
mod isolation;
mod late_commit;
mod lifecycle;
mod monitoring;
mod operational;
mod order;
mod poison;
mod request;
mod retention;
mod retry;
mod several_workers;
mod statistics;
mod wake_gate;
