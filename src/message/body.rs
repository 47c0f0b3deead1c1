//! A receiver's `body`: a YAML tree whose string leaves are templates.

use serde_json::{Map, Value as Json};

use super::engine::Mode;
use super::scan::{sole_expression, tokens};
use super::scope::Root;
use super::{Engine, Message, RenderError, Scope, Template, check, values};
use crate::yaml::{Code, Node, Problems, Scalar, Span, Style, Value};

/// A compiled `body`.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    tree: Tree,
    uses_message: bool,
}

/// A body ready to send.
#[derive(Debug, Clone, PartialEq)]
pub enum RenderedBody {
    /// For `application/json`.
    Json(Json),
    /// The body was one string.
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Tree {
    /// The whole body is one string.
    Whole(Template),
    Constant(Json),
    Text(Template),
    /// A leaf that is exactly one `{{ … }}`: keeps its JSON type.
    Expression(Template),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Reads a `body`, recording every problem.
pub fn read_body(node: &Node, engine: &mut Engine, problems: &mut Problems) -> Body {
    let tree = match &node.value {
        Value::Scalar(scalar) => Tree::Whole(check::compile(node, scalar, Mode::Body, engine, problems)),
        Value::Null => {
            let help = "leave `body` away for the kind's own form".to_owned();
            problems.error(Code::WrongType, node.span, "the body is empty", help);
            Tree::Constant(Json::Null)
        }
        _ => tree(node, engine, problems),
    };
    Body { tree, uses_message: mentions_message(node) }
}

fn tree(node: &Node, engine: &mut Engine, problems: &mut Problems) -> Tree {
    match &node.value {
        Value::Null => Tree::Constant(Json::Null),
        Value::List(items) => Tree::List(items.iter().map(|item| tree(item, engine, problems)).collect()),
        Value::Map(map) => {
            Tree::Map(map.0.iter().map(|(key, value)| (key.text.clone(), tree(value, engine, problems))).collect())
        }
        Value::Scalar(scalar) => match constant(scalar) {
            Some(json) => Tree::Constant(json),
            None if sole_expression(&scalar.text).is_some() => {
                Tree::Expression(check::compile(node, scalar, Mode::Leaf, engine, problems))
            }
            None => Tree::Text(check::compile(node, scalar, Mode::Body, engine, problems)),
        },
    }
}

/// Numbers and booleans, where they are written as such. What JSON would not take for a number (`0123`) is text, and so is a
/// whole number with more digits than would survive.
fn constant(scalar: &Scalar) -> Option<Json> {
    if scalar.style != Style::Plain {
        return None;
    }
    match serde_json::from_str(&scalar.text) {
        Ok(Json::Number(number)) if number.is_f64() && !scalar.text.contains(['.', 'e', 'E']) => None,
        Ok(json @ (Json::Bool(_) | Json::Number(_))) => Some(json),
        _ => None,
    }
}

fn mentions_message(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => tokens(&scalar.text).iter().any(|token| token.text == "message"),
        Value::List(items) => items.iter().any(mentions_message),
        Value::Map(map) => map.0.iter().any(|(_, value)| mentions_message(value)),
    }
}

impl Body {
    /// Whether it speaks of `message.title` …: if not, no message needs to be composed for it.
    #[must_use]
    pub fn uses_message(&self) -> bool {
        self.uses_message
    }

    /// Renders. `message` gives `message.title` …; `escape` is the kind's escaping for inserted values (the identity for a machine's),
    /// `text` the kind's own markup of `message.text`.
    ///
    /// # Errors
    /// When a template fails.
    pub fn render(
        &self,
        engine: &Engine,
        scope: &Scope,
        message: &Message,
        text: &str,
        escape: fn(&str) -> String,
    ) -> Result<RenderedBody, RenderError> {
        let root = self.root(scope, message, text, escape);
        if let Tree::Whole(template) = &self.tree {
            return Ok(RenderedBody::Text(engine.render(template, Mode::Body, &root)?.into_owned()));
        }
        self.tree.render(engine, &root).map(RenderedBody::Json)
    }

    /// Every template in it that fails, where it stands and why. What is given is as for [`Body::render`].
    pub fn failures(
        &self,
        engine: &Engine,
        scope: &Scope,
        message: &Message,
        text: &str,
        escape: fn(&str) -> String,
    ) -> Vec<(Span, String)> {
        let mut failures = Vec::new();
        self.tree.failures(engine, &self.root(scope, message, text, escape), &mut failures);
        failures
    }

