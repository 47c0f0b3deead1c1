//! Running the tests: the same decision and the same message as in production, against what was expected.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use super::Test;
use super::expect::{Reads, To};
use crate::config::Config;
use crate::event::DeliveryId;
use crate::message::{Circumstances, Composed, Scope, compose};
use crate::routing::{Decision, Reading, RouteReading, Target, decide, readings_for};
use crate::yaml::{Code, Problems, Span};

/// Nobody mends more at once, and each costs as much as running all of them.
const EXPLAINED: usize = 20;

/// Runs all tests, recording each expectation that is not met. Messages of receivers that `config` does not have, or that are
/// `imagined` in part, are not looked at.
pub(in crate::config) fn run_tests(
    tests: &[Test],
    config: &Config,
    imagined: &BTreeSet<Arc<str>>,
    problems: &mut Problems,
) {
    let mut explained = 0;
    for test in tests {
        let decision = decide(&config.routes, &test.event);
        let mut run = Run { test, config, imagined, decision: &decision, explained: &mut explained, problems };
        if let Some(to) = &test.expected.to {
            run.receivers(to);
        }
        for reads in &test.expected.messages {
            run.message(reads);
        }
    }
}

struct Run<'a> {
    test: &'a Test,
    config: &'a Config,
    imagined: &'a BTreeSet<Arc<str>>,
    decision: &'a Decision,
    /// How often the routes were read again to say why.
    explained: &'a mut usize,
    problems: &'a mut Problems,
}

impl Run<'_> {
    /// Whether exactly these get it.
    fn receivers(&mut self, to: &To) {
        let got: Vec<&str> = self.decision.targets.iter().map(|target| &*target.receiver).collect();
        let wanted: Vec<&str> = to.receivers.iter().map(|(name, _)| name.as_str()).collect();
        let missing = to.receivers.iter().find(|(name, _)| !got.contains(&name.as_str()));
        let extra = self.decision.targets.iter().find(|target| !wanted.contains(&&*target.receiver));
        let (span, why) = match (missing, extra) {
            (Some((name, span)), _) => (*span, self.why_not(name)),
            (None, Some(target)) => (to.span, Run::why(target)),
            (None, None) => return,
        };
        self.fail(span, &format!("expected {}, got {}", listed(&wanted), listed(&got)), why);
    }

    /// Whether a receiver reads what it must.
    fn message(&mut self, reads: &Reads) {
        let Some(target) = self.decision.targets.iter().find(|target| *target.receiver == *reads.receiver) else {
            let named = self.test.expected.to.iter().flat_map(|to| &to.receivers);
            // Then it is missing from `to`, which is said there.
            if !named.into_iter().any(|(name, _)| *name == reads.receiver) {
                let why = self.why_not(&reads.receiver);
                self.fail(reads.span, &format!("expected a message to {}, which gets none", reads.receiver), why);
            }
            return;
        };
        let Some(receiver) = self.config.receivers.get(&target.receiver) else { return };
        if !receiver.uses_message() {
            let message = format!("{} sends no message, so there is none to look at", receiver.name);
            let help = "a webhook sends the event itself, unless its `body` uses `message`: take it out".to_owned();
            self.problems.error(Code::NoEffect, reads.span, message, help);
            return;
        }
        if self.imagined.contains(&receiver.name) {
            return;
        }
        let scope = Scope {
            event: Arc::clone(&self.test.event),
            route: Arc::clone(&target.route),
            receiver: Arc::clone(&target.receiver),
            delivery: DeliveryId(0),
        };
        let layers = self.config.layers(&target.route, receiver);
        let Composed { message, failed } = compose(&self.config.engine, &layers, &scope, &Circumstances::default());
        // A receiver's own message may hold its secrets.
        let hidden = |text: &str| self.config.redactor.redact(text).into_owned();
        for wanted in &reads.parts {
            if let Some(missed) = wanted.missed(&message, &target.receiver) {
                let mut why = format!("route {:?} sends it", target.route);
                if let Some(failed) = &failed {
                    // A String takes any text.
                    let _ = write!(why, " in the built-in words, because its own failed: {}", hidden(failed));
                }
                self.fail(wanted.span, &hidden(&missed), why);
            }
        }
    }

    fn fail(&mut self, span: Span, what: &str, why: String) {
        self.problems.error(Code::FailedTest, span, format!("test {:?} failed: {what}", self.test.name), why);
    }

    /// Why someone gets it.
    fn why(target: &Target) -> String {
        format!("{} gets it by route {:?}, which applies", target.receiver, target.route)
    }

    /// Why someone does not get it: of each route that names them, what kept it from applying.
    fn why_not(&mut self, receiver: &str) -> String {
        *self.explained += 1;
        if *self.explained > EXPLAINED {
            return format!("why is said of the first {EXPLAINED} only: mend those, then check again");
        }
        let readings = readings_for(&self.config.routes, &self.test.event, receiver);
        let whys: Vec<String> = readings.iter().map(|route| kept(route, receiver)).collect();
        let none = format!("no route names {receiver}");
        let whys = if whys.is_empty() { none } else { first(&whys).join("; ") };
        let matched: Vec<String> = self.decision.matched.iter().map(|name| format!("{name:?}")).collect();
        let applied = if matched.is_empty() { "no route".to_owned() } else { first(&matched).join(", ") };
        format!("{whys}; what applied: {applied}")
    }
}

