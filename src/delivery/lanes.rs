//! All lanes of this relay: which there are, and the way from the store's writer into them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::attempt::{Means, preview};
use super::client::Client;
use super::environment::Environment;
use super::intake::Intake;
use super::narrator::Narrator;
use super::prepare::Subject;
use super::preview::Preview;
use super::pulse::{Pulse, Waits};
use super::threads::LaneThreads;
use super::worker::{Command, Worker};
use super::{Health, LaneStatus};
use crate::config::Config;
use crate::event::{EventId, OwnEvent};
use crate::receiver::{Audience, Receiver};
use crate::store::{Handoff, LaneRow, Owed, Store, StoreError};

type Intakes = HashMap<Arc<str>, Arc<Intake>>;

/// The way from the store's writer into the lanes. Made before the store, which needs it, and the lanes, which need the store.
#[derive(Debug, Clone, Default)]
pub struct Junction(Arc<ArcSwap<Intakes>>);

impl Junction {
    /// What the store calls with fresh deliveries. Deliveries to a receiver without a lane stay on disk.
    #[must_use]
    pub fn handoff(&self) -> Handoff {
        let intakes = Arc::clone(&self.0);
        Arc::new(move |fresh: Vec<Owed>| {
            let intakes = intakes.load();
            let mut rest = fresh.into_iter().peekable();
            while let Some(first) = rest.next() {
                let receiver = Arc::clone(&first.receiver);
                let mut run = vec![first];
                while let Some(next) = rest.next_if(|next| next.receiver == receiver) {
                    run.push(next);
                }
                if let Some(intake) = intakes.get(&receiver) {
                    intake.push(run);
                }
            }
        })
    }
}

/// What the lanes are given once.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub junction: Junction,
    /// Where the relay's own events go.
    pub tell: mpsc::UnboundedSender<OwnEvent>,
    /// `--public-url`, without a trailing slash.
    pub public_url: Option<Arc<str>>,
    /// `--deny-private`.
    pub deny_private: bool,
    /// Keeps the log readable.
    pub narrator: Arc<Narrator>,
    pub environment: Environment,
}

/// The lanes. Cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    setup: Setup,
    threads: LaneThreads,
    epoch: Instant,
    lanes: Mutex<BTreeMap<Arc<str>, Running>>,
    /// Looked at under the lock of `lanes`: a change that comes during the stop must bring none of them back.
    stopped: AtomicBool,
}

/// The lanes of a config, to be put in place by [`Lanes::apply`].
pub struct Ready {
    config: Arc<Config>,
    clients: HashMap<Arc<str>, Client>,
    rows: Vec<LaneRow>,
}

struct Running {
    commands: mpsc::UnboundedSender<Command>,
    intake: Arc<Intake>,
    status: Arc<Mutex<LaneStatus>>,
    pulse: Arc<Pulse>,
    means: Arc<Means>,
    task: JoinHandle<()>,
    /// Its receiver is gone from routes.yaml: it ends what is in flight.
    leaving: bool,
}

impl Lanes {
    /// No lanes yet, but the threads for them.
    ///
    /// # Errors
    /// When there are none to be had.
    pub fn new(setup: Setup) -> Result<Lanes, String> {
        let inner = Inner {
            threads: LaneThreads::start(&setup.environment.network)
                .map_err(|e| format!("no threads for the lanes: {e}"))?,
            setup,
            epoch: Instant::now(),
            lanes: Mutex::new(BTreeMap::new()),
            stopped: AtomicBool::new(false),
        };
        Ok(Lanes { inner: Arc::new(inner) })
    }

    /// Everything about the lanes of `config` that can fail; nothing changes yet.
    ///
    /// # Errors
    /// When a receiver's client cannot be set up (a sentence that names it), or the store cannot be read.
    pub async fn ready(&self, config: &Arc<Config>) -> Result<Ready, String> {
        let mut clients = HashMap::new();
        for (name, receiver) in &config.receivers {
            clients.insert(Arc::clone(name), self.client(receiver)?);
        }
        let rows = self.inner.setup.store.lanes().await.map_err(|e: StoreError| e.to_string())?;
        Ok(Ready { config: Arc::clone(config), clients, rows })
    }

