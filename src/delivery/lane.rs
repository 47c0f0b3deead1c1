//! One receiver's queue as a state machine: it is given moments, deliveries and answers, and says what to do next.
//!
//! It holds a bounded part of what is owed; the rest stays in the store and is paged in. Two ways lead past its memory, and each
//! is remembered so that nothing is forgotten:
//! - *behind*: everything above `cursor` is still on disk only. Fresh deliveries are not taken from memory until it has caught up.
//! - a key is *spilled*: deliveries of this key up to `spilled_to` are on disk only, because its head waits or its queue is long.
//!   A poisonous key so costs one item of memory, and others are read past it.
//!
//! A lane that is behind still takes in what is urgent (`ahead`), and urgent heads get every other turn (`ready`).

mod ahead;
#[cfg(test)]
mod check;
mod pages;
mod queue;
mod ready;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::ahead::Ahead;
pub use self::ahead::URGENT;
use self::queue::{Item, Queue, Standing};
use self::ready::{Head, Ready};
use super::Health;
use super::clock::{AgeClock, Now};
use super::health::{Condition, KeptCondition, News};
use super::pace::Pace;
use super::schedule::backoff;
use crate::event::{DeliveryId, next_id};
use crate::receiver::{Judgement, Rate, Reason, Retry, Verdict};
use crate::store::{End, KeyHash, Owed};

/// How many of one key are held at most.
const OF_ONE_KEY: usize = 64;
/// If everything held waits for a retry, so many times the capacity: the receiver may answer others.
const STRETCH: usize = 10;
/// How long after an attempt that sent nothing, or whose answer says when to come again, the next one may come at the earliest:
/// "in 0 seconds", said each time, must not make a lane spin.
const AT_LEAST: Duration = Duration::from_secs(1);
/// So many attempts that sent nothing count, in one run of the relay, as one that may be the last by age: what breaks may have been
/// mended by an upgrade.
const UNSENT: u32 = 3;
/// A lane that could not record so many outcomes stops sending: what is in flight at a crash would be sent twice.
pub const UNRECORDED: usize = 1_000;

/// What a lane needs to know of its receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub rate: Option<Rate>,
    pub concurrency: usize,
    pub retry: Retry,
    /// How many deliveries to hold in memory, with their events.
    pub capacity: usize,
    /// How many outcomes may be not on disk yet before it stops sending.
    pub unrecorded: usize,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Make an attempt.
    Send(Arc<Owed>),
    /// Read the next page from the store.
    Load { after: DeliveryId, limit: usize },
    /// Read the next page of one key.
    LoadKey { key: KeyHash, after: DeliveryId, limit: usize },
    /// Read what comes first of one key, for [`Lane::looked`].
    Look { key: KeyHash, after: DeliveryId, limit: usize },
    /// Nothing until this moment of the monotonic clock, or until something comes.
    Wait(Option<Duration>),
}

/// What an answer led to.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub end: End,
    /// The number of this attempt, from 1.
    pub number: u32,
    /// Dead because `retry.for` has passed.
    pub gave_up: bool,
    pub news: Option<News>,
}

/// What is kept of a lane over a restart.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct KeptLane {
    condition: KeptCondition,
    clock: AgeClock,
}

/// The lane.
#[derive(Debug)]
pub struct Lane {
    settings: Settings,
    keys: HashMap<KeyHash, Queue>,
    ready: Ready,
    waiting: BTreeSet<(Duration, KeyHash)>,
    in_flight: HashMap<DeliveryId, KeyHash>,
    /// Keys whose queue is empty here but not on disk.
    hungry: VecDeque<KeyHash>,
    ahead: Ahead,
    held: usize,
    /// How many deliveries the pages of single keys that are being read may bring.
    asked: usize,
    cursor: DeliveryId,
    behind: bool,
    /// While a page is being read: its limit.
    loading: Option<usize>,
    load_not_before: Duration,
    /// Whose last page could not be read: a key's, or (`None`) the lane's own, of which those of keys say nothing.
    unreadable: HashSet<Option<KeyHash>>,
    refreshing: bool,
    /// Outcomes so far, and how many of them, the last, are not on disk.
    outcomes: usize,
    unrecorded: usize,
    pace: Pace,
    /// Set by `Retry-After`.
    hold_until: Duration,
    /// After such a hold, one message at a time until one is taken: the others would only be told the same.
    cautious: bool,
    condition: Condition,
    last_probe: DeliveryId,
    clock: AgeClock,
}