/// Of a long list only its beginning.
fn first(texts: &[String]) -> Vec<String> {
    const SHOWN: usize = 5;
    let more = texts.len().saturating_sub(SHOWN);
    let shown = texts.iter().take(SHOWN).cloned();
    shown.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// What kept a route from sending the event to a receiver it names.
fn kept(route: &RouteReading, receiver: &str) -> String {
    let name = &route.route;
    match route.reading {
        Reading::NotMatched => {
            let failed = route.failed().map(|condition| {
                let saw = condition.saw.as_ref().map_or_else(|| "absent".to_owned(), |saw| format!("{saw:?}"));
                match condition.key.as_str() {
                    key @ ("not" | "any") => format!("{key}: {}", condition.wanted),
                    key if condition.nearly.is_some() => {
                        format!("{key}: {} (it is {saw}; is one of them a slip?)", condition.wanted)
                    }
                    key => format!("{key}: {} (it is {saw})", condition.wanted),
                }
            });
            format!("route {name:?} wants {}", failed.collect::<Vec<_>>().join(" and "))
        }
        Reading::Skipped => format!("route {name:?} is an `otherwise` below one that applied"),
        Reading::NotRead => format!("route {name:?} stands below a `stop` that applied"),
        Reading::Matched => format!("the event speaks of {receiver} itself, and is never sent there"),
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use crate::config::{Secrets, load};
    use crate::yaml::{self, Severity};

    const FILE: &str = "\
timezone: Europe/Berlin
receivers:
  data-ops: { kind: inbox, message: { mention: here, link: https://runbook.example/ } }
  boss: { kind: inbox }
  tickets: { kind: webhook, url: https://tickets.example/ }
routes:
  - name: the relay itself
    when: { event_type: jobrelay.* }
    to: [data-ops, boss]
    stop: true
  - name: failed at night
    when: { outcome: failed, time: '22:00-06:00' }
    to: boss
    message: { title: 'Wake up: {{ resource }}', text: '**{{ error }}**', fields: { Job: 'no. {{ job }}', Queued: '' } }
  - name: slow
    when: { ran_for: '> 2h', outcome: succeeded }
    to: boss
  - name: tagged
    when: { raw: { data.tags: prod } }
    to: tickets
  - name: failed
    when: { outcome: failed, data_product: [Customers, dp-7] }
    to: data-ops
tests:
";

    fn report(tests: &str) -> String {
        let text = format!("{FILE}{tests}");
        let (config, mut problems) = load(&text, &Secrets::default());
        assert_eq!(config.is_some(), !problems.has_errors());
        problems.retain(|problem| problem.severity == Severity::Error);
        yaml::report("routes.yaml", &text, &problems, false)
    }

    #[test]
    fn what_is_as_expected_says_nothing() {
        let tests = "
  - name: by day
    job: { outcome: failed, data_product: Customers }
    expect: { to: data-ops, message: { data-ops: { title: '*FAILED*', level: error, mention: here, link: '*runbook*' } } }
  - name: by night, with the same event for all
    job: { outcome: failed, data_product: { id: dp-7 }, time: Sat 03:00, error: '*no* space', job: 0017 }
    expect:
      to: [data-ops, boss]
      message:
        boss:
          title: 'Wake up: dp-7'
          text: '\\*no\\* space'
          mention: []
          link: ''
          fields: { Job: no. 0017, Queued: '', Ran for: ['*m*', '*s'] }
        data-ops: { text: ['nothing', '*no\\* space*'] }
  - { name: slow, job: { outcome: succeeded, ran_for: 2h1m }, expect: { to: [boss] } }
  - { name: fast, job: { outcome: succeeded, ran_for: 2h }, expect: { to: [] } }
  - name: tags
    job: { outcome: succeeded, raw: { data.tags: [dev, prod] } }
    expect: { to: tickets }
  - name: never to the one it speaks of
    job: { event_type: jobrelay.receiver_down, receiver: data-ops }
    expect: { to: boss, message: { boss: { title: 'Receiver down: data-ops' } } }
  - name: on a day of the calendar, in the file's timezone
    job: { data_product: x, time: 2026-01-31 22:30 }
    expect: { to: boss }
";
        assert_eq!(report(tests), "");
    }

    #[test]
    fn a_failing_test_shows_expected_against_got_and_why() {
        let tests = "
  - { name: too few, job: { outcome: failed }, expect: { to: [data-ops, boss] } }
  - name: too many
    job: { outcome: failed, time: Sat 03:00 }
    expect:
      to: boss
  - { name: nobody named, job: { outcome: stopped }, expect: { to: [tickets], message: { tickets: { title: x } } } }
  - { name: no message, job: { outcome: stopped }, expect: { message: { boss: { title: x } } } }
  - { name: spoken of, job: { event_type: jobrelay.receiver_down, receiver: boss }, expect: { to: boss } }
  - name: words
    job: { outcome: failed, source: CRM, time: Sun 23:00 }
    expect:
      message:
        boss:
          title: ['*Customers*', '*Orders*']
          mention: here
          fields: { Job: '*', Owner: data-ops, Queued: x }
";
        insta::assert_snapshot!(report(tests));
    }

    #[test]
    fn of_very_many_failing_tests_the_first_are_explained() {
        use std::fmt::Write;
        let mut tests = "\n".to_owned();
        for n in 0..30 {
            writeln!(tests, "  - {{ name: t{n}, job: {{ outcome: stopped }}, expect: {{ to: boss }} }}")
                .expect("a text");
        }
        let report = report(&tests);
        assert_eq!(report.matches("error[failed-test]").count(), 30, "{report}");
        assert_eq!(report.matches("wants outcome: failed").count(), super::EXPLAINED, "{report}");
    }

    #[test]
    fn what_is_wrong_with_a_test_is_said_at_its_place() {
        let tests = "
  - name: unknown words
    job: { typ: load_source, outcome: faild, type: update_data_prodct, state: '', ran_for: long, time: Sat, source: [a] }
    expect: { to: [data-opps], message: { bos: { titel: x, title: { a: b } }, boss: {} } }
  - { name: contradiction, job: { type: load_source, data_product: Customers }, expect: { to: boss } }
  - { name: contradiction, job: { raw: { data..x: 1 }, time: now }, expect: {} }
  - { name: nothing to look at, expect: { to: boss } }
  - 5
";
        insta::assert_snapshot!(report(tests));
        let odd = "  - { name: odd, job: { type: load_sources, state: DONEE }, expect: { to: [] } }\n";
        insta::assert_snapshot!(report(odd));
        assert!(report("  - { name: machine, job: { raw: { data.tags: prod }, outcome: stopped }, expect: { message: { tickets: { title: x } } } }\n").contains("error[no-effect]: tickets sends no message"));
        let text = FILE.replace("tests:\n", "tests: { a: b }\n");
        let (_, problems) = load(&text, &Secrets::default());
        assert!(problems.iter().any(|problem| problem.message == "tests: expected a list of tests"));
    }
}
