//! The real relay in a simulated world: corridor, lanes and workers run as they are, on one thread, under a clock that only moves when
//! nothing is left to do, over a durable store in memory and a network of function calls. A seed decides everything that happens, so
//! whatever goes wrong goes wrong again.
//!
//! - `cargo test --lib simulation` runs 800 seeds, the same every time.
//! - `JOBRELAY_SEED=17 cargo test --lib simulation -- --nocapture` runs one, and tells every step.
//! - `JOBRELAY_SEEDS=1000000 cargo test --release --lib simulation -- --nocapture` runs as many others, for as long as that takes;
//!   `JOBRELAY_FIRST_SEED` says from which one on (else the time of day decides).
//!
//! `plan` draws what will happen; `file` is its routes.yaml; `world` remembers what happened and notices what may never happen; `network`
//! and `store` are the relay's surroundings, `sender` and `by_hand` those who use it; `noted` and `changes` note what became durable;
//! `life` runs a process until it dies; `invariants` and `decided` judge the whole.

mod by_hand;
mod changes;
mod clock;
mod decided;
mod file;
mod invariants;
mod life;
mod network;
mod noted;
mod plan;
mod sender;
mod store;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::invariants::Sums;
use self::plan::Plan;
use self::world::World;
use crate::store::memory::Durable;

/// How many seeds the suite runs.
const SEEDS: u64 = 800;
const THREADS: u64 = 2;

/// What a simulation came to, its trace (hash and steps), and what did not hold.
struct Run {
    sums: Sums,
    hash: u64,
    steps: Vec<String>,
    result: Result<(), String>,
}

fn run(seed: u64, told: bool) -> Run {
    fastrand::seed(seed);
    clock::reset();
    let world = World::new(Plan::draw(seed), told);
    let durable = Durable::new(1, Arc::new(clock::wall));
    let auditor = life::live(&world, &durable);
    let result = invariants::check(&world, &auditor);
    let (hash, steps) = world.trace();
    Run { sums: Sums::of(&world), hash, steps, result }
}

/// Runs a seed that failed once more and says all there is to know.
fn report(seed: u64, why: &str) -> String {
    let again = run(seed, true);
    let plan = Plan::draw(seed);
    let steps = again.steps[again.steps.len().saturating_sub(60)..].join("\n");
    format!(
        "seed {seed}: {why}\n{plan:#?}\nthe last steps:\n{steps}\n\nseed {seed}: {why}\n\
         all steps: JOBRELAY_SEED={seed} cargo test --lib simulation -- --nocapture"
    )
}

/// Runs seeds on all threads until one fails.
fn run_all(first: u64, count: u64, tell: bool) -> Result<Sums, String> {
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let work = || {
        let mut sums = Sums::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.load(Ordering::Relaxed) {
                return Ok(sums);
            }
            let Run { sums: of_seed, result, .. } = run(seed, false);
            sums.add(of_seed);
            if let Err(why) = result {
                failed.store(true, Ordering::Relaxed);
                return Err(report(seed, &why));
            }
            if tell && sums.seeds % 500 == 0 {
                println!("seed {seed}: {sums:?} on this thread");
            }
        }
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a simulation panicked")).collect::<Vec<_>>()
    });
    let mut all = Sums::default();
    for part in parts {
        all.add(part?);
    }
    Ok(all)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn whatever_goes_wrong_every_promise_holds() {
    let began = Instant::now();
    if let Some(seed) = number("JOBRELAY_SEED") {
        let Run { sums, steps, result, .. } = run(seed, true);
        println!("{:#?}\n{}\n{sums:?}", Plan::draw(seed), steps.join("\n"));
        return result.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let (first, count) = match number("JOBRELAY_SEEDS") {
        Some(count) => (number("JOBRELAY_FIRST_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..)) << 20), count),
        None => (0, SEEDS),
    };
    let sums = run_all(first, count, count != SEEDS).unwrap_or_else(|why| panic!("{why}"));
    println!("from seed {first}, in {:?}: {sums:?}", began.elapsed());
    // A simulation in which nothing happens shows nothing.
    assert!(sums.events > count && sums.attempts > count && sums.deaths > count / 10 && sums.repeats > 0, "{sums:?}");
    assert!(sums.simulated > Duration::from_secs(count) && sums.dead > 0, "{sums:?}");
    assert!(sums.by_hand > count && sums.pruned > count, "{sums:?}");
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 0..40 {
        let (first, second) = (run(seed, true), run(seed, true));
        let differs = first.steps.iter().zip(&second.steps).find(|(one, other)| one != other);
        assert_eq!((first.hash, differs), (second.hash, None), "seed {seed}");
    }
}
