//! Charts of statistics, drawn here as SVG. Each has its figures as a table too.

mod deliveries;
mod latency;
mod scale;
mod table;

pub(super) use deliveries::deliveries;
pub(super) use latency::{latency, milliseconds};
pub(super) use table::table;
