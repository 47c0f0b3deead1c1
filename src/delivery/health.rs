//! Whether a receiver answers at all: judged by several answers over several keys, never by one poisonous message.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Health;
use super::clock::Now;
use crate::receiver::{Judgement, Verdict};
use crate::store::KeyHash;

/// So many bad answers in a row, over as many keys (or all there are), close a lane.
const SEVERAL: usize = 3;
const FIRST_PROBE: Duration = Duration::from_secs(1);
const LONGEST_PROBE: Duration = Duration::from_secs(30);
const BLOCKED_PROBE: Duration = Duration::from_secs(300);
/// A receiver that is down for less is not worth telling anyone.
const TELL_DOWN_AFTER: Duration = Duration::from_secs(60);

/// Bad answers in a row.
#[derive(Debug, Default)]
struct Streak {
    answers: usize,
    /// The keys they were for; more than [`SEVERAL`] need not be known.
    keys: HashSet<KeyHash>,
}

impl Streak {
    fn add(&mut self, key: KeyHash) {
        self.answers += 1;
        if self.keys.len() < SEVERAL {
            self.keys.insert(key);
        }
    }

    fn tells(&self, all_keys: &dyn Fn(&HashSet<KeyHash>) -> bool) -> bool {
        self.answers >= SEVERAL && (self.keys.len() >= SEVERAL || all_keys(&self.keys))
    }

    fn clear(&mut self) {
        self.answers = 0;
        self.keys.clear();
    }
}

/// What to tell the people about a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Blocked,
    Down,
    Recovered,
}

/// The health of one lane, and when to probe.
#[derive(Debug)]
pub struct Condition {
    health: Health,
    /// Since when it is not open.
    since: Option<Now>,
    detail: Option<String>,
    advice: Option<String>,
    bad: Streak,
    blocked: Streak,
    probe_at: Duration,
    probe_delay: Duration,
    told: Option<Health>,
}

/// What is kept of a [`Condition`] over a restart.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct KeptCondition {
    health: Health,
    since: Option<Timestamp>,
    detail: Option<String>,
    advice: Option<String>,
    told: Option<Health>,
}

impl Default for Condition {
    fn default() -> Self {
        Condition {
            health: Health::Open,
            since: None,
            detail: None,
            advice: None,
            bad: Streak::default(),
            blocked: Streak::default(),
            probe_at: Duration::ZERO,
            probe_delay: FIRST_PROBE,
            told: None,
        }
    }
}

impl Condition {
    /// As it was before a restart; the first probe goes out at once.
    #[must_use]
    pub fn restored(kept: KeptCondition, now: Now) -> Condition {
        let since = kept.since.map(|wall| Now { mono: now.mono, wall });
        Condition {
            health: kept.health,
            since,
            detail: kept.detail,
            advice: kept.advice,
            told: kept.told,
            ..Condition::default()
        }
    }

