//! The schema against the readers: whatever they take it takes, and it refuses what is typically wrong.

use std::collections::BTreeMap;
use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::{SAMPLE, Secrets, load};
use crate::yaml::{self, Node, Problems, Scalar, Style, report};

struct Validator(Schemas, SchemaIndex);

impl Validator {
    fn new() -> Validator {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource("routes.schema.json", schema()).expect("the schema can be added");
        let index = compiler.compile("routes.schema.json", &mut schemas).expect("the schema is a schema");
        Validator(schemas, index)
    }

    fn refuses(&self, text: &str) -> Option<String> {
        let node = yaml::parse(text, &mut Problems::default()).expect("YAML");
        self.0.validate(&as_an_editor_sees(&node), self.1).err().map(|error| format!("{error:#}"))
    }
}

/// Plain scalars by YAML's core schema.
fn as_an_editor_sees(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Scalar(Scalar { text, style: Style::Plain, .. }) => match text.as_str() {
            "true" | "True" | "TRUE" => json!(true),
            "false" | "False" | "FALSE" => json!(false),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => json!(number),
                (_, Ok(number)) if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => json!(number),
                _ => json!(text),
            },
        },
        yaml::Value::Scalar(scalar) => json!(scalar.text),
        yaml::Value::List(items) => items.iter().map(as_an_editor_sees).collect(),
        yaml::Value::Map(map) => {
            Value::Object(map.0.iter().map(|(key, value)| (key.text.clone(), as_an_editor_sees(value))).collect())
        }
    }
}

const SECRETS: &str =
    "HOOK=https://hooks.example/T0/key\nRATE=1/s\nMANY=5\nYES=true\nKIND=slack\nLEVEL=error\nPATCH=PATCH\n";

fn secrets() -> (tempfile::TempDir, Secrets) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("secrets");
    fs::write(&path, SECRETS).expect("a file can be written");
    (dir, Secrets { path: Some(path) })
}

fn with_receiver(settings: &str) -> String {
    format!("receivers: {{ a: {{ {settings} }} }}\nroutes: [{{ name: r, to: a }}]\n")
}

fn with_route(route: &str) -> String {
    format!("receivers: {{ a: {{ kind: console }} }}\nroutes: [{{ name: r, to: a, {route} }}]\n")
}

#[test]
fn the_shipped_file_is_the_schema() {
    let shipped = include_str!("../../routes.schema.json");
    let made = format!("{:#}\n", schema());
    assert!(shipped == made, "routes.schema.json is not current: `cargo run -- schema > routes.schema.json` mends it");
}

