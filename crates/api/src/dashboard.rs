//! The pages of the owner, rendered here; a small script only sends forms to the API and shows its answers, so that
//! there is one place that judges input.

pub(crate) mod assets;
pub(crate) mod layout;

mod activity;
mod ago;
mod badge;
mod chart;
mod failure;
mod form;
mod links;
mod sparkline;

pub(crate) mod create;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(crate) mod edit;
pub(crate) mod list;
pub(crate) mod received;
pub(crate) mod webhook;

pub(crate) use failure::PageError;