    fn root(&self, scope: &Scope, message: &Message, text: &str, escape: fn(&str) -> String) -> minijinja::Value {
        let message = self.uses_message.then(|| message_value(message, text));
        Root::of(scope, message, escape)
    }
}

impl Tree {
    fn render(&self, engine: &Engine, root: &minijinja::Value) -> Result<Json, RenderError> {
        Ok(match self {
            Tree::Constant(json) => json.clone(),
            Tree::Whole(template) | Tree::Text(template) => {
                Json::String(engine.render(template, Mode::Body, root)?.into_owned())
            }
            Tree::Expression(template) => engine.evaluate(template, root)?,
            Tree::List(items) => {
                Json::Array(items.iter().map(|item| item.render(engine, root)).collect::<Result<_, _>>()?)
            }
            Tree::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries {
                    map.insert(key.clone(), value.render(engine, root)?);
                }
                Json::Object(map)
            }
        })
    }
}

impl Tree {
    fn failures(&self, engine: &Engine, root: &minijinja::Value, found: &mut Vec<(Span, String)>) {
        match self {
            Tree::Constant(_) => {}
            Tree::Whole(template) | Tree::Text(template) | Tree::Expression(template) => {
                let rendered = self.render(engine, root);
                found.extend(rendered.err().map(|RenderError(why)| (engine.place(template), why)));
            }
            Tree::List(items) => items.iter().for_each(|item| item.failures(engine, root, found)),
            Tree::Map(entries) => entries.iter().for_each(|(_, value)| value.failures(engine, root, found)),
        }
    }
}

/// `message` as a body sees it. The text is in the service's own markup already.
fn message_value(message: &Message, text: &str) -> minijinja::Value {
    let fields = message.fields.iter().map(|(name, value)| (name.clone(), Json::String(value.clone()))).collect();
    minijinja::context! {
        title => message.title.as_str(),
        text => minijinja::Value::from_safe_string(text.to_owned()),
        level => message.level.name(),
        link => values::text(message.link.as_deref()),
        fields => values::from_json(&Json::Object(fields)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::testing::{failed_job, node, scope_of};
    use crate::message::{Circumstances, compose};

    fn render(yaml: &str) -> Result<RenderedBody, RenderError> {
        let (mut engine, mut problems) = (Engine::default(), Problems::default());
        let body = read_body(&node(yaml), &mut engine, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let scope = scope_of(failed_job());
        let message = compose(&engine, &[], &scope, &Circumstances::default()).message;
        body.render(&engine, &scope, &message, "*marked*", |value| format!("<{value}>"))
    }

    #[test]
    fn leaves_keep_their_types() {
        let yaml = r#"
whole: "{{ ran_for }}"
part: "took {{ ran_for }}"
thing: "{{ data_product }}"
name: "{{ data_product }}!"
absent: "{{ source }}"
list: ["{{ raw.data.status.error }}", 1, 1.5, true, null, no, 0123, "5", 12345678901234567890123]
text: "{{ message.text }}"
title: "{{ message.title }}"
field: "{{ message.fields.Job }} {{ message.level }}"
"{{ key }}": x
"#;
        let expected = json!({
            "whole": 5400,
            "part": "took <1h 30m>",
            "thing": {"id": "<dp_1>", "name": "<Customers>"},
            "name": "<Customers>!",
            "absent": null,
            "list": [{"reason": "<PLANNING_FAILED>", "message": "<Bad plan.>"}, 1, 1.5, true, null, "no", "0123", "5", "12345678901234567890123"],
            "text": "*marked*",
            "title": "<Update data product failed: Customers>",
            "field": "<job_1> <error>",
            "{{ key }}": "x",
        });
        assert_eq!(render(yaml), Ok(RenderedBody::Json(expected)));
    }

    #[test]
    fn one_string_is_sent_as_text() {
        assert_eq!(render("'{{ job }} is {{ outcome }}'"), Ok(RenderedBody::Text("<job_1> is <failed>".into())));
    }

    #[test]
    fn a_failing_template_says_why() {
        assert!(render("a: '{{ error | datetime }}'").unwrap_err().0.contains("takes a timestamp"));
        assert!(render("a: '{{ 1 // 0 }}'").is_err());
    }
}
