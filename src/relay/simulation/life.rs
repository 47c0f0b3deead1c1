//! One life of the process, put together as `relay::start` does it and taken apart as an orderly stop does, or not at all.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::by_hand::Hands;
use super::clock;
use super::file::Settings;
use super::network::Network;
use super::plan::{Act, Sample};
use super::sender::Sender;
use super::store::FaultyStore;
use super::world::{Ruled, World};
use crate::config::Config;
use crate::delivery::{self, Environment, Junction, Lanes, Setup};
use crate::event::OwnEvent;
use crate::relay::{lanes_within, own, reloader, retention};
use crate::server::Corridor;
use crate::store::memory::{Durable, MemoryStore};
use crate::store::{DeliveryFilter, EventFilter, Store};

/// A supervisor starts a process again that ended by itself.
const RESTART: Duration = Duration::from_secs(1);
/// As the reloader does.
const AGAIN: Duration = Duration::from_secs(5);
/// A blocked lane tries again so often.
const BLOCKED: Duration = Duration::from_secs(300);

/// What goes on over lives, beside the durable.
pub struct Course {
    /// The next act of the plan.
    next: usize,
    /// The version of routes.yaml on disk.
    on_disk: usize,
    /// Requests of the sender that are not answered yet.
    unanswered: Arc<Mutex<Vec<Vec<Sample>>>>,
    chance: Rng,
    /// Reads what is durable without being a step of the simulation.
    auditor: MemoryStore,
}

/// How a life ended.
enum End {
    /// Everything has happened, and nothing is owed to anyone who is there.
    Drained,
    /// In order, until it is started again after so long.
    Stopped(Duration),
}

/// Lives until all is over. The durable state is what is left.
pub fn live(world: &World, durable: &Durable) -> MemoryStore {
    let auditor = || durable.open("auditor", Arc::new(|_| {}));
    let chance = world.rng(1 << 20);
    let mut course = Course { next: 0, on_disk: 0, unanswered: Arc::default(), chance, auditor: auditor() };
    loop {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let (end, at) = runtime.block_on(async {
            clock::begin();
            world.begin();
            let end = tokio::select! {
                biased;
                () = world.died.notified() => None,
                end = one_life(world, durable, &mut course) => Some(end),
            };
            (end, clock::now())
        });
        let down = match &end {
            None => {
                let death = world.lock().deaths as usize - 1;
                world.plan.deaths[death].down
            }
            Some(End::Stopped(down)) => *down,
            Some(End::Drained) => Duration::ZERO,
        };
        {
            // What still runs stops listening.
            let _inside = runtime.enter();
            world.end();
        }
        drop(runtime);
        clock::end(at, down);
        if matches!(end, Some(End::Drained)) || world.lock().violation.is_some() {
            return course.auditor;
        }
    }
}

