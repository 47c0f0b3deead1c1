//! The kinds there are.

use super::kind::Entry;
use super::{console, inbox, slack, webhook};

/// The kinds. Adding a service is one line here and one file.
pub(super) static KINDS: [Entry; 4] = [slack::ENTRY, webhook::ENTRY, console::ENTRY, inbox::ENTRY];

/// The names of the kinds, as written in `kind`.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|entry| entry.name)
}
