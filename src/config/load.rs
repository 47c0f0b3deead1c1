//! Reading the file.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diff::Parts;
use super::lint::{Read, lint};
use super::mask::mask;
use super::names::{Name, read_names};
use super::receivers::{Section, read_receivers};
use super::routes::{Names, read_routes};
use super::sections::{
    check_message, check_names, read_messages, read_timezone, receivers_section, routes_section, warn_unused,
};
use super::substitute::{Lookup, Unset};
use super::tests::{read_tests, run_tests};
use super::trials::try_templates;
use super::{Redactor, Secrets};
use crate::message::{Definition, Engine};
use crate::receiver::{MessageRef, Receiver};
use crate::routing::Routes;
use crate::yaml::{self, Code, Problems, Span, Value};

/// One routes.yaml, ready to run.
#[derive(Debug)]
pub struct Config {
    /// Names this version: the first 12 hex digits of the SHA-256 of `masked`. Files that differ only in a secret written in plain
    /// share it: they decide the same.
    pub version: Arc<str>,
    /// The file's text with secrets written in plain masked: kept in the store, so that any decision can be recomputed.
    pub masked: String,
    /// By name.
    pub receivers: BTreeMap<Arc<str>, Arc<Receiver>>,
    /// In the order of the file.
    pub routes: Routes,
    /// Holds every template of the file.
    pub engine: Engine,
    /// Knows every secret the receivers use.
    pub redactor: Redactor,
    /// The names that the routes ask for, in the order of the file.
    pub names: Vec<Name>,
    pub(super) parts: Parts,
    /// How many tests it passed.
    pub tests: usize,
    route_messages: HashMap<Arc<str>, Definition>,
    pub(super) messages: BTreeMap<String, Definition>,
}

impl Config {
    /// The layers of a message, first wins: the route's (empty name: a recovery, none), the receiver's, `messages.default`.
    #[must_use]
    pub fn layers<'a>(&'a self, route: &str, receiver: &'a Receiver) -> Vec<&'a Definition> {
        let of_route = self.route_messages.get(route);
        let of_receiver = match &receiver.message {
            MessageRef::None => None,
            MessageRef::Inline(message) => Some(message),
            MessageRef::Named(name) => self.messages.get(name),
        };
        [of_route, of_receiver, self.messages.get("default")].into_iter().flatten().collect()
    }
}

/// Reads a routes.yaml. The config is there unless a problem is an error.
pub fn load(text: &str, secrets: &Secrets) -> (Option<Config>, Problems) {
    let mut problems = Problems::default();
    let known = secrets.read().unwrap_or_else(|error| {
        let help = "give --secrets a directory with one file per name, or a file of NAME=value lines";
        problems.error(
            Code::UnreadableSecrets,
            Span::default(),
            format!("--secrets cannot be read: {error}"),
            help.to_owned(),
        );
        BTreeMap::new()
    });
    let lookup = |name: &str| known.get(name).cloned().or_else(|| std::env::var(name).ok());
    let names = || {
        let of_environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        known.keys().cloned().chain(of_environment).collect()
    };
    let lookup = Lookup { value: &lookup, names: &names };
    let config = read(text, &lookup, Unset::Refused, Care::Judged, &mut problems);
    (config.filter(|_| !problems.has_errors()), problems)
}

/// Reads a routes.yaml where no secret is at hand: every variable without a default, and every masked secret, stands for some value.
/// Settings that such a value does not fit are not judged, and a receiver that cannot be made without one is left out. What the file
/// decides and says is what it would with its secrets; it must not be used to send.
pub fn load_without_secrets(text: &str) -> (Option<Config>, Problems) {
    let mut problems = Problems::default();
    let config = read(text, &Lookup::NOWHERE, Unset::Imagined, Care::Judged, &mut problems);
    (config.filter(|_| !problems.has_errors()), problems)
}

/// The same to see what a file decides and says: its tests are not run and its templates not tried. The config is there whatever the
/// problems, unless the text is no YAML: a version that ruled once may break rules that are younger.
pub fn load_unjudged(text: &str) -> (Option<Config>, Problems) {
    let mut problems = Problems::default();
    let config = read(text, &Lookup::NOWHERE, Unset::Imagined, Care::Taken, &mut problems);
    (config, problems)
}

