//! When to try again: a pure function of attempt, settings and chance.

use std::time::Duration;

use crate::receiver::Retry;

/// The delay before the next attempt after `attempts` failed ones (from 1): full jitter, uniform between 0 and
/// `first` × 2^(attempts − 1), bounded by `max`. `chance` is uniform in 0..1.
///
/// Full jitter spreads many keys that failed together over the whole interval, so that a service that returns is not hit by all
/// of them at once.
#[must_use]
pub fn backoff(attempts: u32, retry: &Retry, chance: f64) -> Duration {
    let exponent = i32::try_from(attempts.saturating_sub(1).min(40)).unwrap_or(40);
    let ceiling = (retry.first.as_secs_f64() * 2f64.powi(exponent)).min(retry.max.as_secs_f64());
    Duration::from_secs_f64(ceiling * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETRY: Retry =
        Retry { give_up: Duration::from_secs(72 * 3600), first: Duration::from_secs(1), max: Duration::from_secs(900) };

    #[test]
    fn the_ceiling_doubles_up_to_the_maximum() {
        let ceilings: Vec<u64> = (1..=12).map(|n| backoff(n, &RETRY, 1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn half_the_chance_is_half_the_delay() {
        assert_eq!(backoff(3, &RETRY, 0.5), Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn never_above_the_maximum(attempts in any::<u32>(), chance in any::<f64>()) {
            prop_assert!(backoff(attempts, &RETRY, chance) <= RETRY.max);
        }
    }
}
