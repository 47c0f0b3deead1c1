//! Located tree → typed settings, collecting every problem on the way.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::fault::{Fault, address};
use super::schema::Schema;
use super::slip::is_curly;
use super::walk::{Skipped, Walk};
use super::{Node, Problems, Scalar, Span, Style, Value};

/// More faults than this in one value are not looked for: each costs another reading.
const MAX_FAULTS: usize = 100;

/// Reads a `T` (a struct with `deny_unknown_fields`): unknown keys, wrong types, bad values and missing settings are all recorded at
/// their place. `None` if any was.
///
/// serde stops at the first fault, so the value is read again without the faulty part until nothing new comes up. What fails only
/// because a part was left out is not reported.
pub fn read<T: DeserializeOwned + JsonSchema>(node: &Node, problems: &mut Problems) -> Option<T> {
    let mut skipped = Skipped::new();
    let mut faults = Vec::new();
    while faults.len() < MAX_FAULTS {
        let walk = Walk { node, skipped: &skipped };
        let fault = match T::deserialize(walk) {
            Ok(value) if faults.is_empty() => return Some(value),
            Ok(_) => break,
            Err(fault) => walk.claim(fault),
        };
        let at = fault.node.unwrap_or(address(node));
        faults.push(fault);
        // The root cannot be left out; nor is a node met twice, or this would not end.
        if at == address(node) || !skipped.insert(at) {
            break;
        }
    }
    let schema = Schema::of::<T>();
    let mut missing = Problems::default();
    schema.missing(node, &mut missing);
    // A key that is misspelt is not missing as well.
    let misspelt: Vec<(Span, String)> = faults.iter().filter_map(Fault::misspelt).collect();
    for fault in faults.into_iter().filter(|fault| !fault.follows) {
        let (span, message) = (fault.span.unwrap_or(node.span), fault.message());
        if misspelt.iter().any(|(map, known)| (*map, known) == (span, &message)) {
            continue;
        }
        // The schema tells all missing keys at once, serde one; where the schema is silent, serde's word counts.
        if !missing.iter().any(|known| (known.span, &known.message) == (span, &message)) {
            let curly = fault.node.and_then(|at| find(node, at)).filter(|node| is_in_curly_quotes(node));
            let help = match curly {
                Some(_) => CURLY.to_owned(),
                None => fault.help().or_else(|| schema.advice(node, &fault)).unwrap_or_else(|| fault.last_help()),
            };
            problems.error(fault.code(), span, message, help);
        }
    }
    missing.retain(|missing| !misspelt.iter().any(|(map, known)| (*map, known) == (missing.span, &missing.message)));
    problems.extend(missing);
    None
}

const CURLY: &str = "the curly quotes are part of the value: use straight ones, \" or '";

fn is_in_curly_quotes(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { text, style: Style::Plain, .. }) if text.starts_with(is_curly))
}

