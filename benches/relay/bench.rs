//! What every case is measured with.

use std::time::Instant;

use crate::arguments::Arguments;
use crate::events::Requests;
use crate::generator;
use crate::report::Report;
use crate::sink::Sink;
use crate::statistics::float;
use crate::subject::{Running, Setup, Subject};

/// The sitting: subjects, the receiver at the other end, what was measured so far.
pub struct Bench {
    pub subjects: Vec<Subject>,
    pub sink: Sink,
    pub report: Report,
    pub rounds: usize,
    pub full: bool,
}

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
        Bench { subjects, sink: Sink::start(), report, rounds: arguments.rounds, full: arguments.full }
    }

    /// Measures every subject in turn, round after round.
    pub fn alternate(&mut self, rounds: usize, mut measure: impl FnMut(&mut Bench, &Subject)) {
        for round in 1..=rounds {
            for subject in self.subjects.clone() {
                eprintln!("  round {round} of {rounds}: {}", subject.name());
                measure(self, &subject);
            }
        }
    }

    /// The same without the floor.
    pub fn alternate_relays(&mut self, rounds: usize, mut measure: impl FnMut(&mut Bench, &Subject)) {
        self.alternate(rounds, |bench, subject| {
            if *subject != Subject::Floor {
                measure(bench, subject);
            }
        });
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
            assert_eq!(self.sink.count(), target, "every message arrives once");
            (took, posted.cpu)
        };
        go((events / 10).next_multiple_of(10));
        let (cpu, sink, begun) = (running.figures.cpu(), self.sink.cpu(), Instant::now());
        let (took, generator) = go(events);
        let (cpu, sink) = (running.figures.cpu() - cpu, self.sink.cpu() - sink);
        debug_assert!(begun.elapsed().as_secs_f64() >= took);
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
