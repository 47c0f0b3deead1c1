//! A store in memory, for tests: as simple as the promises of [`Store`](super::Store) allow, and the same every time. It has no threads,
//! no clock and no chance of its own, and decides nothing by the order of a hash map; each call does all it does at once, under one lock.
//!
//! Its durable part outlives the handles: opening it again after a kill is a restart. Several relays may have it open at the same time,
//! and then lanes are claimed as in any store that relays share. Files: `handle` (the [`Store`](super::Store) itself) → `state` (what is
//! durable), by `accept`, `owe`, `find` and `keep`.

mod accept;
mod find;
mod handle;
mod keep;
mod letters;
mod owe;
mod state;

#[cfg(test)]
mod tests;

pub(crate) use handle::{Clock, Durable};