/// What the schema says of itself must hold, too: names are found where they are looked for, docs read well.
#[test]
fn every_key_has_a_doc() {
    fn keys_without(schema: &Value, root: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                        for (name, property) in properties {
                            let refers = property.get("$ref").and_then(Value::as_str);
                            let said = refers.map_or(Some(property), |at| root.pointer(at.trim_start_matches('#')));
                            let doc = said.and_then(|said| said.get("description")).and_then(Value::as_str);
                            let fine = doc
                                .is_some_and(|doc| doc.len() > 5 && doc.ends_with(['.', ')']) && !doc.contains('\n'));
                            // The key that says what the rest is stands once with its doc, and only by name beside the rest.
                            if !fine && name != "kind" {
                                found.push(format!("{path}/{name}: {doc:?}"));
                            }
                        }
                    }
                    keys_without(value, root, &format!("{path}/{key}"), found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys_without(item, root, path, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let whole = schema();
    keys_without(&whole, &whole, "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_loads_is_valid() {
    let readme = include_str!("../../README.md");
    let examples = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned);
    let mut files: Vec<String> = examples.chain([SAMPLE.to_owned()]).collect();
    files.extend(
        [
            "kind: slack, url: \"${HOOK}\", rate: \"${RATE}\", concurrency: 3, recovered: true, timeout:, retry: { for: 1d 2h, first: 250ms }",
            "kind: slack, token: xoxb-1, channel: C0123, endpoint: http://127.0.0.1:9",
            "kind: webhook, url: HTTPS://x.example, method: get, success: [2xx, 409], headers: { X-N: 5, X-B: true }, tls: { ca: a.pem }",
            "kind: webhook, url: https://x.example, method: PATCH, success: 204, auth: { basic: \"user:pass\" }, sign: [whsec_AAAA]",
            "kind: webhook, url: https://x.example, auth: { bearer: 123 }, format: raw, proxy: http://proxy.example:8080",
            "kind: webhook, url: https://x.example, body: { a: [1, true, null, \"{{ job }}\"] }",
            "kind: webhook, url: https://x.example, body: \"{{ job }} {{ message.title }}\", message: { title: 5, level: \"${LEVEL}\" }",
            "kind: inbox, rate: 30 / m, recovered: false, message: { fields: { N: 1 }, mention: [], footer: true, link: \"\" }",
        ]
        .map(with_receiver),
    );
    files.extend(
        [
            "kind: \"${KIND}\"\n    url: \"${HOOK}\"",
            "kind: slack\n    url: ${HOOK}\n    recovered: ${YES}\n    concurrency: ${MANY}",
        ]
        .map(|settings| format!("receivers:\n  a:\n    {settings}\nroutes:\n  - name: r\n    to: a\n")),
    );
    files.extend(
        [
            "when: {}",
            "when: { type: [Load source, publish_*, 5], state: done, outcome: [FAILED, \"s*\"] }, stop: true, message:",
            "when: { job: 123, tenant: acme, resource: [A*, 0123, true], source.id: 5, resource.name: x, event_type: jobrelay.* }",
            "when: { outcome: failed, ran_for: [\"> 2h\", \"<= 1h30m\"], queued_for: \">5s\" }",
            "when: { time: [\"Mon-Fri 08:00-18:00\", \"Sat, Sun\", \"22:00-6:00\", \"mon, wednes 8:00-9:00, 10:00-12:00\"] }",
            "when: { raw: { data.status.code: [5, true, \"x*\"], a: no }, type_label: L*, since: 2026* }",
            "when: { not: { state: RUNNING }, any: [{ outcome: failed }, { not: [{ job: 1 }, { job: 2 }] }] }",
            "message: { text: \"{{ error }}\", level: \"{% if true %}info{% endif %}\", link: \"{{ raw.url }}\", mention: here }, otherwise: false",
            "message: { level: Warning, link: https://x.example, fields: {}, title: no }",
        ]
        .map(with_route),
    );
    files.extend(
        [
            "messages:\n",
            "tests:\n",
            "messages: { default: { footer: false }, m: {} }\ntimezone: Europe/Berlin\n",
            "tests: [{ name: t, job: { type: load_source, outcome: failed, source: 5 }, expect: { to: [a], message: { a: { title: \"*\" } } } }]\n",
            "timezone: Asia/Kolkata\n",
        ]
        .map(|section| with_route("stop: false") + section),
    );
    files.push(
        "receivers:\n  a: &a\n    kind: slack\n    url: https://hooks.example/key\n  b: { <<: *a, rate: 5/h }\nroutes:\n  - &r { name: r, to: [a, b], when: &w { outcome: failed } }\n  - { <<: *r, name: s, when: { <<: *w, job: 1 } }\n"
            .to_owned(),
    );
    let (validator, (_dir, secrets)) = (Validator::new(), secrets());
    for file in files {
        let file = file.replace("SLACK_WEBHOOK_URL", "HOOK");
        let (config, problems) = load(&file, &secrets);
        assert!(config.is_some(), "{}", report("routes.yaml", &file, &problems, false));
        assert_eq!(validator.refuses(&file), None, "{file}");
    }
}

#[test]
fn what_is_typically_wrong_is_refused_with_its_place() {
    let cases = [
        ("receivers: {}\nroutes: []\n".to_owned(), "/receivers"),
        ("receivers: { a: { kind: console } }\n".to_owned(), "routes"),
        (with_route("stop: false") + "recievers: {}\n", "recievers"),
        (with_receiver("kind: slak, url: https://x.example"), "/receivers/a/kind"),
        (with_receiver("url: https://x.example"), "/receivers/a"),
        (with_receiver("kind: slack"), "url"),
        (with_receiver("kind: slack, token: xoxb-1"), "channel"),
        (with_receiver("kind: slack, url: hooks.example/x"), "/receivers/a/url"),
        (with_receiver("kind: slack, url: https://x.example, method: GET"), "method"),
        (with_receiver("kind: console, timeout: 5s"), "timeout"),
        (with_receiver("kind: webhook, url: https://x.example, timeout: 15"), "/receivers/a/timeout"),
        (with_receiver("kind: webhook, url: https://x.example, timeout: soon"), "/receivers/a/timeout"),
        (with_receiver("kind: webhook, url: https://x.example, rate: 5/d"), "/receivers/a/rate"),
        (with_receiver("kind: webhook, url: https://x.example, concurrency: 0"), "/receivers/a/concurrency"),
        (with_receiver("kind: webhook, url: https://x.example, recovered: yes"), "/receivers/a/recovered"),
        (with_receiver("kind: webhook, url: https://x.example, retry: { fro: 1h }"), "fro"),
        (with_receiver("kind: webhook, url: https://x.example, method: FETCH"), "/receivers/a/method"),
        (with_receiver("kind: webhook, url: https://x.example, auth: { digest: x }"), "/receivers/a/auth"),
        (with_receiver("kind: webhook, url: https://x.example, body:"), "/receivers/a/body"),
        (with_receiver("kind: inbox, message: { titel: x }"), "titel"),
        (with_route("stop: yes"), "/routes/0/stop"),
        (with_route("stpo: true"), "stpo"),
        (with_route("when: failed"), "/routes/0/when"),
        (with_route("when: { outcome: exploded }"), "/routes/0/when/outcome"),
        (with_route("when: { outcome: [failed, exploded] }"), "/routes/0/when/outcome/1"),
        (with_route("when: { stat: DONE }"), "stat"),
        (with_route("when: { state: }"), "/routes/0/when/state"),
        (with_route("when: { reason: [] }"), "/routes/0/when/reason"),
        (with_route("when: { outcome: failed, ran_for: 2h }"), "/routes/0/when/ran_for"),
        (with_route("when: { time: Mo-Fr 8-18 }"), "/routes/0/when/time"),
        (with_route("when: { not: { any: [{ outcome: x }] } }"), "/routes/0/when/not/any/0/outcome"),
        (with_route("when: { any: { outcome: failed } }"), "/routes/0/when/any"),
        (with_route("when: { raw: x }"), "/routes/0/when/raw"),
        (with_route("message: { level: fatal }"), "/routes/0/message/level"),
        (with_route("message: { link: example.org }"), "/routes/0/message/link"),
        (with_route("message: { text: [x] }"), "/routes/0/message/text"),
        (with_route("message: [x]"), "/routes/0/message"),
        ("receivers: { a: { kind: console } }\nroutes: [{ to: a }]\n".to_owned(), "name"),
        ("receivers: { a: { kind: console } }\nroutes: { name: a, to: a }\n".to_owned(), "/routes"),
    ];
    let (validator, (_dir, secrets)) = (Validator::new(), secrets());
    for (file, place) in cases {
        let refused = validator.refuses(&file).unwrap_or_else(|| panic!("passes the schema:\n{file}"));
        assert!(refused.contains(place), "{file}\n{refused}");
        assert!(load(&file, &secrets).0.is_none(), "the schema is stricter than the reader:\n{file}");
    }
}

/// Values of every shape, right and wrong for most settings.
const VALUES: [&str; 56] = [
    "",
    "~",
    "null",
    "\"\"",
    "true",
    "false",
    "True",
    "yes",
    "no",
    "0",
    "5",
    "-1",
    "1.10",
    "0123",
    "1e3",
    "x",
    "*",
    "[]",
    "{}",
    "[x]",
    "[failed, stopped]",
    "[[x]]",
    "{ a: b }",
    "console",
    "slack",
    "webhook",
    "\"${KIND}\"",
    "${RATE}",
    "\"${MANY}\"",
    "\"${HOOK}\"",
    "https://x.example/hook",
    "https:x.example",
    "5/m",
    "+5/m",
    "15s",
    "1h 30m",
    "1H30M",
    "[2xx, 409]",
    "whsec_AAAA",
    "GET",
    "patch",
    "raw",
    "{ basic: \"u:p\" }",
    "{ bearer: t }",
    "{ for: 1h, max: 5m }",
    "failed",
    "FAILED",
    "f*",
    "DONE",
    "load_source",
    "\"> 2h\"",
    "\">= 1d2h\"",
    "Mon-Fri 08:00-18:00",
    "tues",
    "\"{{ job }}\"",
    "{ title: x, level: info }",
];

/// Every place of a file where a setting may stand.
const PLACES: [(&str, &[&str]); 4] = [
    (
        "receiver",
        &[
            "headers",
            "timeout",
            "rate",
            "concurrency",
            "retry",
            "recovered",
            "proxy",
            "tls",
            "message",
            "body",
            "method",
            "auth",
            "sign",
            "success",
            "format",
            "kind",
            "url",
        ],
    ),
    (
        "when",
        &[
            "type",
            "type_label",
            "state",
            "since",
            "outcome",
            "reason",
            "error",
            "resource",
            "source",
            "data_product.id",
            "workflow",
            "job",
            "queued_for",
            "ran_for",
            "tenant",
            "event_id",
            "event_type",
            "time",
            "raw",
            "not",
            "any",
        ],
    ),
    ("route", &["message", "stop", "otherwise", "to", "name", "when"]),
    ("message", &["title", "text", "level", "link", "fields", "mention", "footer"]),
];

/// A place, a key there and a value.
type Change = (&'static str, &'static str, &'static str);

fn change() -> impl Strategy<Value = Change> {
    let places: Vec<(&str, &str)> =
        PLACES.iter().flat_map(|(place, keys)| keys.iter().map(move |key| (*place, *key))).collect();
    (select(places), select(VALUES.to_vec())).prop_map(|((place, key), value)| (place, key, value))
}

/// A file that is right but for a few changes.
fn file(kind: &str, changes: &[Change]) -> String {
    let map = |place: &str, right: &[(&'static str, &'static str)]| {
        let mut entries: BTreeMap<&str, &str> = right.iter().copied().collect();
        entries.extend(changes.iter().filter(|(at, ..)| *at == place).map(|(_, key, value)| (*key, *value)));
        let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{{ {} }}", entries.join(", "))
    };
    let receiver = match kind {
        "console" => map("receiver", &[("kind", "console")]),
        "slack" => map("receiver", &[("kind", "slack"), ("url", "https://x.example")]),
        _ => map("receiver", &[("kind", "webhook"), ("url", "\"${HOOK}\"")]),
    };
    let when = map("when", &[("state", "DONE")]);
    let mut route = map("route", &[("name", "r"), ("to", "console")]);
    if !changes.iter().any(|(place, key, _)| (*place, *key) == ("route", "when")) {
        route = route.replacen('{', &format!("{{ when: {when},"), 1);
    }
    let message = map("message", &[]);
    format!("receivers: {{ console: {receiver} }}\nroutes: [{route}]\nmessages: {{ x: {message} }}\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_loads_is_valid(
        files in proptest::collection::vec((select(vec!["console", "slack", "webhook"]), proptest::collection::vec(change(), 1..3)), 60)
    ) {
        let (validator, (_dir, secrets)) = (Validator::new(), secrets());
        for (kind, changes) in files {
            let file = file(kind, &changes);
            if load(&file, &secrets).0.is_some() {
                prop_assert_eq!(validator.refuses(&file), None, "{}", file);
            }
        }
    }
}
