//! What is measured, each with its unit.

/// One measured quantity.
#[derive(PartialEq, Eq)]
pub struct Figure {
    /// What the table calls it.
    pub name: &'static str,
    /// Of its values.
    pub unit: &'static str,
    /// Digits worth showing after the point.
    pub decimals: usize,
    /// Which way is good.
    pub better: Better,
}

/// Which way is good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better: time, memory.
    Less,
    /// More is better: rates.
    More,
    /// Neither: it describes the measurement.
    Neither,
}

const fn figure(name: &'static str, unit: &'static str, decimals: usize, better: Better) -> Figure {
    Figure { name, unit, decimals, better }
}

pub const RATE: Figure = figure("delivered", "events/s", 0, Better::More);
pub const CPU_PER_EVENT: Figure = figure("CPU per event", "µs", 1, Better::Less);
pub const CPU_PER_MESSAGE: Figure = figure("CPU per message", "µs", 1, Better::Less);
pub const HARNESS: Figure = figure("generator and sink", "µs per event", 1, Better::Neither);