    /// Makes the lanes those of a config. Unchanged lanes do not notice; what waits in a lane whose settings changed is tried at once.
    /// After [`Lanes::stop`] there is nothing to change.
    pub fn apply(&self, Ready { config, mut clients, rows }: Ready) {
        let mut kept: HashMap<Arc<str>, _> = rows.into_iter().map(|row| (row.receiver, row.state)).collect();

        let limits = &self.inner.setup.environment.limits;
        let (least, most) = (*limits.held_by_one.start(), *limits.held_by_one.end());
        let capacity = (limits.held_by_all / config.receivers.len().max(1)).clamp(least, most);
        let mut lanes = self.lock();
        if self.inner.stopped.load(Ordering::Relaxed) {
            return;
        }
        let intakes: Intakes = config
            .receivers
            .keys()
            .map(|name| {
                let running = lanes.get(name).filter(|running| !running.leaving);
                let intake = running.map(|running| Arc::clone(&running.intake));
                (Arc::clone(name), intake.unwrap_or_else(|| Arc::new(Intake::new(limits.intake))))
            })
            .collect();
        // Before a new lane begins to read: what becomes durable after that read must find its intake.
        self.inner.setup.junction.0.store(Arc::new(intakes.clone()));
        for (name, receiver) in &config.receivers {
            let Some(client) = clients.remove(name) else { continue };
            let means = self.means(&config, receiver, client);
            match lanes.get_mut(name) {
                Some(running) if !running.leaving => {
                    let healed = running.means.receiver.fingerprint != receiver.fingerprint;
                    running.means = Arc::clone(&means);
                    let _ = running.commands.send(Command::Change { means, capacity, healed });
                }
                leaving => {
                    let predecessor = leaving
                        .map(|running| std::mem::replace(&mut running.task, self.inner.threads.next().spawn(async {})));
                    let state = kept.remove(name).flatten();
                    let intake = Arc::clone(&intakes[name]);
                    lanes.insert(Arc::clone(name), self.run(means, intake, state.as_deref(), capacity, predecessor));
                }
            }
        }
        for (name, running) in lanes.iter_mut() {
            if !config.receivers.contains_key(name) && !running.leaving {
                running.leaving = true;
                let _ = running.commands.send(Command::Stop);
            }
        }
    }

    /// How each lane is doing, by name; orphans included.
    pub async fn status(&self) -> Vec<LaneStatus> {
        let rows = self.inner.setup.store.lanes().await.unwrap_or_default();
        let mut all: BTreeMap<Arc<str>, LaneStatus> = self
            .lock()
            .iter()
            .filter(|(_, running)| !running.leaving)
            .map(|(name, running)| {
                (Arc::clone(name), running.status.lock().unwrap_or_else(PoisonError::into_inner).clone())
            })
            .collect();
        // What is owed while the relay stops is nobody's for that time only.
        let stopped = self.inner.stopped.load(Ordering::Relaxed);
        for row in rows {
            match all.get_mut(&row.receiver) {
                Some(status) => status.owed = row.owed,
                None if row.owed > 0 && !stopped => {
                    let orphan = LaneStatus {
                        health: Health::Orphaned,
                        owed: row.owed,
                        ..LaneStatus::open(Arc::clone(&row.receiver), String::new())
                    };
                    all.insert(row.receiver, orphan);
                }
                None => {}
            }
        }
        all.into_values().collect()
    }

    /// Tries a down or blocked lane again at once. `false`: no such lane.
    pub fn resume(&self, receiver: &str) -> bool {
        self.lock()
            .get(receiver)
            .is_some_and(|running| !running.leaving && running.commands.send(Command::Resume).is_ok())
    }

    /// Looks again at what is owed, to one receiver or to all, after the store was changed by hand (dismiss, move).
    pub fn refresh(&self, receiver: Option<&str>) {
        for (name, running) in self.lock().iter() {
            if receiver.is_none_or(|receiver| receiver == &**name) {
                let _ = running.commands.send(Command::Refresh);
            }
        }
    }

    /// Whether a lane panicked.
    #[cfg(test)]
    pub fn broke(&self) -> bool {
        self.lock().values().any(|running| running.status.lock().unwrap_or_else(PoisonError::into_inner).restarts > 0)
    }

    /// The lanes that stand still though they should move, each with why (for readiness).
    pub fn still(&self) -> Vec<(Arc<str>, String)> {
        let now = self.inner.epoch.elapsed();
        let lanes = self.lock();
        let still = lanes.iter().filter(|(_, running)| !running.leaving).filter_map(|(name, running)| {
            let why = if running.task.is_finished() {
                "its task has ended".to_owned()
            } else {
                running.pulse.last().still(now)?.to_string()
            };
            Some((Arc::clone(name), why))
        });
        still.collect()
    }

