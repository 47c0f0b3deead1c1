//! The task that drives one lane: a thin shell of clocks, channels and the store around [`Lane`].

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::attempt::{Means, Tried, attempt};
use super::clock::Now;
use super::health::News;
use super::intake::Intake;
use super::lane::{Ended, KeptLane, Lane, Settings, Step};
use super::narrator::Narrator;
use super::pulse::{Pulse, Waits};
use super::references::Recent;
use super::{Health, LaneStatus};
use crate::event::OwnEvent;
use crate::receiver::Verdict;
use crate::store::{Attempt, Attempted, End, KeyHash, Owed, StoreError};

/// How often the claim is extended and the lane's state kept.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
const CLAIM: Duration = Duration::from_secs(30);
/// A lane that broke begins anew after this long, twice as long each time it breaks again soon.
const ANEW_AFTER: Duration = Duration::from_secs(1);
const ANEW_AT_LATEST: Duration = Duration::from_secs(30);
/// Of what has ended, so much is looked at before the lane is asked what to do next.
const AT_ONE_TURN: usize = 64;

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    /// routes.yaml changed; `healed`: so did this receiver's own settings.
    Change {
        means: Arc<Means>,
        capacity: usize,
        healed: bool,
    },
    Resume,
    Refresh,
    /// So many outcomes are on disk.
    Recorded(usize),
    /// Finish what is in flight, keep the state, end.
    Stop,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").field("receiver", &self.receiver.name).finish_non_exhaustive()
    }
}

/// What a worker's tasks bring back.
enum Done {
    Attempt(Arc<Owed>, Result<Tried, StoreError>),
    Page(Result<Vec<Owed>, StoreError>),
    KeyPage(KeyHash, Result<Vec<Owed>, StoreError>),
    Look(Result<Vec<Owed>, StoreError>),
    /// Housekeeping: whether the lane is still this relay's. `worth`: the kept state says that the lane owes something or is not well.
    Kept {
        worth: bool,
        result: Result<bool, StoreError>,
    },
}

/// One lane's driver.
pub struct Worker {
    pub means: Arc<Means>,
    /// What it has sent that later messages may answer to.
    pub recent: Arc<Recent>,
    pub intake: Arc<Intake>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// To itself, for the recorder.
    pub sender: mpsc::WeakUnboundedSender<Command>,
    pub status: Arc<Mutex<LaneStatus>>,
    pub pulse: Arc<Pulse>,
    pub tell: mpsc::UnboundedSender<OwnEvent>,
    pub narrator: Arc<Narrator>,
    /// The relay's start: zero of the monotonic clock.
    pub epoch: Instant,
    pub kept: Option<KeptLane>,
    /// How many deliveries it may hold in memory.
    pub capacity: usize,
    /// Told to stop.
    pub stopping: bool,
    /// The task that records what the driver before this one sent.
    pub recording: Option<JoinHandle<()>>,
    /// How many outcomes it may have that are not on disk yet.
    pub unrecorded: usize,
}

/// What a lane needs to know of its receiver.
#[must_use]
pub fn settings(means: &Means, capacity: usize, unrecorded: usize) -> Settings {
    let common = &means.receiver.common;
    Settings { rate: common.rate, concurrency: common.concurrency.max(1), retry: common.retry, capacity, unrecorded }
}

impl Worker {
    /// Drives the lane, whenever it is this relay's, until told to stop. A driver that panics is replaced by another, which begins with
    /// what the store has.
    pub async fn run(mut self) {
        let mut again = ANEW_AFTER;
        while !self.stopping {
            let begun = Instant::now();
            let ended = AssertUnwindSafe(self.claim_and_drive()).catch_unwind().await;
            // What was sent is on disk before anyone reads again what is owed.
            if let Some(recording) = self.recording.take() {
                let _ = recording.await;
            }
            if ended.is_ok() {
                if self.stopping {
                    self.release().await;
                }
                self.kept = None;
                continue;
            }
            if self.stopping {
                return;
            }
            let receiver = &self.means.receiver.name;
            tracing::error!(%receiver, "the lane broke and begins anew with what the store has: please report what the log says above");
            self.status.lock().unwrap_or_else(PoisonError::into_inner).restarts += 1;
            again = if begun.elapsed() > ANEW_AT_LATEST { ANEW_AFTER } else { again };
            self.pulse.turn(self.epoch.elapsed(), Waits::Broken, true);
            self.rest(again).await;
            again = (again * 2).min(ANEW_AT_LATEST);
        }
    }

