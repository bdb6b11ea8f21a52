//! What the attempts of one flush change about webhooks, as the parallel arrays of `record.sql`.

use crate::breaker::Change;

/// What attempts changed about webhooks: the last word on each.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) webhooks: Vec<i64>,
    pub(super) words: Vec<&'static str>,
    pub(super) open_ms: Vec<i64>,
    pub(super) trips: Vec<i16>,
}

const FAILED: &str = "failed";
const RECOVERED: &str = "recovered";
const OPENED: &str = "opened";

impl Changes {
    pub(super) fn add(&mut self, webhook: i64, change: Change) {
        let (word, open_ms, trips) = match change {
            Change::Failed => (FAILED, 0, 0),
            Change::Recovered { .. } => (RECOVERED, 0, 0),
            Change::Opened { duration, trips } => (OPENED, duration.as_millis() as i64, trips),
        };
        let known = self.webhooks.iter().position(|known| *known == webhook);
        let place = known.unwrap_or_else(|| {
            self.webhooks.push(webhook);
            self.words.push(word);
            self.open_ms.push(open_ms);
            self.trips.push(trips);
            self.webhooks.len() - 1
        });
        // A straggler that fails takes nothing back.
        if word != FAILED {
            (self.words[place], self.open_ms[place], self.trips[place]) = (word, open_ms, trips);
        }
    }

    /// Whether a receiver is back, so that what waits for it may go.
    pub(super) fn recovers_any(&self) -> bool {
        self.words.contains(&RECOVERED)
    }
}
