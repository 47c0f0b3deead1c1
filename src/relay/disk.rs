//! Looks how much room is left under the store, and tells before there is none: a full disk refuses events.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior};

use crate::event::OwnEvent;
use crate::server::{Space, State};

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// While it lasts it is told again after this long.
const TELL_EVERY: Duration = Duration::from_secs(60 * 60);
const SIZE: u64 = 1 << 30;
const PERCENT: u8 = 5;

/// Below how much room a disk is nearly full. The default is 1 GiB, and 5 % of small disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In bytes.
    size: Option<u64>,
    /// Of the disk, 1 to 100.
    percent: Option<u8>,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { size: Some(SIZE), percent: Some(PERCENT) }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        const UNITS: [(&str, u64); 8] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("kB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
        ];
        let wrong = || format!("{text:?} is neither a size like 500MiB or 2GB nor a share like 5%");
        let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong());
        if let Some(percent) = text.trim().strip_suffix('%') {
            let percent = u8::try_from(number(percent)?).ok().filter(|percent| (1..=100).contains(percent));
            return Ok(Limit { size: None, percent: Some(percent.ok_or_else(wrong)?) });
        }
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.trim().strip_suffix(unit)?, *bytes)));
        let (digits, unit) = unit.ok_or_else(wrong)?;
        Ok(Limit { size: Some(number(digits)?.checked_mul(unit).ok_or_else(wrong)?), percent: None })
    }
}

impl Limit {
    /// In bytes, of a disk of this size.
    fn of(self, size: u64) -> u64 {
        let share = self.percent.map(|percent| size / 100 * u64::from(percent));
        self.size.unwrap_or(u64::MAX).min(share.unwrap_or(u64::MAX))
    }
}

/// What is known of the disk's trouble. Pure: time is an argument.
#[derive(Debug, Default)]
struct Trouble {
    /// When it was last told. `None`: there is room.
    told: Option<Duration>,
}

/// What a look led to.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Low,
    Over,
}

impl Trouble {
    /// Over only when there is a quarter more room than the limit: a disk at its limit must not be told of again and again.
    fn look(&mut self, space: Space, limit: Limit, now: Duration) -> Option<News> {
        let limit = limit.of(space.size);
        match self.told {
            None if space.free < limit => {}
            Some(told) if space.free < limit && told + TELL_EVERY <= now => {}
            Some(_) if space.free >= limit.saturating_add(limit / 4) => {
                self.told = None;
                return Some(News::Over);
            }
            _ => return None,
        }
        self.told = Some(now);
        Some(News::Low)
    }
}

/// Looks until aborted.
pub(super) async fn watch(store: PathBuf, limit: Limit, state: Arc<State>, tell: mpsc::UnboundedSender<OwnEvent>) {
    let epoch = Instant::now();
    let mut trouble = Trouble::default();
    let mut unknown = false;
    let mut due = tokio::time::interval(LOOK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let path = store.clone();
        // Off this thread: a network mount that hangs must hold up nothing else.
        let space = spawn_blocking(move || space(&path)).await.unwrap_or_else(|e| Err(e.to_string()));
        let space = match space {
            Ok(space) => space,
            Err(why) => {
                if !std::mem::replace(&mut unknown, true) {
                    tracing::warn!(path = %store.display(), "how much room the disk has cannot be told: {why}");
                }
                state.disk.store(None);
                continue;
            }
        };
        unknown = false;
        state.disk.store(Some(Arc::new(space)));
        let path = store.display();
        match trouble.look(space, limit, epoch.elapsed()) {
            Some(News::Low) => {
                tracing::error!(free_bytes = space.free, %path, "the disk is nearly full: a full one refuses events");
                // The other end is gone only while the relay stops.
                let _ = tell.send(OwnEvent::DiskLow { free_bytes: space.free, path: path.to_string() });
            }
            Some(News::Over) => tracing::info!(free_bytes = space.free, %path, "the disk has room again"),
            None => {}
        }
    }
}

fn space(path: &Path) -> Result<Space, String> {
    let found = rustix::fs::statvfs(path).map_err(|e| e.to_string())?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { free: bytes(found.f_bavail), size: bytes(found.f_blocks) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_limit_is_a_size_or_a_share() {
        for (text, of_100_gib) in [
            ("5%", Some(5 * GIB)),
            (" 100 %", Some(100 * GIB)),
            ("2GiB", Some(2 * GIB)),
            ("500 MB", Some(500_000_000)),
            ("0kB", Some(0)),
            ("0%", None),
            ("101%", None),
            ("5", None),
            ("-1GB", None),
            ("99999999999TiB", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Limit>().ok().map(|limit| limit.of(100 * GIB)), of_100_gib, "{text:?}");
        }
        let default = Limit::default();
        assert_eq!((default.of(100 * GIB), default.of(10 * GIB)), (GIB, 10 * GIB / 100 * 5));
    }

    #[test]
    fn it_is_told_once_an_hour_while_it_lasts_and_not_at_each_wobble() {
        let limit = "1GiB".parse().unwrap();
        let mut trouble = Trouble::default();
        let mut look =
            |percent: u64, second| trouble.look(Space { free: GIB / 100 * percent, size: 100 * GIB }, limit, S(second));
        for (percent, second, news) in [
            (120, 0, None),
            (99, 10, Some(News::Low)),
            (101, 20, None),
            (99, 30, None),
            (120, 40, None),
            (50, 3_609, None),
            (50, 3_610, Some(News::Low)),
            (126, 3_620, Some(News::Over)),
            (126, 3_630, None),
            (99, 3_640, Some(News::Low)),
        ] {
            assert_eq!(look(percent, second), news, "{percent} % of the limit at {second} s");
        }
    }

    #[test]
    fn the_room_of_a_real_disk_is_seen() {
        let space = space(&std::env::temp_dir()).unwrap();
        assert!(space.size > 0 && space.free <= space.size, "{space:?}");
        assert!(super::space(Path::new("/nowhere/at/all")).is_err());
    }
}
