//! `${NAME}` and `${NAME:-default}` in the values of a receiver, replaced after parsing: no value can change the file's structure.

use std::collections::BTreeSet;

use crate::yaml::{Code, Map, Node, Places, Problems, Scalar, Span, Style, Value, nearest};

/// Where variables have their values.
pub(super) struct Lookup<'a> {
    /// Of a name.
    pub value: &'a dyn Fn(&str) -> Option<String>,
    /// All names that have one, to find what a misspelt one was meant as.
    pub names: &'a dyn Fn() -> Vec<String>,
}

impl Lookup<'_> {
    /// Knows nothing.
    pub const NOWHERE: Lookup<'static> = Lookup { value: &|_| None, names: &Vec::new };
}

/// Replaces variables in receivers, and remembers what that brought to light.
pub(super) struct Substitution<'a> {
    /// The file, to point at a variable inside a value.
    pub text: &'a str,
    pub lookup: &'a Lookup<'a>,
    /// What becomes of a variable without value and default.
    pub unset: Unset,
    /// Every value that was looked up.
    pub secrets: BTreeSet<String>,
    /// Values with a variable that could not be replaced: what else is wrong with them is a consequence.
    pub failed: BTreeSet<Span>,
    /// Templates with an imagined value. Any text fits a template, but not any text is a level or a link.
    pub imagined: BTreeSet<Span>,
}

/// What becomes of a variable without value and default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// It is a problem.
    Refused,
    /// It stands for some value; where that does not fit, the setting is not judged.
    Imagined,
}

/// Settings that are templates: what is put into them would be run.
const TEMPLATES: [&str; 2] = ["body", "message"];

impl Substitution<'_> {
    /// A receiver's node with every variable in its values replaced.
    pub fn receiver(&mut self, node: &Node, problems: &mut Problems) -> Node {
        let Value::Map(map) = &node.value else { return self.node(node, false, problems) };
        let mut replaced = Map::default();
        for (key, value) in &map.0 {
            let template = TEMPLATES.contains(&key.text.as_str());
            replaced.0.push((key.clone(), self.node(value, template, problems)));
        }
        Node { span: node.span, value: Value::Map(replaced) }
    }

    fn node(&mut self, node: &Node, template: bool, problems: &mut Problems) -> Node {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(Scalar { text: written, style, places }) => {
                if !template && is_template(written) {
                    problems.error(
                        Code::NotATemplate,
                        node.span,
                        "this setting is no template: it would be sent as it is written",
                        "only `body` and `message` take `{{ … }}`: nothing an event carries chooses where a request goes"
                            .to_owned(),
                    );
                }
                let text = self.scalar(written, node.span, template, problems);
                let places = if text == *written { places.clone() } else { Places::default() };
                let mut scalar = Scalar { text, style: *style, places };
                // A token of digits must not become a number in a body.
                if template && scalar.style == Style::Plain && has_variable(written) {
                    scalar.style = Style::Quoted;
                }
                Value::Scalar(scalar)
            }
            Value::List(items) => Value::List(items.iter().map(|item| self.node(item, template, problems)).collect()),
            Value::Map(map) => {
                let replace = |(key, value): &(_, Node)| (Clone::clone(key), self.node(value, template, problems));
                Value::Map(Map(map.0.iter().map(replace).collect()))
            }
        };
        Node { span: node.span, value }
    }

    fn scalar(&mut self, text: &str, span: Span, template: bool, problems: &mut Problems) -> String {
        let mut replaced = String::new();
        // The same with a harmless letter for each value that was looked up.
        let mut harmless = String::new();
        let mut suspects = Vec::new();
        let parts = parts(text);
        for (at, part) in parts.iter().enumerate() {
            match *part {
                Part::Text(text) => {
                    replaced.push_str(text);
                    harmless.push_str(text);
                }
                Part::Variable { source, name, default } => match ((self.lookup.value)(name), default) {
                    // As in a shell, an empty value counts as unset where there is a default.
                    (Some(value), default) if default.is_none() || !value.is_empty() => {
                        replaced.push_str(&value);
                        harmless.push('x');
                        suspects.push((source, name, value.clone()));
                        self.secrets.insert(value);
                    }
                    (_, Some(default)) => {
                        replaced.push_str(default);
                        harmless.push_str(default);
                    }
                    _ if self.unset == Unset::Imagined => {
                        if template {
                            self.imagined.insert(span)
                        } else {
                            self.failed.insert(span)
                        };
                        let rest = parts[at + 1..].iter().find(|part| **part != Part::Text(""));
                        let imagined = imagined(name, &replaced, rest, template);
                        replaced.push_str(&imagined);
                        harmless.push('x');
                    }
                    _ => {
                        self.failed.insert(span);
                        let names = (self.lookup.names)();
                        let help = match nearest(name, names.iter().map(String::as_str)) {
                            Some(near) => format!("did you mean `${{{near}}}`, which is set?"),
                            None => format!(
                                "set it in the environment or under --secrets, or give a default: ${{{name}:-…}}; `$${{` is a literal `${{`"
                            ),
                        };
                        problems.error(
                            Code::UnsetVariable,
                            self.place(source, span),
                            format!("`{name}` is not set"),
                            help,
                        );
                    }
                },
                Part::Broken(source) => {
                    self.failed.insert(span);
                    problems.error(
                        Code::BadVariable,
                        self.place(source, span),
                        "`${` begins a variable, and this is none",
                        "write ${NAME} or ${NAME:-default}; `$${` is a literal `${`".to_owned(),
                    );
                }
            }
        }
        if template && templates(&replaced) != templates(&harmless) {
            self.failed.insert(span);
            for (source, name, _) in suspects.iter().filter(|(_, _, value)| value.contains(['{', '%', '#'])) {
                problems.error(
                    Code::TemplateInSecret,
                    self.place(source, span),
                    format!("the value of `{name}` contains template syntax, which would be run here"),
                    "take `{{`, `{%` and `{#` out of the value, or write it into the template itself".to_owned(),
                );
            }
        }
        replaced
    }

    /// Where `source` stands within the value at `span`; escapes and folding may hide it, then the value itself.
    fn place(&self, source: &str, span: Span) -> Span {
        let found = self.text.get(span.start..span.end).and_then(|value| value.find(source));
        found.map_or(span, |at| Span { start: span.start + at, end: span.start + at + source.len() })
    }
}

