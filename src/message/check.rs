//! Templates as written in routes.yaml: syntax errors and unknown names become problems at their place.

use std::ops::Range;

use super::engine::{Mode, words};
use super::scan::{Kind, Token, tokens, unended};
use super::{Engine, Level, Template};
use crate::event::vocabulary::{self, Sort, Use, is_resource};
use crate::event::{JobType, Outcome, State};
use crate::yaml::{Code, Node, Problems, Scalar, Span, nearest};

/// The filters there are: our own and minijinja's.
const FILTERS: [&str; 52] = [
    "duration",
    "datetime",
    "truncate",
    "json",
    "safe",
    "escape",
    "e",
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace",
    "length",
    "count",
    "dictsort",
    "items",
    "reverse",
    "trim",
    "join",
    "split",
    "lines",
    "default",
    "d",
    "round",
    "abs",
    "int",
    "float",
    "attr",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "list",
    "string",
    "bool",
    "batch",
    "slice",
    "sum",
    "indent",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "map",
    "groupby",
    "unique",
    "chain",
    "zip",
    "pprint",
    "format",
    "tojson",
];

/// minijinja's tests.
const TESTS: [&str; 31] = [
    "undefined",
    "defined",
    "none",
    "safe",
    "escaped",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "in",
    "true",
    "false",
];

/// minijinja's functions.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// The parts of `message` in a body.
pub(super) const MESSAGE_PARTS: [&str; 5] = ["title", "text", "level", "link", "fields"];

/// Compiles a scalar's text, recording every problem in it.
pub(super) fn compile(
    node: &Node,
    scalar: &Scalar,
    mode: Mode,
    engine: &mut Engine,
    problems: &mut Problems,
) -> Template {
    let text = &scalar.text;
    let place = |range: Range<usize>| node.place(range);
    match engine.compile(text, mode) {
        Ok(template) => {
            engine.set_place(&template, node.span);
            if matches!(template, Template::Compiled(_)) {
                check_names(text, mode, engine, &place, problems);
            }
            template
        }
        // A tag may be faulty before its end is missed.
        Err(error)
            if let Some((at, what, end)) = unended(text)
                && (!what.starts_with("{% ") || words(&error).starts_with("unexpected end of input")) =>
        {
            let message = format!("this template cannot be read: this `{what}` has no end");
            problems.error(Code::BadTemplate, place(at), message, format!("add `{end}`"));
            Template::Literal(String::new())
        }
        Err(error) => {
            let whole = 0..text.len();
            let at = error.range().filter(|r| r.start < r.end && text.get(r.clone()).is_some()).unwrap_or(whole);
            let help = "templates are Jinja: `{{ name }}` inserts a value, `{% if … %} … {% endif %}` chooses";
            problems.error(
                Code::BadTemplate,
                place(at),
                format!("this template cannot be read: {}", words(&error)),
                help.to_owned(),
            );
            Template::Literal(String::new())
        }
    }
}

fn check_names(
    text: &str,
    mode: Mode,
    engine: &Engine,
    place: &impl Fn(Range<usize>) -> Span,
    problems: &mut Problems,
) {
    let tokens = tokens(text);
    for lookup in engine.lookups(text) {
        let (root, part) = lookup.split_once('.').map_or((lookup.as_str(), None), |(root, rest)| (root, Some(rest)));
        if is_set(&tokens, root) {
            continue;
        }
        let part = part.map(|rest| rest.split('.').next().unwrap_or(rest));
        let Some(wrong) = wrong_name(root, part, mode) else { continue };
        let at = find(&tokens, root, part.filter(|_| wrong.part)).map_or(0..text.len(), |token| token.at.clone());
        problems.error(Code::UnknownName, place(at), wrong.message, wrong.help);
    }
    for pair in tokens.windows(3) {
        let [before, name, after] = pair else { continue };
        let is_filter = before.text == "|" || (before.text == "filter" && is_tag_word(&tokens, before));
        if name.kind == Kind::Name && is_filter && !FILTERS.contains(&name.text) {
            let all = "filters are `duration`, `datetime`, `truncate`, `json`, and Jinja's own, such as `upper` and `default`";
            let help = did_you_mean(name.text, &FILTERS).unwrap_or_else(|| all.to_owned());
            problems.error(
                Code::UnknownFilter,
                place(name.at.clone()),
                format!("there is no filter `{}`", name.text),
                help,
            );
        }
        if before.text == "is" && before.kind == Kind::Name {
            let asked = if name.text == "not" { after } else { name };
            if asked.kind == Kind::Name && !TESTS.contains(&asked.text) {
                let all = "tests are Jinja's own, such as `defined`, `none` and `number`; texts compare with `==`";
                let help = did_you_mean(asked.text, &TESTS).unwrap_or_else(|| all.to_owned());
                problems.error(
                    Code::UnknownTest,
                    place(asked.at.clone()),
                    format!("there is no test `{}`", asked.text),
                    help,
                );
            }
        }
        let compares = |token: &Token<'_>| matches!(token.text, "==" | "!=");
        let alone = before.text != "." && after.text != ".";
        if is_resource(name.text) && alone && (compares(before) || compares(after)) {
            let message = format!("`{0}` is a thing with a name and an ID; compare `{0}.name` or `{0}.id`", name.text);
            problems.error(
                Code::ComparedResource,
                place(name.at.clone()),
                message,
                format!("write `{}.name`", name.text),
            );
        }
    }
}

