//! The pages of the owner, rendered here; a small script only sends forms to the API and shows its answers.

mod failure;
pub(crate) mod layout;

pub(crate) use failure::PageError;
