//! What will happen in one simulation, drawn from a seed: what the sender sends, how each receiver and the store behave and when, what
//! people do to routes.yaml and to the clock, and when the process dies.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::by_hand::ByHand;
use super::file::{File, STEADY, pick};
use crate::delivery::Limits;

/// A whole simulation. Times are since its beginning.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    /// The versions of routes.yaml; the first one rules at the start.
    pub files: Vec<File>,
    /// In order of time.
    pub acts: Vec<(Duration, Act)>,
    /// How each receiver behaves from when on, in order of time; at first, and after the last, it is well.
    pub habits: BTreeMap<&'static str, Vec<(Duration, Habit)>>,
    /// When the store is not well.
    pub weather: Vec<Weather>,
    /// How each life of the process ends, if it does.
    pub deaths: Vec<Death>,
    pub limits: Limits,
    /// How long events are kept.
    pub retention: Duration,
    /// From here on nothing goes wrong any more.
    pub calm: Duration,
}

/// Something done to the relay.
#[derive(Debug, Clone)]
pub enum Act {
    /// Posts these in one request.
    Send(Vec<Sample>),
    /// Makes a version of routes.yaml the one on disk.
    Edit(usize),
    /// Sets the wall clock forward or back.
    SetClock(i64),
    /// Stops the process in order, for so long.
    Stop(Duration),
    Resume(&'static str),
    ByHand(ByHand),
}

/// An event of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The sender's.
    pub id: usize,
    pub product: u8,
    pub job: usize,
    /// RUNNING, or how it ended: `None` as failed, `Some` as succeeded.
    pub status: Status,
    /// The same ID with another note is another event.
    pub note: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Running,
    Failed,
    Succeeded,
}

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Habit {
    Well,
    /// Takes longer, up to beyond any timeout.
    Slow(Duration),
    /// Never answers.
    Hang,
    /// Answers so.
    Status(u16),
    /// 429 with this header.
    Limited(&'static str),
    /// 401 until the credentials are newer.
    Revoked(u32),
    /// Takes the message, and breaks off before it answers.
    Swallow,
    /// Answers 200, and breaks off in the body.
    Break,
    /// The same within the body, until the timeout.
    Trickle,
    NoName,
    NoTls,
    NoConnection,
    /// Every second time, by chance, 503.
    Flaky,
    /// Refuses (400) or fails (500) for this product alone.
    Poison(u8, u16),
}

/// A time in which calls of the store go wrong.
#[derive(Debug, Clone)]
pub struct Weather {
    pub from: Duration,
    pub to: Duration,
    pub how: Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    CannotWrite,
    CannotRead,
    Dead,
    /// Of eight calls so many fail.
    Flaky(u8),
    /// Calls take up to so long.
    Slow(Duration),
}

/// The process dies at this call of store or network, counted from its start.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub call: u32,
    /// The call has its effect, but nobody hears of it.
    pub after_effect: bool,
    /// Until the next start.
    pub down: Duration,
}