    /// The message of a delivery of the event `id` as it would be, or was, sent to `receiver` at `now`, by the running routes.yaml.
    ///
    /// # Errors
    /// A sentence: the receiver is gone, or nothing can be sent.
    pub async fn preview(
        &self,
        receiver: &str,
        id: EventId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Preview, String> {
        let means =
            self.lock().get(receiver).filter(|running| !running.leaving).map(|running| Arc::clone(&running.means));
        let means = means.ok_or_else(|| format!("routes.yaml names no receiver {receiver:?} any more"))?;
        preview(&means, id, subject, now).await
    }

    /// The longest that an attempt may wait for answers.
    #[must_use]
    pub fn longest_answer(&self) -> Duration {
        let most = |receiver: &Receiver| match receiver.kind.audience() {
            // Once in full and once in plain form.
            Audience::People => 2 * receiver.common.timeout,
            Audience::Machine => receiver.common.timeout,
        };
        self.lock().values().map(|running| most(&running.means.receiver)).max().unwrap_or_default()
    }

    /// Lets every lane finish what is in flight and keep its state, until `deadline` at the latest.
    pub async fn stop(&self, deadline: Duration) {
        self.inner.setup.junction.0.store(Arc::default());
        let lanes = {
            let mut lanes = self.lock();
            self.inner.stopped.store(true, Ordering::Relaxed);
            std::mem::take(&mut *lanes)
        };
        let tasks: Vec<_> = lanes
            .into_values()
            .map(|running| {
                let _ = running.commands.send(Command::Stop);
                running.task
            })
            .collect();
        let all = futures_util::future::join_all(tasks);
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!(
                "some messages were still under way when the time to stop was over: they are sent again at the next start"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Running>> {
        self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client a lane has already, if its settings are the same: it keeps its connections.
    fn client(&self, receiver: &Arc<Receiver>) -> Result<Client, String> {
        if let Some(running) = self.lock().get(&receiver.name)
            && running.means.receiver.fingerprint == receiver.fingerprint
        {
            return Ok(running.means.client.clone());
        }
        let setup = &self.inner.setup;
        Client::of(&setup.environment, &receiver.common, setup.deny_private)
            .map_err(|why| format!("receiver {:?}: {why}", receiver.name))
    }

    fn means(&self, config: &Arc<Config>, receiver: &Arc<Receiver>, client: Client) -> Arc<Means> {
        Arc::new(Means {
            config: Arc::clone(config),
            receiver: Arc::clone(receiver),
            client,
            store: Arc::clone(&self.inner.setup.store),
            now: self.inner.setup.environment.now,
            public_url: self.inner.setup.public_url.clone(),
        })
    }

    fn run(
        &self,
        means: Arc<Means>,
        intake: Arc<Intake>,
        state: Option<&str>,
        capacity: usize,
        predecessor: Option<JoinHandle<()>>,
    ) -> Running {
        let (commands, orders) = mpsc::unbounded_channel();
        let name = Arc::clone(&means.receiver.name);
        let status = Arc::new(Mutex::new(LaneStatus::open(Arc::clone(&name), means.receiver.kind_name.to_owned())));
        let kept = state.and_then(|json| {
            serde_json::from_str(json)
                .inspect_err(|error| tracing::warn!(receiver = %name, "the lane's kept state cannot be read, it begins as open: {error}"))
                .ok()
        });
        let epoch = self.inner.epoch;
        let pulse = Arc::new(Pulse::new(epoch.elapsed()));
        let worker = Worker {
            means: Arc::clone(&means),
            recent: Arc::default(),
            intake: Arc::clone(&intake),
            commands: orders,
            sender: commands.downgrade(),
            status: Arc::clone(&status),
            pulse: Arc::clone(&pulse),
            tell: self.inner.setup.tell.clone(),
            narrator: Arc::clone(&self.inner.setup.narrator),
            epoch,
            kept,
            capacity,
            stopping: false,
            recording: None,
            unrecorded: self.inner.setup.environment.limits.unrecorded,
        };
        let task = self.inner.threads.next().spawn(async move {
            // The same deliveries must not be under way in two lanes.
            if let Some(mut predecessor) = predecessor {
                while tokio::time::timeout(Duration::from_secs(10), &mut predecessor).await.is_err() {
                    worker.pulse.turn(epoch.elapsed(), Waits::Idle, true);
                }
            }
            worker.run().await;
        });
        Running { commands, intake, status, pulse, means, task, leaving: false }
    }
}

#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
