//! What every kind makes of its service's answers, as one table.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::KINDS;
use super::tests::{example, example_with};
use crate::receiver::answer::retry_after;
use crate::receiver::{Answer, Failure, Judgement, Reason, Receiver, Step, Verdict};

/// A line an answer: `kind | status | Retry-After | verdict | body`. Bodies are the services' own words. What a mail server says before
/// the mail itself has the step behind its kind.
const TABLE: &str = include_str!("verdicts.txt");

/// The kinds, and the ways of those that have several.
fn all() -> impl Iterator<Item = (&'static str, Receiver)> {
    let ways = [
        ("slack (app)", "{ kind: slack, token: xoxb-0123456789, channel: C0123ABCDEF }"),
        ("webhook (success)", "{ kind: webhook, url: 'https://x.example/hook', success: [200, 409] }"),
    ];
    let kinds = KINDS.iter().map(|entry| (entry.name, example(entry.name)));
    kinds.chain(ways.map(|(name, settings)| (name, example_with(settings))))
}

fn now() -> Timestamp {
    "2025-12-02T14:46:04Z".parse().expect("a time")
}

/// Where someone has to act, it says how; only what is tried again makes the lane wait.
fn judge(receiver: &Receiver, answer: Answer) -> Judgement {
    let told = format!("{} {answer:?}", receiver.kind_name);
    let status = answer.status.to_string();
    let judged = receiver.judge(&Ok(answer));
    assert!(judged.advice.is_some() || matches!(judged.verdict, Verdict::Delivered | Verdict::Later), "{told}");
    assert!(judged.lane_waits.is_none() || judged.verdict == Verdict::Later, "{told}");
    assert!(!judged.bad_form || (judged.verdict, judged.reason) == (Verdict::Refused, Some(Reason::Form)), "{told}");
    assert_eq!(judged.reason.is_none(), judged.verdict == Verdict::Delivered, "{told}");
    assert!(judged.detail.starts_with(&status) && judged.detail.len() < 1000, "{told}");
    judged
}

fn in_words(judged: &Judgement) -> String {
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut words = word(serde_json::json!(judged.verdict));
    if let Some(reason) = judged.reason {
        let _ = write!(words, ": {}", word(serde_json::json!(reason)));
    }
    if judged.bad_form {
        words += ", then plain";
    }
    if let Some(wait) = judged.lane_waits {
        let _ = write!(words, ", waits {wait:?}");
    }
    words
}

#[test]
fn every_kind_reads_its_services_answers() {
    let receivers: Vec<_> = all().collect();
    let table = TABLE.lines().map(|row| {
        let [name, status, header, verdict, body] = row.splitn(5, '|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let (kind, step) = match name {
            "smtp (hello)" => ("smtp", Step::Hello),
            "smtp (addresses)" => ("smtp", Step::Addresses),
            _ => (name, Step::Message),
        };
        let (_, receiver) = receivers.iter().find(|(known, _)| *known == kind).expect(row);
        let answer = Answer {
            status: status.parse().expect(row),
            retry_after: retry_after(header, now()),
            body: body.to_owned().into(),
            step,
        };
        let found = in_words(&judge(receiver, answer));
        (found == verdict, format!("{name:17} | {status} | {header:29} | {found:32} | {body}").trim_end().to_owned())
    });
    let (right, found): (Vec<bool>, Vec<String>) = table.unzip();
    let wrong: Vec<_> = found.iter().zip(&right).filter(|(_, right)| !**right).map(|(row, _)| row.as_str()).collect();
    assert!(wrong.is_empty(), "these are judged otherwise than verdicts.txt says:\n{}", wrong.join("\n"));
    for (name, _) in receivers.iter().filter(|(name, _)| !["console", "inbox"].contains(name)) {
        assert!(
            found.iter().any(|row| row.starts_with(&format!("{name:17} |"))),
            "no answer of {name} is in the table"
        );
    }
}

const STATUSES: [u16; 34] = [
    200, 201, 202, 204, 206, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 415,
    422, 423, 425, 429, 431, 451, 500, 501, 502, 503, 504,
];

/// What a status means by itself: `.` delivered, `L` later, `P` refused and then in plain form, `R` refused, `B` blocked.
fn letter(judged: &Judgement) -> char {
    match judged.verdict {
        Verdict::Delivered => '.',
        Verdict::Later => 'L',
        Verdict::Refused if judged.bad_form => 'P',
        Verdict::Refused => 'R',
        Verdict::Blocked => 'B',
    }
}

/// The kinds that speak HTTP, and the two that only keep what they get.
fn of_http() -> impl Iterator<Item = (&'static str, Receiver)> {
    all().filter(|(name, _)| *name != "smtp")
}

#[test]
fn every_kind_judges_every_status() {
    let mut grid = format!("{:17}{}\n", "", STATUSES.map(|status| format!(" {status}")).concat());
    for (name, receiver) in of_http() {
        let _ = write!(grid, "{name:17}");
        for status in STATUSES {
            let wait = Duration::from_secs(7);
            let judged =
                judge(&receiver, Answer { status, retry_after: Some(wait), body: Bytes::new(), ..Answer::default() });
            assert_eq!(judged.lane_waits, Some(wait).filter(|_| judged.verdict == Verdict::Later), "{name} {status}");
            let _ = write!(grid, "   {}", letter(&judged));
        }
        grid += "\n";
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("statuses", grid);
    });
}

#[test]
fn a_body_that_says_nothing_changes_no_verdict() {
    let long = "x".repeat(65_536);
    let deep = "[".repeat(65_536);
    let words =
        ["{}", "null", "[]", "0", "\"\"", "{\"error\":", "{\"error\":{}}", "<html>Bad Gateway</html>", &long, &deep];
    let bytes: [&[u8]; 2] = [b"\xff\xfe\x00{", b"\xed\xa0\x80\xc3"];
    for (name, receiver) in of_http() {
        for status in STATUSES {
            let of = |body: &[u8]| {
                let answer = Answer { status, body: Bytes::copy_from_slice(body), ..Answer::default() };
                let judged = judge(&receiver, answer);
                (judged.verdict, judged.reason, judged.bad_form, judged.lane_waits)
            };
            let empty = of(b"");
            for body in words.iter().map(|text| text.as_bytes()).chain(bytes) {
                assert_eq!(of(body), empty, "{name} {status} {:.40}", String::from_utf8_lossy(body));
            }
        }
    }
}

#[test]
fn every_kind_judges_the_lack_of_an_answer() {
    use Verdict::{Blocked, Later, Refused};
    for (name, receiver) in all() {
        for (failure, verdict, reason) in [
            (Failure::Timeout(Duration::from_secs(15)), Later, Reason::Timeout),
            (Failure::Dns("x".into()), Later, Reason::Dns),
            (Failure::Tls("x".into()), Later, Reason::Tls),
            (Failure::Connect("x".into()), Later, Reason::Connect),
            (Failure::Interrupted("x".into()), Later, Reason::Connect),
            (Failure::Malformed("x".into()), Refused, Reason::Template),
            (Failure::ForbiddenAddress("x".into()), Blocked, Reason::Connect),
        ] {
            let judged = receiver.judge(&Err(failure));
            assert_eq!((judged.verdict, judged.reason), (verdict, Some(reason)), "{name}");
            let named = |setting| judged.advice.as_ref().is_some_and(|advice| advice.contains(setting));
            assert_eq!(
                named("`host`") || named("`ca`") || named("`port`"),
                name == "smtp" && reason != Reason::Template,
                "{name}"
            );
            assert!(!named("`url`") && (name != "smtp" || !named("`tls.ca`")), "{name}");
        }
    }
}
