//! Applies a changed routes.yaml to the running relay: as a whole or not at all, and says which it was.
//!
//! The files are looked at twice a second and read when they rest; SIGHUP and `POST /api/v1/reload` read them at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;

use super::source::{Loaded, Refused, Seen, Source, Watch, certificates};
use super::{hindsight, tell_refused};
use crate::config::{Changes, Config};
use crate::delivery::Lanes;
use crate::event::OwnEvent;
use crate::server::types::{Refusal, ReloadAnswer, ReloadResult};
use crate::server::{Reload, Standing, State};
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What failed for another reason than what the files say (a full disk, a certificate that is not there yet) is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Keeps the running relay to what is on disk.
pub(super) struct Reloader {
    pub source: Source,
    pub watch: Watch,
    /// Of the files that receivers name.
    pub certificates: Watch,
    /// `POST /api/v1/reload`.
    pub asked: mpsc::UnboundedReceiver<Reload>,
    pub state: Arc<State>,
    pub lanes: Lanes,
    pub running: Arc<ArcSwap<Config>>,
    pub store: Arc<dyn Store>,
    pub tell: mpsc::UnboundedSender<OwnEvent>,
    pub again: Option<Instant>,
    /// At most one: what the last change would have meant. Ends with its owner.
    pub hindsight: JoinSet<()>,
}

/// Why the files are read.
enum Why {
    Changed(Seen),
    /// By signal, or by someone who waits for the answer.
    Asked(Option<Reload>),
}

