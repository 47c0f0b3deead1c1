//! Every template of the file, rendered for events of every sort it can be asked for: what fails would fail when the alert fires.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Config;
use crate::event::{DeliveryId, Event, Outcome, Sample};
use crate::message::{Circumstances, Message, Piece, Scope, Template, compose, pieces};
use crate::receiver::{Audience, BodyFault, Call, MessageRef, Receiver};
use crate::routing::When;
use crate::yaml::{Code, Map, Problems, Span, Value};

/// Of what is made up, so that a file is judged the same each time.
const CHANCE: u128 = 7;
/// More renderings of messages than this are not tried; each template is at least once.
const MOST: usize = 200_000;

/// Renders every message and body, recording what fails. `section` has the receivers as written; what the `imagined` ones say is not
/// known.
pub(super) fn try_templates(section: &Map, config: &Config, imagined: &BTreeSet<Arc<str>>, problems: &mut Problems) {
    let samples = samples();
    let mut trials = Trials { config, imagined, samples: &samples, pieces: BTreeMap::new(), bodies: BTreeMap::new() };
    trials.plan();
    trials.messages(problems);
    trials.bodies(section, problems);
}

/// Which of the samples, a bit for each.
type Sorts = u64;

fn samples() -> Vec<Arc<Event>> {
    let read = |sample: Sample| sample.read(Timestamp::UNIX_EPOCH, CHANCE).ok().map(Arc::new);
    // One bit for each.
    Sample::every_sort().filter_map(read).take(64).collect()
}

struct Trials<'a> {
    config: &'a Config,
    imagined: &'a BTreeSet<Arc<str>>,
    samples: &'a [Arc<Event>],
    /// By the number of the template.
    pieces: BTreeMap<usize, Trial<'a>>,
    /// By the receiver's name.
    bodies: BTreeMap<Arc<str>, Vec<(Sorts, Arc<str>)>>,
}

/// One template of a message, and what it is rendered for.
struct Trial<'a> {
    piece: Piece<'a>,
    sorts: Sorts,
    route: Arc<str>,
    receiver: Arc<str>,
}

impl<'a> Trials<'a> {
    /// Finds out which template can be asked for which sorts of event.
    fn plan(&mut self) {
        let config = self.config;
        let all = self.sorts(|_| true);
        let nothing: Arc<str> = "".into();
        for route in config.routes.all() {
            let sorts = self.possible(&route.when);
            for receiver in route.to.iter().filter_map(|name| config.receivers.get(name)) {
                self.add(&route.name, receiver, sorts);
            }
        }
        let succeeded =
            self.sorts(|event| event.job.as_ref().is_some_and(|job| job.outcome == Some(Outcome::Succeeded)));
        for receiver in config.receivers.values() {
            if !self.bodies.contains_key(&receiver.name) {
                self.add(&nothing, receiver, all);
            } else if receiver.common.recovered {
                self.add(&nothing, receiver, succeeded);
            }
        }
        // Messages that nobody uses yet.
        for definition in config.messages.values() {
            for piece in pieces(&[definition]) {
                self.add_piece(piece, all, &nothing, &nothing);
            }
        }
    }

    fn add(&mut self, route: &Arc<str>, receiver: &'a Receiver, sorts: Sorts) {
        self.bodies.entry(Arc::clone(&receiver.name)).or_default().push((sorts, Arc::clone(route)));
        if receiver.uses_message() {
            let mut layers = self.config.layers(route, receiver);
            if let MessageRef::Inline(own) = &receiver.message
                && self.imagined.contains(&receiver.name)
            {
                layers.retain(|layer| !std::ptr::eq(*layer, own));
            }
            for piece in pieces(&layers) {
                self.add_piece(piece, sorts, route, &receiver.name);
            }
        }
    }

    fn add_piece(&mut self, piece: Piece<'a>, sorts: Sorts, route: &Arc<str>, receiver: &Arc<str>) {
        let Template::Compiled(template) = piece.template() else { return };
        if let Some(trial) = self.pieces.get_mut(&template.number()) {
            // A message that is used is asked for what its users can be.
            trial.sorts |= if receiver.is_empty() { 0 } else { sorts };
        } else {
            let (route, receiver) = (Arc::clone(route), Arc::clone(receiver));
            self.pieces.insert(template.number(), Trial { piece, sorts, route, receiver });
        }
    }