    /// Nothing is under way any more, and all of it is on disk: another relay can go on at once.
    async fn release(&self) {
        let name = &self.means.receiver.name;
        if let Err(error) = self.means.store.release(name).await {
            tracing::warn!(receiver = %name, "the lane's claim was not released, it expires by itself: {error}");
        }
    }

    /// While it drives no lane: obeys what is not about a lane that it had before.
    async fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stopping
            && let Ok(command) = tokio::time::timeout_at(end, self.commands.recv()).await
        {
            match command {
                Some(Command::Change { means, capacity, .. }) => (self.means, self.capacity) = (means, capacity),
                Some(Command::Resume | Command::Refresh | Command::Recorded(_)) => {}
                Some(Command::Stop) | None => self.stopping = true,
            }
        }
    }

    async fn claim_and_drive(&mut self) {
        let name = Arc::clone(&self.means.receiver.name);
        loop {
            match self.means.store.claim(&name, CLAIM).await {
                Ok(true) => return self.drive().await,
                Ok(false) => tracing::debug!(receiver = %name, "another relay works this lane"),
                Err(error) => tracing::warn!(receiver = %name, "the lane could not be claimed, trying again: {error}"),
            }
            self.pulse.turn(self.epoch.elapsed(), Waits::Idle, true);
            self.rest(HOUSEKEEPING).await;
            if self.stopping {
                return;
            }
        }
    }

    /// Drives the lane until told to stop, or until another relay has it, and finishes what is under way.
    async fn drive(&mut self) {
        let name = Arc::clone(&self.means.receiver.name);
        let (recorder, outcomes) = mpsc::unbounded_channel();
        self.recording = Some(tokio::spawn(record(Arc::clone(&self.means.store), outcomes, self.sender.clone())));
        let mut driver = Driver {
            lane: Lane::new(settings(&self.means, self.capacity, self.unrecorded), self.kept.take(), self.now()),
            tasks: FuturesUnordered::new(),
            recorder,
            worth_saving: false,
            keeping: false,
            lost: false,
        };
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut moved = true;
        loop {
            let was_idle = driver.tasks.is_empty();
            let until = self.advance(&mut driver);
            self.publish(&driver, moved, was_idle);
            if (self.stopping || driver.lost) && driver.tasks.is_empty() {
                break;
            }
            let sleep_until = self.epoch + until.unwrap_or_default();
            moved = tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.obey(command, &mut driver),
                Some(done) = driver.tasks.next() => self.finish_all(done, &mut driver),
                () = self.intake.arrived() => false,
                () = tokio::time::sleep_until(sleep_until), if until.is_some() => false,
                _ = housekeeping.tick() => {
                    self.keep_house(&mut driver);
                    false
                }
            };
        }
        if let Some(json) = self.worth_keeping(&driver).filter(|_| !driver.lost)
            && let Err(error) = self.means.store.save_lane(&name, &json).await
        {
            tracing::warn!(receiver = %name, "the lane's state was not kept: {error}");
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.epoch.elapsed(), wall: (self.means.now)() }
    }

    /// Takes what has come and does what there is to do; says until when nothing more is.
    fn advance(&mut self, driver: &mut Driver) -> Option<Duration> {
        if self.stopping || driver.lost {
            return None;
        }
        if !driver.lane.loading() && !driver.lane.behind() {
            let (fresh, gap) = self.intake.drain();
            let now = self.now();
            driver.lane.take(fresh, now);
            if gap {
                driver.lane.fall_behind();
            }
            if driver.lane.behind() {
                self.intake.shut();
            }
        }
        for owed in self.intake.urgent() {
            driver.lane.offer(owed);
        }
        loop {
            match driver.lane.poll(self.now()) {
                Step::Send(owed) => {
                    let (means, recent) = (Arc::clone(&self.means), Arc::clone(&self.recent));
                    driver.begin(async move {
                        let result = AssertUnwindSafe(attempt(&means, &recent, &owed)).catch_unwind().await;
                        Done::Attempt(owed, result.unwrap_or_else(|_| Ok(Tried::broken((means.now)()))))
                    });
                }
                Step::Load { after, limit } => {
                    self.intake.open();
                    let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
                    driver.begin(async move { Done::Page(whole(store.owed(&name, after, limit)).await) });
                }
                Step::LoadKey { key, after, limit } => {
                    let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
                    driver.begin(async move {
                        Done::KeyPage(key, whole(store.owed_of_key(&name, key, after, limit)).await)
                    });
                }
                Step::Look { key, after, limit } => {
                    let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
                    driver.begin(async move { Done::Look(whole(store.owed_of_key(&name, key, after, limit)).await) });
                }
                Step::Wait(until) => return until,
            }
        }
    }

    /// Says whether it brought on what the lane waits for.
    fn obey(&mut self, command: Command, driver: &mut Driver) -> bool {
        let now = self.now();
        let moved = matches!(command, Command::Recorded(_));
        match command {
            Command::Change { means, capacity, healed } => {
                (self.means, self.capacity) = (means, capacity);
                driver.lane.change(settings(&self.means, capacity, self.unrecorded));
                if healed {
                    driver.lane.resume(now);
                }
            }
            Command::Resume => driver.lane.resume(now),
            Command::Refresh => driver.lane.refresh(),
            Command::Recorded(outcomes) => driver.lane.recorded(outcomes),
            Command::Stop => self.stopping = true,
        }
        moved
    }

    /// Takes this and what else has ended by now. Says whether any of it brought on what the lane waits for.
    fn finish_all(&self, first: Done, driver: &mut Driver) -> bool {
        let now = self.now();
        let mut moved = self.finish(first, driver, now);
        for _ in 1..AT_ONE_TURN {
            let Some(Some(done)) = driver.tasks.next().now_or_never() else { break };
            moved |= self.finish(done, driver, now);
        }
        moved
    }

    fn finish(&self, done: Done, driver: &mut Driver, now: Now) -> bool {
        let moved = !matches!(done, Done::Kept { .. } | Done::Page(Err(_)) | Done::KeyPage(_, Err(_)));
        let name = &self.means.receiver.name;
        match done {
            Done::Attempt(owed, Ok(tried)) => self.ended(&owed, tried, driver, now),
            Done::Attempt(owed, Err(error)) => {
                tracing::error!(receiver = %name, delivery = %owed.id, "the event could not be read, trying again: {error}");
                driver.lane.untried(owed.id, now);
            }
            Done::Page(Ok(page)) => {
                driver.lane.loaded(page, now);
                if driver.lane.behind() {
                    self.intake.shut();
                }
            }
            Done::Page(Err(error)) => {
                tracing::error!(receiver = %name, "what is owed could not be read, trying again: {error}");
                driver.lane.load_failed(None, now);
            }
            // Not worth a word: it waits like all others then.
            Done::Look(page) => driver.lane.looked(page.unwrap_or_default(), now),
            Done::KeyPage(key, Ok(page)) => driver.lane.loaded_key(key, page, now),
            Done::KeyPage(key, Err(error)) => {
                tracing::error!(receiver = %name, "what is owed could not be read, trying again: {error}");
                driver.lane.load_failed(Some(key), now);
            }
            Done::Kept { worth, result } => {
                driver.keeping = false;
                match result {
                    Ok(true) => driver.worth_saving = worth,
                    Ok(false) => {
                        tracing::error!(receiver = %name, "the lane's claim expired before it was extended, and another relay has it now");
                        driver.lost = true;
                        self.intake.shut();
                    }
                    Err(error) => tracing::warn!(receiver = %name, "the lane's claim or state was not kept: {error}"),
                }
            }
        }
        moved
    }

    fn ended(&self, owed: &Owed, tried: Tried, driver: &mut Driver, now: Now) {
        let Tried { judgement, at, took, notes, copy, reference, own } = tried;
        let Some(Ended { end, number, gave_up, news }) = driver.lane.ended(owed.id, &judgement, fastrand::f64(), now)
        else {
            return;
        };
        let name = &self.means.receiver.name;
        self.status.lock().unwrap_or_else(PoisonError::into_inner).attempts.count(&judgement, end == End::Dead);
        let detail = if gave_up { format!("gave up after retry.for: {}", judgement.detail) } else { judgement.detail };
        match end {
            End::Delivered if self.narrator.delivered() => {
                tracing::info!(receiver = %name, delivery = %owed.id, event = %owed.event, attempt = number, ?took, "delivered to {name}");
            }
            End::Delivered => {
                tracing::debug!(receiver = %name, delivery = %owed.id, event = %owed.event, attempt = number, ?took, "delivered");
            }
            End::Owed { .. } => {
                tracing::warn!(
                    receiver = %name, delivery = %owed.id, event = %owed.event, attempt = number,
                    verdict = ?judgement.verdict, advice = judgement.advice.as_deref(), "{detail}"
                );
            }
            End::Dead => {
                tracing::error!(
                    receiver = %name, delivery = %owed.id, event = %owed.event, attempt = number,
                    advice = judgement.advice.as_deref(), "dead: {detail}"
                );
                if !own {
                    let (receiver, reason) = (name.to_string(), detail.clone());
                    let (delivery, event) = (owed.id, owed.event);
                    let _ = self.tell.send(OwnEvent::DeliveryDead { receiver, delivery, event, reason, more: 0 });
                }
            }
        }
        let saved = Attempted {
            delivery: owed.id,
            receiver: Arc::clone(name),
            attempt: Attempt { number, at, took, verdict: judgement.verdict, reason: judgement.reason, detail, notes },
            end,
            copy: copy.filter(|_| judgement.verdict == Verdict::Delivered),
            reference,
        };
        // The receiver lives until this driver is dropped.
        let _ = driver.recorder.send(saved);
        if let Some(news) = news {
            self.tell_news(news, driver);
        }
    }

    fn tell_news(&self, news: News, driver: &mut Driver) {
        let receiver = self.means.receiver.name.to_string();
        let (detail, advice) = driver.lane.condition().words();
        let mut reason = detail.unwrap_or_default().to_owned();
        if let Some(advice) = advice {
            reason = format!("{reason}: {advice}");
        }
        match news {
            News::Blocked => tracing::error!(%receiver, "blocked, everything owed to it is held: {reason}"),
            News::Down => tracing::error!(%receiver, "down: {reason}"),
            News::Recovered => tracing::info!(%receiver, "answers again"),
        }
        let _ = self.tell.send(match news {
            News::Blocked => OwnEvent::ReceiverBlocked { receiver, reason },
            News::Down => OwnEvent::ReceiverDown { receiver, reason },
            News::Recovered => OwnEvent::ReceiverRecovered { receiver },
        });
        driver.worth_saving = true;
    }

    /// Extends the claim and keeps the lane's state, beside everything else: a store that hangs must not hold up the sending.
    fn keep_house(&mut self, driver: &mut Driver) {
        self.kept = Some(driver.lane.kept(self.now()));
        if std::mem::replace(&mut driver.keeping, true) {
            return;
        }
        let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
        let (json, worth) = (self.worth_keeping(driver), driver.worth());
        let keep = async move {
            let held = store.claim(&name, CLAIM).await?;
            if held && let Some(json) = json {
                store.save_lane(&name, &json).await?;
            }
            Ok(held)
        };
        driver.begin(async move { Done::Kept { worth, result: whole(keep).await } });
    }

    /// The lane's state, while it owes something or is not well, and once more when that has passed.
    fn worth_keeping(&self, driver: &Driver) -> Option<String> {
        let worth = driver.worth() || driver.worth_saving;
        worth.then(|| serde_json::to_string(&driver.lane.kept(self.now())).expect("a lane's state is plain data"))
    }

    /// `moved`: something came of what was waited for. `was_idle`: nothing was under way before this turn.
    fn publish(&self, driver: &Driver, moved: bool, was_idle: bool) {
        let (lane, now) = (&driver.lane, self.now());
        #[cfg(test)]
        lane.check();
        // Meanwhile what is in memory may go out; that is not what the lane is for.
        let stuck = lane.cannot_read();
        let waits = if stuck {
            Waits::Store
        } else if lane.could_send(now) && !self.stopping {
            Waits::Nothing
        } else if lane.waits_for_records() {
            Waits::Records
        } else if lane.in_flight() > 0 {
            Waits::Answers { timeout: self.means.receiver.common.timeout }
        } else if driver.tasks.is_empty() {
            Waits::Idle
        } else {
            Waits::Store
        };
        let begins = was_idle && matches!(waits, Waits::Idle | Waits::Answers { .. } | Waits::Store);
        self.pulse.turn(now.mono, waits, !stuck && (moved || begins));
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.in_flight = lane.in_flight();
        let condition = lane.condition();
        let (detail, advice) = condition.words();
        status.health = condition.health();
        status.since = condition.since();
        if status.detail.as_deref() != detail || status.advice.as_deref() != advice {
            status.detail = detail.map(str::to_owned);
            status.advice = advice.map(str::to_owned);
        }
        status.next_attempt = lane.next_attempt().map(|at| {
            let wait = at.saturating_sub(now.mono);
            now.wall.saturating_add(wait).unwrap_or(Timestamp::MAX)
        });
    }
}

