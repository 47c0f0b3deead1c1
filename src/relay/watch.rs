//! routes.yaml and secrets, looked at twice a second: a change applies as a whole or not at all.
//!
//! Polling a few files' metadata costs next to nothing and works where notifications do not: network mounts, symlinks swapped
//! by a Kubernetes config map, editors that save by renaming, files that vanish and return.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{self, Config, Secrets};
use crate::delivery::Lanes;
use crate::event::OwnEvent;
use crate::server::State;
use crate::store::Store;
use crate::yaml;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where the configuration comes from.
pub(super) struct Source {
    pub routes: PathBuf,
    pub secrets: Secrets,
}

/// What was seen on disk: enough to notice any change.
#[derive(PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<PathBuf, Option<Mark>>);

/// Device, inode, length, modification and status change times.
type Mark = (u64, u64, u64, (i64, i64), (i64, i64));

impl Source {
    /// Reads the files as they are now; warnings are logged. `terminal`: a refusal shows source lines, for the file's owner only.
    pub(super) fn load(&self, terminal: bool) -> Result<Arc<Config>, Refused> {
        let file = self.routes.display().to_string();
        let text = fs::read_to_string(&self.routes).map_err(|error| Refused {
            problems: 1,
            report: format!(
                "error: {file} cannot be read: {error}\nhelp: `jobrelay init` writes a commented sample; --routes names another file"
            ),
        })?;
        let (config, problems) = config::load(&text, &self.secrets);
        let plain = || yaml::report_without_source(&file, &text, &problems);
        if let Some(config) = config {
            if !problems.is_empty() {
                tracing::warn!("{}", plain());
            }
            Ok(Arc::new(config))
        } else {
            let report = if terminal { yaml::report(&file, &text, &problems, true) } else { plain() };
            Err(Refused { problems: problems.len(), report })
        }
    }

    pub(super) fn look(&self) -> Seen {
        let mut marks = BTreeMap::new();
        marks.insert(self.routes.clone(), mark(&self.routes));
        if let Some(path) = &self.secrets.path {
            marks.insert(path.clone(), mark(path));
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                marks.insert(entry.path(), mark(&entry.path()));
            }
        }
        Seen(marks)
    }
}

/// Why a routes.yaml cannot be used.
pub(super) struct Refused {
    pub problems: usize,
    pub report: String,
}

fn mark(path: &Path) -> Option<Mark> {
    let m = fs::metadata(path).ok()?;
    Some((m.dev(), m.ino(), m.len(), (m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec())))
}

/// Applies changes to the running relay.
pub(super) struct Reloader {
    pub source: Source,
    pub seen: Seen,
    pub state: Arc<State>,
    pub lanes: Lanes,
    pub running: Arc<ArcSwap<Config>>,
    pub store: Arc<dyn Store>,
    pub tell: mpsc::UnboundedSender<OwnEvent>,
}

impl Reloader {
    /// Looks until aborted; SIGHUP makes it read again even if nothing seems changed.
    pub(super) async fn run(mut self) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            tracing::error!("SIGHUP cannot be received: changes of routes.yaml are not applied");
            return;
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = look.tick() => false,
                _ = hangup.recv() => true,
            };
            let seen = self.source.look();
            if asked || seen != self.seen {
                // Taken before the files are read: a write that comes meanwhile is seen at the next look.
                self.seen = seen;
                self.reload().await;
            }
        }
    }

    async fn reload(&mut self) {
        match self.source.load(false) {
            Ok(config) => {
                if let Err(why) = self.apply(config).await {
                    self.refuse(Refused { problems: 1, report: format!("error: {why}") });
                }
            }
            Err(refused) => self.refuse(refused),
        }
    }

    async fn apply(&self, config: Arc<Config>) -> Result<(), String> {
        let now = Timestamp::now();
        self.store.apply_version(&config.version, &config.masked, now).await.map_err(|e| e.to_string())?;
        // Lanes first: an event decided by the new file must find its lane.
        self.lanes.apply(Arc::clone(&config)).await?;
        let version = Arc::clone(&config.version);
        let before = self.running.swap(config);
        self.state.config_applied(now);
        let file = self.source.routes.display();
        if before.version == version {
            tracing::info!(%version, "{file} was read again: it says the same, its secrets as they are now");
        } else {
            tracing::info!(%version, before = %before.version, "a changed {file} applies");
        }
        Ok(())
    }

    fn refuse(&self, Refused { problems, report }: Refused) {
        tracing::error!("{} was refused, the one before goes on:\n{report}", self.source.routes.display());
        // The other end is gone only while the relay stops.
        let _ = self.tell.send(OwnEvent::RoutesRefused { problems, report });
    }
}