    fn sorts(&self, is: impl Fn(&Event) -> bool) -> Sorts {
        let marks = self.samples.iter().enumerate().map(|(bit, event)| Sorts::from(is(event)) << bit);
        marks.fold(0, |sorts, mark| sorts | mark)
    }

    /// The sorts a condition can hold for. One that asks for names, which no sample has, goes by type, state and outcome.
    fn possible(&self, when: &When) -> Sorts {
        let held = self.sorts(|event| when.holds(event, &self.config.routes.timezone));
        let possible = if held == 0 { self.sorts(|event| when.may_hold(event)) } else { held };
        if possible == 0 { self.sorts(|_| true) } else { possible }
    }

    fn events(&self, sorts: Sorts) -> impl Iterator<Item = &'a Arc<Event>> + use<'a> {
        let samples = self.samples;
        samples.iter().enumerate().filter(move |(bit, _)| sorts & (1 << bit) != 0).map(|(_, event)| event)
    }

    fn messages(&self, problems: &mut Problems) {
        let each = (MOST / self.pieces.len().max(1)).max(1);
        for trial in self.pieces.values() {
            let mut tally = Tally::default();
            for event in self.events(trial.sorts).take(each) {
                let scope = Scope {
                    event: Arc::clone(event),
                    route: Arc::clone(&trial.route),
                    receiver: Arc::clone(&trial.receiver),
                    delivery: DeliveryId(0),
                };
                tally.count(event, trial.piece.attempt(&self.config.engine, &scope).err());
            }
            let instead = "the built-in message would be sent instead: mend the template";
            self.report(&tally, Code::FailingTemplate, trial.piece.place(&self.config.engine), instead, problems);
        }
    }

    fn bodies(&self, section: &Map, problems: &mut Problems) {
        for (name, uses) in &self.bodies {
            let receiver = &self.config.receivers[name];
            if receiver.body.is_none() || self.imagined.contains(name) {
                continue;
            }
            let (mut templates, mut form) = (BTreeMap::<Span, Tally>::new(), Tally::default());
            let mut tried: Sorts = 0;
            let mut total = 0;
            for (sorts, route) in uses {
                // One message of each sort: bodies are the receiver's, so the first route that sends it may speak for all.
                for event in self.events(sorts & !tried) {
                    total += 1;
                    match self.try_body(receiver, route, event) {
                        Ok(()) => form.count(event, None),
                        Err(BodyFault::Form(why)) => form.count(event, Some(why)),
                        Err(BodyFault::Templates(failed)) => {
                            for (span, why) in failed {
                                templates.entry(span).or_default().count(event, Some(why));
                            }
                        }
                    }
                }
                tried |= sorts;
            }
            let machine = receiver.kind.audience() == Audience::Machine;
            let instead = if machine {
                "nothing would be sent then: mend the template"
            } else {
                "the usual form would be sent instead: mend the template"
            };
            for (span, mut tally) in templates {
                tally.tried = total;
                self.report(&tally, Code::FailingTemplate, span, instead, problems);
            }
            let instead =
                "look at the service's own reference for what it takes, or leave `body` away for the usual form";
            self.report(&form, Code::BadBody, place(section, name), instead, problems);
        }
    }

    fn try_body(&self, receiver: &Receiver, route: &Arc<str>, event: &Arc<Event>) -> Result<(), BodyFault> {
        let message = if receiver.uses_message() {
            let scope = Scope {
                event: Arc::clone(event),
                route: Arc::clone(route),
                receiver: Arc::clone(&receiver.name),
                delivery: DeliveryId(0),
            };
            let layers = self.config.layers(route, receiver);
            compose(&self.config.engine, &layers, &scope, &Circumstances::default()).message
        } else {
            Message::default()
        };
        receiver.try_body(&Call {
            event,
            delivery: DeliveryId(0),
            route,
            message: &message,
            engine: &self.config.engine,
            now: Timestamp::UNIX_EPOCH,
            plain: false,
            earlier: None,
        })
    }

    fn report(&self, tally: &Tally, code: Code, span: Span, instead: &str, problems: &mut Problems) {
        let Some((event, why)) = &tally.first else { return };
        let why = self.config.redactor.redact(why);
        let what = if code == Code::BadBody { "this body would be refused" } else { "this fails when it is rendered" };
        if tally.failed == tally.tried {
            problems.error(code, span, format!("{what}: {why}"), format!("tried with {event}; {instead}"));
        } else {
            let message = format!("for {event}, {what}: {why}");
            let help = format!("it fails for {} of {} sorts of event; {instead}", tally.failed, tally.tried);
            problems.warn(code, span, message, help);
        }
    }
}

