//! routes.yaml → what the relay runs on. All problems of a file at once; the whole file or nothing.

pub mod compare;
mod diff;
mod file;
mod lint;
mod load;
mod mask;
mod names;
mod receivers;
mod redactor;
mod routes;
mod schema;
mod secrets;
mod sections;
mod substitute;
mod tests;
mod trials;
mod wary;

pub use diff::{Change, Changes, How, Part};
pub use file::read_file;
pub use load::{Config, load, load_unjudged, load_without_secrets, recorded_routes};
pub use mask::holds_masked;
pub use names::Name;
pub use redactor::Redactor;
pub use schema::schema;
pub use secrets::Secrets;
pub use wary::discreet;

/// The commented sample: what `init` writes and `demo` runs. It needs no account anywhere.
pub const SAMPLE: &str = include_str!("../../routes.yaml");
