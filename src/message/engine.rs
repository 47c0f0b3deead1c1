//! Templates: minijinja with the words of an event and filters of our own, bounded in work and output.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io;

use jiff::tz::TimeZone;
use minijinja::value::StringInput;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};

use super::scope::{ROOT, Root};
use super::shield::shield;
use super::{filters, scan, values};
use crate::yaml::Span;

/// More words and signs inside its tags than a template needs. Compiling recurses into chains such as `a + b + …`, and must not run out
/// of stack.
const MOST_TOKENS: usize = 2_000;
/// What one rendering may do: about one unit for an instruction and for each 64 bytes handled.
const FUEL: u64 = 1_000_000;
/// What a part of a message may come to, in bytes.
const MESSAGE_BYTES: usize = 256 * 1024;
/// What a string of a `body` may come to, in bytes: a whole event, escaped, fits.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// All compiled templates of one routes.yaml.
pub struct Engine {
    environment: Environment<'static>,
    count: usize,
    /// Where each template stands in the file, by its number.
    places: HashMap<usize, Span>,
}

/// A template of an [`Engine`]; a text without any template syntax stays a plain string and costs nothing to render.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// As written.
    Literal(String),
    /// To be rendered by its engine.
    Compiled(Compiled),
}

/// Where an [`Engine`] keeps a template. Two are equal if they are written alike, in whichever files.
#[derive(Debug, Clone)]
pub struct Compiled {
    number: usize,
    written: Box<str>,
}

impl Compiled {
    /// Tells it from every other template of its engine, whatever is written there.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Compiled) -> bool {
        self.written == other.written
    }
}

/// Why a template could not be rendered, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

/// What becomes of inserted values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The result is literal text, escaped later as a whole.
    Plain,
    /// Shielded from Markdown.
    Markdown,
    /// Escaped by the kind's own function.
    Body,
    /// One expression, kept as a value.
    Leaf,
}

impl Mode {
    fn initial(self) -> char {
        match self {
            Mode::Plain => 'p',
            Mode::Markdown => 'm',
            Mode::Body => 'b',
            Mode::Leaf => 'l',
        }
    }
}

const MARKDOWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("markdown"));
const BODY: AutoEscape = AutoEscape::Custom(Cow::Borrowed("body"));
/// The variable a [`Mode::Leaf`] template leaves its value in.
const LEAF: &str = "leaf";

impl Default for Engine {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_debug(false);
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|name| match name.chars().next() {
            Some('m') => MARKDOWN,
            Some('b' | 'l') => BODY,
            _ => AutoEscape::None,
        });
        environment.set_formatter(insert);
        environment.remove_global("debug");
        environment.add_filter("duration", filters::duration);
        environment
            .add_filter("truncate", |value: StringInput<'_>, length: Option<usize>| filters::truncate(&value, length));
        environment.add_filter("json", filters::json);
        let mut engine = Engine { environment, count: 0, places: HashMap::new() };
        engine.set_timezone(TimeZone::UTC);
        engine
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({} templates)", self.count)
    }
}

impl Engine {
    /// The zone `datetime` uses where a template names none. UTC until set.
    pub fn set_timezone(&mut self, zone: TimeZone) {
        self.environment.add_filter("datetime", move |value: &Value, format: Option<&str>, name: Option<&str>| {
            filters::datetime(value, format, name, &zone)
        });
    }