/// What became of one template.
#[derive(Default)]
struct Tally {
    tried: usize,
    failed: usize,
    /// The first event it failed for, in words, and why.
    first: Option<(String, String)>,
}

impl Tally {
    fn count(&mut self, event: &Event, failure: Option<String>) {
        self.tried += 1;
        if let Some(why) = failure {
            self.failed += 1;
            self.first.get_or_insert_with(|| (in_words(event), why));
        }
    }
}

/// `a load_source job that failed`.
fn in_words(event: &Event) -> String {
    let Some(job) = &event.job else { return format!("an event of type {}", event.event_type) };
    let job_type = job.job_type.as_ref().map_or("some", |job_type| job_type.as_str());
    match (job.outcome, &job.state) {
        (Some(Outcome::Stopped), _) => format!("a {job_type} job that was stopped"),
        (Some(outcome), _) => format!("a {job_type} job that {}", outcome.as_str()),
        (None, Some(state)) => format!("a {job_type} job that is {}", state.as_str()),
        (None, None) => format!("a {job_type} job"),
    }
}

fn place(section: &Map, receiver: &str) -> Span {
    let body = section.get(receiver).and_then(|(_, node)| match &node.value {
        Value::Map(map) => map.get("body"),
        _ => None,
    });
    body.map_or_else(Span::default, |(_, node)| node.span)
}

#[cfg(test)]
mod tests {
    use crate::config::{Secrets, load};
    use crate::yaml::{self, Code};

    fn report(text: &str) -> String {
        let (config, mut problems) = load(text, &Secrets::default());
        assert_eq!(config.is_some(), !problems.has_errors());
        problems.retain(|problem| matches!(problem.code, Code::FailingTemplate | Code::BadBody));
        yaml::report("routes.yaml", text, &problems, false)
    }

    #[test]
    fn what_would_fail_when_the_alert_fires_is_found_before() {
        let text = "\
receivers:
  people: { kind: inbox, recovered: true, message: { title: 'late by {{ 1 // 0 }}' } }
  machine:
    kind: webhook
    url: https://x.example/
    body: { at: '{{ error | datetime }}', n: '{{ ran_for | round }}', t: [\"{{ message.title }}\", '{{ reason | datetime }}'] }
  slack:
    kind: slack
    url: https://hooks.slack.com/services/T0/B0/key
    body:
      blocks: \"{{ message.title }}\"
routes:
  - { name: a, to: people, when: { outcome: failed }, message: { title: x, text: '{{ error | datetime }}' } }
  - { name: b, to: people, message: { text: '{{ reason | datetime }}', link: 'ftp://{{ job }}', level: '{{ outcome }}', fields: { A: '{{ 1 // 0 }}' } } }
  - { name: c, to: [machine, slack], when: { state: DONE } }
messages:
  unused: { text: '{{ 7 | datetime }}', title: '{{ type }}' }
";
        insta::assert_snapshot!(report(text));
    }

    #[test]
    fn a_template_is_tried_only_for_what_its_routes_let_through() {
        let text = "\
receivers: { a: { kind: inbox } }
routes:
  - { name: no errors, to: a, when: { outcome: succeeded }, message: planned }
  - { name: own, to: a, when: { event_type: jobrelay.* }, message: planned }
  - { name: another name, to: a, when: { outcome: failed, data_product: Orders }, message: { level: '{% if error %}error{% else %}{{ type }}{% endif %}' } }
messages:
  planned: { text: '{{ error | datetime }}' }
";
        assert_eq!(report(text), "");
        let all = report(&text.replace(", when: { outcome: succeeded }", ""));
        assert!(all.contains("warning[failing-template]: for a load_source job that was stopped, this fails"), "{all}");
    }

    #[test]
    fn secrets_stay_out_of_what_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        std::fs::write(&path, "TOKEN=hunter2-hunter2\n").unwrap();
        let text = "receivers: { a: { kind: inbox, message: { level: \"${TOKEN}{{ 1 }}\" } } }\nroutes: [{ name: x, to: a }]\n";
        let (_, problems) = load(text, &Secrets { path: Some(path) });
        let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("its level: \"***1\" is none of"), "{said:?}");
    }
}
