//! The structured envelope as JSON, made when it is asked for: as a tree a large body takes up to thirty times its size.
//!
//! Few routes and templates ask, and a tree of many small strings that is made in one thread and freed in another costs more than
//! reading the bytes again.

use std::sync::OnceLock;

use serde_json::Value;

use super::{Event, parse};

/// The envelope, once made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raw(OnceLock<Value>);

impl Event {
    /// The structured envelope as JSON, whatever form it came in. It stays with the event: for who asks many times while it is decided.
    #[must_use]
    pub fn raw(&self) -> &Value {
        self.raw.0.get_or_init(|| parse::envelope_of(self))
    }

    /// The same, made anew, for all who ask once: what lanes hold must not grow by what one of them asks.
    pub(crate) fn envelope(&self) -> Value {
        parse::envelope_of(self)
    }

    /// Drops what [`Event::raw`] made. It is made again when asked for.
    pub(crate) fn forget_raw(&mut self) {
        self.raw = Raw::default();
    }

    /// For tests: as if this had come.
    #[cfg(test)]
    pub(crate) fn set_raw(&mut self, raw: &Value) {
        self.received.body = raw.to_string().into();
        self.forget_raw();
    }
}
