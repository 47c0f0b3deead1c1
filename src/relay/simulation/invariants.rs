//! What must hold of a whole simulation once it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::clock;
use super::decided;
use super::file::STEADY;
use super::life::{everything, now};
use super::network::Bucket;
use super::plan::{Act, Plan, Trouble};
use super::world::{Change, Inner, Made, Request, World};
use crate::event::{DeliveryId, EventId};
use crate::receiver::Verdict;
use crate::store::memory::MemoryStore;
use crate::store::{Books, Delivery, DeliveryBooks, DeliveryState, Store as _, StoredEvent};

/// A receiver that is always well gets its messages within so much time in which store and process are well, whatever others do.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Longer than what is under way takes, and than a rate keeps apart.
const SOON: Duration = Duration::from_secs(25);

const MINUTE: Duration = Duration::from_secs(60);
/// Attempts of one delivery in a minute, at most. The shortest `retry.max` of a plan is 5 s.
const A_MINUTE: usize = 40;

/// Checks everything; the first that does not hold.
///
/// # Errors
/// What does not hold.
pub fn check(world: &World, auditor: &MemoryStore) -> Result<(), String> {
    let (mut events, mut deliveries) = everything(auditor);
    let inner = world.lock();
    if let Some(violation) = &inner.violation {
        return Err(violation.clone());
    }
    once(&events)?;
    events.extend(inner.gone.0.iter().cloned());
    deliveries.extend(inner.gone.1.iter().cloned());
    promised(&inner, &events)?;
    decided::check(&world.plan, &inner, &events, &deliveries)?;
    ended(world, &inner, &deliveries)?;
    balanced(&inner, auditor, &events, &deliveries)?;
    ordered(&inner)?;
    paced(&world.plan, &inner)?;
    tried_when_mended(&world.plan, &inner)?;
    patient(&inner)?;
    independent(&world.plan, &inner)
}

/// What was answered 200 is there, once.
fn promised(inner: &Inner, events: &[StoredEvent]) -> Result<(), String> {
    let known: BTreeSet<EventId> = events.iter().map(|stored| stored.id).collect();
    if let Some(lost) = inner.promised.iter().find(|(_, _, id)| !known.contains(id)) {
        return Err(format!("answered 200, and not kept: {lost:?}"));
    }
    let mut stands_for: BTreeMap<_, EventId> = BTreeMap::new();
    for (id, note, event) in &inner.promised {
        let before = stands_for.insert((id, note), *event).unwrap_or(*event);
        let (older, newer) = (before.min(*event), before.max(*event));
        // What is past the retention is not known any more.
        let forgotten = || inner.gone_at.get(&older).is_some_and(|gone| *gone <= inner.came[&newer]);
        if older != newer && !forgotten() {
            return Err(format!("sample {id} ({note}) was taken twice"));
        }
        stands_for.insert((id, note), newer);
    }
    Ok(())
}

fn once(events: &[StoredEvent]) -> Result<(), String> {
    let fingerprints: BTreeSet<_> = events.iter().map(|e| (e.event.fingerprint.id, e.event.fingerprint.data)).collect();
    if fingerprints.len() == events.len() { Ok(()) } else { Err("an event is kept twice".to_owned()) }
}

/// The books say what happened, of what is gone too.
fn balanced(
    inner: &Inner,
    auditor: &MemoryStore,
    events: &[StoredEvent],
    deliveries: &[Delivery],
) -> Result<(), String> {
    let mut books = Books::default();
    for stored in events {
        books.events.count(&stored.decision);
    }
    books.events.duplicates = inner.duplicates;
    for delivery in deliveries {
        books.receivers.entry(delivery.receiver.clone()).or_default().count(delivery.state);
    }
    let kept = now(auditor.ledger()).expect("it is well").life;
    if kept != books || deliveries.len() != inner.made.len() || !kept.receivers.values().all(DeliveryBooks::balance) {
        return Err(format!("the books say {kept:?}, and {} were made: {books:?}", inner.made.len()));
    }
    Ok(())
}

