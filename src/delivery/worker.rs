//! The task that drives one lane: a thin shell of clocks, channels and the store around [`Lane`].

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::attempt::{Means, Tried, attempt};
use super::clock::Now;
use super::health::News;
use super::intake::Intake;
use super::lane::{Ended, KeptLane, Lane, Settings, Step};
use super::references::Recent;
use super::{Health, LaneStatus};
use crate::event::OwnEvent;
use crate::receiver::Verdict;
use crate::store::{Attempt, Attempted, End, KeyHash, Owed, StoreError};

/// How often the claim is extended and the lane's state kept.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
const CLAIM: Duration = Duration::from_secs(30);
/// Deaths are told at most so often for each receiver; the log has them all.
const TELL_DEATHS: Duration = Duration::from_secs(60);

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    /// routes.yaml changed; `healed`: so did this receiver's own settings.
    Change {
        means: Box<Means>,
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
    Attempt(Box<Owed>, Result<Tried, StoreError>),
    Page(Result<Vec<Owed>, StoreError>),
    KeyPage(KeyHash, Result<Vec<Owed>, StoreError>),
}

/// One lane's driver.
pub struct Worker {
    pub means: Means,
    /// What it has sent that later messages may answer to.
    pub recent: Arc<Recent>,
    pub intake: Arc<Intake>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// To itself, for the recorder.
    pub sender: mpsc::WeakUnboundedSender<Command>,
    pub status: Arc<Mutex<LaneStatus>>,
    pub tell: mpsc::UnboundedSender<OwnEvent>,
    /// The relay's start: zero of the monotonic clock.
    pub epoch: Instant,
    pub kept: Option<KeptLane>,
    /// How many deliveries it may hold in memory.
    pub capacity: usize,
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
    /// Drives the lane until told to stop.
    pub async fn run(mut self) {
        let name = Arc::clone(&self.means.receiver.name);
        while !self.means.store.claim(&name, CLAIM).await.unwrap_or(false) {
            tokio::time::sleep(HOUSEKEEPING).await;
        }
        let (recorder, outcomes) = mpsc::unbounded_channel();
        let recording = tokio::spawn(record(Arc::clone(&self.means.store), outcomes, self.sender.clone()));
        let mut driver = Driver {
            lane: Lane::new(settings(&self.means, self.capacity, self.unrecorded), self.kept.take(), self.now()),
            tasks: JoinSet::new(),
            recorder,
            worth_saving: false,
            deaths_told: None,
            deaths: 0,
            stopping: false,
        };
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let until = self.advance(&mut driver);
            self.publish(&driver.lane);
            if driver.stopping && driver.tasks.is_empty() {
                break;
            }
            let sleep_until = self.epoch + until.unwrap_or(Duration::from_secs(3600) + self.epoch.elapsed());
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.obey(command, &mut driver),
                Some(done) = driver.tasks.join_next() => self.finish(done, &mut driver),
                () = self.intake.arrived() => {}
                () = tokio::time::sleep_until(sleep_until) => {}
                _ = housekeeping.tick() => {
                    if let Err(error) = self.means.store.claim(&name, CLAIM).await {
                        tracing::warn!(receiver = %name, "the lane's claim was not extended: {error}");
                    }
                    self.save(&mut driver).await;
                }
            }
        }
        self.save(&mut driver).await;
        drop(driver);
        // The recorder ends when its channel is empty: what was sent is on disk then.
        let _ = recording.await;
    }

    fn now(&self) -> Now {
        Now { mono: self.epoch.elapsed(), wall: (self.means.now)() }
    }

    /// Takes what has come and does what there is to do; says until when nothing more is.
    fn advance(&mut self, driver: &mut Driver) -> Option<Duration> {
        if driver.stopping {
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
        loop {
            match driver.lane.poll(self.now()) {
                Step::Send(owed) => {
                    let (means, recent) = (self.means.clone(), Arc::clone(&self.recent));
                    let now = means.now;
                    let span = tracing::info_span!(
                        "attempt",
                        receiver = %means.receiver.name,
                        delivery = %owed.id,
                        event = %owed.event,
                        route = %owed.route,
                        job = tracing::field::Empty,
                    );
                    driver.tasks.spawn(
                        async move {
                            let result = AssertUnwindSafe(attempt(&means, &recent, &owed)).catch_unwind().await;
                            Done::Attempt(owed, result.unwrap_or_else(|_| Ok(Tried::broken(now()))))
                        }
                        .instrument(span),
                    );
                }
                Step::Load { after, limit } => {
                    self.intake.open();
                    let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
                    driver.tasks.spawn(async move { Done::Page(store.owed(&name, after, limit).await) });
                }
                Step::LoadKey { key, after, limit } => {
                    let (store, name) = (Arc::clone(&self.means.store), Arc::clone(&self.means.receiver.name));
                    driver
                        .tasks
                        .spawn(async move { Done::KeyPage(key, store.owed_of_key(&name, key, after, limit).await) });
                }
                Step::Wait(until) => return until,
            }
        }
    }

    fn obey(&mut self, command: Command, driver: &mut Driver) {
        let now = self.now();
        match command {
            Command::Change { means, capacity, healed } => {
                self.means = *means;
                driver.lane.change(settings(&self.means, capacity, self.unrecorded));
                if healed {
                    driver.lane.resume(now);
                }
            }
            Command::Resume => driver.lane.resume(now),
            Command::Refresh => driver.lane.refresh(),
            Command::Recorded(outcomes) => driver.lane.recorded(outcomes),
            Command::Stop => driver.stopping = true,
        }
    }

    fn finish(&self, done: Result<Done, tokio::task::JoinError>, driver: &mut Driver) {
        let now = self.now();
        let name = &self.means.receiver.name;
        match done {
            Ok(Done::Attempt(owed, Ok(tried))) => self.ended(&owed, tried, driver, now),
            Ok(Done::Attempt(owed, Err(error))) => {
                tracing::error!(receiver = %name, delivery = %owed.id, "the event could not be read, trying again: {error}");
                driver.lane.untried(owed.id, now);
            }
            Ok(Done::Page(Ok(page))) => {
                driver.lane.loaded(page, now);
                if driver.lane.behind() {
                    self.intake.shut();
                }
            }
            Ok(Done::Page(Err(error))) => {
                tracing::error!(receiver = %name, "what is owed could not be read, trying again: {error}");
                driver.lane.load_failed(None, now);
            }
            Ok(Done::KeyPage(key, Ok(page))) => driver.lane.loaded_key(key, page, now),
            Ok(Done::KeyPage(key, Err(error))) => {
                tracing::error!(receiver = %name, "what is owed could not be read, trying again: {error}");
                driver.lane.load_failed(Some(key), now);
            }
            // Attempts catch their own panics, and nothing cancels a task: only a read of the store can end here.
            Err(error) => tracing::error!(receiver = %name, "a read of what is owed broke: {error}"),
        }
    }

    fn ended(&self, owed: &Owed, tried: Tried, driver: &mut Driver, now: Now) {
        let Tried { judgement, at, took, notes, copy, reference, own } = tried;
        let Some(Ended { end, number, gave_up, news }) = driver.lane.ended(owed.id, &judgement, fastrand::f64(), now)
        else {
            return;
        };
        let name = &self.means.receiver.name;
        self.status.lock().unwrap_or_else(PoisonError::into_inner).attempts.count(judgement.verdict, end == End::Dead);
        let detail = if gave_up { format!("gave up after retry.for: {}", judgement.detail) } else { judgement.detail };
        match end {
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
                    self.tell_death(owed, &detail, driver, now);
                }
            }
        }
        let saved = Attempted {
            delivery: owed.id,
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

    fn tell_death(&self, owed: &Owed, detail: &str, driver: &mut Driver, now: Now) {
        driver.deaths += 1;
        if driver.deaths_told.is_some_and(|told| now.mono < told + TELL_DEATHS) {
            return;
        }
        let more = driver.deaths - 1;
        let reason =
            if more == 0 { detail.to_owned() } else { format!("{detail} (and {more} more since the last such event)") };
        driver.deaths_told = Some(now.mono);
        driver.deaths = 0;
        let receiver = self.means.receiver.name.to_string();
        let _ = self.tell.send(OwnEvent::DeliveryDead { receiver, delivery: owed.id, event: owed.event, reason });
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

    /// Keeps the lane's state while it owes something or is not well, and once more when that has passed.
    async fn save(&self, driver: &mut Driver) {
        let worth = driver.lane.owes() || driver.lane.condition().health() != Health::Open;
        if !worth && !driver.worth_saving {
            return;
        }
        let json = serde_json::to_string(&driver.lane.kept(self.now())).expect("a lane's state is plain data");
        match self.means.store.save_lane(&self.means.receiver.name, &json).await {
            Ok(()) => driver.worth_saving = worth,
            Err(error) => {
                tracing::warn!(receiver = %self.means.receiver.name, "the lane's state was not kept: {error}");
            }
        }
    }

    fn publish(&self, lane: &Lane) {
        #[cfg(test)]
        lane.check();
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
            let wait = at.saturating_sub(self.epoch.elapsed());
            (self.means.now)().saturating_add(wait).unwrap_or(Timestamp::MAX)
        });
    }
}

struct Driver {
    lane: Lane,
    tasks: JoinSet<Done>,
    recorder: mpsc::UnboundedSender<Attempted>,
    /// The state in the store says that it owes something or is not well.
    worth_saving: bool,
    deaths_told: Option<Duration>,
    deaths: usize,
    stopping: bool,
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
        loop {
            match store.record(batch.clone()).await {
                Ok(()) => break,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!("{count} outcomes could not be recorded, trying again: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        batch.clear();
        if let Some(lane) = lane.upgrade() {
            let _ = lane.send(Command::Recorded(count));
        }
    }
}