/// The node at an address.
fn find(node: &Node, at: usize) -> Option<&Node> {
    if address(node) == at {
        return Some(node);
    }
    match &node.value {
        Value::Null | Value::Scalar(_) => None,
        Value::List(items) => items.iter().find_map(|item| find(item, at)),
        Value::Map(map) => map.0.iter().find_map(|(_, value)| find(value, at)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Deserializer, de};

    use super::super::{parse, report};
    use super::*;

    #[derive(Debug, PartialEq, Clone, Copy, JsonSchema)]
    #[schemars(with = "String")]
    struct Seconds(u64);

    impl<'de> Deserialize<'de> for Seconds {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
            let text = String::deserialize(deserializer)?;
            let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
            let found = format!("expected a duration such as 15s, found {text:?}");
            number.map(Seconds).ok_or_else(|| de::Error::custom(found))
        }
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        /// Where it goes to. More words.
        url: String,
        /// Total time for one attempt.
        #[serde(default)]
        timeout: Option<Seconds>,
        #[serde(default)]
        stop: bool,
        #[serde(default)]
        level: u8,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        format: Format,
        #[serde(default)]
        auth: Option<Auth>,
        #[serde(default)]
        retry: Option<Retry>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        list: Vec<Retry>,
    }

    #[derive(Debug, PartialEq, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Format {
        #[default]
        Event,
        Raw,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    enum Auth {
        Basic { user: String, pass: String },
        Bearer(String),
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Retry {
        /// How long it is tried.
        #[serde(rename = "for")]
        give_up: Seconds,
        max: Seconds,
    }

    fn settings(text: &str) -> (Option<Settings>, String) {
        let mut problems = Problems::default();
        let settings = parse(text, &mut problems).and_then(|node| read(&node, &mut problems));
        (settings, report("routes.yaml", text, &problems, false))
    }

    #[test]
    fn reads_what_the_type_asks_for() {
        let (settings, report) = settings(
            "url: 0123\ntimeout: 15s\nstop: true\nlevel: 7\nratio: 1.10\nformat: raw\nauth: { basic: { user: no, pass: \"1\" } }\n\
             retry:\n  for: 3s\n  max: 4s\nheaders: { a: 1.10, b: 'x', c: yes }\nlist: []\n",
        );
        assert_eq!(report, "");
        let expected = Settings {
            url: "0123".into(),
            timeout: Some(Seconds(15)),
            stop: true,
            level: 7,
            ratio: 1.1,
            format: Format::Raw,
            auth: Some(Auth::Basic { user: "no".into(), pass: "1".into() }),
            retry: Some(Retry { give_up: Seconds(3), max: Seconds(4) }),
            headers: [("a", "1.10"), ("b", "x"), ("c", "yes")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            list: Vec::new(),
        };
        assert_eq!(settings, Some(expected));
    }

    #[test]
    fn an_empty_value_is_none_for_an_option_only() {
        assert_eq!(settings("url: x\ntimeout:\n").0.expect("fine").timeout, None);
        let (settings, report) = settings("url: x\nheaders:\n");
        assert_eq!(settings, None);
        assert!(report.contains("headers: expected a map, found nothing"), "{report}");
    }

    #[test]
    fn all_problems_come_at_once_each_at_its_place() {
        let text = "timeout: soon\nstop: \"true\"\nlevel: 300\nfromat: raw\nformat: rwa\nretry: { for: 1, mx: 2s }\n\
                    auth:\n  basic: { user: me }\nlist:\n  - { for: 1s, max: 2s }\n  - for: 1s\n  - none\n";
        let (settings, report) = settings(text);
        assert_eq!(settings, None);
        insta::assert_snapshot!(report, @r#"
        error[missing-key]: `url` is missing
         --> routes.yaml:1:1
          |
        1 | timeout: soon
          | ^^^^^^^
          |
          = help: add `url: …`: Where it goes to

        error[bad-value]: timeout: expected a duration such as 15s, found "soon"
         --> routes.yaml:1:10
          |
        1 | timeout: soon
          |          ^^^^
          |
          = help: Total time for one attempt

        error[wrong-type]: stop: expected `true` or `false`, found "true"
         --> routes.yaml:2:7
          |
        2 | stop: "true"
          |       ^^^^^^
          |
          = help: remove the quotes: a value in quotes is text

        error[wrong-type]: level: expected a whole number from 0 to 255, found 300
         --> routes.yaml:3:8
          |
        3 | level: 300
          |        ^^^
          |
          = help: write a whole number from 0 to 255 here

        error[unknown-key]: unknown key "fromat"
         --> routes.yaml:4:1
          |
        4 | fromat: raw
          | ^^^^^^
          |
          = help: did you mean "format"? (the keys here are url, timeout, stop, level, ratio, format, auth, retry, headers, list)

        error[unknown-value]: format: unknown value "rwa"
         --> routes.yaml:5:9
          |
        5 | format: rwa
          |         ^^^
          |
          = help: did you mean "raw"? (it can be event, raw)

        error[bad-value]: retry.for: expected a duration such as 15s, found "1"
         --> routes.yaml:6:15
          |
        6 | retry: { for: 1, mx: 2s }
          |               ^
          |
          = help: How long it is tried

        error[unknown-key]: unknown key "mx"
         --> routes.yaml:6:18
          |
        6 | retry: { for: 1, mx: 2s }
          |                  ^^
          |
          = help: did you mean "max"? (the keys here are for, max)

        error[missing-key]: `pass` is missing
         --> routes.yaml:8:10
          |
        8 |   basic: { user: me }
          |          ^^^^^^^^^^^^
          |
          = help: add `pass: …`

        error[missing-key]: `max` is missing
          --> routes.yaml:11:5
           |
        11 |   - for: 1s
           |     ^^^
           |
           = help: add `max: …`

        error[wrong-type]: list: expected a map of settings, found "none"
          --> routes.yaml:12:5
           |
        12 |   - none
           |     ^^^^
           |
           = help: write its settings below it, each as `key: value`, without a `-`
        "#);
    }

    #[test]
    fn what_follows_from_a_known_fault_is_not_told() {
        let (_, report) = settings("url: [a]\nretry: { for: x, max: 1s }\n");
        assert_eq!(report.matches("error[").count(), 2, "{report}");
        assert!(!report.contains("is missing"), "{report}");
    }

    #[test]
    fn a_root_of_another_shape_is_one_problem() {
        let (_, report) = settings("- a\n");
        assert!(report.contains("expected a map of settings, found a list"), "{report}");
        assert_eq!(report.matches("error[").count(), 1, "{report}");
    }

    #[test]
    fn numbers_and_booleans_are_plain() {
        let cases = [
            ("stop: yes", "help: write `true`"),
            ("stop: 'true'", "help: remove the quotes"),
            ("level: '5'", "help: remove the quotes"),
            ("level: -1", "expected a whole number, 0 or more, found \"-1\""),
            ("level: 300", "expected a whole number from 0 to 255, found 300"),
            ("ratio: .inf", "expected a number, found \".inf\""),
            ("url: {}", "url: expected text, found a map"),
            ("url:", "url: expected text, found nothing"),
            ("auth: { bearer: [] }", "auth.bearer: expected text, found a list"),
            ("auth: bearer", "`bearer` needs a value"),
            ("auth: { baerer: x }", "did you mean \"bearer\"?"),
            ("format: { raw: x }", "`raw` takes no value"),
        ];
        for (text, expected) in cases {
            let (settings, report) = settings(text);
            assert_eq!(settings, None, "{text}");
            assert!(report.contains(expected), "{text}: {report}");
        }
    }

    proptest! {
        /// Whatever is read: settings or a problem, never neither, never both.
        #[test]
        fn none_comes_with_a_problem(text in "((url|stop|level|auth|retry|list|for|x)?: ?(\\{|\\[|-|1|true|x|\"|\n| |\\}|\\])*\n)*") {
            let mut problems = Problems::default();
            if let Some(node) = parse(&text, &mut problems) {
                let mut problems = Problems::default();
                let settings = read::<Settings>(&node, &mut problems);
                prop_assert_eq!(settings.is_some(), problems.is_empty());
            }
        }
    }
}