/// Every delivery ended, and for a reason; only what is owed to receivers that are gone may wait.
fn ended(world: &World, inner: &Inner, deliveries: &[Delivery]) -> Result<(), String> {
    let there = &world.plan.files[inner.file()].receivers;
    for delivery in deliveries {
        let Delivery { id, receiver, state, .. } = delivery;
        let Some(made) = inner.made.get(id) else { return Err(format!("{id} came from nowhere")) };
        match state {
            DeliveryState::Delivered if made.arrived.is_some() => {}
            DeliveryState::Dead if made.ended.is_some() => {}
            DeliveryState::Dismissed if made.dismissed.is_some() => {}
            DeliveryState::Owed if !there.contains_key(&**receiver) => {}
            _ => return Err(format!("{id} to {receiver} is left {state:?}")),
        }
    }
    Ok(())
}

/// First arrivals at a receiver are in order for each key, so no recovery comes before its failure.
fn ordered(inner: &Inner) -> Result<(), String> {
    for ((receiver, _), ids) in &inner.of_key {
        let mut arrived: Vec<(Duration, DeliveryId)> =
            ids.iter().filter_map(|id| Some((inner.made[id].arrived?, *id))).collect();
        arrived.sort_by_key(|(at, _)| *at);
        if let Some(pair) = arrived.windows(2).find(|pair| pair[0].1 > pair[1].1) {
            return Err(format!("out of order at {receiver}: {pair:?}"));
        }
    }
    Ok(())
}

/// Never above a receiver's rate within a life, whatever holds and changes come between.
fn paced(plan: &Plan, inner: &Inner) -> Result<(), String> {
    for name in plan.files[0].receivers.keys() {
        for (number, life) in inner.lives.iter().enumerate() {
            let mine = |request: &&Request| request.receiver == *name && request.life == number && !request.plain;
            let mut bucket = None;
            let mut changes =
                inner.ruled.iter().filter(|ruled| life.from <= ruled.at && ruled.at <= life.to).peekable();
            for request in inner.requests.iter().filter(mine) {
                let (mut just_changed, mut just_gone) = (false, false);
                while let Some(ruled) = changes.next_if(|ruled| ruled.at <= request.from) {
                    just_changed = ruled.at == request.from;
                    match (plan.files[ruled.file].receivers.get(name), &mut bucket) {
                        // A lane that is gone remembers nothing.
                        (None, _) => (bucket, just_gone) = (None, just_changed),
                        (Some(settings), None) => bucket = Some(Bucket::new(settings.rate())),
                        (Some(settings), Some(bucket)) => bucket.change(settings.rate()),
                    }
                }
                let Some(bucket) = &mut bucket else { continue };
                if just_changed {
                    // Of one that went and returned, it may have been the last of the lane that is gone, which no other knows of.
                    if !just_gone {
                        bucket.came_before(request.from);
                    }
                } else if bucket.came(request.from) && !request.muddled && !slow(plan) {
                    return Err(format!("above the rate of {name}: {request:?}"));
                }
            }
        }
    }
    Ok(())
}

/// A blocked lane tries again soon after someone said that its receiver is mended, or mended its settings, not when its next probe is due.
fn tried_when_mended(plan: &Plan, inner: &Inner) -> Result<(), String> {
    let within = |from: Duration, to: Duration, at: Duration| from <= at && at + SOON < to;
    let taken_off = |name: &str| inner.made.values().any(|made| *made.receiver == *name && made.dismissed.is_some());
    for &(name, at) in &inner.resumed {
        let blocked =
            inner.blocked.iter().any(|(of, from, to)| **of == *name && within(*from, to.unwrap_or_default(), at));
        let undisturbed = inner.lives.iter().any(|life| within(life.from, life.to, at))
            && plan.weather.iter().all(|weather| weather.to + SOON < at || at + SOON < weather.from)
            && inner.ruled.iter().all(|ruled| ruled.at <= at || at + SOON < ruled.at);
        let tried = || inner.requests.iter().any(|r| r.receiver == name && at <= r.from && r.from <= at + SOON);
        if blocked && undisturbed && !taken_off(name) && !tried() {
            return Err(format!("{name} was mended at {at:?}, and not tried"));
        }
    }
    Ok(())
}

/// Nothing is tried again and again without a rest, whatever its receiver answers. Full jitter may bring some attempts close together, but
/// not many.
fn patient(inner: &Inner) -> Result<(), String> {
    for (id, made) in &inner.made {
        let requests = made.requests.iter().map(|number| &inner.requests[*number]).filter(|request| !request.plain);
        let requests: Vec<&Request> = requests.collect();
        for (n, last) in requests.iter().enumerate() {
            let resumed = inner
                .resumed
                .iter()
                .filter(|(name, at)| *name == last.receiver && *at <= last.from && last.from < *at + MINUTE);
            let most = A_MINUTE * (1 + resumed.count());
            if let Some(first) = n.checked_sub(most).map(|n| requests[n])
                && first.life == last.life
                && last.from < first.from + MINUTE
            {
                return Err(format!("{id}: more than {most} attempts between {:?} and {:?}", first.from, last.from));
            }
        }
    }
    Ok(())
}

