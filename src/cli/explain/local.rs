//! By a file at hand, without a relay and without secrets.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Wanted;
use crate::cli::failure::Failure;
use crate::cli::output::count;
use crate::config::{self, Config, load_unjudged};
use crate::delivery::{Preview, Subject, prepare};
use crate::event::{self, DeliveryId, Event, Outcome, Received};
use crate::receiver::Receiver;
use crate::routing::{self, Decision};
use crate::server::types::{EventDetail, Explained, File, Ruling, Told};
use crate::yaml::{Problems, Severity, nearest};

/// Why a file with these problems is of no use.
pub fn unusable(shown: &str, problems: &Problems) -> Failure {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count() as u64;
    Failure::new(format!("{shown} cannot be used: {}", count(errors, "error")))
        .help(format!("`jobrelay check {shown}` shows what to mend"))
}

/// A routes.yaml at hand.
pub struct Local {
    shown: String,
    config: Config,
}

impl Local {
    /// Reads the file; its secrets are not needed.
    pub fn read(path: &Path) -> Result<Local, Failure> {
        let shown = path.display().to_string();
        let read = config::read_file(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        let text = read.map_err(|e| {
            Failure::new(format!("cannot read {shown}: {e}"))
                .help("--routes names another file; a recorded event (`jobrelay events`) needs none")
        })?;
        Local::of_text(shown, &text)
    }

    /// The same, of a text.
    pub fn of_text(shown: String, text: &str) -> Result<Local, Failure> {
        let (config, problems) = load_unjudged(text);
        let Some(config) = config.filter(|_| !problems.has_errors()) else {
            return Err(unusable(&shown, &problems));
        };
        Ok(Local { shown, config })
    }

    /// What the file does with an event that was never received.
    pub fn explain(&self, event: Event, wanted: &Wanted<'_>) -> Result<Explained, Failure> {
        let event = Arc::new(event);
        if let Some(name) = wanted.receiver {
            self.known(name)?;
        }
        let explanation = routing::explain(&self.config.routes, &event);
        let decision = explanation.decision.clone();
        let messages = if wanted.message { self.messages(&event, &decision, wanted.receiver) } else { Vec::new() };
        Ok(Explained {
            id: None,
            received_at: event.received.received_at,
            test: event.test,
            event: serde_json::to_value(event::flat(&event)).expect("the vocabulary is plain JSON"),
            file: File {
                version: Arc::clone(&self.config.version),
                standing: Ruling::Named,
                since: None,
                path: Some(self.shown.clone()),
            },
            recovers: self.recovers(&event),
            decision,
            explanation: Some(explanation),
            unexplained: None,
            now: None,
            deliveries: Vec::new(),
            messages,
        })
    }

    /// What the file does with an event that the relay has recorded, beside what became of that.
    pub fn recorded(&self, detail: &EventDetail, wanted: &Wanted<'_>) -> Result<Explained, Failure> {
        let id = detail.summary.id;
        let received = Received::structured(&detail.raw, detail.summary.received_at);
        let event = event::parse(received)
            .map_err(|(_, why)| Failure::new(format!("{id} cannot be read any more: {}", why.message)))?;
        let deliveries = detail.deliveries.iter().map(|detail| detail.delivery.clone()).collect();
        Ok(Explained { id: Some(id), deliveries, ..self.explain(event, wanted)? })
    }

    fn known(&self, name: &str) -> Result<(), Failure> {
        let names = || self.config.receivers.keys().map(|name| &**name);
        if names().any(|known| known == name) {
            return Ok(());
        }
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(Failure::new(format!("{} has no receiver {name:?}", self.shown)).help(help))
    }

    /// Whether a success is told to somebody depends on what failed before, which only a relay knows.
    fn recovers(&self, event: &Event) -> Vec<Arc<str>> {
        let succeeded = event.job.as_ref().is_some_and(|job| job.outcome == Some(Outcome::Succeeded));
        let wants = |receiver: &&Arc<Receiver>| succeeded && receiver.common.recovered;
        self.config.receivers.values().filter(wants).map(|receiver| Arc::clone(&receiver.name)).collect()
    }

    fn messages(&self, event: &Arc<Event>, decision: &Decision, receiver: Option<&str>) -> Vec<Told> {
        let of = |name: &Arc<str>, route: &Arc<str>| {
            let receiver = self.config.receivers.get(name)?;
            let at = event.received.received_at;
            let subject = Subject {
                id: DeliveryId(0),
                event: Arc::clone(event),
                route: Arc::clone(route),
                closes: None,
                earlier: None,
            };
            let prepared = prepare(&self.config, receiver, None, &subject, None, at, false);
            let message = Preview::of_result(prepared, receiver, &self.config.redactor);
            let told = Told {
                receiver: Arc::clone(name),
                kind: receiver.kind_name.to_owned(),
                route: Arc::clone(route),
                delivery: None,
                at,
                message: None,
                unsendable: None,
            };
            Some(told.with(message))
        };
        let targets = decision.targets.iter().filter(|target| receiver.is_none_or(|name| *name == *target.receiver));
        let mut told: Vec<Told> = targets.filter_map(|target| of(&target.receiver, &target.route)).collect();
        if let (true, Some(name)) = (told.is_empty(), receiver) {
            told.extend(of(&name.into(), &"".into()));
        }
        told
    }
}
