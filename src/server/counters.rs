//! What was turned away at the door since the start. What came in is in the store's books.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Requests answered 503 because the store could not take them.
    pub unwritable: AtomicU64,
    refused: [AtomicU64; CAUSES.len()],
}

impl Counters {
    /// Counts one refusal.
    pub fn refuse(&self, cause: Cause) {
        self.refused[cause as usize].fetch_add(1, Relaxed);
    }

    /// Refusals until now, by cause.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, u64> {
        CAUSES.iter().map(|&(cause, name)| (name.to_owned(), self.refused[cause as usize].load(Relaxed))).collect()
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
            let refused = counters.refused();
            assert_eq!(refused.get(name), Some(&2));
            assert_eq!(refused.values().sum::<u64>(), 2);
        }
    }
}
