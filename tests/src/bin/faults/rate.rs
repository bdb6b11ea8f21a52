//! Rates of arrival.

use crate::stage::Stage;

/// When the accepted requests of a webhook came for the first time, in microseconds since 1970, of those after `since_us`.
pub(crate) fn accepted_since(stage: &Stage, hook: u16, since_us: u64) -> Vec<u64> {
    let arrivals = stage.receiver.shared.log.arrivals();
    let of_hook = arrivals
        .iter()
        .filter(|arrival| arrival.hook == hook && arrival.accepted && arrival.at_us >= since_us);
    of_hook.map(|arrival| arrival.at_us).collect()
}

/// Arrivals a second, from the first of these moments to the last.
pub(crate) fn per_second(moments_us: &[u64]) -> f64 {
    let (Some(first), Some(last)) = (moments_us.first(), moments_us.last()) else {
        return 0.0;
    };
    (moments_us.len() - 1) as f64 / ((last - first).max(1) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::per_second;

    #[test]
    fn the_rate_counts_the_gaps() {
        assert_eq!(per_second(&[1_000_000, 1_500_000, 2_000_000]), 2.0);
        assert_eq!(per_second(&[]), 0.0);
    }
}
