//! What every case is measured with.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::figures::{CPU_PER_EVENT, HARNESS, RATE};
use crate::generator;
use crate::report::{Point, Report};
use crate::requests::Requests;
use crate::sink::Sink;
use crate::statistics::float;
use crate::stores::Kept;
use crate::subject::{Running, Setup, Subject};

/// The sitting: subjects, the receiver at the other end, what was measured so far.
pub struct Bench {
    pub subjects: Vec<Subject>,
    pub sink: Sink,
    pub report: Report,
    pub rounds: usize,
    pub full: bool,
    pub build: bool,
    pub stores: BTreeMap<usize, Kept>,
}

/// So many data products have events where nothing else is said: order is kept among those of one.
pub const PRODUCTS: usize = 500;

/// What a run of many events came to.
pub struct Run {
    /// Delivered events per second.
    pub rate: f64,
    /// CPU time of the subject per event, in µs.
    pub cpu: f64,
    /// The same of generator and sink.
    pub harness: f64,
}

impl Bench {
    /// Nothing measured yet.
    pub fn new(arguments: &Arguments) -> Bench {
        let built = vec![env!("CARGO_BIN_EXE_jobrelay").into()];
        let programs = if arguments.relays.is_empty() { &built } else { &arguments.relays };
        let mut subjects = vec![Subject::Floor];
        for (place, program) in programs.iter().enumerate() {
            let program = program.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
            let name = if programs.len() == 1 { "relay".to_owned() } else { format!("relay {}", place + 1) };
            println!("{name}: {}", program.display());
            subjects.push(Subject::Relay { name, program });
        }
        let report = Report::new(subjects.iter().map(|subject| subject.name().to_owned()).collect());
        let Arguments { rounds, full, build, .. } = *arguments;
        Bench { subjects, sink: Sink::start(), report, rounds, full, build, stores: BTreeMap::new() }
    }

    /// Measures every subject in turn, round after round.
    pub fn alternate(&mut self, rounds: usize, measure: impl FnMut(&mut Bench, &Subject)) {
        self.take_turns(&self.subjects.clone(), rounds, measure);
    }

    /// The same without the floor.
    pub fn alternate_relays(&mut self, rounds: usize, measure: impl FnMut(&mut Bench, &Subject)) {
        self.take_turns(&self.subjects.clone()[1..], rounds, measure);
    }

    fn take_turns(&mut self, subjects: &[Subject], rounds: usize, mut measure: impl FnMut(&mut Bench, &Subject)) {
        for round in 1..=rounds {
            for subject in subjects {
                eprintln!("  round {round} of {rounds}: {}", subject.name());
                measure(self, subject);
            }
        }
    }

    /// Adds what a run came to.
    pub fn add(&mut self, point: &Point, subject: &Subject, run: &Run) {
        self.report.add(point, &RATE, subject.name(), run.rate);
        self.report.add(point, &CPU_PER_EVENT, subject.name(), run.cpu);
        self.report.add(point, &HARNESS, subject.name(), run.harness);
    }

    /// A fresh subject under as much load as it takes: `events`, of which each makes `messages` messages, after a tenth to warm up.
    pub fn fresh(&self, subject: &Subject, setup: &Setup, load: Load<'_>) -> Run {
        let running = subject.start(setup);
        self.drive(&running, load)
    }

    /// The same for one that runs.
    pub fn drive(&self, running: &Running, load: Load<'_>) -> Run {
        let Load { connections, events, messages, requests } = load;
        let mut go = |events: usize| {
            let target = self.sink.count() + messages.of(events);
            let posted = generator::closed(running.address, connections, events, requests);
            self.sink.wait_for(target);
            let took = posted.begun.elapsed().as_secs_f64();
            // A repeat would come late.
            sleep(Duration::from_millis(200));
            assert_eq!(self.sink.count(), target, "every message arrives once");
            (took, posted.cpu)
        };
        go((events / 10).next_multiple_of(10));
        let (cpu, sink) = (running.figures.cpu(), self.sink.cpu());
        let (took, generator) = go(events);
        let (cpu, sink) = (running.figures.cpu().since(&cpu), self.sink.cpu() - sink);
        let (count, micros) = (float(events), 1e6);
        Run { rate: count / took, cpu: cpu * micros / count, harness: (generator + sink) * micros / count }
    }
}

/// As much as a subject takes.
pub struct Load<'a> {
    pub connections: usize,
    pub events: usize,
    pub messages: Messages,
    pub requests: &'a mut Requests,
}

/// How many messages ten events make.
#[derive(Clone, Copy)]
pub struct Messages {
    pub of_ten: usize,
}

impl Messages {
    /// One for each event.
    pub const ONE: Messages = Messages { of_ten: 10 };

    /// Of so many events, a multiple of ten.
    pub fn of(self, events: usize) -> usize {
        events * self.of_ten / 10
    }
}
