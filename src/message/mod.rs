//! What is said: neutral messages, their templates, and the built-in one. Pure; knows no service.

mod body;
mod builtin;
#[cfg(test)]
mod builtin_tests;
mod check;
mod compose;
mod cut;
mod definition;
mod engine;
mod filters;
mod level;
mod link;
mod markdown;
mod scan;
mod schema;
mod scope;
mod seconds;
mod shield;
#[cfg(test)]
pub(crate) mod testing;
mod values;

pub use body::{Body, RenderedBody, read_body};
pub use builtin::{builtin, headline};
pub use compose::{Circumstances, Composed, Late, Piece, Since, compose, pieces};
pub use cut::{cut, is_unwanted, one_line};
pub use definition::{Definition, read_definition};
pub use engine::{Compiled, Engine, RenderError, Template};
pub use level::Level;
pub use markdown::{Block, Inline, Markdown, item_mark};
pub use schema::{definition_schema, reference_schema};
pub use scope::Scope;

/// A neutral message, rendered: every string is literal text for a kind to escape; only `text` has structure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// Plain, one line.
    pub title: String,
    /// What there is to say.
    pub text: Markdown,
    /// How serious it is.
    pub level: Level,
    /// An absolute http(s) URL.
    pub link: Option<String>,
    /// Name and value, none of them empty.
    pub fields: Vec<(String, String)>,
    /// As written in routes.yaml, for kinds that have mentions.
    pub mention: Vec<String>,
    /// Plain lines shown before the text: a test mark, lateness, a template that failed.
    pub notices: Vec<String>,
    /// The quiet last line: why it came. `None` where `footer: false`.
    pub footer: Option<Footer>,
}

/// Why a message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// `route "failed jobs"` or, for a recovery, what it closes.
    pub text: String,
    /// The relay's own address, with the delivery's ID behind it, where `--public-url` is set.
    pub link: Option<String>,
}
