//! What someone sees who edits routes.yaml in an editor with the YAML language server (VS Code, Neovim, Helix, Emacs and others have it).

mod server;

use jobrelay::event::vocabulary::{Use, names};
use server::{Server, skipped};

/// The first line of a file, as `init` writes it.
const MODELINE: &str = "# yaml-language-server: $schema=routes.schema.json\n";

fn with_receiver(settings: &str) -> String {
    format!("{MODELINE}receivers:\n  a:\n    {settings}\nroutes:\n  - name: r\n    to: a\n")
}

fn with_route(route: &str) -> String {
    format!("{MODELINE}receivers:\n  a: {{ kind: console }}\nroutes:\n  - name: r\n    to: a\n    {route}\n")
}

#[test]
fn completion_knows_kinds_their_settings_and_the_words_of_when() {
    if skipped() {
        return;
    }
    let mut server = Server::start();
    let kinds = server.completions(&with_receiver("kind: ¦"));
    let names_of: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(names_of, jobrelay::receiver::kinds().collect::<Vec<_>>());
    assert!(kinds[0].1.contains("Slack channel"), "{kinds:?}");

    let of_slack = server.offers(&with_receiver("kind: slack\n    ¦"));
    for setting in ["url", "rate", "timeout", "retry", "recovered", "message", "body"] {
        assert!(of_slack.iter().any(|offer| offer == setting), "{setting}: {of_slack:?}");
    }
    assert!(!of_slack.iter().any(|offer| offer == "method" || offer == "kind"), "{of_slack:?}");
    assert_eq!(server.offers(&with_receiver("kind: console\n    ¦")), ["rate", "recovered", "message"]);

    let keys: Vec<&str> = names(Use::When).chain(["not", "any"]).collect();
    assert_eq!(server.offers(&with_route("when:\n      ¦")), keys);
    assert_eq!(server.offers(&with_route("when:\n      any:\n        - ¦")), keys);
    for (route, offered) in [
        ("when:\n      outcome: ¦", vec!["succeeded", "stopped", "failed"]),
        ("when:\n      state: ¦", vec!["PENDING", "RUNNING", "STOPPING", "DONE"]),
        ("when:\n      outcome:\n        - ¦", vec!["succeeded", "stopped", "failed"]),
        ("message:\n      level: ¦", vec!["info", "success", "warning", "error", "critical"]),
        ("message:\n      ¦", vec!["title", "text", "level", "link", "fields", "mention", "footer"]),
        ("¦", vec!["when", "message", "stop", "otherwise"]),
        // Where any text may stand, nothing is offered that is none.
        ("when:\n      job: ¦", vec![]),
    ] {
        assert_eq!(server.offers(&with_route(route)), offered, "{route}");
    }
}

#[test]
fn hovering_explains() {
    if skipped() {
        return;
    }
    let mut server = Server::start();
    for (text, said) in [
        (
            with_route("when: { outc¦ome: failed }"),
            vec!["How a DONE job ended", "`succeeded`", "`stopped`", "`failed`"],
        ),
        (
            with_route("when: { typ¦e: publish_* }"),
            vec!["What sort of job it is", "`publish_destination`, or any other"],
        ),
        (with_route("when: { rea¦son: [a, b] }"), vec!["Why it was stopped or failed", "A list: any of these"]),
        (
            with_route("when: { outcome: failed, ran_f¦or: \"> 2h\" }"),
            vec!["How long it ran", "judged when the job has ended"],
        ),
        (with_route("mess¦age: { title: x }"), vec!["What is said", "`messages`"]),
        (with_route("message: { ti¦tle: x }"), vec!["What happened, on one plain line"]),
        (with_route("st¦op: true"), vec!["Ends the reading"]),
        (with_receiver("ki¦nd: inbox"), vec!["The service it speaks", "* `slack`: A Slack channel"]),
        (
            with_receiver("kind: webhook\n    url: https://x.example\n    time¦out: 5s"),
            vec!["Total time for one attempt"],
        ),
        (
            with_receiver("kind: webhook\n    url: https://x.example\n    form¦at: raw"),
            vec!["`raw`: The received body"],
        ),
        (
            with_receiver("kind: webhook\n    url: https://x.example\n    bo¦dy: { a: b }"),
            vec!["Replaces the service's own form"],
        ),
        (with_receiver("kind: inbox").replace("receivers", "rece¦ivers"), vec!["The places messages go"]),
    ] {
        let shown = server.hover(&text);
        for part in said {
            assert!(shown.contains(part), "{part:?} is not in {shown:?} of\n{text}");
        }
        // So it would run the docs of several alternatives together.
        assert!(!shown.contains("||"), "{shown:?} of\n{text}");
    }
}

