//! The receivers: they answer as the plan says, and check each request against what may come at that moment.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use tokio::time::sleep;

use super::clock;
use super::file::{STEADY, Settings};
use super::plan::{Habit, Trouble};
use super::world::{Fate, Inner, Request, World};
use crate::delivery::simulated::{Chunk, Response, Simulated};
use crate::event::DeliveryId;
use crate::receiver::{self, Failure, Rate, Verdict};
use crate::store::End;

/// The network of one life.
#[derive(Debug)]
pub struct Network {
    world: World,
    chance: Mutex<Rng>,
}

/// Notes when the relay stops listening.
struct Listening<'a> {
    world: &'a World,
    request: usize,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut inner = self.world.lock();
        let request = &mut inner.requests[self.request];
        if request.to.is_none() {
            request.to = Some(clock::now());
            let receiver = request.receiver;
            inner.not_blocked(receiver);
        }
    }
}

#[async_trait]
impl Simulated for Network {
    async fn call(&self, request: &receiver::Request) -> Result<Response, Failure> {
        let fate = self.world.call("request");
        if fate == Fate::Dies {
            return pending().await;
        }
        let host = request.url.expose().host_str().unwrap_or_default().trim_end_matches(".example");
        let key = request.header("Idempotency-Key").unwrap_or_default();
        let delivery = key.rsplit_once('-').and_then(|(id, _)| id.parse().ok());
        let Some(delivery) = delivery else {
            self.world.violated(|| format!("a request to {host} with the key {key:?}"));
            return pending().await;
        };
        let credentials = request.header("X-Credentials").and_then(|text| text.parse().ok()).unwrap_or(0);
        let Some(number) = self.arrive(host, delivery) else { return pending().await };
        let listening = Listening { world: &self.world, request: number };
        let product = self.world.lock().made.get(&delivery).and_then(|made| made.product);
        let outcome = self.answer(host, credentials, product).await;
        if self.world.is_dead() {
            return pending().await;
        }
        if fate == Fate::DiesAfterEffect {
            self.world.die();
            return pending().await;
        }
        self.heard(number, &outcome);
        drop(listening);
        outcome
    }
}

impl Network {
    pub fn new(world: &World) -> Network {
        let life = world.lock().lives.len() as u64;
        Network { world: world.clone(), chance: Mutex::new(world.rng(life)) }
    }

    fn chance(&self, below: u64) -> u64 {
        self.chance.lock().expect("no holder panics").u64(..below)
    }

    /// A request has come. `None`: it is for nothing that is owed.
    fn arrive(&self, host: &str, delivery: DeliveryId) -> Option<usize> {
        let now = clock::now();
        self.world.step("request", (host, delivery));
        let muddled = matches!(self.world.trouble(), Some(Trouble::Slow(_)))
            || self.world.plan.weather.iter().any(
                |weather| matches!(weather.how, Trouble::Slow(most) if weather.to <= now && now <= weather.to + most),
            );
        let mut inner = self.world.lock();
        let Some(made) = inner.made.get(&delivery).filter(|made| *made.receiver == *host) else {
            drop(inner);
            self.world.violated(|| format!("{host} is sent {delivery}, which it was never owed"));
            return None;
        };
        let life = inner.lives.len() - 1;
        let before = made.requests.last().map(|number| &inner.requests[*number]);
        let plain = before.is_some_and(|before| {
            (before.life, before.answer, before.to) == (life, Some(Verdict::Refused), Some(now)) && !before.plain
        });
        let receiver = self.world.plan.files.iter().flat_map(|file| file.receivers.keys());
        let receiver = receiver.copied().find(|name| *name == host).expect("a name of some file");
        let request =
            Request { receiver, delivery, life, from: now, to: None, answer: None, hold: None, plain, muddled };
        let wrong = wrong(&self.world, &inner, &request);
        inner.requests.push(request);
        let number = inner.requests.len() - 1;
        inner.made.get_mut(&delivery).expect("found above").requests.push(number);
        drop(inner);
        if let Some(wrong) = wrong {
            self.world.violated(|| format!("{delivery} to {host}: {wrong}"));
        }
        Some(number)
    }

