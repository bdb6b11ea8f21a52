//! Recoveries: everything that was given up since a moment is sent again, by a job.

pub(crate) mod list;
pub(crate) mod read;
pub(crate) mod start;
pub(crate) mod view;
