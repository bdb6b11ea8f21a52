//! Deliveries of a webhook: what became of each event.

pub(crate) mod attempts;
pub(crate) mod list;
pub(crate) mod page;
pub(crate) mod read;
pub(crate) mod resend;
pub(crate) mod state;