    async fn answer(&self, host: &str, credentials: u32, product: Option<u8>) -> Result<Response, Failure> {
        let habit = self.world.plan.habit(host, clock::now());
        let slowest = if host == STEADY { 20 } else { 80 };
        sleep(Duration::from_millis(1 + self.chance(slowest))).await;
        let words = || "simulated".to_owned();
        match habit {
            Habit::Slow(most) => {
                sleep(most / 100 * u32::try_from(self.chance(100)).expect("below 100")).await;
                Ok(taken())
            }
            Habit::Hang => pending().await,
            Habit::Status(status) => Ok(answer(status)),
            Habit::Limited(retry_after) => Ok(Response { retry_after: Some(retry_after.to_owned()), ..answer(429) }),
            Habit::Revoked(until) if credentials < until => Ok(answer(401)),
            Habit::Well | Habit::Revoked(_) => Ok(taken()),
            Habit::Swallow => Err(Failure::Interrupted(words())),
            Habit::Break => Ok(Response { body: VecDeque::from([Chunk::Broken]), ..taken() }),
            Habit::Trickle => {
                let wait = Chunk::Wait(Duration::from_secs(7));
                Ok(Response { body: VecDeque::from([wait, Chunk::Bytes(Bytes::from_static(b"ok"))]), ..taken() })
            }
            Habit::NoName => Err(Failure::Dns(words())),
            Habit::NoTls => Err(Failure::Tls(words())),
            Habit::NoConnection => Err(Failure::Connect(words())),
            Habit::Flaky => Ok(if self.chance(2) == 0 { answer(503) } else { taken() }),
            Habit::Poison(poisoned, status) => Ok(if product == Some(poisoned) { answer(status) } else { taken() }),
        }
    }

    /// The relay hears the answer.
    fn heard(&self, number: usize, outcome: &Result<Response, Failure>) {
        let now = clock::now();
        let (verdict, hold) = match outcome {
            Ok(response) => (verdict(response.status), response.retry_after.as_deref()),
            Err(_) => (Verdict::Later, None),
        };
        let hold = hold.and_then(|text| receiver::retry_after(text, clock::wall()));
        let mut inner = self.world.lock();
        let request = &mut inner.requests[number];
        (request.to, request.answer, request.hold) = (Some(now), Some(verdict), hold.map(|hold| now + hold));
        let (receiver, delivery) = (request.receiver, request.delivery);
        if verdict == Verdict::Delivered {
            inner.made.get_mut(&delivery).expect("it was owed").arrived.get_or_insert(now);
        }
        if verdict != Verdict::Blocked && hold.is_none() {
            inner.not_blocked(receiver);
        }
        drop(inner);
        self.world.step("hears", (receiver, delivery, format!("{verdict:?}")));
    }
}

/// Why a request may not come now, if so.
fn wrong(world: &World, inner: &Inner, request: &Request) -> Option<String> {
    let now = request.from;
    let made = &inner.made[&request.delivery];
    let file = &world.plan.files[inner.file()];
    let ruled = inner.ruled.last().map_or(Duration::ZERO, |ruled| ruled.at);
    if let Some((end, at)) = made.ended {
        return Some(format!("it ended as {end:?} on disk at {at:?}"));
    }
    let mine =
        || inner.requests.iter().filter(|other| other.receiver == request.receiver && other.life == request.life);
    let repeated = mine().any(|other| other.delivery == request.delivery && other.answer == Some(Verdict::Delivered));
    if repeated {
        return Some("it arrived before in this life".to_owned());
    }
    let before = made.arrived.and_then(|arrived| inner.lives.iter().find(|life| arrived <= life.to));
    if before.is_some_and(|life| life.orderly) {
        return Some("it arrived before the process stopped in order".to_owned());
    }
    if mine().any(|other| other.delivery == request.delivery && other.to.is_none()) {
        return Some("it is under way already".to_owned());
    }
    for earlier in &inner.of_key[&(Arc::clone(&made.receiver), made.key)] {
        if *earlier < request.delivery && !over(world, inner, *earlier, now) {
            return Some(format!("{earlier} of the same key is not over"));
        }
        if *earlier > request.delivery && mine().any(|other| other.delivery == *earlier) {
            return Some(format!("{earlier} of the same key came before it in this life"));
        }
    }
    if request.plain {
        return None;
    }
    let life = inner.lives.last().map_or(Duration::ZERO, |life| life.from);
    let taken_off = made.withdrawn.is_some_and(|told| told < now) || made.dismissed.is_some_and(|at| at < life);
    if taken_off && !request.muddled {
        return Some(format!("it was taken off at {:?}", made.dismissed));
    }
    match file.receivers.get(request.receiver) {
        None if now > ruled && !request.muddled => {
            return Some("routes.yaml does not name this receiver any more".to_owned());
        }
        Some(settings) => {
            let under_way = mine().filter(|other| other.to.is_none()).count();
            if under_way >= settings.concurrency && now > ruled {
                return Some(format!("{under_way} are under way, {} may", settings.concurrency));
            }
        }
        None => {}
    }
    let resumed = inner.resumed.iter().rfind(|(name, _)| *name == request.receiver).map(|(_, at)| *at);
    let held = mine().filter(|other| other.hold.is_some_and(|hold| hold > now));
    let held = held.filter(|other| resumed.is_none_or(|resumed| other.to.is_some_and(|heard| heard > resumed)));
    if let Some(holder) = held.max_by_key(|other| other.hold)
        && !request.muddled
    {
        return Some(format!("the receiver said at {:?} to wait until {:?}", holder.to, holder.hold));
    }
    None
}

