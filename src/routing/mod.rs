//! Who should know: patterns, the `when` language, and the decision. Pure.

mod candidates;
mod context;
mod decide;
mod explain;
mod hours;
mod implies;
mod lasts;
mod path;
mod pattern;
mod possible;
mod read;
mod schema;
mod unneeded;
mod values;
mod when;

pub use decide::{Decision, Route, Routes, Target, decide};
pub use explain::{Condition, Explanation, Reading, RouteReading, explain, readings_for};
pub use hours::moment_of_week;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use implies::implies;
pub use path::Path;
pub use pattern::Pattern;
pub use read::{is_condition, read_when};
pub use schema::{known_values, schema};
pub use unneeded::{Unneeded, unneeded};
pub use when::When;

#[cfg(test)]
mod testing;
