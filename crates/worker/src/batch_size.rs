//! Batch size: how many events to claim, so that neither large payloads nor wide fan-out fill the memory.

/// Payload bytes that one claim may bring in, as far as the last ones tell.
const PAYLOAD_BUDGET: usize = 8 * 1024 * 1024;

/// The first claim knows nothing yet.
const FIRST_BATCH: usize = 50;

/// Learns from each batch how large the next may be.
#[derive(Debug)]
pub(crate) struct BatchSize {
    most: usize,
    places: usize,
    next: usize,
}

impl BatchSize {
    /// `most` events at a time, for a worker with so many places for deliveries.
    pub(crate) fn new(most: usize, places: usize) -> Self {
        Self {
            most,
            places,
            next: FIRST_BATCH.min(most),
        }
    }

    /// Events the next claim may take.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// Notes what a claim brought. Shrinks at once and grows at most twofold, so that one light batch among heavy ones
    /// does not open the gates.
    pub(crate) fn learn(&mut self, events: usize, payload_bytes: usize, deliveries: usize) {
        if events == 0 {
            return;
        }
        let by_payload = PAYLOAD_BUDGET / (payload_bytes / events).max(1);
        let by_fan_out = self.places / 2 * events / deliveries.max(1);
        self.next = by_payload.min(by_fan_out).min(self.next * 2).clamp(1, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_events_soon_fill_the_batch() {
        let mut size = BatchSize::new(500, 2000);
        for _ in 0..5 {
            size.learn(size.next(), size.next() * 600, size.next());
        }
        assert_eq!(size.next(), 500);
    }

    #[test]
    fn large_payloads_shrink_the_batch_at_once() {
        let mut size = BatchSize::new(500, 2000);
        size.learn(50, 50 * 256 * 1024, 50);
        assert_eq!(size.next(), 32);
    }

    #[test]
    fn wide_fan_out_shrinks_the_batch_but_never_to_nothing() {
        let mut size = BatchSize::new(500, 2000);
        size.learn(50, 50 * 600, 50 * 100);
        assert_eq!(size.next(), 10);
        size.learn(10, 6000, 10 * 5000);
        assert_eq!(size.next(), 1);
        size.learn(0, 0, 0);
        assert_eq!(size.next(), 1);
    }
}
