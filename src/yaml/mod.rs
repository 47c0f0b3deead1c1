//! YAML as a located tree: every key and value knows where it stands, every problem names its place and cure.

mod code;
mod decode;
mod fault;
mod fingerprint;
pub mod form;
mod lines;
mod parse;
mod places;
mod problem;
mod quotes;
mod read;
mod report;
mod schema;
mod slip;
mod syntax;
mod tree;
mod walk;

pub use code::Code;
pub use decode::decode;
pub use fingerprint::fingerprint;
pub use lines::{Lines, Place};
pub use parse::{MAX_BYTES, parse};
pub use places::Places;
pub use problem::{Problem, Problems, Severity, nearest};
pub use read::read;
pub use report::{report, report_without_source};
pub use tree::{Key, Map, Node, Scalar, Span, Style, Value};
