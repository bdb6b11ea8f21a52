//! Halted keys: the deliveries of an ordering key wait because one of them was given up, and their webhook asks for
//! that.

pub(crate) mod list;
pub(crate) mod release;