    /// What to keep over a restart.
    #[must_use]
    pub fn kept(&self) -> KeptCondition {
        KeptCondition {
            health: self.health,
            since: self.since.map(|now| now.wall),
            detail: self.detail.clone(),
            advice: self.advice.clone(),
            told: self.told,
        }
    }

    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// Since when it is not open.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.since.map(|now| now.wall)
    }

    /// The last answer's words and what to do, if it was bad.
    #[must_use]
    pub fn words(&self) -> (Option<&str>, Option<&str>) {
        (self.detail.as_deref(), self.advice.as_deref())
    }

    /// When the next probe may go. A key not tried since the trouble began may go at once, until enough keys tell the same.
    #[must_use]
    pub fn probe_at(&self, untried_key: bool) -> Duration {
        if untried_key { Duration::ZERO } else { self.probe_at }
    }

    /// Whether `key` would tell something new.
    #[must_use]
    pub fn untried(&self, key: KeyHash) -> bool {
        self.bad.keys.len() < SEVERAL && !self.bad.keys.contains(&key)
    }

    /// Someone says it is mended: the next probe goes at once.
    pub fn probe_now(&mut self) {
        self.probe_at = Duration::ZERO;
        self.probe_delay = FIRST_PROBE;
    }

    /// The receiver took a message, or refused just this one: it is there.
    pub fn good(&mut self) -> Option<News> {
        self.bad.clear();
        self.blocked.clear();
        if self.health == Health::Open {
            self.detail = None;
            self.advice = None;
            return None;
        }
        let told = self.told.is_some();
        *self = Condition::default();
        told.then_some(News::Recovered)
    }

    /// A bad answer for `key`. `all_keys` says whether a set holds every key that has something owed.
    pub fn bad(
        &mut self,
        key: KeyHash,
        judgement: &Judgement,
        all_keys: &dyn Fn(&HashSet<KeyHash>) -> bool,
        now: Now,
    ) -> Option<News> {
        self.bad.add(key);
        if judgement.verdict == Verdict::Blocked {
            self.blocked.add(key);
        } else {
            self.blocked.clear();
        }
        self.detail = Some(judgement.detail.clone());
        self.advice.clone_from(&judgement.advice);
        if self.health == Health::Open && !self.bad.tells(all_keys) {
            return None;
        }
        // One that was blocked before a restart stays so at the first answer that says the same: its streak is not kept.
        let still_blocked = self.health == Health::Blocked && judgement.verdict == Verdict::Blocked;
        let health = if still_blocked || self.blocked.tells(all_keys) { Health::Blocked } else { Health::Down };
        let closes = health != self.health;
        if closes {
            self.health = health;
            self.since.get_or_insert(now);
            self.probe_delay = FIRST_PROBE;
        }
        // What was under way when the lane closed answers to no probe: a moment's trouble must not look like a long one.
        if closes || now.mono >= self.probe_at {
            self.put_off(now);
        }
        self.tell(now)
    }

    /// An answer for `key` that says when to come again: no sign of illness, and none that an illness is over.
    pub fn waits(&mut self, key: KeyHash, now: Now) {
        if self.health != Health::Open {
            self.bad.add(key);
            if now.mono >= self.probe_at {
                self.put_off(now);
            }
        }
    }

    /// A probe failed.
    fn put_off(&mut self, now: Now) {
        let delay = if self.health == Health::Blocked { BLOCKED_PROBE } else { self.probe_delay };
        self.probe_at = now.mono + delay;
        self.probe_delay = (self.probe_delay * 2).min(LONGEST_PROBE);
    }

    fn tell(&mut self, now: Now) -> Option<News> {
        let down_for = self.since.map_or(Duration::ZERO, |since| now.mono.saturating_sub(since.mono));
        let news = match self.health {
            Health::Blocked => News::Blocked,
            Health::Down if down_for >= TELL_DOWN_AFTER => News::Down,
            _ => return None,
        };
        (self.told.replace(self.health) != Some(self.health)).then_some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::Reason;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: Timestamp::UNIX_EPOCH }
    }

    fn fail(condition: &mut Condition, key: i64, seconds: u64) {
        let judgement = Judgement::not_delivered(Verdict::Later, Reason::Connect, "refused".to_owned());
        condition.bad(KeyHash(key), &judgement, &|_| false, at(seconds));
    }

    #[test]
    fn what_was_under_way_when_the_lane_closed_does_not_put_the_probe_off() {
        let mut condition = Condition::default();
        for key in 1..=16 {
            fail(&mut condition, key, 5);
        }
        assert_eq!(condition.health(), Health::Down);
        assert_eq!(condition.probe_at(false), Duration::from_secs(6));
        fail(&mut condition, 1, 6);
        assert_eq!(
            condition.probe_at(false),
            Duration::from_secs(8),
            "each probe that fails doubles the time to the next"
        );
    }
}