struct Driver {
    lane: Lane,
    /// What is under way. Each catches its own panics.
    tasks: FuturesUnordered<BoxFuture<'static, Done>>,
    recorder: mpsc::UnboundedSender<Attempted>,
    /// The state in the store says that it owes something or is not well.
    worth_saving: bool,
    /// Housekeeping is under way.
    keeping: bool,
    /// Another relay has the lane.
    lost: bool,
}

impl Driver {
    fn begin(&mut self, task: impl Future<Output = Done> + Send + 'static) {
        self.tasks.push(task.boxed());
    }

    /// Whether it owes something or is not well.
    fn worth(&self) -> bool {
        self.lane.owes() || self.lane.condition().health() != Health::Open
    }
}

/// What the store answers; a panic is an answer too, else the lane would wait for one for ever.
async fn whole<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let caught = AssertUnwindSafe(answer).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(StoreError::Unreadable("internal error, please report it".to_owned())))
}

/// Puts outcomes on disk, in order, however long the disk takes; the lane stops sending when too many wait here.
async fn record(
    store: Arc<dyn crate::store::Store>,
    mut outcomes: mpsc::UnboundedReceiver<Attempted>,
    lane: mpsc::WeakUnboundedSender<Command>,
) {
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, 256).await > 0 {
        let count = batch.len();
        let attempts: Arc<[Attempted]> = batch.drain(..).collect();
        loop {
            match store.record(Arc::clone(&attempts)).await {
                Ok(()) => break,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!("{count} outcomes could not be recorded, trying again: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        if let Some(lane) = lane.upgrade() {
            let _ = lane.send(Command::Recorded(count));
        }
    }
}
