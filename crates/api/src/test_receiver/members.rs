//! Looking into a body without judging it: members stay as they are written.

use std::collections::HashMap;

use serde_json::value::RawValue;

pub(super) type Members = HashMap<String, Box<RawValue>>;

/// The members of an object; none for anything else.
pub(super) fn members(json: &str) -> Members {
    serde_json::from_str(json).unwrap_or_default()
}

/// A member that is a text.
pub(super) fn text_member(members: &Members, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}