/// A value that fits most settings: at the beginning of one it may have to be an address.
fn imagined(name: &str, before: &str, rest: Option<&Part<'_>>, template: bool) -> String {
    let word = name.to_lowercase().replace('_', "-");
    let goes_on = |with: &str| matches!(rest, Some(Part::Text(text)) if text.starts_with(with));
    match rest {
        _ if template || !before.is_empty() => word,
        _ if goes_on("://") => "https".to_owned(),
        _ if rest.is_none() || goes_on("/") || goes_on("?") => format!("https://{}.invalid", word.trim_matches('-')),
        _ => word,
    }
}

fn is_template(text: &str) -> bool {
    text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"))
}

fn has_variable(text: &str) -> bool {
    parts(text).iter().any(|part| matches!(part, Part::Variable { .. }))
}

/// How many templates a text opens.
fn templates(text: &str) -> usize {
    text.as_bytes().windows(2).filter(|pair| [b"{{", b"{%", b"{#"].iter().any(|open| open == pair)).count()
}

#[derive(Debug, PartialEq)]
enum Part<'a> {
    Text(&'a str),
    Variable {
        source: &'a str,
        name: &'a str,
        default: Option<&'a str>,
    },
    /// `${` without a name or an end.
    Broken(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, dollar) = rest.split_at(at);
        parts.push(Part::Text(before));
        let (part, len) = match dollar.as_bytes().get(1) {
            Some(b'$') => (Part::Text("$"), 2),
            // `${{ … }}` is a dollar before a template.
            Some(b'{') if !dollar.starts_with("${{") => variable(dollar),
            _ => (Part::Text("$"), 1),
        };
        parts.push(part);
        rest = &dollar[len..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// The variable a text begins with, and its length.
fn variable(text: &str) -> (Part<'_>, usize) {
    let Some(end) = text.find('}') else { return (Part::Broken(text), text.len()) };
    let source = &text[..=end];
    let inner = &text[2..end];
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let is_name = !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    (if is_name { Part::Variable { source, name, default } } else { Part::Broken(source) }, end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::{parse, report};

    fn lookup(name: &str) -> Option<String> {
        let known = [
            ("A", "one"),
            ("EMPTY", ""),
            ("EVIL", "{{ raw }}"),
            ("HALF", "{"),
            ("YAML", "x: [1"),
            ("D", "$A"),
            ("DIGITS", "12345678901234567890"),
        ];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn substitute(text: &str) -> (Node, BTreeSet<String>, String) {
        let mut problems = Problems::default();
        let node = parse(text, &mut problems).expect("YAML");
        let mut substitution = Substitution {
            text,
            lookup: &Lookup { value: &lookup, names: &|| vec!["SLACK_URL".to_owned()] },
            unset: Unset::Refused,
            secrets: BTreeSet::new(),
            failed: BTreeSet::new(),
            imagined: BTreeSet::new(),
        };
        let node = substitution.receiver(&node, &mut problems);
        (node, substitution.secrets, report("routes.yaml", text, &problems, false))
    }

    fn value(node: &Node, key: &str) -> String {
        let Value::Map(map) = &node.value else { panic!("a map") };
        let Value::Scalar(scalar) = &map.get(key).expect("the key").1.value else { panic!("a scalar") };
        scalar.text.clone()
    }

    #[test]
    fn variables_are_replaced_in_values() {
        let cases = [
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${NONE:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${A:-two}", "one"),
            ("${NONE:-}", ""),
            ("$${A}", "${A}"),
            ("$A $ $$ 5$", "$A $ $ 5$"),
            ("${YAML}", "x: [1"),
            ("${D}", "$A"),
        ];
        for (text, expected) in cases {
            let (node, _, report) = substitute(&format!("url: \"{text}\"\n"));
            assert_eq!(report, "", "{text}");
            assert_eq!(value(&node, "url"), expected, "{text}");
        }
    }

    #[test]
    fn a_dollar_before_a_template_stays() {
        let (node, _, report) = substitute("body: \"${{ amount }}\"\n");
        assert_eq!((value(&node, "body").as_str(), report.as_str()), ("${{ amount }}", ""));
    }

    #[test]
    fn a_variable_in_a_body_is_text_whatever_its_value() {
        let (node, _, report) = substitute("body: ${DIGITS}\nrate: ${DIGITS}\n");
        assert_eq!(report, "");
        let Value::Map(map) = &node.value else { panic!("a map") };
        let styles = map.0.iter().map(|(_, node)| match &node.value {
            Value::Scalar(scalar) => scalar.style,
            _ => panic!("a scalar"),
        });
        assert_eq!(styles.collect::<Vec<_>>(), [Style::Quoted, Style::Plain]);
    }

    #[test]
    fn a_setting_that_looks_like_a_template_is_an_error() {
        for text in ["url: \"https://x/{{ job }}\"", "headers: { X: \"{{ job }}\" }"] {
            let (_, _, report) = substitute(text);
            assert!(report.contains("error[not-a-template]"), "{report}");
        }
    }

    #[test]
    fn only_what_was_looked_up_is_secret_and_keys_stay() {
        let (node, secrets, report) = substitute("\"${A}\": { deep: [\"${A}\", \"${NONE:-plain}\"] }\n");
        assert_eq!(report, "");
        assert_eq!(secrets, BTreeSet::from(["one".to_owned()]));
        let Value::Map(map) = &node.value else { panic!("a map") };
        assert_eq!(map.0[0].0.text, "${A}");
    }

    #[test]
    fn problems_stand_at_the_variable() {
        let text = "url: https://x/${NONE}/${A}\nproxy: ${a b}\ntoken: \"${A\"\nbody: { a: \"${EVIL} ${A}\", b: \"{${HALF}\" }\nmessage: \"${A} {{ type }}\"\n";
        let (_, _, report) = substitute(text);
        insta::assert_snapshot!(report, @r#"
        error[unset-variable]: `NONE` is not set
         --> routes.yaml:1:16
          |
        1 | url: https://x/${NONE}/${A}
          |                ^^^^^^^
          |
          = help: set it in the environment or under --secrets, or give a default: ${NONE:-…}; `$${` is a literal `${`

        error[bad-variable]: `${` begins a variable, and this is none
         --> routes.yaml:2:8
          |
        2 | proxy: ${a b}
          |        ^^^^^^
          |
          = help: write ${NAME} or ${NAME:-default}; `$${` is a literal `${`

        error[bad-variable]: `${` begins a variable, and this is none
         --> routes.yaml:3:9
          |
        3 | token: "${A"
          |         ^^^
          |
          = help: write ${NAME} or ${NAME:-default}; `$${` is a literal `${`

        error[template-in-secret]: the value of `EVIL` contains template syntax, which would be run here
         --> routes.yaml:4:13
          |
        4 | body: { a: "${EVIL} ${A}", b: "{${HALF}" }
          |             ^^^^^^^
          |
          = help: take `{{`, `{%` and `{#` out of the value, or write it into the template itself

        error[template-in-secret]: the value of `HALF` contains template syntax, which would be run here
         --> routes.yaml:4:33
          |
        4 | body: { a: "${EVIL} ${A}", b: "{${HALF}" }
          |                                 ^^^^^^^
          |
          = help: take `{{`, `{%` and `{#` out of the value, or write it into the template itself
        "#);
    }

    #[test]
    fn a_value_with_braces_is_fine_where_nothing_runs_it() {
        let (node, _, report) = substitute("url: ${EVIL}\n");
        assert_eq!(report, "");
        assert_eq!(value(&node, "url"), "{{ raw }}");
    }

    proptest! {
        #[test]
        fn text_without_variables_stays(text in "[^$]*") {
            prop_assert!(parts(&text).iter().all(|part| matches!(part, Part::Text(_))));
        }

        #[test]
        fn any_text_is_cut_without_loss(text in "([${}:-]|[A-C0 é])*") {
            // `$$` is the one thing that gets shorter.
            let text = text.replace("$$", "$ ").replace("$$", "$ ");
            let joined: String = parts(&text).iter().map(|part| match part {
                Part::Text(text) => *text,
                Part::Variable { source, .. } | Part::Broken(source) => *source,
            }).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
