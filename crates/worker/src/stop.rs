//! How a worker is told to end.

use tokio_util::sync::CancellationToken;

/// Two requests to end, the second stronger than the first.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Claim nothing more, finish what flies, give back the rest.
    pub drain: CancellationToken,
    /// End at once. What was in flight is delivered again by another worker after the lease time.
    pub now: CancellationToken,
}
