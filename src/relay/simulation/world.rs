//! All that is around the relay, and outlives its process: time, faults, and a record of everything that happened. What no relay may ever
//! do is noticed here, at the moment it is done.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Notify;

use super::clock;
use super::plan::{Plan, Trouble};
use crate::event::{DeliveryId, EventId};
use crate::receiver::Verdict;
use crate::store::{Delivery, End, KeyHash, StoredEvent};

/// The world. Clones are the same.
#[derive(Clone)]
pub struct World {
    pub plan: Arc<Plan>,
    inner: Arc<Mutex<Inner>>,
    /// Rings when the process dies.
    pub died: Arc<Notify>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.plan.seed).finish_non_exhaustive()
    }
}

/// A life of the process.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub from: Duration,
    pub to: Duration,
    /// It was stopped, and had the time to put everything in order.
    pub orderly: bool,
}

/// A delivery, as the store made it.
#[derive(Debug, Clone)]
pub struct Made {
    pub event: EventId,
    pub receiver: Arc<str>,
    pub key: KeyHash,
    /// What its event's job ran for.
    pub product: Option<u8>,
    pub at: Duration,
    /// What is on disk of its end, and when that came there.
    pub ended: Option<(End, Duration)>,
    /// The first answer the relay heard that says it arrived.
    pub arrived: Option<Duration>,
    /// Its requests, by number.
    pub requests: Vec<usize>,
    /// The last life in which attempts were recorded, and how many in that.
    pub recorded: (usize, usize),
    /// When it was taken off by hand: dismissed, moved, or replayed after it was dead.
    pub dismissed: Option<Duration>,
    /// When the lanes were told so.
    pub withdrawn: Option<Duration>,
}

impl Made {
    pub fn new(event: EventId, receiver: Arc<str>, key: KeyHash, product: Option<u8>, at: Duration) -> Made {
        let (requests, recorded) = (Vec::new(), (0, 0));
        let (ended, arrived, dismissed, withdrawn) = (None, None, None, None);
        Made { event, receiver, key, product, at, ended, arrived, requests, recorded, dismissed, withdrawn }
    }

    /// How many of its attempts were recorded in a life.
    pub fn recorded_in(&self, life: usize) -> usize {
        if self.recorded.0 == life { self.recorded.1 } else { 0 }
    }
}

/// A request to a receiver.
#[derive(Debug, Clone)]
pub struct Request {
    pub receiver: &'static str,
    pub delivery: DeliveryId,
    pub life: usize,
    pub from: Duration,
    /// When the relay heard the answer, or stopped listening.
    pub to: Option<Duration>,
    /// What the relay heard.
    pub answer: Option<Verdict>,
    /// Until when the answer says that nothing may come.
    pub hold: Option<Duration>,
    /// The plain form of a message whose first form was refused: it belongs to the same attempt.
    pub plain: bool,
    /// The store kept attempts waiting when this one began: they may come closer together than they were begun.
    pub muddled: bool,
}

/// Something that became durable and makes a difference to what later events owe.
#[derive(Debug, Clone)]
pub enum Change {
    Accepted { event: EventId, deliveries: Vec<DeliveryId> },
    Replayed { old: DeliveryId, new: DeliveryId },
    Moved { old: DeliveryId, new: DeliveryId },
    Dismissed { id: DeliveryId, untried: bool },
}

/// A version of routes.yaml that began to rule.
#[derive(Debug, Clone, Copy)]
pub struct Ruled {
    pub file: usize,
    pub at: Duration,
}