/// Whether attempts may at some time have waited for the store: they are then not sent when they were begun.
fn slow(plan: &Plan) -> bool {
    plan.weather.iter().any(|weather| matches!(weather.how, Trouble::Slow(_)))
}

/// A receiver that is well is not kept waiting by others.
fn independent(plan: &Plan, inner: &Inner) -> Result<(), String> {
    // What every lane feels: the process is not there, or the store is not well; and some seconds more, until reads are tried again.
    let mut disturbed: Vec<(Duration, Duration)> = Vec::new();
    let again = Duration::from_secs(12);
    for weather in &plan.weather {
        let most = if let Trouble::Slow(most) = weather.how { most } else { Duration::ZERO };
        disturbed.push((weather.from, weather.to + most + again));
    }
    for (n, life) in inner.lives.iter().enumerate() {
        let next = inner.lives.get(n + 1).map_or(Duration::MAX, |next| next.from);
        disturbed.push((life.to, next));
    }
    for (at, act) in &plan.acts {
        // No lane begins anything new until the last has finished.
        if matches!(act, Act::Stop(_))
            && let Some(life) = inner.lives.iter().find(|life| life.to >= *at)
        {
            disturbed.push((*at, life.to));
        }
    }
    disturbed.sort_unstable();
    let steady = |made: &Made| *made.receiver == *STEADY && made.dismissed.is_none();
    for (id, made) in inner.made.iter().filter(|(_, made)| steady(made)) {
        let Some(arrived) = made.arrived else { return Err(format!("{id} did not arrive at {STEADY}")) };
        let (mut quiet, mut from) = (Duration::ZERO, made.at);
        for (begin, end) in disturbed.iter().filter(|(begin, _)| *begin < arrived) {
            quiet += begin.saturating_sub(from);
            from = from.max(*end);
        }
        quiet += arrived.saturating_sub(from);
        if quiet > AT_ONCE {
            return Err(format!("{id} waited {quiet:?} for others: made at {:?}, arrived at {arrived:?}", made.at));
        }
    }
    Ok(())
}

/// What a simulation came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    pub seeds: u64,
    pub simulated: Duration,
    pub events: u64,
    pub deliveries: u64,
    pub attempts: u64,
    pub dead: u64,
    /// Sent again after they had arrived, because the process died in between.
    pub repeats: u64,
    pub deaths: u64,
    /// Replayed, moved, dismissed.
    pub by_hand: u64,
    /// Events past the retention.
    pub pruned: u64,
}

impl Sums {
    pub fn of(world: &World) -> Sums {
        let inner = world.lock();
        let events: BTreeSet<EventId> = inner.made.values().map(|made| made.event).collect();
        let mut arrived: BTreeMap<DeliveryId, u64> = BTreeMap::new();
        for request in inner.requests.iter().filter(|request| request.answer == Some(Verdict::Delivered)) {
            *arrived.entry(request.delivery).or_default() += 1;
        }
        let dead = inner.made.values().filter(|made| matches!(made.ended, Some((crate::store::End::Dead, _))));
        Sums {
            seeds: 1,
            simulated: clock::now(),
            events: events.len() as u64,
            deliveries: inner.made.len() as u64,
            attempts: inner.requests.len() as u64,
            dead: dead.count() as u64,
            repeats: arrived.values().map(|times| times - 1).sum(),
            deaths: u64::from(inner.deaths),
            by_hand: inner.changes.iter().filter(|change| !matches!(change, Change::Accepted { .. })).count() as u64,
            pruned: inner.gone_at.len() as u64,
        }
    }

    pub fn add(&mut self, other: Sums) {
        self.seeds += other.seeds;
        self.simulated += other.simulated;
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.attempts += other.attempts;
        self.dead += other.dead;
        self.repeats += other.repeats;
        self.deaths += other.deaths;
        self.by_hand += other.by_hand;
        self.pruned += other.pruned;
    }
}