    /// Compiles a text; one without template syntax stays as it is.
    pub(super) fn compile(&mut self, text: &str, mode: Mode) -> Result<Template, minijinja::Error> {
        if !scan::is_template(text) {
            return Ok(Template::Literal(text.to_owned()));
        }
        if scan::tokens(text).len() > MOST_TOKENS {
            let why = format!("it has more than {MOST_TOKENS} words and signs between its braces: split it");
            return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why));
        }
        let name = template_name(mode, self.count);
        self.environment.add_template_owned(name.clone(), text.to_owned())?;
        if mode == Mode::Leaf {
            let expression = scan::sole_expression(text).unwrap_or(text);
            self.environment.add_template_owned(name, format!("{{% set {LEAF} = ({expression}) %}}"))?;
        }
        self.count += 1;
        Ok(Template::Compiled(Compiled { number: self.count - 1, written: text.into() }))
    }

    /// Remembers where a template stands, for problems found later.
    pub(super) fn set_place(&mut self, template: &Template, place: Span) {
        if let Template::Compiled(compiled) = template {
            self.places.insert(compiled.number, place);
        }
    }

    /// Where a template stands; a literal stands nowhere.
    pub(super) fn place(&self, template: &Template) -> Span {
        match template {
            Template::Compiled(compiled) => self.places.get(&compiled.number).copied().unwrap_or_default(),
            Template::Literal(_) => Span::default(),
        }
    }

    /// Names the template looks up without setting them, attributes as `a.b`.
    pub(super) fn lookups(&self, text: &str) -> Vec<String> {
        let found = self.environment.template_from_named_str("p", text).map(|t| t.undeclared_variables(true));
        let mut names: Vec<String> = found.unwrap_or_default().into_iter().collect();
        names.sort_unstable();
        names
    }

    /// Renders; a literal is only borrowed.
    pub(super) fn render<'a>(
        &self,
        template: &'a Template,
        mode: Mode,
        root: &Value,
    ) -> Result<Cow<'a, str>, RenderError> {
        let number = match template {
            Template::Literal(text) => return Ok(Cow::Borrowed(text)),
            Template::Compiled(compiled) => compiled.number,
        };
        let template = self.environment.get_template(&template_name(mode, number)).map_err(|e| failed(&e))?;
        let limit = if mode == Mode::Body { BODY_BYTES } else { MESSAGE_BYTES };
        let mut out = Bounded { bytes: Vec::new(), limit };
        if let Err(error) = template.render_captured_to(root.clone(), &mut out) {
            let too_long = error.kind() == minijinja::ErrorKind::WriteFailure;
            return Err(if too_long {
                RenderError(format!("it comes to more than {} KiB", limit / 1024))
            } else {
                failed(&error)
            });
        }
        Ok(Cow::Owned(String::from_utf8(out.bytes).expect("minijinja writes whole strings")))
    }

    /// Evaluates a [`Mode::Leaf`] template to its JSON, strings in it escaped.
    pub(super) fn evaluate(&self, template: &Template, root: &Value) -> Result<serde_json::Value, RenderError> {
        let number = match template {
            Template::Literal(text) => return Ok(serde_json::Value::String(text.clone())),
            Template::Compiled(compiled) => compiled.number,
        };
        let template = self.environment.get_template(&template_name(Mode::Leaf, number)).map_err(|e| failed(&e))?;
        let captured = template.render_captured(root.clone()).map_err(|e| failed(&e))?;
        let value = captured.state().lookup(LEAF).unwrap_or_default();
        let mut json = values::to_json(&value);
        if !value.is_safe() {
            let escape = root.downcast_object_ref::<Root>().map(|root| root.escape);
            escape_strings(&mut json, escape.unwrap_or(str::to_owned));
        }
        Ok(json)
    }
}

/// Its first letter tells how values are escaped.
fn template_name(mode: Mode, number: usize) -> String {
    format!("{}{number}", mode.initial())
}

/// Writes what `{{ }}` inserts.
fn insert(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_safe() {
        return Ok(out.write_str(value.as_str().unwrap_or_default())?);
    }
    let printed = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(values::print(value)),
    };
    match state.auto_escape() {
        AutoEscape::None => Ok(out.write_str(&printed)?),
        mode if *mode == MARKDOWN => Ok(out.write_str(&shield(&printed))?),
        mode if *mode == BODY => {
            let root = state.lookup(ROOT).unwrap_or_default();
            let escape =
                root.downcast_object_ref::<Root>().map_or(str::to_owned as fn(&str) -> String, |root| root.escape);
            Ok(out.write_str(&escape(&printed))?)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn escape_strings(json: &mut serde_json::Value, escape: fn(&str) -> String) {
    match json {
        serde_json::Value::String(text) => *text = escape(text),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|item| escape_strings(item, escape)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|item| escape_strings(item, escape)),
        _ => {}
    }
}

fn failed(error: &minijinja::Error) -> RenderError {
    RenderError(words(error))
}

/// An error of minijinja in a few words.
pub(super) fn words(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "it takes too much work to render".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

/// Refuses to grow beyond a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