/// The routes of a version that ruled once, from its masked text. What was masked may fit no receiver any more; it decides nothing.
pub fn recorded_routes(masked: &str) -> Option<Routes> {
    let (mut engine, problems) = (Engine::default(), &mut Problems::default());
    let root = yaml::parse(masked, problems)?;
    let Value::Map(root) = &root.value else { return None };
    let messages = read_messages(root, &mut engine, problems);
    let names = Names::of(receivers_section(root, problems), &messages);
    let (routes, _) = read_routes(routes_section(root, problems), &names, &mut engine, problems);
    Some(Routes::new(routes, read_timezone(root, problems)))
}

/// How closely a file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Its tests are run, its templates tried, and what may not be as meant is told.
    Judged,
    /// It is taken as it is written.
    Taken,
}

fn read(text: &str, lookup: &Lookup<'_>, unset: Unset, care: Care, problems: &mut Problems) -> Option<Config> {
    let root = yaml::parse(text, problems)?;
    let Value::Map(root) = &root.value else {
        let what = if root.value == Value::Null { "the file is empty" } else { "the file is not a map of sections" };
        problems.error(Code::WrongType, root.span, what, "it needs `receivers:` and `routes:`".to_owned());
        return None;
    };
    check_names(root, problems);
    let mut engine = Engine::default();
    let messages = read_messages(root, &mut engine, problems);
    let zone = read_timezone(root, problems);
    engine.set_timezone(zone.clone());
    let section = receivers_section(root, problems);
    let Section { receivers, redactor, imagined } = read_receivers(text, section, lookup, unset, &mut engine, problems);
    let names = Names::of(section, &messages);
    for (_, node) in &section.0 {
        check_message(node, &names, problems);
    }
    let items = routes_section(root, problems);
    let (routes, route_messages) = read_routes(items, &names, &mut engine, problems);
    let tests = read_tests(root, &names, &zone, problems);
    let routes = Routes::new(routes, zone);
    // Before everything is read, a receiver may only seem unused.
    if care == Care::Judged && !problems.has_errors() {
        warn_unused(section, routes.all(), problems);
        lint(&Read { text, root, items, routes: &routes, receivers: &receivers }, problems);
    }
    let masked = mask(text, root, &redactor);
    let config = Config {
        version: version(&masked),
        masked,
        receivers,
        routes,
        engine,
        redactor,
        names: read_names(items),
        parts: Parts::of(root),
        tests: tests.len(),
        route_messages,
        messages,
    };
    // What is not right by itself would fail them too.
    if care == Care::Judged && !problems.has_errors() {
        try_templates(section, &config, &imagined, problems);
        run_tests(&tests, &config, &imagined, problems);
    }
    Some(config)
}