impl Lane {
    /// A lane that begins by reading what is owed from the store.
    #[must_use]
    pub fn new(settings: Settings, kept: Option<KeptLane>, now: Now) -> Lane {
        let (condition, mut clock) = match kept {
            Some(kept) => (Condition::restored(kept.condition, now), kept.clock),
            None => (Condition::default(), AgeClock::default()),
        };
        if condition.health() != Health::Blocked {
            clock.go(now.mono);
        }
        Lane {
            settings,
            keys: HashMap::new(),
            ready: Ready::default(),
            waiting: BTreeSet::new(),
            in_flight: HashMap::new(),
            hungry: VecDeque::new(),
            ahead: Ahead::default(),
            held: 0,
            asked: 0,
            cursor: DeliveryId(0),
            behind: true,
            loading: None,
            load_not_before: Duration::ZERO,
            unreadable: HashSet::new(),
            refreshing: false,
            outcomes: 0,
            unrecorded: 0,
            pace: Pace::new(settings.rate),
            hold_until: Duration::ZERO,
            cautious: false,
            condition,
            last_probe: DeliveryId(0),
            clock,
        }
    }

    /// What to keep over a restart.
    #[must_use]
    pub fn kept(&self, now: Now) -> KeptLane {
        KeptLane { condition: self.condition.kept(), clock: self.clock.kept(now.mono) }
    }

    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether anything is owed as far as this lane knows.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.behind || !self.keys.is_empty()
    }

    /// Whether fresh deliveries are to be read from the store instead of being given to [`Lane::take`].
    #[must_use]
    pub fn behind(&self) -> bool {
        self.behind
    }

    /// Whether a page is being read: fresh deliveries wait until it is there.
    #[must_use]
    pub fn loading(&self) -> bool {
        self.loading.is_some()
    }

    /// When the next attempt is due, if any is.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Duration> {
        let gate = self.hold_until.max(self.pace.ready_at());
        if self.condition.health() == Health::Open {
            let due = if self.ready.is_empty() { self.waiting.first().map(|&(at, _)| at)? } else { Duration::ZERO };
            Some(due.max(gate))
        } else {
            let probe = self.next_probe().map(|(_, untried)| self.condition.probe_at(untried).max(gate));
            // What could not be sent has times of its own.
            let unsent = self.waiting.first().map(|&(at, _)| at.max(gate));
            [probe, unsent].into_iter().flatten().min()
        }
    }

    /// Fresh deliveries from memory, in order.
    pub fn take(&mut self, fresh: impl IntoIterator<Item = Owed>, now: Now) {
        self.mark(now);
        for owed in fresh {
            if !self.behind && owed.id > self.cursor {
                self.cursor = owed.id;
                // While a page was read it may have been taken ahead, and be done.
                if !self.ahead.knows(owed.id) {
                    self.insert(owed, now);
                }
                self.behind = self.held >= self.settings.capacity;
            }
        }
        self.ahead.passed(self.cursor);
    }

    /// Fresh deliveries were passed over: they are on disk only.
    pub fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// An attempt came to `judgement`. `chance` is uniform in 0..1. The outcome counts as unrecorded until [`Lane::recorded`].
    ///
    /// `None`: no attempt of this delivery is under way.
    pub fn ended(&mut self, id: DeliveryId, judgement: &Judgement, chance: f64, now: Now) -> Option<Ended> {
        let key = self.in_flight.remove(&id)?;
        let queue = self.keys.get_mut(&key)?;
        queue.standing = Standing::Ready;
        let head = queue.items.front_mut()?;
        let number = head.owed.attempts.saturating_add(1);
        let age = self.clock.reads(now.mono).saturating_sub(head.came);
        if let Some(wait) = judgement.lane_waits {
            self.hold_until = self.hold_until.max(now.mono + wait.max(AT_LEAST));
            self.cautious = true;
        }

        // What could not be put together was not sent, and says nothing about the receiver.
        let sent = judgement.reason != Some(Reason::Template);
        head.unsent += u32::from(!sent);
        let may_be_last = sent || head.unsent >= UNSENT;
        let (end, gave_up, news) = match judgement.verdict {
            Verdict::Delivered | Verdict::Refused => {
                let end = if judgement.verdict == Verdict::Delivered { End::Delivered } else { End::Dead };
                self.drop_head(key);
                (end, false, if sent { self.good(now) } else { None })
            }
            Verdict::Later | Verdict::Blocked => {
                let news = if sent { self.bad(key, judgement, now) } else { None };
                let is_old = age >= self.settings.retry.give_up;
                if is_old && may_be_last && self.condition.health() != Health::Blocked {
                    self.drop_head(key);
                    (End::Dead, true, news)
                } else {
                    self.keep_head(key, number);
                    let delay = self.delay(judgement, number, chance);
                    if sent {
                        self.postpone(key, now.mono + delay);
                    } else {
                        self.wait(key, now.mono + delay);
                    }
                    (End::Owed { not_before: Some(now.wall + delay) }, false, news)
                }
            }
        };
        self.settle(key, now);
        self.outcomes += 1;
        self.unrecorded += 1;
        if end == End::Delivered || end == End::Dead {
            self.ahead.done(id, self.outcomes);
        }
        Some(Ended { end, number, gave_up, news })
    }

    /// An attempt could not be made: its event could not be read. Tries again in a second.
    pub fn untried(&mut self, id: DeliveryId, now: Now) {
        let Some(key) = self.in_flight.remove(&id) else { return };
        self.wait(key, now.mono + AT_LEAST);
        // It is the store that is not well: trying one head after the other would only show that of each.
        if self.condition.health() != Health::Open {
            self.hold_until = self.hold_until.max(now.mono + AT_LEAST);
        }
    }

    /// So many outcomes are on disk now.
    pub fn recorded(&mut self, outcomes: usize) {
        self.unrecorded = self.unrecorded.saturating_sub(outcomes);
    }

    /// Someone says the receiver is mended, or its settings changed: everything that waits is tried again now.
    pub fn resume(&mut self, now: Now) {
        self.hold_until = now.mono;
        self.condition.probe_now();
        self.wake_all();
    }

    /// routes.yaml gives this receiver other settings for its queue.
    pub fn change(&mut self, settings: Settings) {
        self.pace.change(settings.rate);
        self.settings = settings;
    }

    /// The store was changed by hand: forgets what it holds, once nothing is under way, and reads again.
    pub fn refresh(&mut self) {
        self.refreshing = true;
    }

    /// Whether so many outcomes are unrecorded that it does not send.
    #[must_use]
    pub fn waits_for_records(&self) -> bool {
        self.unrecorded >= self.settings.unrecorded
    }

    /// Whether what is owed cannot be read at present.
    #[must_use]
    pub fn cannot_read(&self) -> bool {
        !self.unreadable.is_empty()
    }

    /// Whether a message could go out now. After [`Lane::poll`] said to wait none can, unless this machine is at fault.
    #[must_use]
    pub fn could_send(&self, now: Now) -> bool {
        let due = !self.ready.is_empty() || self.waiting.first().is_some_and(|&(due, _)| due <= now.mono);
        let may = !self.refreshing && !self.waits_for_records() && self.condition.health() == Health::Open;
        let gate = self.hold_until.max(self.pace.ready_at());
        due && may && self.in_flight.len() < self.at_once() && gate <= now.mono
    }

    /// What to do next.
    pub fn poll(&mut self, now: Now) -> Step {
        if self.refreshing {
            // A page asked for before would be taken for one asked for after.
            let reading = self.loading.is_some() || self.asked > 0 || self.ahead.looking();
            if !self.in_flight.is_empty() || self.unrecorded > 0 || reading {
                return Step::Wait(None);
            }
            self.forget();
        }
        if now.mono >= self.load_not_before
            && let Some(step) = self.load()
        {
            return step;
        }
        if self.waits_for_records() {
            return Step::Wait(None);
        }
        while let Some(&(due, key)) = self.waiting.first()
            && due <= now.mono
        {
            self.waiting.pop_first();
            self.make_ready(key);
        }
        let until = if self.condition.health() == Health::Open { self.poll_open(now) } else { self.poll_probe(now) };
        match until {
            Ok(id_and_key) => self.send(id_and_key, now),
            Err(until) => Step::Wait(self.or_load(until, now)),
        }
    }

    fn poll_open(&mut self, now: Now) -> Result<Head, Option<Duration>> {
        if self.in_flight.len() >= self.at_once() {
            return Err(None);
        }
        let Some(head) = self.ready.next() else {
            return Err(self.waiting.first().map(|&(due, _)| due));
        };
        let gate = self.hold_until.max(self.pace.ready_at());
        if gate > now.mono { Err(Some(gate)) } else { Ok(head) }
    }

    fn at_once(&self) -> usize {
        if self.cautious { 1 } else { self.settings.concurrency }
    }

    fn poll_probe(&mut self, now: Now) -> Result<Head, Option<Duration>> {
        if !self.in_flight.is_empty() {
            return Err(None);
        }
        let due = self.waiting.first().map(|&(due, _)| due);
        let Some((head, untried)) = self.next_probe() else { return Err(due) };
        let gate = self.condition.probe_at(untried).max(self.hold_until).max(self.pace.ready_at());
        if gate > now.mono { Err(Some(due.map_or(gate, |due| due.min(gate)))) } else { Ok(head) }
    }

    /// The head to probe with, and whether its key was not tried since the trouble began: each after the one before, so that no key
    /// is the only one that ever gets its turn.
    fn next_probe(&self) -> Option<(Head, bool)> {
        let after = (DeliveryId(self.last_probe.0.saturating_add(1)), KeyHash(i64::MIN));
        if let Some(&head) = self.ready.in_turn(after).find(|&&(_, key)| self.condition.untried(key)) {
            return Some((head, true));
        }
        self.ready.in_turn(after).next().map(|&head| (head, false))
    }

    fn send(&mut self, (id, key): Head, now: Now) -> Step {
        self.ready.take((id, key));
        self.in_flight.insert(id, key);
        self.last_probe = id;
        self.pace.sent(now.mono);
        let queue = self.keys.get_mut(&key).expect("a ready head has its queue");
        queue.standing = Standing::InFlight;
        Step::Send(Arc::clone(&queue.items.front().expect("a ready queue has a head").owed))
    }

    fn insert(&mut self, owed: Owed, now: Now) {
        let came = self.clock.came(owed.id, now.mono);
        let key = owed.key;
        let of_one_key = OF_ONE_KEY.min(self.settings.capacity).max(1);
        let queue = self.keys.entry(key).or_default();
        let room = if matches!(queue.standing, Standing::Waiting(_)) { 1 } else { of_one_key };
        if queue.spilled_to.is_some() || queue.items.len() >= room {
            queue.spilled_to = Some(owed.id);
            return;
        }
        queue.last = owed.id;
        queue.items.push_back(Item { came, urgent: owed.urgent, unsent: 0, owed: Arc::new(owed) });
        self.held += 1;
        if queue.items.len() == 1 {
            self.settle(key, now);
        }
    }

    /// Puts a key that is not under way where it belongs.
    fn settle(&mut self, key: KeyHash, now: Now) {
        let Some(queue) = self.keys.get_mut(&key) else { return };
        if queue.standing != Standing::Ready {
            return;
        }
        let Some(head) = queue.items.front() else {
            if queue.spilled_to.is_none() {
                self.keys.remove(&key);
            } else if queue.loading.is_none() {
                self.hungry.push_back(key);
            }
            return;
        };
        let wait = head.owed.not_before.map_or(Duration::ZERO, |at| {
            // A clock that jumped back must not hold a message longer than any retry would.
            Duration::try_from(at.duration_since(now.wall)).unwrap_or_default().min(self.settings.retry.max)
        });
        let (id, urgent) = (head.owed.id, head.urgent);
        if wait.is_zero() || self.condition.health() != Health::Open {
            self.ready.insert((id, key), urgent);
        } else {
            self.postpone(key, now.mono + wait);
        }
    }

    /// Lets a key's head wait, while the lane is open; else the probes have their times.
    fn postpone(&mut self, key: KeyHash, until: Duration) {
        self.wait(key, until);
        if self.condition.health() != Health::Open && self.waiting.remove(&(until, key)) {
            self.make_ready(key);
        }
    }

    /// Lets a key's head wait; the rest of the key goes back to disk only. Also while the lane is not open: what cannot be sent is no
    /// probe, and must not be in the way of those that are.
    fn wait(&mut self, key: KeyHash, until: Duration) {
        let Some(queue) = self.keys.get_mut(&key) else { return };
        let spilled = queue.spill_behind_head(self.cursor);
        self.held -= spilled.len();
        self.ahead.leave(key, &spilled);
        if let Some(head) = queue.items.front_mut().filter(|head| head.owed.not_before.is_some()) {
            Arc::make_mut(&mut head.owed).not_before = None;
        }
        queue.standing = Standing::Waiting(until);
        self.waiting.insert((until, key));
    }

    fn make_ready(&mut self, key: KeyHash) {
        let Some(queue) = self.keys.get_mut(&key) else { return };
        queue.standing = Standing::Ready;
        if let Some(head) = queue.items.front() {
            self.ready.insert((head.owed.id, key), head.urgent);
        }
    }

    fn wake_all(&mut self) {
        for (_, key) in std::mem::take(&mut self.waiting) {
            self.make_ready(key);
        }
    }

    fn drop_head(&mut self, key: KeyHash) {
        if let Some(queue) = self.keys.get_mut(&key)
            && queue.items.pop_front().is_some()
        {
            self.held -= 1;
        }
    }

    /// The head stays, after so many attempts. Its event is read again when its turn comes.
    fn keep_head(&mut self, key: KeyHash, attempts: u32) {
        if let Some(head) = self.keys.get_mut(&key).and_then(|queue| queue.items.front_mut()) {
            let owed = Arc::make_mut(&mut head.owed);
            (owed.attempts, owed.content) = (attempts, None);
        }
    }

    fn good(&mut self, now: Now) -> Option<News> {
        self.cautious = false;
        let closed = self.condition.health() != Health::Open;
        let news = self.condition.good();
        if closed {
            self.clock.go(now.mono);
        }
        news
    }

    fn bad(&mut self, key: KeyHash, judgement: &Judgement, now: Now) -> Option<News> {
        // A service that says when to come again is well.
        if judgement.lane_waits.is_some() && judgement.verdict == Verdict::Later {
            self.condition.waits(key, now);
            return None;
        }
        let before = self.condition.health();
        let keys = &self.keys;
        let behind = self.behind;
        let news = self.condition.bad(
            key,
            judgement,
            &|tried| !behind && keys.len() <= tried.len() && keys.keys().all(|key| tried.contains(key)),
            now,
        );
        let after = self.condition.health();
        if before == Health::Open && after != Health::Open {
            self.wake_all();
        }
        if after == Health::Blocked {
            self.clock.halt(now.mono);
        } else {
            self.clock.go(now.mono);
        }
        news
    }

    fn delay(&self, judgement: &Judgement, attempts: u32, chance: f64) -> Duration {
        let backoff = backoff(attempts, &self.settings.retry, chance);
        let unsent = judgement.reason == Some(Reason::Template);
        // Who answers "in 0 seconds" each time is asked less and less often all the same.
        judgement.lane_waits.unwrap_or_default().max(backoff).max(if unsent { AT_LEAST } else { Duration::ZERO })
    }

    /// Before anything is taken in, as its age is read off the marks. Ages need only be so fine.
    fn mark(&mut self, now: Now) {
        let spacing = self.settings.retry.give_up / 64;
        // Every delivery that exists by now has an ID below the next one.
        self.clock.mark(DeliveryId(next_id(0, now.wall.as_millisecond())), spacing, now.mono);
    }

    fn forget(&mut self) {
        self.refreshing = false;
        self.keys.clear();
        self.ready.clear();
        self.waiting.clear();
        self.hungry.clear();
        self.unreadable.retain(Option::is_none);
        self.ahead = Ahead::default();
        self.held = 0;
        self.cursor = DeliveryId(0);
        self.behind = true;
    }
}

#[cfg(test)]
mod tests;
