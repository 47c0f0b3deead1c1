//! The `tests` section: events in words of the vocabulary, and what must come of them. They run whenever the file is loaded, so that no
//! change that breaks one is ever used.

mod expect;
mod read;
mod received;
mod run;
mod settings;

use std::sync::Arc;

pub(super) use read::read_tests;
pub(super) use run::run_tests;

use crate::event::Event;

/// One test, ready to run.
#[derive(Debug)]
pub(super) struct Test {
    name: String,
    event: Arc<Event>,
    expected: expect::Expected,
}
