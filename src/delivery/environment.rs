//! What the lanes have of the world around them: the wall clock, the network, and how much memory they may take.
//!
//! The relay runs in the real one; the simulation in one where time, faults and bounds are its own.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::lane::UNRECORDED;

/// Tells the time of day.
pub type WallClock = fn() -> Timestamp;

/// The surroundings of all lanes.
#[derive(Debug, Clone)]
pub struct Environment {
    /// For records and for what a service says in dates; steps are timed by the runtime's monotonic clock.
    pub now: WallClock,
    /// What messages go through.
    pub network: Network,
    /// How much is held in memory.
    pub limits: Limits,
}

impl Environment {
    /// The real one.
    #[must_use]
    pub fn real() -> Environment {
        Environment { now: Timestamp::now, network: Network::Real, limits: Limits::default() }
    }
}

/// What messages go through.
#[derive(Debug, Clone)]
pub enum Network {
    /// Sockets.
    Real,
    /// Function calls; the lanes then run on the runtime that started them.
    #[cfg(test)]
    Simulated(std::sync::Arc<dyn super::simulated::Simulated>),
}

/// How much is held in memory, in deliveries.
#[derive(Debug, Clone)]
pub struct Limits {
    /// By all lanes together, with their events: a few KiB each.
    pub held_by_all: usize,
    /// By one lane, at least and at most.
    pub held_by_one: RangeInclusive<usize>,
    /// By one lane's intake.
    pub intake: usize,
    /// A lane that could not record so many outcomes stops sending.
    pub unrecorded: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { held_by_all: 20_000, held_by_one: 40..=1_000, intake: 512, unrecorded: UNRECORDED }
    }
}
