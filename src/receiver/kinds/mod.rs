//! The kinds there are, a file each.

mod console;
mod inbox;
mod pagerduty;
mod slack;
mod slack_body;
mod slack_mrkdwn;
mod webhook;

#[cfg(test)]
mod tests;

use super::kind::Entry;

/// The kinds. Adding a service is its file, and a line here.
pub(super) static KINDS: [Entry; 5] = [slack::ENTRY, pagerduty::ENTRY, webhook::ENTRY, console::ENTRY, inbox::ENTRY];

/// The names of the kinds, as written in `kind`.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|entry| entry.name)
}