/// The first 12 hex digits of the SHA-256.
fn version(masked: &str) -> Arc<str> {
    let digest = Sha256::digest(masked.as_bytes());
    let hex = digest.iter().take(6).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes any text");
        hex
    });
    hex.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::SAMPLE;

    const RECEIVERS: &str = "receivers: { console: { kind: console }, inbox: { kind: inbox } }\n";

    fn reported(text: &str) -> (Option<Config>, String) {
        with_secrets(text, "")
    }

    fn with_secrets(text: &str, secrets: &str) -> (Option<Config>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        fs::write(&path, secrets).unwrap();
        let (config, problems) = load(text, &Secrets { path: Some(path) });
        (config, yaml::report("routes.yaml", text, &problems, false))
    }

    /// Loads a file that must be right.
    fn loaded(text: &str, secrets: &str) -> Config {
        let (config, report) = with_secrets(text, secrets);
        assert_eq!(report, "");
        config.expect("no problems")
    }

    /// Loads a file that can be used, whatever may be better in it.
    fn usable(text: &str) -> Config {
        let (config, report) = with_secrets(text, "");
        config.expect(&report)
    }

    #[test]
    fn a_file_without_receivers_and_routes_is_refused() {
        let cases = [
            ("", "the file is empty"),
            ("# nothing yet\n", "the file is empty"),
            ("- a\n", "the file is not a map of sections"),
            ("timezone: UTC\n", "`receivers` is missing"),
            ("timezone: UTC\n", "`routes` is missing"),
            ("receivers: {}\nroutes: []\n", "there are no receivers"),
            ("receivers:\nroutes:\n", "there are no routes"),
            ("receivers: [a]\nroutes: { a: b }\n", "receivers: expected a map from name to settings"),
            ("receivers: [a]\nroutes: { a: b }\n", "routes: expected a list of routes"),
        ];
        for (text, expected) in cases {
            let (config, report) = reported(text);
            assert!(config.is_none(), "{text}");
            assert!(report.contains(expected), "{text}: {report}");
        }
    }

    #[test]
    fn all_mistakes_of_the_sections_come_at_once() {
        let text = "recievers: {}\ntimezone: Berlin\nroutes:\n  - { name: a, to: ops, stpo: true }\n  - { name: a, to: [{}] }\n  - { name: '', stop: 1 }\n\
                    tests:\n  - { name: t, job: {}, expects: {} }\n";
        let (config, report) = reported(text);
        assert!(config.is_none());
        insta::assert_snapshot!(report, @r#"
        error[unknown-key]: unknown key "recievers"
         --> routes.yaml:1:1
          |
        1 | recievers: {}
          | ^^^^^^^^^
          |
          = help: did you mean "receivers"?

        error[bad-value]: timezone: this is no time zone
         --> routes.yaml:2:11
          |
        2 | timezone: Berlin
          |           ^^^^^^
          |
          = help: give an IANA name such as Europe/Berlin, America/New_York or UTC

        error[unknown-key]: unknown key "stpo"
         --> routes.yaml:4:25
          |
        4 |   - { name: a, to: ops, stpo: true }
          |                         ^^^^
          |
          = help: did you mean "stop"? (the keys here are name, when, to, message, stop, otherwise)

        error[duplicate-name]: another route is called "a"
         --> routes.yaml:5:13
          |
        5 |   - { name: a, to: [{}] }
          |             ^
          |
          = help: give each route its own name: decisions and messages go by it

        error[wrong-type]: to: expected the name of a receiver or a list of names
         --> routes.yaml:5:21
          |
        5 |   - { name: a, to: [{}] }
          |                     ^^
          |
          = help: write `to: name`, `to: [name, other]`, or `to: []` for nobody

        error[missing-key]: `to` is missing
         --> routes.yaml:6:5
          |
        6 |   - { name: '', stop: 1 }
          |     ^^^^^^^^^^^^^^^^^^^^^
          |
          = help: add `to: …`: The receiver, or a list of them; `[]` says "nobody"

        error[empty-name]: the name is empty
         --> routes.yaml:6:13
          |
        6 |   - { name: '', stop: 1 }
          |             ^^
          |
          = help: say what the route is for: `failed jobs`

        error[wrong-type]: stop: expected `true` or `false`, found "1"
         --> routes.yaml:6:23
          |
        6 |   - { name: '', stop: 1 }
          |                       ^
          |
          = help: Ends the reading of the routes when this one applies

        error[unknown-key]: unknown key "expects"
         --> routes.yaml:8:25
          |
        8 |   - { name: t, job: {}, expects: {} }
          |                         ^^^^^^^
          |
          = help: did you mean "expect"? (the keys here are name, job, expect)
        "#);
    }

    #[test]
    fn an_unreadable_secrets_path_is_a_problem() {
        let (config, problems) = load(SAMPLE_OF_NOTHING, &Secrets { path: Some("/does/not/exist".into()) });
        assert!(config.is_none());
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(messages[0].starts_with("--secrets cannot be read: /does/not/exist: "), "{messages:?}");
    }

    const SAMPLE_OF_NOTHING: &str = "receivers: {}\nroutes: []\n";

    #[test]
    fn the_sample_is_right() {
        let config = loaded(SAMPLE, "");
        assert_eq!(config.routes.all().len(), 6);
        assert_eq!(config.masked, SAMPLE.replace("/api/incidents", "/***"), "only an address that is switched off");
        assert_eq!(config.version.len(), 12);
    }

    #[test]
    fn the_sample_is_right_with_everything_switched_on() {
        let text: Vec<String> = SAMPLE.lines().map(switched_on).collect();
        let url = "https://hooks.slack.com/services/T0/B0/XYZ";
        let config = loaded(&(text.join("\n") + "\n"), &format!("SLACK_WEBHOOK_URL={url}\n"));
        assert_eq!(
            config.receivers.keys().map(|name| &**name).collect::<Vec<_>>(),
            ["console", "data-ops", "inbox", "tickets"]
        );
        assert_eq!(config.redactor.redact(url), "***");
        assert!(!config.masked.contains("XYZ"));
    }

    /// `  #key: …` is a setting, `  # Words` are not.
    fn switched_on(line: &str) -> String {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix('#') {
            Some(setting) if !setting.is_empty() && (!setting.starts_with(' ') || line.starts_with("  #  ")) => {
                format!("{}{setting}", &line[..indent])
            }
            _ => line.to_owned(),
        }
    }

    #[test]
    fn routes_are_read_in_order_with_their_receivers() {
        let text = format!(
            "{RECEIVERS}routes:\n  - {{ name: a, to: console, stop: true }}\n  - {{ name: b, otherwise: true, to: [inbox, console, inbox] }}\n  - {{ name: c, to: [] }}\n"
        );
        let config = usable(&text);
        let routes: Vec<_> = config
            .routes
            .all()
            .iter()
            .map(|route| format!("{} {} {} {}", route.name, route.to.join("+"), route.stop, route.otherwise))
            .collect();
        assert_eq!(routes, ["a console true false", "b inbox+console false true", "c  false false"]);
    }

    #[test]
    fn names_must_exist() {
        let text = format!(
            "{RECEIVERS}  \nroutes:\n  - {{ name: a, to: [consle, inbox, pagers] }}\n  - {{ name: b, to: inbox, message: shrt }}\nmessages:\n  short: {{ title: x }}\n"
        );
        let (config, report) = reported(&text);
        assert!(config.is_none());
        let expected = [
            "error[unknown-receiver]: there is no receiver \"consle\"",
            "did you mean \"console\"?",
            "there is no receiver \"pagers\"",
            "add it under `receivers`, or name one of console, inbox",
            "error[unknown-message]: there is no message \"shrt\"",
            "did you mean \"short\"?",
        ];
        for part in expected {
            assert!(report.contains(part), "{part}: {report}");
        }
    }

    #[test]
    fn a_receiver_that_no_route_names_is_a_warning() {
        let text = format!("{RECEIVERS}routes:\n  - {{ name: a, to: inbox }}\n");
        let (config, report) = reported(&text);
        assert!(config.is_some());
        assert!(report.contains("warning[unused-receiver]: no route names the receiver \"console\""), "{report}");
    }

    #[test]
    fn layers_go_from_route_to_receiver_to_default() {
        let text = "receivers:\n  own: { kind: inbox, message: { title: receiver } }\n  named: { kind: inbox, message: short }\n  none: { kind: inbox }\n\
                    routes:\n  - { name: inline, to: [own, named, none], message: { title: route } }\n  - { name: plain, to: own }\n\
                    messages:\n  short: { title: short }\n  default: { title: default }\n";
        let config = usable(text);
        let count = |route: &str, receiver: &str| config.layers(route, &config.receivers[receiver]).len();
        assert_eq!([count("inline", "own"), count("inline", "named"), count("inline", "none")], [3, 3, 2]);
        assert_eq!([count("plain", "own"), count("plain", "none"), count("", "named")], [2, 1, 2]);
        let first = config.layers("plain", &config.receivers["named"])[0];
        assert_eq!(first.title, Some(crate::message::Template::Literal("short".to_owned())));
    }

    #[test]
    fn no_problem_quotes_a_secret() {
        let text = "receivers:\n  a: { kind: webhook, url: \"${URL}\", timeout: \"${TIME}\", nonsense: \"${URL}\" }\nroutes:\n  - { name: a, to: a }\n";
        let (config, report) = with_secrets(text, "URL=hunter2 is no url\nTIME=hunter3\n");
        assert!(config.is_none());
        assert!(report.contains("routes.yaml:2:"), "{report}");
        assert!(!report.contains("hunter"), "{report}");
    }

    #[test]
    fn an_unset_variable_is_one_problem() {
        let text =
            "receivers:\n  a: { kind: slack, url: \"${SURELY_NOT_SET_ANYWHERE}\" }\nroutes:\n  - { name: a, to: a }\n";
        let (config, report) = reported(text);
        assert!(config.is_none());
        assert!(report.contains("error[unset-variable]: `SURELY_NOT_SET_ANYWHERE` is not set"), "{report}");
        assert_eq!(report.matches("error[").count(), 1, "{report}");
    }

    #[test]
    fn secrets_in_plain_are_masked_and_do_not_make_a_version() {
        let file = |key: &str| {
            format!(
                "receivers:\n  a: {{ kind: slack, url: https://hooks.slack.com/services/T0/B0/{key} }}\nroutes:\n  - {{ name: a, to: a }}\n"
            )
        };
        let (one, two) = (usable(&file("KEYONE")), usable(&file("KEYTWO")));
        assert_eq!(
            one.masked,
            "receivers:\n  a: { kind: slack, url: \"${MASKED}\" }\nroutes:\n  - { name: a, to: a }\n"
        );
        assert_eq!((&one.masked, &one.version), (&two.masked, &two.version));
        assert_ne!(one.version, usable(&file("KEYONE").replace("name: a", "name: b")).version);
        assert_eq!(one.redactor.redact("POST /services/T0/B0/KEYONE"), "POST ***");
    }

    #[test]
    fn a_plain_word_in_a_header_is_no_secret() {
        let file = |more: &str| {
            format!(
                "receivers:\n  data-ops:\n    kind: webhook\n    url: https://ops.example/\n    headers: {{ X-Team: data, X-Api-Key: key-1 }}\n{more}\
                 routes:\n  - {{ name: all, to: data-ops }}\n"
            )
        };
        let config = usable(&file(""));
        assert_eq!(config.redactor.redact("data-ops got key-1"), "data-ops got ***");
        assert_eq!(config.masked, file("").replace("key-1", "\"${MASKED}\""));
        assert_ne!(config.version, usable(&file("").replace("X-Team: data", "X-Team: crm")).version);
        let (_, problems) = with_secrets(&file("").replace("    kind: webhook\n", ""), "");
        assert!(problems.contains("data-ops") && !problems.contains("***"), "{problems}");
    }

    #[test]
    fn the_masked_file_can_be_read_again() {
        let config = loaded(SAMPLE, "");
        assert_eq!(loaded(&config.masked, "").version, config.version);
        let text = "receivers:\n  a: { kind: webhook, url: https://example.com/hook/key-1, headers: { X-Key: 'key\\2 \"long\"' } }\n  \
                    b:\n    kind: webhook\n    url: >-\n      https://example.com/hook/key-3\n    proxy: \"${PROXY:-http://user:key-4@proxy:3128}\"\n    \
                    auth: { bearer: key-5 }\nroutes:\n  - { name: a, to: [a, b] }\n";
        let config = usable(text);
        assert!(!config.masked.contains("key"), "{}", config.masked);
        let (again, problems) = load_without_secrets(&config.masked);
        let again = again.unwrap_or_else(|| panic!("{}\n{problems:?}", config.masked));
        assert_eq!(again.masked, config.masked);
        assert_eq!(again.version, config.version);
    }

    #[test]
    fn every_recipe_is_right_and_passes_its_tests() {
        let recipes = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes");
        let mut seen = 0;
        for entry in fs::read_dir(recipes).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (config, problems) = load_without_secrets(&text);
            assert_eq!(yaml::report(&path.display().to_string(), &text, &problems, false), "");
            assert!(config.unwrap().tests > 1, "{} shows by tests what it does", path.display());
            seen += 1;
        }
        assert_eq!(seen, 5);
    }

    const WITH_SECRETS: &str = "\
receivers:
  slack: { kind: slack, url: \"${SLACK_URL}\", message: { title: \"${TEAM}: {{ reason }}\" } }
  host: { kind: webhook, url: \"${BASE}/in?key=${KEY}\", headers: { X-Token: \"${TOKEN}\" }, auth: { basic: \"me:${PASSWORD}\" } }
  scheme: { kind: webhook, url: \"${SCHEME}://x.example/${KEY}\", rate: \"${RATE}\" }
  signed: { kind: webhook, url: https://x.example/, sign: \"${SIGN}\" }
  any: { kind: \"${KIND}\" }
routes:
  - { name: all, to: [slack, host, scheme, signed, any] }
tests:
  - { name: t, job: {}, expect: { to: [slack, host, scheme, signed, any], message: { slack: { title: 'team: *' }, any: { title: x } } } }
";

    #[test]
    fn without_secrets_everything_else_is_judged() {
        let (config, problems) = load_without_secrets(WITH_SECRETS);
        assert_eq!(yaml::report("f", WITH_SECRETS, &problems, false), "");
        let config = config.expect("no problems");
        let names: Vec<&str> = config.receivers.keys().map(|name| &**name).collect();
        assert_eq!(names, ["host", "slack"], "what cannot be made up is left out");
        let broken = WITH_SECRETS
            .replace("{{ reason }}", "{{ reson }}")
            .replace("kind: webhook, url: https", "kind: webhok, url: https");
        let (config, problems) = load_without_secrets(&broken);
        assert!(config.is_none());
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code.name()).collect();
        assert_eq!(codes, ["unknown-name", "unknown-kind"]);
    }

    #[test]
    fn what_is_not_known_without_secrets_fails_nothing() {
        let text = "\
receivers:
  a: { kind: inbox, message: { title: \"${TEAM}: {{ reason }}\", level: \"${LVL}\", link: \"${LINK}\" } }
  b: { kind: webhook, url: https://b.example/, body: { n: \"{{ '${N}' | int }}\" } }
routes: [{ name: x, to: [a, b], message: { text: '{{ type }}' } }]
tests: [{ name: t, job: {}, expect: { to: [a, b], message: { a: { title: 'Data Ops: *', level: error } } } }]
";
        let report = |text: &str| {
            let (_, mut problems) = load_without_secrets(text);
            problems.retain(|problem| problem.severity == yaml::Severity::Error);
            problems.iter().map(|problem| problem.code.name()).collect::<Vec<_>>()
        };
        assert_eq!(report(text), [""; 0]);
        assert_eq!(report(&text.replace("{{ type }}", "{{ 7 | datetime }}")), ["failing-template"], "of the route");
        assert_eq!(report(&text.replace("to: [a, b], message: { a", "to: [a], message: { a")), ["failed-test"]);
        assert_eq!(report(&text.replace("${LVL}", "loud")), ["bad-value"]);
    }

    #[test]
    fn a_version_that_ruled_once_need_not_pass_the_rules_of_today() {
        let text = "receivers: { a: { kind: inbox, rate: 7 per eon }, b: { kind: inbox } }\n\
                    routes: [{ name: x, to: [a, b], message: { title: '{{ 7 | datetime }}' } }]\n\
                    tests: [{ name: t, job: {}, expect: { to: [] } }]\n";
        let (config, problems) = load_unjudged(text);
        assert_eq!(problems.iter().map(|problem| problem.code.name()).collect::<Vec<_>>(), ["bad-value"]);
        assert_eq!(config.expect("YAML").routes.all()[0].to.len(), 2);
        assert_eq!(recorded_routes(text).expect("YAML").all()[0].to.len(), 2);
    }

    #[test]
    fn retired_services_are_named_with_what_to_use_instead() {
        let text = "receivers:\n  a: { kind: opsgenie }\n  b: { kind: webhook, url: \"${URL}\" }\nroutes: [{ name: x, to: [a, b] }]\n";
        let (_, report) = with_secrets(text, "URL=https://acme.webhook.office.com/webhookb2/key\n");
        for part in
            ["error[retired-service]: Opsgenie is retired", "error[retired-service]: Microsoft has retired", ":3:28"]
        {
            assert!(report.contains(part), "{part}: {report}");
        }
        assert!(!report.contains("webhookb2"), "{report}");
    }

    #[test]
    fn a_recorded_version_can_be_read_again() {
        let text = "receivers:\n  a: { kind: slack, url: https://hooks.slack.com/services/T0/B0/key }\n  b: { kind: webhook, url: \"https://x.example/long/secret\", headers: { X-Key: it's secret } }\nroutes:\n  - { name: x, to: [a, b] }\n";
        let config = usable(text);
        assert!(!config.masked.contains("key }") && !config.masked.contains("secret"), "{}", config.masked);
        let (again, problems) = load_without_secrets(&config.masked);
        assert_eq!(yaml::report("f", &config.masked, &problems, false), "");
        assert_eq!(again.expect("a file").receivers.len(), 2);
    }

    #[test]
    fn a_masked_file_decides_as_it_did() {
        let text = "receivers:\n  a: { kind: slack, url: https://hooks.slack.com/services/T0/B0/KEY }\n  \
                    b: { kind: webhook, url: 'https://x.example/KEYKEYKEY', sign: [whsec_S0VZS0VZS0VZ], headers: { X-Key: \"K\\x45YKEY\" } }\n\
                    routes:\n  - { name: first, when: { reason: whsec_S0VZS0VZS0VZ }, to: [b, a], stop: true }\n  - { name: rest, otherwise: true, to: [] }\n\
                    timezone: Europe/Berlin\n";
        let config = usable(text);
        assert!(!config.masked.contains("KEY"), "{}", config.masked);
        let routes = recorded_routes(&config.masked).expect("YAML");
        assert_eq!(format!("{routes:?}"), format!("{:?}", config.routes));
    }
}
