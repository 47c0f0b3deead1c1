//! What can go wrong when a value is read into a type: serde's errors, with their place, in words for people.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::{Code, Node, Span, nearest};

/// Why a value cannot be read. Its place is filled in on the way up: the innermost node knows it.
#[derive(Debug)]
pub(super) struct Fault {
    pub what: Box<What>,
    /// The token to point at.
    pub span: Option<Span>,
    /// The keys that lead there, outermost first.
    pub path: Vec<String>,
    /// The innermost node that failed, by its address: what to leave out to find the next fault.
    pub node: Option<usize>,
    /// Of an unknown key: the map it stands in.
    pub map: Option<Span>,
    /// Whether it may only follow from what was left out, so that nothing is to be said about it.
    pub follows: bool,
}

/// The sort of fault.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    UnknownValue {
        value: String,
        known: &'static [&'static str],
    },
    MissingKey(&'static str),
    WrongType {
        expected: String,
        found: String,
        help: Option<String>,
    },
    /// In the words of the type's own `Deserialize`.
    BadValue(String),
}

/// The identity of a node within one tree that is not changed meanwhile.
pub(super) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Fault {
    pub fn new(what: What) -> Fault {
        Fault { what: Box::new(what), span: None, path: Vec::new(), node: None, map: None, follows: false }
    }

    /// Names the key the fault lies under.
    pub fn under(mut self, key: &str) -> Fault {
        self.path.insert(0, key.to_owned());
        self
    }

    pub fn code(&self) -> Code {
        match *self.what {
            What::UnknownKey { .. } => Code::UnknownKey,
            What::UnknownValue { .. } => Code::UnknownValue,
            What::MissingKey(_) => Code::MissingKey,
            What::WrongType { .. } => Code::WrongType,
            What::BadValue(_) => Code::BadValue,
        }
    }

    /// What is wrong, opening with the setting's name.
    pub fn message(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path.join(".")) };
        match self.what.as_ref() {
            What::UnknownKey { key, .. } => format!("unknown key {}", quoted(key)),
            What::UnknownValue { value, .. } => format!("{path}unknown value {}", quoted(value)),
            What::MissingKey(key) => missing(key),
            What::WrongType { expected, found, .. } => format!("{path}expected {expected}, found {found}"),
            What::BadValue(message) => format!("{path}{message}"),
        }
    }

    /// Of an unknown key that is near a known one: the map, and what would be said if the known one were missing.
    pub fn misspelt(&self) -> Option<(Span, String)> {
        let What::UnknownKey { key, known } = self.what.as_ref() else { return None };
        Some((self.map?, missing(nearest(key, known.iter().copied())?)))
    }

    /// The cure where nothing else is known about the setting.
    pub fn last_help(&self) -> String {
        match self.what.as_ref() {
            What::MissingKey(key) => format!("add `{key}: …`"),
            What::WrongType { expected, .. } if expected == "a map of settings" => {
                "write its settings below it, each as `key: value`, without a `-`".to_owned()
            }
            What::WrongType { expected, .. } => format!("write {expected} here"),
            _ => "change the value".to_owned(),
        }
    }

    /// The cure, where the fault itself knows one.
    pub fn help(&self) -> Option<String> {
        match self.what.as_ref() {
            What::UnknownKey { key, known } => Some(suggest(key, known, "the keys here are")),
            What::UnknownValue { value, known } => Some(suggest(value, known, "it can be")),
            What::WrongType { help, .. } => help.clone(),
            What::MissingKey(_) | What::BadValue(_) => None,
        }
    }
}

/// What is said of a key that must be there.
pub(super) fn missing(key: &str) -> String {
    format!("`{key}` is missing")
}

fn suggest(wrong: &str, known: &[&str], all: &str) -> String {
    // Aliases in another case say nothing more.
    let mut known = known.to_vec();
    let mut seen = std::collections::HashSet::new();
    known.retain(|name| seen.insert(name.to_lowercase()));
    let list = if known.is_empty() { "there are none".to_owned() } else { format!("{all} {}", known.join(", ")) };
    match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? ({list})"),
        None => list,
    }
}

/// A text in quotes, cut where it gets long.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// serde's words for what a type wants, as people say it.
fn expectation(words: &str) -> String {
    let plain = match words {
        "bool" | "a boolean" => "`true` or `false`",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "str" | "string" => "text",
        "a character" => "one character",
        "a sequence" => "a list",
        "a map" => "a map",
        "unit" | "option" => "nothing",
        _ if words.starts_with("a nonzero") => "a whole number, 1 or more",
        _ if words.starts_with("struct ") => "a map of settings",
        _ if words.starts_with("enum ") || words.ends_with("variant identifier") => "one of its names",
        _ if words.starts_with("a tuple ") || words.starts_with("tuple ") || words.starts_with("an array ") => "a list",
        _ => words,
    };
    plain.to_owned()
}

fn finding(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("{value}"),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Char(letter) => quoted(&letter.to_string()),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        Unexpected::UnitVariant => "its name alone".to_owned(),
        Unexpected::NewtypeVariant | Unexpected::TupleVariant | Unexpected::StructVariant => "a value".to_owned(),
        other => other.to_string(),
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Fault {
        Fault::new(What::BadValue(message.to_string()))
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        let expected = expectation(&expected.to_string());
        Fault::new(What::WrongType { expected, found: finding(&found), help: None })
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::invalid_type(found, expected)
    }
    fn invalid_length(len: usize, expected: &dyn Expected) -> Fault {
        let expected = expected.to_string();
        Fault::new(What::WrongType { expected, found: format!("{len} entries"), help: None })
    }
    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Fault {
        Fault::new(What::UnknownValue { value: value.to_owned(), known })
    }
    fn unknown_field(key: &str, known: &'static [&'static str]) -> Fault {
        Fault::new(What::UnknownKey { key: key.to_owned(), known })
    }
    fn missing_field(key: &'static str) -> Fault {
        Fault::new(What::MissingKey(key))
    }
}