const RETRY_AFTER: [&str; 8] =
    ["0", "5", "40", "3600", "1000000000", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 21 Sep 2026 14:16:00 GMT"];

impl Plan {
    pub fn draw(seed: u64) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let length = Duration::from_secs(pick(rng, &[20, 60, 60, 180, 600]));
        // Reading a routes.yaml takes longer than most simulations, so most begin with one of a few.
        let first = if rng.u8(..4) == 0 { rng.u64(..) } else { rng.u64(..64) };
        let mut files = vec![File::draw(&mut Rng::with_seed(first))];
        let mut acts = Vec::new();
        let events = pick(rng, &[3, 6, 12, 20, 50]);
        draw_events(rng, events, length, &mut acts);
        for _ in 0..pick(rng, &[0, 0, 1, 2, 4]) {
            let next = files[files.len() - 1].edited(&files[0], rng);
            acts.push((within(rng, length), Act::Edit(files.len())));
            files.push(next);
        }
        let mut habits: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for &name in files[0].receivers.keys().filter(|name| **name != STEADY) {
            let phases = pick(rng, &[0, 1, 2, 3]);
            let mut times: Vec<Duration> = (0..phases).map(|_| within(rng, length)).collect();
            times.sort_unstable();
            let mut habits_of_one: Vec<_> = times.into_iter().map(|at| (at, habit(rng))).collect();
            if rng.u8(..6) == 0 {
                // Held for long, and then not well either.
                let at = within(rng, length / 4);
                habits_of_one = vec![(at, Habit::Status(401)), (length / 4 * 3, habit(rng))];
            }
            habits.insert(name, habits_of_one);
        }
        // Most who revoke credentials give out new ones.
        for (name, habits) in &habits {
            let revoked = habits.iter().find(|(_, habit)| matches!(habit, Habit::Revoked(_)));
            if let Some(&(at, _)) = revoked.filter(|_| rng.u8(..4) > 0) {
                let mut next = files[files.len() - 1].clone();
                next.heal(name);
                acts.push((at + within(rng, length), Act::Edit(files.len())));
                files.push(next);
            }
        }
        sort_edits(&mut acts);
        for _ in 0..pick(rng, &[0, 0, 0, 1, 2]) {
            let jump = pick(rng, &[-3_600, 3_600, 30 * 86_400, -30 * 86_400, -40, 400]);
            acts.push((within(rng, length), Act::SetClock(jump)));
        }
        if rng.u8(..4) == 0 {
            acts.push((within(rng, length), Act::Stop(Duration::from_millis(rng.u64(..60_000)))));
        }
        for _ in 0..rng.u8(..3) {
            acts.push((within(rng, length), Act::Resume(pick(rng, &["chat", "hook", "pager"]))));
        }
        acts.sort_by_key(|(at, _)| *at);
        let mut weather: Vec<Weather> = (0..pick(rng, &[0, 0, 1, 2])).map(|_| weather(rng, length)).collect();
        let deaths = (0..pick(rng, &[0, 0, 1, 2, 4])).map(|_| death(rng, length)).collect();
        let limits = limits(rng);
        for _ in 0..pick(rng, &[0, 0, 1, 3, 6]) {
            acts.push((within(rng, length), Act::ByHand(ByHand::draw(rng))));
        }
        let retention = Duration::from_secs(pick(rng, &[15, 60, 200, 30 * 86_400]));
        if rng.u8(..6) == 0 {
            go_and_return(rng, length, &mut files, &mut acts);
        }
        acts.sort_by_key(|(at, _)| *at);
        let calm = acts.last().map_or(length, |(at, _)| length.max(*at)) + Duration::from_secs(5);
        for weather in &mut weather {
            weather.to = weather.to.min(calm);
        }
        Plan { seed, files, acts, habits, weather, deaths, limits, retention, calm }
    }

    /// How a receiver behaves now.
    pub fn habit(&self, receiver: &str, now: Duration) -> Habit {
        let phases = self.habits.get(receiver).filter(|_| now < self.calm);
        let begun = phases.and_then(|phases| phases.iter().rfind(|(from, _)| *from <= now));
        begun.map_or(Habit::Well, |(_, habit)| *habit)
    }

    /// How the store is now.
    pub fn trouble(&self, now: Duration) -> Option<Trouble> {
        let now_in = |weather: &&Weather| weather.from <= now && now < weather.to;
        self.weather.iter().filter(|_| now < self.calm).find(now_in).map(|weather| weather.how)
    }
}

fn within(rng: &mut Rng, length: Duration) -> Duration {
    // Often on the same second, so that things happen at once.
    let at = Duration::from_millis(rng.u64(..u64::try_from(length.as_millis()).expect("minutes")));
    if rng.u8(..4) == 0 { Duration::from_secs(at.as_secs()) } else { at }
}

fn draw_events(rng: &mut Rng, events: usize, length: Duration, acts: &mut Vec<(Duration, Act)>) {
    let products = pick(rng, &[1, 2, 4, 12]);
    let crowded = rng.bool();
    let mut at: Vec<Duration> =
        (0..events).map(|_| if crowded { within(rng, length / 8) } else { within(rng, length) }).collect();
    at.sort_unstable();
    let mut running = vec![None; usize::from(products)];
    let mut sent: Vec<Sample> = Vec::new();
    for (id, at) in at.into_iter().enumerate() {
        let product = rng.u8(..products);
        let job = &mut running[usize::from(product)];
        let (number, status) = match *job {
            None if rng.bool() => (id, Status::Running),
            None => (id, pick(rng, &[Status::Failed, Status::Failed, Status::Succeeded])),
            Some(job) => (job, pick(rng, &[Status::Failed, Status::Succeeded])),
        };
        *job = (status == Status::Running).then_some(number);
        let fresh = Sample { id, product, job: number, status, note: 0 };
        let sample = match rng.u8(..12) {
            0 if !sent.is_empty() => pick(rng, &sent),
            1 if !sent.is_empty() => Sample { note: rng.u8(1..), ..pick(rng, &sent) },
            _ => fresh,
        };
        sent.push(sample.clone());
        match acts.last_mut() {
            Some((_, Act::Send(batch))) if rng.u8(..5) == 0 => batch.push(sample),
            _ => acts.push((at, Act::Send(vec![sample]))),
        }
    }
}