/// Whether nothing more can come of a delivery as far as the relay may know.
fn over(world: &World, inner: &Inner, id: DeliveryId, now: Duration) -> bool {
    let made = &inner.made[&id];
    let ended = made.ended.is_some_and(|(end, _)| end != (End::Owed { not_before: None }));
    if ended || made.arrived.is_some() || made.dismissed.is_some() {
        return true;
    }
    let Some(last) = made.requests.last().map(|number| &inner.requests[*number]) else { return false };
    last.to.is_some() && (last.answer == Some(Verdict::Refused) || may_give_up(world, inner, id, now))
}

/// Whether a delivery may be given up by its age at `now`, at the latest of its settings.
pub fn may_give_up(world: &World, inner: &Inner, id: DeliveryId, now: Duration) -> bool {
    let made = &inner.made[&id];
    let life = inner.lives.last().map_or(Duration::ZERO, |life| life.from);
    let mut files: Vec<usize> = inner.ruled.iter().filter(|ruled| ruled.at >= life).map(|ruled| ruled.file).collect();
    files.push(inner.file());
    let settings = files.iter().filter_map(|file| world.plan.files[*file].receivers.get(&*made.receiver));
    let shortest = settings.map(Settings::give_up).min().unwrap_or(Duration::ZERO);
    inner.counted(&made.receiver, made.at, now) >= shortest
}

fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        302 | 401 | 404 | 410 => Verdict::Blocked,
        400 => Verdict::Refused,
        _ => Verdict::Later,
    }
}

fn answer(status: u16) -> Response {
    Response { status, retry_after: None, body: VecDeque::new() }
}

fn taken() -> Response {
    Response { body: VecDeque::from([Chunk::Bytes(Bytes::from_static(b"ok"))]), ..answer(200) }
}

/// Checks the pace of one receiver's requests: never above the rate, by the leaky bucket that the rate describes, with a burst of a tenth of
/// a second at most.
pub struct Bucket {
    interval: Duration,
    due: Option<Duration>,
}

impl Bucket {
    const BURST: Duration = Duration::from_millis(100);

    pub fn new(rate: Option<Rate>) -> Bucket {
        Bucket { interval: interval(rate), due: None }
    }

    /// Another rate applies.
    pub fn change(&mut self, rate: Option<Rate>) {
        let before = std::mem::replace(&mut self.interval, interval(rate));
        self.due = self.due.map(|due| due.saturating_sub(before) + self.interval);
    }

    /// A request came at the moment of a change: it may have been before that.
    pub fn came_before(&mut self, at: Duration) {
        self.due = Some(at + self.interval);
    }

    /// A request came; whether that was too early.
    pub fn came(&mut self, at: Duration) -> bool {
        let due = self.due.unwrap_or(at);
        self.due = Some(due.max(at) + self.interval);
        at + Self::BURST.saturating_sub(self.interval) < due
    }
}

fn interval(rate: Option<Rate>) -> Duration {
    rate.map_or(Duration::ZERO, |rate| rate.per / rate.count)
}
