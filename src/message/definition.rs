//! A message as written in routes.yaml: any part may be missing, the next layer fills it.

use super::engine::Mode;
use super::{Engine, Level, Template, check, link};
use crate::yaml::{Code, Map, Node, Problems, Scalar, Style, Value, nearest};

/// One layer of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    /// Plain, one line.
    pub title: Option<Template>,
    /// A Markdown subset.
    pub text: Option<Template>,
    /// Renders to the word of a level.
    pub level: Option<Template>,
    /// Renders to an http(s) address, or nothing.
    pub link: Option<Template>,
    /// In the order of the file; one that renders to nothing removes the field.
    pub fields: Vec<(String, Template)>,
    /// Whom to mention, in the words of the service.
    pub mention: Option<Vec<Template>>,
    /// `false` leaves away why the message came.
    pub footer: Option<bool>,
}

/// The parts of a message and what each is.
pub(super) const PARTS: [(&str, &str); 7] = [
    ("title", "What happened, on one plain line."),
    ("text", "What there is to say, in Markdown: bold, italic, code, links, lists."),
    ("level", "How serious it is; services show it as a colour or a priority."),
    ("link", "An http or https address to read more at."),
    ("fields", "Names and short texts, shown as a table; one that comes out empty is left away."),
    ("mention", "Whom to mention, in the words of the service; services without mentions skip it."),
    ("footer", "`false` leaves away the last line, which says why the message came."),
];

fn parts() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|(name, _)| *name)
}

/// Reads an inline message, compiling its templates into `engine` and recording every problem (syntax errors and unknown names at their place).
pub fn read_definition(node: &Node, engine: &mut Engine, problems: &mut Problems) -> Definition {
    let mut definition = Definition::default();
    let Value::Map(Map(entries)) = &node.value else {
        let help = "write its parts: `message: { title: …, text: … }`".to_owned();
        problems.error(Code::WrongType, node.span, "a message is a map", help);
        return definition;
    };
    let mut reader = Reader { engine, problems };
    for (key, value) in entries {
        match key.text.as_str() {
            "title" => definition.title = reader.template(value, Mode::Plain),
            "text" => definition.text = reader.template(value, Mode::Markdown),
            "level" => definition.level = reader.level(value),
            "link" => definition.link = reader.link(value),
            "fields" => definition.fields = reader.fields(value),
            "mention" => definition.mention = Some(reader.mention(value)),
            "footer" => definition.footer = reader.footer(value),
            unknown => {
                let near = nearest(unknown, parts()).map(|near| format!("did you mean `{near}`?"));
                let help = near.unwrap_or_else(|| format!("a message has {}", parts().collect::<Vec<_>>().join(", ")));
                reader.problems.error(Code::UnknownKey, key.span, format!("unknown key \"{unknown}\""), help);
            }
        }
    }
    definition
}

struct Reader<'a> {
    engine: &'a mut Engine,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn template(&mut self, node: &Node, mode: Mode) -> Option<Template> {
        match &node.value {
            Value::Scalar(scalar) => Some(check::compile(node, scalar, mode, self.engine, self.problems)),
            Value::Null => {
                self.problems.error(
                    Code::WrongType,
                    node.span,
                    "nothing is given here",
                    "write \"\" to say nothing".to_owned(),
                );
                None
            }
            // An unquoted `{{ x }}` is a YAML map of a map.
            Value::Map(_) => {
                let help = "write one text; one with `{{ … }}` in quotes: \"{{ … }}\"".to_owned();
                self.problems.error(Code::WrongType, node.span, "a text is expected here, not a map", help);
                None
            }
            Value::List(_) => {
                let help = "write one text; several lines go below a `|`".to_owned();
                self.problems.error(Code::WrongType, node.span, "a text is expected here, not a list", help);
                None
            }
        }
    }

    fn level(&mut self, node: &Node) -> Option<Template> {
        let template = self.template(node, Mode::Plain)?;
        if let Template::Literal(text) = &template
            && Level::from_name(text).is_none()
        {
            let short = Level::NAMES.into_iter().find(|name| text.len() > 2 && name.starts_with(&text.to_lowercase()));
            let near = short.or_else(|| nearest(text, Level::NAMES)).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("levels are {}", Level::NAMES.join(", ")));
            self.problems.error(Code::BadValue, node.span, format!("there is no level \"{text}\""), help);
            return None;
        }
        Some(template)
    }

    fn link(&mut self, node: &Node) -> Option<Template> {
        let template = self.template(node, Mode::Plain)?;
        if let Template::Literal(text) = &template
            && !text.is_empty()
            && link::web(text).is_none()
        {
            let help = "write it in full: https://…".to_owned();
            self.problems.error(Code::BadValue, node.span, "a link is an http or https address", help);
            return None;
        }
        Some(template)
    }

    fn fields(&mut self, node: &Node) -> Vec<(String, Template)> {
        let Value::Map(Map(entries)) = &node.value else {
            let help = "write `fields: { Owner: data-ops }`".to_owned();
            self.problems.error(Code::WrongType, node.span, "fields are a map from name to text", help);
            return Vec::new();
        };
        entries.iter().filter_map(|(key, value)| Some((key.text.clone(), self.template(value, Mode::Plain)?))).collect()
    }

    fn mention(&mut self, node: &Node) -> Vec<Template> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.template(item, Mode::Plain)).collect(),
            _ => self.template(node, Mode::Plain).into_iter().collect(),
        }
    }

    fn footer(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Plain, .. }) if text == "true" => Some(true),
            Value::Scalar(Scalar { text, style: Style::Plain, .. }) if text == "false" => Some(false),
            _ => {
                let help = "`footer: false` leaves the last line away".to_owned();
                self.problems.error(Code::WrongType, node.span, "footer is true or false", help);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::node;

    #[test]
    fn every_problem_of_a_message_is_found() {
        let text = "\
titel: x
level: fatal
link: example.org
fields: [a]
footer: maybe
title:
text: [x]
mention: [here, \"{{ hre }}\"]
";
        let mut problems = Problems::default();
        read_definition(&node(text), &mut Engine::default(), &mut problems);
        let found: Vec<_> = problems.iter().map(|p| (&text[p.span.start..p.span.end], p.code)).collect();
        assert_eq!(
            found,
            [
                ("titel", Code::UnknownKey),
                ("fatal", Code::BadValue),
                ("example.org", Code::BadValue),
                ("[a]", Code::WrongType),
                ("maybe", Code::WrongType),
                ("title", Code::WrongType),
                ("[x]", Code::WrongType),
                ("hre", Code::UnknownName),
            ]
        );
    }

    #[test]
    fn a_template_is_pointed_into_however_it_is_written() {
        let text = "\
text: |
  one

    {{ reson }} and {{ nme }}
title: >-
  folded
  over {{ tpye }}
  {% if %}
link: \"https://x/\\u0041/{{ jbo }}\"
fields:
  A: plain
    {{ stat }}
";
        let mut problems = Problems::default();
        read_definition(&node(text), &mut Engine::default(), &mut problems);
        let found: Vec<_> = problems.iter().map(|p| &text[p.span.start..p.span.end]).collect();
        assert_eq!(found, ["reson", "nme", "%}", "jbo", "stat"]);
    }
}
