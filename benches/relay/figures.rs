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
pub const P50: Figure = figure("latency, p50", "ms", 2, Better::Less);
pub const P99: Figure = figure("latency, p99", "ms", 2, Better::Less);
pub const P999: Figure = figure("latency, p99.9", "ms", 2, Better::Less);
pub const LATE: Figure = figure("sent late, p99", "ms", 2, Better::Neither);
pub const MEMORY: Figure = figure("memory", "MiB", 1, Better::Less);
pub const PEAK: Figure = figure("memory, peak", "MiB", 1, Better::Less);
pub const READY: Figure = figure("spawn to ready", "ms", 1, Better::Less);
pub const WRITTEN: Figure = figure("written per event", "bytes", 0, Better::Less);
pub const QUERY: Figure = figure("query", "ms", 2, Better::Less);
pub const RELATIVE_RATE: Figure = figure("rate to that of the first", "×", 2, Better::More);
pub const RELATIVE_CPU: Figure = figure("CPU to that of the first", "×", 2, Better::Less);
pub const RELATIVE_P99: Figure = figure("p99 to that of the first", "×", 2, Better::Less);
pub const PROGRAM: Figure = figure("program", "MiB", 1, Better::Less);
pub const BUILD: Figure = figure("clean build", "s", 0, Better::Less);
pub const CRATES: Figure = figure("crates it is built of", "crates", 0, Better::Neither);