async fn one_life(world: &World, durable: &Durable, course: &mut Course) -> End {
    let junction = Junction::default();
    let store: Arc<dyn Store> = Arc::new(FaultyStore::new(durable.open("relay", junction.handoff()), world));
    let network = delivery::Network::Simulated(Arc::new(Network::new(world)));
    let (tell, told) = mpsc::unbounded_channel();
    let narrator = Arc::default();
    let setup = Setup {
        store: Arc::clone(&store),
        junction,
        tell: tell.clone(),
        public_url: None,
        deny_private: false,
        narrator: Arc::clone(&narrator),
        environment: Environment { now: clock::wall, network, limits: world.plan.limits.clone() },
    };
    let config = world.plan.files[course.on_disk].load();
    let lanes = Lanes::new(setup).expect("the threads are this one");
    let Ok(ready) = lanes.ready(&config).await else { return End::Stopped(RESTART) };
    if store.apply_version(&config.version, &config.masked, clock::wall()).await.is_err() {
        return End::Stopped(RESTART);
    }
    lanes.apply(ready);
    rules(world, course.on_disk);
    let running = Arc::new(ArcSwap::new(config));
    let corridor = Arc::new(Corridor::new(Arc::clone(&store), Arc::clone(&running), tell, Arc::clone(&narrator)));
    let (heard, own_events) = mpsc::unbounded_channel();
    tokio::spawn(listen(world.clone(), told, heard));
    tokio::spawn(own::admit(Arc::clone(&corridor), own_events, || false, clock::wall, std::future::pending()));
    let (edit, edits) = mpsc::unbounded_channel();
    tokio::spawn(reload(world.clone(), lanes.clone(), Arc::clone(&store), Arc::clone(&running), edits));
    tokio::spawn(retention::run(Arc::clone(&store), world.plan.retention, clock::wall));
    let hands = Hands::new(world, &lanes, &store, &running);
    let sender = Sender { world: world.clone(), corridor, unanswered: Arc::clone(&course.unanswered) };
    // Half of what died unanswered is sent again.
    let unanswered = std::mem::take(&mut *course.unanswered.lock().expect("no holder panics"));
    for samples in unanswered {
        if course.chance.bool() {
            sender.post(samples, course.chance.u64(..3_000));
        }
    }
    while let Some((at, act)) = world.plan.acts.get(course.next) {
        sleep(at.saturating_sub(clock::now())).await;
        course.next += 1;
        world.step("act", format!("{act:?}"));
        match act {
            Act::Send(samples) => sender.post(samples.clone(), 0),
            Act::Edit(file) => {
                course.on_disk = *file;
                let _ = edit.send(*file);
            }
            Act::SetClock(by) => clock::jump(*by),
            Act::Resume(receiver) => {
                if lanes.resume(receiver) {
                    world.lock().resumed.push((*receiver, clock::now()));
                }
            }
            Act::ByHand(what) => hands.begin(*what),
            Act::Stop(down) => {
                let (began, within) = (clock::now(), lanes_within(&lanes));
                lanes.stop(within).await;
                let orderly = clock::now() < began + within;
                world.lock().lives.last_mut().expect("this one").orderly = orderly;
                world.step("stops", orderly);
                store.close().await;
                return End::Stopped(*down);
            }
        }
        if lanes.broke() {
            world.violated(|| "a lane broke".to_owned());
        }
    }
    sleep(world.plan.calm.saturating_sub(clock::now())).await;
    let by = clock::now() + patience(world);
    while hands.busy() || !drained(world, course, &running_names(world)).await {
        if clock::now() > by || lanes.broke() || world.lock().violation.is_some() {
            world.violated(|| "not everything that is owed was delivered, long after the last fault".to_owned());
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    lanes.stop(lanes_within(&lanes)).await;
    store.close().await;
    End::Drained
}

/// How long it may take after the last fault until nothing is owed any more: what a receiver asked for, the longest waits of the lanes, and
/// the time that sending takes.
fn patience(world: &World) -> Duration {
    let (inner, now) = (world.lock(), clock::now());
    let hold = inner.requests.iter().filter_map(|request| request.hold).max().unwrap_or_default();
    let settings = || world.plan.files.iter().flat_map(|file| file.receivers.values());
    let retry = settings().map(|settings| settings.retry[2]).max().unwrap_or(0);
    let interval = settings().filter_map(Settings::rate).map(|rate| rate.per / rate.count).max();
    let each = interval.unwrap_or_default() + Duration::from_millis(200);
    let owed = inner.made.values().filter(|made| made.ended.is_none() && made.dismissed.is_none()).count();
    let sending = each * (20 + u32::try_from(owed).expect("dozens"));
    hold.saturating_sub(now) + BLOCKED + Duration::from_secs(retry) + sending + Duration::from_secs(60)
}

/// A version rules from now on; where credentials changed, waiting ends.
fn rules(world: &World, file: usize) {
    let at = clock::now();
    let files = &world.plan.files;
    let mut inner = world.lock();
    let before = inner.file();
    for (name, settings) in &files[file].receivers {
        if files[before].receivers.get(name) != Some(settings) {
            inner.resumed.push((name, at));
        }
    }
    inner.ruled.push(Ruled { file, at });
    drop(inner);
    world.step("rules", file);
}

fn running_names(world: &World) -> Vec<&'static str> {
    world.plan.files[world.lock().file()].receivers.keys().copied().collect()
}

/// Whether all is said and done.
async fn drained(world: &World, course: &Course, names: &[&str]) -> bool {
    if clock::now() < world.plan.calm || !course.unanswered.lock().expect("no holder panics").is_empty() {
        return false;
    }
    let rows = course.auditor.lanes().await.expect("the auditor's store is well");
    world.lock().file() == course.on_disk && rows.iter().all(|row| row.owed == 0 || !names.contains(&&*row.receiver))
}

/// Notes what the relay says of itself, on its way into the corridor.
async fn listen(world: World, mut told: mpsc::UnboundedReceiver<OwnEvent>, on: mpsc::UnboundedSender<OwnEvent>) {
    while let Some(event) = told.recv().await {
        world.step("tells", format!("{event:?}"));
        if let OwnEvent::ReceiverBlocked { receiver, .. } = &event {
            world.lock().blocked.push((Arc::from(receiver.as_str()), clock::now(), None));
        }
        let _ = on.send(event);
    }
}

/// Puts what is on disk in place, as the reloader does.
async fn reload(
    world: World,
    lanes: Lanes,
    store: Arc<dyn Store>,
    running: Arc<ArcSwap<Config>>,
    mut edits: mpsc::UnboundedReceiver<usize>,
) {
    while let Some(mut file) = edits.recv().await {
        loop {
            let config = world.plan.files[file].load();
            match reloader::put_in_place(&lanes, &*store, &running, &config, clock::wall()).await {
                Ok(()) => break rules(&world, file),
                Err(_) => {
                    if let Ok(Some(newer)) = timeout(AGAIN, edits.recv()).await {
                        file = newer;
                    }
                }
            }
        }
    }
}

/// All of it, oldest first.
pub fn everything(auditor: &MemoryStore) -> (Vec<crate::store::StoredEvent>, Vec<crate::store::Delivery>) {
    let read = async {
        let events = auditor.events(&EventFilter { limit: usize::MAX, ..EventFilter::default() }).await;
        let deliveries = auditor.deliveries(&DeliveryFilter { limit: usize::MAX, ..DeliveryFilter::default() }).await;
        (events.expect("it is well").events, deliveries.expect("it is well"))
    };
    let (mut events, mut deliveries) = now(read);
    events.reverse();
    deliveries.reverse();
    (events, deliveries)
}

/// What never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("the store in memory never waits")
}
