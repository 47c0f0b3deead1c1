//! From spawning the process until it answers 200 at `/readyz`.

use crate::bench::Bench;
use crate::figures::READY;
use crate::report::{Budget, Point};
use crate::stores::Kept;
use crate::subject::Setup;

pub const NAME: &str = "start";

pub fn run(bench: &mut Bench) {
    let setup = Setup::one(&bench.sink.url());
    let empty = Point::new(NAME, "empty store");
    bench.alternate_relays(bench.rounds, |bench, subject| {
        let dir = tempfile::tempdir().expect("a directory");
        let took = subject.ready_in(dir.path(), &setup);
        bench.report.add(&empty, &READY, subject.name(), took);
    });
    let most = if bench.full { 1_000_000 } else { 100_000 };
    for events in [100_000, 1_000_000].into_iter().filter(|&events| events <= most) {
        let point = Point::new(NAME, format!("{events} events"));
        bench.report.budget(&point, &READY, Budget::Itself(50.0));
        let kept = Kept::of(bench, events);
        bench.alternate_relays(bench.rounds, |bench, subject| {
            let took = subject.ready_in(kept.path(), &setup);
            bench.report.add(&point, &READY, subject.name(), took);
        });
    }
}
