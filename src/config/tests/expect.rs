//! What a test expects: who gets the event, and what they read.

use crate::config::routes::Names;
use crate::message::Message;
use crate::routing::Pattern;
use crate::yaml::{Code, Map, Node, Problems, Scalar, Span, Value};

/// What must come of an event.
#[derive(Debug)]
pub(super) struct Expected {
    pub to: Option<To>,
    pub messages: Vec<Reads>,
}

/// Exactly who gets it.
#[derive(Debug)]
pub(super) struct To {
    pub span: Span,
    pub receivers: Vec<(String, Span)>,
}

/// What one receiver reads.
#[derive(Debug)]
pub(super) struct Reads {
    pub receiver: String,
    /// Of its name.
    pub span: Span,
    pub parts: Vec<Wanted>,
}

/// What one part of a message must be.
#[derive(Debug)]
pub(super) struct Wanted {
    part: Part,
    pub span: Span,
    /// Any of them; none: there is nothing.
    patterns: Vec<Wish>,
}

/// A pattern; an empty one wants nothing to be there.
#[derive(Debug)]
struct Wish {
    written: String,
    pattern: Pattern,
}

#[derive(Debug)]
enum Part {
    Title,
    Text,
    Level,
    Link,
    Mention,
    Field(String),
}

impl Wanted {
    /// What is wrong with what `receiver` reads, in words; `None` if it is as wanted.
    pub fn missed(&self, message: &Message, receiver: &str) -> Option<String> {
        let found = self.part.of(message);
        let is_wanted = |wish: &Wish| match found.as_slice() {
            [] => wish.written.is_empty(),
            values => values.iter().any(|value| wish.pattern.matches(value)),
        };
        let right = if self.patterns.is_empty() { found.is_empty() } else { self.patterns.iter().any(is_wanted) };
        (!right).then(|| {
            let wanted = self.patterns.iter().map(|wish| shown(&wish.written)).collect::<Vec<_>>();
            let wanted = if wanted.is_empty() { shown("") } else { wanted.join(" or ") };
            let found = if found.is_empty() {
                shown("")
            } else {
                found.iter().map(|value| shown(value)).collect::<Vec<_>>().join(", ")
            };
            format!("the {} for {receiver}: expected {wanted}, got {found}", self.part.name())
        })
    }
}

/// In quotes, as it could be written in YAML.
fn shown(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        _ if text.is_empty() => "nothing".to_owned(),
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

impl Part {
    fn named(name: &str) -> Option<Part> {
        Some(match name {
            "title" => Part::Title,
            "text" => Part::Text,
            "level" => Part::Level,
            "link" => Part::Link,
            "mention" => Part::Mention,
            _ => return None,
        })
    }

    fn name(&self) -> String {
        match self {
            Part::Title => "title".to_owned(),
            Part::Text => "text".to_owned(),
            Part::Level => "level".to_owned(),
            Part::Link => "link".to_owned(),
            Part::Mention => "mention".to_owned(),
            Part::Field(name) => format!("field {name:?}"),
        }
    }

    /// What there is of it; nothing, if it says nothing.
    fn of(&self, message: &Message) -> Vec<String> {
        let found = match self {
            Part::Title => vec![message.title.clone()],
            Part::Text => vec![message.text.plain().trim().to_owned()],
            Part::Level => vec![message.level.name().to_owned()],
            Part::Link => message.link.iter().cloned().collect(),
            Part::Mention => message.mention.clone(),
            Part::Field(name) => {
                message.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
            }
        };
        found.into_iter().filter(|text| !text.is_empty()).collect()
    }
}

/// Reads what the settings' types only declare. `None` if nothing can be made of it.
pub(super) fn read_expected(node: &Node, names: &Names<'_>, problems: &mut Problems) -> Option<Expected> {
    let Value::Map(map) = &node.value else { return None };
    let to = map.get("to").map(|(_, to)| read_to(to, names, problems));
    let messages = match map.get("message") {
        Some((_, Node { value: Value::Map(receivers), .. })) => read_messages(receivers, names, problems),
        _ => Vec::new(),
    };
    if map.get("to").is_none() && map.get("message").is_none() {
        let help = "add `to`: who must get it; `message`: what they must read; or both".to_owned();
        problems.error(Code::MissingKey, node.span, "this test expects nothing", help);
    }
    Some(Expected { to, messages })
}

fn read_to(node: &Node, names: &Names<'_>, problems: &mut Problems) -> To {
    let receivers = names.receivers(node, problems);
    To { span: node.span, receivers: receivers.into_iter().map(|(name, span)| (name.to_owned(), span)).collect() }
}

fn read_messages(receivers: &Map, names: &Names<'_>, problems: &mut Problems) -> Vec<Reads> {
    let mut messages = Vec::new();
    for (receiver, node) in &receivers.0 {
        names.receiver(&receiver.text, receiver.span, problems);
        let Value::Map(map) = &node.value else { continue };
        if map.0.is_empty() {
            let help = "name a part of the message: `title`, `text`, `level`, `link`, `fields` or `mention`".to_owned();
            problems.error(Code::MissingKey, node.span, "nothing is expected of this message", help);
        }
        let mut parts = Vec::new();
        for (key, node) in &map.0 {
            match (key.text.as_str(), &node.value) {
                ("fields", Value::Map(fields)) => parts.extend(
                    fields.0.iter().map(|(name, node)| read_wanted(Part::Field(name.text.clone()), node, problems)),
                ),
                (name, _) => parts.extend(Part::named(name).map(|part| read_wanted(part, node, problems))),
            }
        }
        messages.push(Reads { receiver: receiver.text.clone(), span: receiver.span, parts });
    }
    messages
}

fn read_wanted(part: Part, node: &Node, problems: &mut Problems) -> Wanted {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut patterns = Vec::new();
    for item in items {
        if let Value::Scalar(Scalar { text, .. }) = &item.value {
            patterns.push(Wish { written: text.clone(), pattern: Pattern::new(text) });
        } else {
            let message = format!("{}: expected a pattern or a list of patterns", part.name());
            let help =
                "write the whole value, with * for anything: `title: \"*Customers*\"`; \"\" for nothing".to_owned();
            problems.error(Code::WrongType, item.span, message, help);
        }
    }
    Wanted { part, span: node.span, patterns }
}