impl Reloader {
    /// Looks until aborted.
    pub(super) async fn run(mut self) {
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::error!("SIGHUP cannot be received: {error}"))
            .ok();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let why = tokio::select! {
                _ = look.tick() => match self.look().await {
                    Some(seen) => Why::Changed(seen),
                    None => continue,
                },
                () = received(hangup.as_mut()) => Why::Asked(None),
                Some(asked) = self.asked.recv() => Why::Asked(Some(asked)),
            };
            self.reload(why).await;
        }
    }

    /// Off this thread: a network mount that hangs must hold up nothing else.
    async fn seen(&self) -> Option<Seen> {
        let source = self.source.clone();
        spawn_blocking(move || source.look()).await.ok()
    }

    /// `Some`: it is time to read.
    async fn look(&mut self) -> Option<Seen> {
        let seen = self.seen().await?;
        let running = self.running.load_full();
        let named = spawn_blocking(move || certificates(&running)).await.ok()?;
        let again = self.again.is_some_and(|at| at <= Instant::now());
        let (changed, renewed) = (self.watch.look(seen.clone()), self.certificates.look(named));
        // What is still being written is read when it rests.
        (changed || (again || renewed) && self.watch.is_read()).then_some(seen)
    }

    async fn reload(&mut self, why: Why) {
        let source = self.source.clone();
        let Ok(loaded) = spawn_blocking(move || source.load(false)).await else { return };
        if let Why::Changed(before) = &why
            && let Some(now) = self.seen().await
            && now != *before
        {
            return self.watch.disturbed(now);
        }
        self.again = None;
        let asked = matches!(why, Why::Asked(_));
        let result = match loaded {
            Ok(loaded) => self.apply(loaded, asked).await,
            Err(refused) => Err(refused),
        };
        if result.as_ref().is_err_and(|refused| refused.may_pass) {
            self.again = Some(Instant::now() + AGAIN_AFTER);
        }
        let answer = result.map_err(|refused| self.refuse(refused, asked));
        if let Why::Asked(Some(waiting)) = why {
            // Whoever asked may have gone.
            let _ = waiting.send(answer);
        }
    }

    async fn apply(&mut self, loaded: Loaded, asked: bool) -> Result<ReloadAnswer, Refused> {
        let config = Arc::clone(&loaded.config);
        let now = Timestamp::now();
        let before = self.running.load_full();
        let changes = Changes::between(&before, &config);
        let same_version = before.version == config.version;
        let result = if same_version && changes.is_empty() { ReloadResult::Unchanged } else { ReloadResult::Applied };
        if result == ReloadResult::Applied {
            let placed = put_in_place(&self.lanes, &*self.store, &self.running, &config, now).await;
            placed.map_err(|(what, why)| Refused::because(what, &why))?;
        }
        let was = self.state.standing.load();
        let since = if same_version { was.since } else { now };
        self.state.standing.store(Arc::new(Standing { since, read_at: Some(now), refused: None }));
        if asked || result == ReloadResult::Applied {
            loaded.log_warnings();
        }
        let file = self.source.name();
        match result {
            ReloadResult::Applied => {
                log_changes(&file, &before, &config, &changes);
                self.look_back(&before, &config, &changes);
            }
            ReloadResult::Unchanged if was.refused.is_some() => {
                tracing::info!(version = %config.version, "{file} is again what runs");
            }
            ReloadResult::Unchanged if asked => {
                tracing::info!(version = %config.version, "{file} was read again: nothing has changed");
            }
            ReloadResult::Unchanged => {}
        }
        let (version, before) = (Arc::clone(&config.version), Arc::clone(&before.version));
        Ok(ReloadAnswer { result, version, before, changes: changes.iter().map(ToString::to_string).collect() })
    }

    /// Says later what the change would have meant. What was begun for the one before is abandoned: its file is gone.
    fn look_back(&mut self, before: &Arc<Config>, now: &Arc<Config>, changes: &Changes) {
        self.hindsight = JoinSet::new();
        if changes.may_be_noticed() {
            self.hindsight.spawn(hindsight::run(Arc::clone(&self.store), Arc::clone(before), Arc::clone(now)));
        }
    }

    /// The running file goes on. What is refused again for the same reasons is told again only to who asked.
    fn refuse(&self, refused: Refused, asked: bool) -> Refusal {
        let was = self.state.standing.load();
        let known = was.refused.as_ref().is_some_and(|before| before.report == refused.report);
        let since = was.refused.as_ref().map_or_else(Timestamp::now, |before| before.since);
        let refusal = refused.since(since, self.source.name());
        if asked || !known {
            let Refusal { file, problems, report, .. } = &refusal;
            let version = &self.running.load().version;
            tracing::error!(problems, %version, "{file} was refused, the one before goes on:\n{report}");
        }
        if !known {
            tell_refused(&self.tell, &refusal);
        }
        self.state.standing.store(Arc::new(Standing { refused: Some(refusal.clone()), ..Standing::clone(&was) }));
        refusal
    }
}

/// Makes `config` the running one, as a whole or not at all: whatever can fail comes first.
///
/// # Errors
/// What cannot be done, and why.
pub(super) async fn put_in_place(
    lanes: &Lanes,
    store: &dyn Store,
    running: &ArcSwap<Config>,
    config: &Arc<Config>,
    now: Timestamp,
) -> Result<(), (&'static str, String)> {
    let ready = lanes.ready(config).await.map_err(|why| ("a receiver cannot be set up", why))?;
    if running.load().version != config.version {
        let applied = store.apply_version(&config.version, &config.masked, now).await;
        applied.map_err(|error| ("the store cannot be written", error.to_string()))?;
    }
    // Lanes before decisions: an event decided by the new file must find its lane.
    lanes.apply(ready);
    running.store(Arc::clone(config));
    Ok(())
}

fn log_changes(file: &str, before: &Config, now: &Config, changes: &Changes) {
    let (version, before) = (&now.version, &before.version);
    if version == before {
        tracing::info!(%version, "{file} applies with other secrets");
    } else {
        tracing::info!(%version, %before, "a changed {file} applies");
    }
    for change in changes.iter() {
        tracing::info!(%version, %before, part = %change.part, change = %change.how, "{change}");
    }
}

async fn received(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}