#[derive(Default)]
pub struct Inner {
    pub lives: Vec<Life>,
    /// Calls of store and network in this life.
    calls: u32,
    dead: bool,
    pub made: BTreeMap<DeliveryId, Made>,
    /// In the order in which they became durable.
    pub changes: Vec<Change>,
    /// When events were accepted.
    pub came: BTreeMap<EventId, Duration>,
    /// Events that came again.
    pub duplicates: u64,
    /// What went with the retention, as it was then, and when.
    pub gone: (Vec<StoredEvent>, Vec<Delivery>),
    pub gone_at: BTreeMap<EventId, Duration>,
    /// The deliveries of one key to one receiver, in order.
    pub of_key: BTreeMap<(Arc<str>, KeyHash), Vec<DeliveryId>>,
    pub requests: Vec<Request>,
    pub ruled: Vec<Ruled>,
    /// Times in which a lane was blocked for certain.
    pub blocked: Vec<(Arc<str>, Duration, Option<Duration>)>,
    /// When someone said that a receiver is mended, or did so in its settings.
    pub resumed: Vec<(&'static str, Duration)>,
    /// Samples that were answered with 200, with the event that stands for each.
    pub promised: Vec<(usize, u8, EventId)>,
    pub violation: Option<String>,
    pub deaths: u32,
    trace: Trace,
}

#[derive(Default)]
struct Trace {
    hash: DefaultHasher,
    /// Every step in words, if somebody reads them.
    lines: Option<Vec<String>>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lives,
    /// Nothing comes of it: the process is dead.
    Dies,
    DiesAfterEffect,
}

impl World {
    /// `told`: steps are kept in words.
    pub fn new(plan: Plan, told: bool) -> World {
        let mut inner = Inner::default();
        inner.trace.lines = told.then(Vec::new);
        World { plan: Arc::new(plan), inner: Arc::new(Mutex::new(inner)), died: Arc::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step of the simulation, for the trace.
    pub fn step(&self, what: &'static str, detail: impl Hash + std::fmt::Debug) {
        let now = clock::now();
        let trace = &mut self.lock().trace;
        (now, what).hash(&mut trace.hash);
        detail.hash(&mut trace.hash);
        if let Some(lines) = &mut trace.lines {
            lines.push(format!("{:>12.3} {what} {detail:?}", now.as_secs_f64()));
        }
    }

    /// A call of store or network begins: what becomes of it?
    pub fn call(&self, what: &'static str) -> Fate {
        let (death, fate) = {
            let mut inner = self.lock();
            if inner.dead {
                return Fate::Dies;
            }
            inner.calls += 1;
            let death = self.plan.deaths.get(inner.deaths as usize).copied();
            let death = death.filter(|death| death.call == inner.calls && clock::now() < self.plan.calm);
            let fate = match death {
                None => Fate::Lives,
                Some(death) if death.after_effect => Fate::DiesAfterEffect,
                Some(_) => Fate::Dies,
            };
            (death, fate)
        };
        if death.is_some() {
            self.step("dies at", (what, fate == Fate::Dies));
        }
        if fate == Fate::Dies {
            self.die();
        }
        fate
    }

    /// The process is gone, as of now.
    pub fn die(&self) {
        let mut inner = self.lock();
        if !inner.dead {
            inner.dead = true;
            inner.deaths += 1;
            self.died.notify_one();
        }
    }

    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// A life begins.
    pub fn begin(&self) {
        let now = clock::now();
        let mut inner = self.lock();
        inner.dead = false;
        inner.calls = 0;
        inner.lives.push(Life { from: now, to: now, orderly: false });
        drop(inner);
        self.step("starts", ());
    }

    /// The life is over: what was under way is not heard of again.
    pub fn end(&self) {
        let now = clock::now();
        let mut inner = self.lock();
        inner.dead = true;
        if let Some(life) = inner.lives.last_mut() {
            life.to = now;
        }
        for (_, _, to) in inner.blocked.iter_mut().filter(|(_, _, to)| to.is_none()) {
            *to = Some(now);
        }
    }

    /// What is wrong with the store now, if anything.
    pub fn trouble(&self) -> Option<Trouble> {
        self.plan.trouble(clock::now())
    }

    /// Something happened that may never happen. The first counts.
    pub fn violated(&self, what: impl FnOnce() -> String) {
        let mut inner = self.lock();
        if inner.violation.is_none() {
            inner.violation = Some(format!("at {:.3} s: {}", clock::now().as_secs_f64(), what()));
        }
    }

    /// Hash and words of all steps.
    pub fn trace(&self) -> (u64, Vec<String>) {
        let trace = &mut self.lock().trace;
        (trace.hash.finish(), trace.lines.take().unwrap_or_default())
    }

    /// A seeded source of chance that has nothing to do with the plan's.
    pub fn rng(&self, salt: u64) -> Rng {
        Rng::with_seed(self.plan.seed ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

impl Inner {
    /// Which version of routes.yaml rules; the first before any does.
    pub fn file(&self) -> usize {
        self.ruled.last().map_or(0, |ruled| ruled.file)
    }

    /// A receiver answers something else now than that it takes nothing, or nothing at all.
    pub fn not_blocked(&mut self, receiver: &str) {
        let now = clock::now();
        let open = self.blocked.iter_mut().filter(|(name, _, to)| **name == *receiver && to.is_none());
        open.for_each(|(_, _, to)| *to = Some(now));
    }

    /// How long the process ran between two moments, less the time in which the receiver was blocked for certain. The relay may take a
    /// delivery for younger, never for older.
    pub fn counted(&self, receiver: &str, from: Duration, to: Duration) -> Duration {
        let within = |a: Duration, b: Duration| b.min(to).saturating_sub(a.max(from));
        let last = self.lives.len() - 1;
        let ran = self.lives.iter().enumerate();
        let ran: Duration = ran.map(|(n, life)| within(life.from, if n == last { to } else { life.to })).sum();
        let blocked = self.blocked.iter().filter(|(name, ..)| **name == *receiver);
        ran.saturating_sub(blocked.map(|(_, from, until)| within(*from, until.unwrap_or(to))).sum())
    }
}
