//! Lets a scenario act at the moment at which a request arrives, before it is answered.

use std::sync::{Mutex, PoisonError};

use super::log::Arrival;

type Act = Box<dyn FnMut(&Arrival) + Send>;

/// What to do with each arrival; nothing at first.
#[derive(Default)]
pub(crate) struct Watcher(Mutex<Option<Act>>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    /// Does this at each arrival from now on.
    pub(crate) fn act(&self, act: impl FnMut(&Arrival) + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(act));
    }

    pub(super) fn see(&self, arrival: &Arrival) {
        if let Some(act) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            act(arrival);
        }
    }
}
