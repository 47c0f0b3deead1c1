//! Incidents: which messages open one, which close it, and by what they find each other.

use sha2::{Digest as _, Sha256};

use super::Call;
use crate::event::Outcome;

/// What a message does to the incident of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Opens it, or adds to it.
    Trigger,
    /// Closes it.
    Resolve,
}

/// A success resolves, whatever sent it here; everything else triggers.
pub(super) fn action(call: &Call<'_>) -> Action {
    match call.event.job.as_ref().and_then(|job| job.outcome) {
        Some(Outcome::Succeeded) => Action::Resolve,
        _ => Action::Trigger,
    }
}

/// The event's key in at most `max` bytes (at least 40) of printable ASCII: as it is, or its beginning with a hash of the whole.
pub(super) fn dedup_key(call: &Call<'_>, max: usize) -> String {
    let key = &call.event.key;
    let kept = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    if key.len() <= max && key.chars().all(|c| c.is_ascii_graphic()) {
        return key.clone();
    }
    let hash: String = Sha256::digest(key.as_bytes())[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let beginning: String = key.chars().map(kept).take(max.saturating_sub(hash.len() + 1)).collect();
    format!("{beginning}-{hash}")
}
