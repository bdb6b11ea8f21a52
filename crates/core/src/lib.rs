//! The rules that the worker and the management API must agree on. Everything here is pure: no I/O, no clock.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod address;
pub mod envelope;
pub mod event_type;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod ordering;
pub mod secret;
pub mod signature;

mod words;