/// After all other edits a receiver disappears, and is back before what was under way to it may have ended.
fn go_and_return(rng: &mut Rng, length: Duration, files: &mut Vec<File>, acts: &mut Vec<(Duration, Act)>) {
    let last = files[files.len() - 1].clone();
    let others: Vec<_> = last.receivers.keys().copied().filter(|name| *name != STEADY).collect();
    if others.is_empty() {
        return;
    }
    let without = last.without(pick(rng, &others));
    let edits = acts.iter().filter(|(_, act)| matches!(act, Act::Edit(_)));
    let mut at = edits.map(|(at, _)| *at).max().unwrap_or_default().max(within(rng, length));
    for file in [without, last] {
        acts.push((at, Act::Edit(files.len())));
        files.push(file);
        at += Duration::from_millis(rng.u64(1..3_000));
    }
}

/// The versions come in the order they were made in.
fn sort_edits(acts: &mut [(Duration, Act)]) {
    let mut times: Vec<Duration> =
        acts.iter().filter(|(_, act)| matches!(act, Act::Edit(_))).map(|(at, _)| *at).collect();
    times.sort_unstable();
    let edits = acts.iter_mut().filter(|(_, act)| matches!(act, Act::Edit(_)));
    for ((at, _), time) in edits.zip(times) {
        *at = time;
    }
}

fn habit(rng: &mut Rng) -> Habit {
    match rng.u8(..17) {
        0 => Habit::Well,
        1 => Habit::Slow(Duration::from_millis(rng.u64(..20_000))),
        2 => Habit::Hang,
        3 => Habit::Status(400),
        4 | 5 => Habit::Status(pick(rng, &[500, 502, 503, 408])),
        6 => Habit::Status(pick(rng, &[401, 302, 404, 410])),
        7 | 8 => Habit::Limited(pick(rng, &RETRY_AFTER)),
        9 => Habit::Revoked(1),
        10 => Habit::Swallow,
        11 => Habit::Break,
        12 => Habit::Trickle,
        13 => pick(rng, &[Habit::NoName, Habit::NoTls, Habit::NoConnection]),
        14 => Habit::Flaky,
        _ => Habit::Poison(rng.u8(..2), pick(rng, &[400, 500])),
    }
}

fn weather(rng: &mut Rng, length: Duration) -> Weather {
    let from = within(rng, length);
    let to = from + Duration::from_millis(rng.u64(10..40_000));
    let how = match rng.u8(..6) {
        0 => Trouble::CannotWrite,
        1 => Trouble::CannotRead,
        2 => Trouble::Dead,
        3 => Trouble::Flaky(rng.u8(1..8)),
        _ => Trouble::Slow(Duration::from_millis(pick(rng, &[3, 200, 4_000, 25_000]))),
    };
    Weather { from, to, how }
}

fn death(rng: &mut Rng, length: Duration) -> Death {
    let most = pick(rng, &[12, 60, 300]);
    Death {
        call: rng.u32(1..most),
        after_effect: rng.bool(),
        down: pick(rng, &[Duration::ZERO, Duration::from_millis(100), Duration::from_secs(3), length / 4]),
    }
}

/// So small that everything spills: what is far from its bounds shows nothing.
fn limits(rng: &mut Rng) -> Limits {
    let held = pick(rng, &[1, 2, 3, 8, 2_000]);
    Limits {
        held_by_all: 4 * held,
        held_by_one: 1..=held,
        intake: pick(rng, &[1, 2, 5, 1_024]),
        unrecorded: pick(rng, &[1, 3, 1_000]),
    }
}
