//! Numbers from numbers.

/// As a float.
#[allow(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]
pub fn float(count: usize) -> f64 {
    count as f64
}

/// The middle one, and the lowest and highest.
#[derive(Clone, Copy)]
pub struct Summary {
    /// Half of the values are not above it.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Summary {
    /// Of values in any order; `None` of none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Summary { median: f64::midpoint(below, above), min, max })
    }
}

/// The median of the quotients of values measured side by side: what slows both down does not count.
pub fn ratio(values: &[f64], to: &[f64]) -> Option<f64> {
    let quotients: Vec<f64> = values.iter().zip(to).map(|(value, to)| value / to).collect();
    Summary::of(&quotients).map(|summary| summary.median)
}

/// The value that so many of a thousand are not above (nearest rank), of sorted values.
pub fn of_thousand(sorted: &[f64], rank: usize) -> f64 {
    let place = (sorted.len() * rank).div_ceil(1_000).max(1) - 1;
    sorted[place]
}
