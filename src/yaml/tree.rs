//! The located tree.

use std::ops::Range;

use super::Places;

/// Byte offsets into the file's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Of the first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where to point when this value is at fault: at a scalar or a `{…}` or `[…]` itself; at the key (else the first entry) of a list
    /// or map in block style, and of a value that is not there. What comes through an alias or `<<` stands where it was written.
    pub span: Span,
    /// What it holds.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing at all.
    Null,
    /// Text, a number, a boolean: that is for the reader to say.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A mapping in the order of the file. Keys are unique.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(pub Vec<(Key, Node)>);

/// A mapping's key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// As written, like a scalar's.
    pub text: String,
    /// The key alone, without the colon.
    pub span: Span,
}

/// A scalar's text as written (`0123`, `no` and `1.10` stay what they are), with escapes and folding of its style resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// Where its letters stand; not known of a text that was changed.
    pub places: Places,
}

/// How a scalar was written. Only a plain one may be read as a number, boolean or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// `|` or `>`.
    Block,
}

impl Span {
    /// Cut at the end of `text`, and widened to whole characters.
    pub(super) fn within(self, text: &str) -> Span {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }
}

impl Scalar {
    /// A text that stands in no file.
    #[must_use]
    pub fn new(text: impl Into<String>, style: Style) -> Scalar {
        Scalar { text: text.into(), style, places: Places::default() }
    }
}

impl Node {
    /// Where a part of a scalar's text stands; if that is not known, the whole of it.
    #[must_use]
    pub fn place(&self, part: Range<usize>) -> Span {
        match &self.value {
            Value::Scalar(scalar) => scalar.places.span(&part).unwrap_or(self.span),
            Value::Null | Value::List(_) | Value::Map(_) => self.span,
        }
    }
}

impl Map {
    /// The entry with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(&Key, &Node)> {
        self.0.iter().find(|(k, _)| k.text == key).map(|(k, n)| (k, n))
    }
}
