//! What happened at the door since the start, in plain numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::types::Stats;
use crate::store::Totals;

/// Why a request was turned away at the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No credentials, or others than expected.
    Unauthorized,
    /// No credentials are set, and the request did not come from this machine.
    Forbidden,
    /// A body above the limit.
    TooLarge,
    /// A compressed body.
    Encoding,
    /// Another method than POST.
    Method,
    /// A POST to an address where nothing listens.
    Address,
    /// A body that did not arrive whole in time.
    Incomplete,
    /// There was no room for the body beside those of other requests.
    Busy,
}

const CAUSES: [(Cause, &str); 8] = [
    (Cause::Unauthorized, "unauthorized"),
    (Cause::Forbidden, "forbidden"),
    (Cause::TooLarge, "too_large"),
    (Cause::Encoding, "encoding"),
    (Cause::Method, "method"),
    (Cause::Address, "address"),
    (Cause::Incomplete, "incomplete"),
    (Cause::Busy, "busy"),
];

/// Counters of the door. They only grow, and start at 0 with the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events made durable.
    pub accepted: AtomicU64,
    /// Events that were known already.
    pub duplicates: AtomicU64,
    /// Items that could not be read.
    pub quarantined: AtomicU64,
    /// Requests answered 503 because the store could not take them.
    pub unwritable: AtomicU64,
    refused: [AtomicU64; CAUSES.len()],
}

impl Counters {
    /// Counts one refusal.
    pub fn refuse(&self, cause: Cause) {
        self.refused[cause as usize].fetch_add(1, Relaxed);
    }

    /// The numbers now, as `/api/v1/stats` shows them; what the store counts is left at 0.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        Stats {
            accepted: self.accepted.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
            unwritable: self.unwritable.load(Relaxed),
            refused: CAUSES
                .iter()
                .map(|&(cause, name)| (name.to_owned(), self.refused[cause as usize].load(Relaxed)))
                .collect(),
            totals: Totals::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_counts_under_its_own_name() {
        for (index, (cause, name)) in CAUSES.into_iter().enumerate() {
            assert_eq!(cause as usize, index, "{name} stands at its own place");
            let counters = Counters::default();
            counters.refuse(cause);
            counters.refuse(cause);
            let refused = counters.snapshot().refused;
            assert_eq!(refused.get(name), Some(&2));
            assert_eq!(refused.values().sum::<u64>(), 2);
        }
    }
}