#[test]
fn mistakes_are_marked_at_their_token() {
    if skipped() {
        return;
    }
    let mut server = Server::start();
    for (text, token, said) in [
        (with_route("when: { outcome: exploded }"), "exploded", "\"succeeded\", \"stopped\", \"failed\""),
        (with_route("when: { outcome: [failed, exploded] }"), "exploded", "\"succeeded\", \"stopped\", \"failed\""),
        (with_route("when: { stat: DONE }"), "stat", "stat is not allowed"),
        (with_route("when: { outcome: failed, ran_for: 2h }"), "2h", "and a duration"),
        (with_route("when: { time: Mo-Fr }"), "Mo-Fr", "Mon-Fri 08:00-18:00"),
        (with_route("when: failed"), "failed", "Expected \"object\""),
        (with_route("when: { not: { any: [{ job: {} }] } }"), "{}", "Expected \"string | array\""),
        (with_route("stpo: true"), "stpo", "stpo is not allowed"),
        (with_route("stop: yes"), "yes", "Expected \"boolean\""),
        (with_route("message: { titel: x }"), "titel", "titel is not allowed"),
        (with_route("message: { level: fatal }"), "fatal", "\"critical\""),
        (with_receiver("kind: slak"), "slak", "\"slack\""),
        (with_receiver("kind: slack"), "a", "Missing property \"url\""),
        (with_receiver("url: https://x.example"), "a", "Missing property \"kind\""),
        (with_receiver("kind: slack\n    url: hooks.example"), "hooks.example", "begins with https://"),
        (with_receiver("kind: console\n    timeout: 5s"), "timeout", "timeout is not allowed"),
        (with_receiver("kind: webhook\n    url: https://x.example\n    rate: 5/d"), "5/d", "1/s, 30/m or 500/h"),
        (
            with_receiver("kind: webhook\n    url: https://x.example\n    retry: { fro: 1h }"),
            "fro",
            "fro is not allowed",
        ),
    ] {
        let marks = server.marks(&text);
        let [mark] = marks.as_slice() else { panic!("one mark is wanted: {marks:?} of\n{text}") };
        assert_eq!(mark.token, token, "{marks:?} of\n{text}");
        assert!(mark.message.contains(said), "{marks:?} of\n{text}");
    }
}

#[test]
fn what_is_right_is_not_marked() {
    if skipped() {
        return;
    }
    let mut server = Server::start();
    let sample = server.sample();
    assert!(sample.starts_with(MODELINE), "the sample names its schema");
    let readme = include_str!("../../README.md");
    let examples = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let merged = "receivers:\n  a: &a { kind: slack, url: \"${URL}\" }\n  b: { <<: *a, rate: 5/h }\n  c:\n    <<: [*a]\n    recovered: true\n\
                  routes:\n  - &r { name: r, to: [a, b], when: &w { outcome: failed } }\n  - { <<: *r, name: s, when: { <<: *w, job: 123 } }\n";
    let files = examples.chain([merged]).map(|file| format!("{MODELINE}{file}"));
    let with_all = switched_on(&sample);
    assert!(with_all.contains("\n  tickets:\n    kind: webhook\n"), "{with_all}");
    for file in files.chain([with_all, sample]) {
        let marks = server.marks(&file);
        assert!(marks.is_empty(), "{marks:?} of\n{file}");
    }
}

/// The sample with all its blocks switched on: those whose `#` stands right before a word.
fn switched_on(sample: &str) -> String {
    let on = |line: &str| match line.strip_prefix("  #") {
        Some(rest) if !rest.starts_with(' ') || rest.starts_with("  ") => format!("  {rest}\n"),
        _ => format!("{line}\n"),
    };
    sample.lines().map(on).collect()
}