/// A name that means nothing.
struct Wrong {
    message: String,
    help: Option<String>,
    /// Whether the name is known, and its part is not.
    part: bool,
}

/// What is wrong with a name and its part. `None`: nothing.
fn wrong_name(root: &str, part: Option<&str>, mode: Mode) -> Option<Wrong> {
    let in_body = matches!(mode, Mode::Body | Mode::Leaf);
    let unknown_part = |parts: &[&str]| {
        let part = part.filter(|part| !parts.contains(part))?;
        let near = nearest(part, parts.iter().copied()).map(|near| format!("did you mean `{root}.{near}`?"));
        let help = near.unwrap_or_else(|| match parts {
            [] => format!("`{root}` is a plain value; filters change it: `{root} | upper`"),
            parts => format!("it has {}", parts.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ")),
        });
        Some(Wrong { message: format!("`{root}` has no `{part}`"), help: Some(help), part: true })
    };
    let word = vocabulary::find(root).filter(|word| word.is_for(Use::Print));
    if let Some(word) = word {
        return match word.sort {
            Sort::Structure => None,
            Sort::Resource if root == "resource" => unknown_part(&["id", "name", "kind"]),
            Sort::Resource => unknown_part(&["id", "name"]),
            _ => unknown_part(&[]),
        };
    }
    match root {
        "message" if in_body => unknown_part(&MESSAGE_PARTS),
        _ if FUNCTIONS.contains(&root) => None,
        "message" => {
            let message = "`message` is known in a receiver's `body` only".to_owned();
            let help = "here the event's own words are known, such as `{{ type_label }}` and `{{ error }}`".to_owned();
            Some(Wrong { message, help: Some(help), part: false })
        }
        _ => {
            let known = vocabulary::names(Use::Print).chain(in_body.then_some("message"));
            let senders =
                [("jobId", "job"), ("jobType", "type"), ("errorReason", "reason"), ("stateStartTime", "since")];
            let renamed = senders.into_iter().find(|(theirs, _)| *theirs == root).map(|(_, ours)| ours);
            let help = match renamed.or_else(|| nearest(root, known)) {
                _ if is_value(root) => format!("a text to compare with stands in quotes: `'{root}'`"),
                Some(near) => format!("did you mean `{near}`?"),
                None => "other members of the event are under `raw`, such as `raw.data.someMember`".to_owned(),
            };
            Some(Wrong { message: format!("there is nothing called `{root}`"), help: Some(help), part: false })
        }
    }
}

/// Whether a name is what a word of an event or a message can be: somebody forgot the quotes.
fn is_value(name: &str) -> bool {
    Outcome::ALL.iter().any(|outcome| outcome.as_str() == name.to_lowercase())
        || !matches!(State::from_name(name), State::Other(_))
        || !matches!(JobType::from_name(name), JobType::Other(_))
        || Level::from_name(name).is_some()
}

fn did_you_mean(wrong: &str, known: &[&str]) -> Option<String> {
    nearest(wrong, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

/// Whether the template sets this name itself, in whatever branch.
fn is_set(tokens: &[Token<'_>], name: &str) -> bool {
    tokens.windows(2).any(|pair| pair[0].text == "set" && is_tag_word(tokens, &pair[0]) && pair[1].text == name)
}

/// Whether a token is the first word of a `{% %}`.
fn is_tag_word(tokens: &[Token<'_>], token: &Token<'_>) -> bool {
    tokens.windows(2).any(|pair| pair[0].kind == Kind::OpenTag && pair[1].at == token.at)
}

/// The token that says `root`, or its `part`.
fn find<'t, 's>(tokens: &'t [Token<'s>], root: &str, part: Option<&str>) -> Option<&'t Token<'s>> {
    let is_root = |i: usize| {
        let before = i.checked_sub(1).map_or("", |i| tokens[i].text);
        tokens[i].kind == Kind::Name && tokens[i].text == root && before != "." && before != "|"
    };
    match part {
        Some(part) => (0..tokens.len().saturating_sub(2))
            .find(|&i| is_root(i) && tokens[i + 1].text == "." && tokens[i + 2].text == part)
            .map(|i| &tokens[i + 2]),
        None => (0..tokens.len()).find(|&i| is_root(i)).map(|i| &tokens[i]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Value;

    fn problems_of(text: &str, mode: Mode) -> Vec<(String, String, String)> {
        let file = format!("'{}'", text.replace('\'', "''"));
        let node = crate::yaml::parse(&file, &mut Problems::default()).expect("YAML");
        let Value::Scalar(scalar) = &node.value else { panic!("a scalar") };
        let mut problems = Problems::default();
        compile(&node, scalar, mode, &mut Engine::default(), &mut problems);
        let said = |span: Span| file[span.start..span.end].to_owned();
        problems.iter().map(|p| (said(p.span), p.message.clone(), p.help.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn good_templates_have_no_problems() {
        for text in [
            "{{ resource }} of {{ tenant }} {{ source.name }} {{ resource.kind }}",
            "{{ raw.data.anything[0] }} {{ error | default('x') | truncate(20) | upper }}",
            "{% if outcome == 'failed' and ran_for > 3600 %}{{ ran_for | duration }}{% endif %}",
            "{% for past in history %}{{ past.state }} {{ loop.index }}{% endfor %}{{ range(3) | join }}",
            "{% if error is defined and error is not none %}{% set why = error %}{% endif %}{{ why }}",
            "{% filter upper %}x{% endfilter %}{% raw %}{{ nonsense }}{% endraw %}",
            "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(job) }}",
        ] {
            assert_eq!(problems_of(text, Mode::Markdown), vec![], "{text}");
        }
        assert_eq!(problems_of("{{ message.title }}{{ message.fields.Job }}", Mode::Body), vec![]);
    }

    #[test]
    fn problems_name_their_place_and_cure() {
        let cases = [
            ("a {{ sorce.name }}", "sorce", "there is nothing called `sorce`", "did you mean `source`?"),
            ("{{ source.nme }}", "nme", "`source` has no `nme`", "did you mean `source.name`?"),
            (
                "{{ error.upper() }}",
                "upper",
                "`error` has no `upper`",
                "`error` is a plain value; filters change it: `error | upper`",
            ),
            ("{{ error | uper }}", "uper", "there is no filter `uper`", "did you mean `upper`?"),
            ("{{ error is not definned }}", "definned", "there is no test `definned`", "did you mean `defined`?"),
            (
                "{{ message.title }}",
                "message",
                "`message` is known in a receiver's `body` only",
                "here the event's own words are known, such as `{{ type_label }}` and `{{ error }}`",
            ),
        ];
        for (text, place, message, help) in cases {
            assert_eq!(problems_of(text, Mode::Plain), vec![(place.into(), message.into(), help.into())], "{text}");
        }
        let found = problems_of("{% if source == 'CRM' %}x{% endif %}", Mode::Plain);
        assert_eq!((found.len(), found[0].0.as_str()), (1, "source"));
    }

    #[test]
    fn a_syntax_error_points_into_the_template() {
        let found = problems_of("ok {{ job", Mode::Plain);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.starts_with("this template cannot be read: "), "{found:?}");
        assert!(problems_of("{% include 'x' %}", Mode::Plain)[0].1.contains("include"), "templates stand alone");
    }

    #[test]
    fn the_engine_knows_every_listed_filter_and_test() {
        let environment = minijinja::Environment::new();
        let knows = |name: &str, sort: &str| {
            let expression = format!("'{name}' is {sort}");
            environment.compile_expression(&expression).unwrap().eval(()).unwrap().is_true()
        };
        let own = ["duration", "datetime", "truncate", "json"];
        let missing: Vec<_> = FILTERS.iter().filter(|f| !own.contains(f) && !knows(f, "filter")).collect();
        assert!(missing.is_empty(), "no such filters: {missing:?}");
        let missing: Vec<_> = TESTS.iter().filter(|t| !knows(t, "test")).collect();
        assert!(missing.is_empty(), "no such tests: {missing:?}");
    }

    /// Compiled, these would run out of stack, and end the relay: no error could be returned.
    #[test]
    fn chains_are_refused_before_they_run_out_of_stack() {
        let cases = [
            ("{{ ", "1 + ", "1 }}"),
            ("{{ ", "- ", "1 }}"),
            ("{{ ", "not ", "1 }}"),
            ("{{ ", "( ", "1 }}"),
            ("{{ ", "[ ", "1 }}"),
            ("{{ ", "{'a': ", "1 }}"),
            ("{{ job", ".a", " }}"),
            ("{{ job", "[0]", " }}"),
            ("{{ job", "|e", " }}"),
            ("{{ job", "()", " }}"),
            ("{{ job ", "is none ", " }}"),
            ("{{ job ", "~ job ", " }}"),
            ("{{ job ", "and job ", " }}"),
            ("{{ job ", "== job ", " }}"),
            ("{{ job ", "if job else job ", " }}"),
            ("{% if job %}", "{% elif job %}", "{% endif %}"),
            ("", "{% if job %}", ""),
            ("", "{% for a in history %}", ""),
            ("", "{{ job }}", ""),
            ("", "{% set a = 1 %}", ""),
        ];
        for (before, part, after) in cases {
            let tokens = tokens(&format!("{{{{ {part} }}}}")).len().saturating_sub(2).max(1);
            for count in [1_900 / tokens, 2_100 / tokens, 1_000_000 / part.len()] {
                let text = format!("{before}{}{after}", part.repeat(count));
                let problems = problems_of(&text, Mode::Plain);
                let refused = problems.iter().any(|(_, message, _)| message.contains("more than 2000 words and signs"));
                assert!(refused || count * tokens <= 2_100, "{before}{part}… {count} times");
            }
        }
    }
}
