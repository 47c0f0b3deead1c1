//! How a lane is doing, as the API shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::receiver::{Judgement, Reason, Verdict};

/// A lane's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Messages flow.
    Open,
    /// Several bad answers in a row: one probe at a time, 1 s growing to 30 s.
    Down,
    /// The address or key was refused: everything owed is held, one probe every 5 minutes.
    Blocked,
    /// Not in routes.yaml any more, and still owed something.
    Orphaned,
}

/// How a lane's attempts ended, and what it gave up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub delivered: u64,
    pub later: u64,
    pub refused: u64,
    pub blocked: u64,
    /// Deliveries, not attempts.
    pub dead: u64,
    /// Attempts that did not deliver, by reason; a reason that never occurred is absent.
    #[serde(default)]
    pub failed: BTreeMap<Reason, u64>,
}

impl Tally {
    /// Counts an attempt; `dead`: it was its delivery's last.
    pub fn count(&mut self, judgement: &Judgement, dead: bool) {
        let count = match judgement.verdict {
            Verdict::Delivered => &mut self.delivered,
            Verdict::Later => &mut self.later,
            Verdict::Refused => &mut self.refused,
            Verdict::Blocked => &mut self.blocked,
        };
        *count += 1;
        if let Some(reason) = judgement.reason {
            *self.failed.entry(reason).or_default() += 1;
        }
        self.dead += u64::from(dead);
    }
}

/// One receiver's lane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaneStatus {
    pub receiver: Arc<str>,
    /// `slack`, `webhook`, …; empty for an orphan.
    pub kind: String,
    pub health: Health,
    /// Since when it is not open.
    pub since: Option<Timestamp>,
    /// Why, in the service's words.
    pub detail: Option<String>,
    /// What to do about it.
    pub advice: Option<String>,
    pub owed: u64,
    pub in_flight: usize,
    /// Since the lane began in this run.
    #[serde(default)]
    pub attempts: Tally,
    /// How often it broke and began anew in this run: an internal error each time.
    #[serde(default)]
    pub restarts: u64,
    /// When the next probe or retry goes out.
    pub next_attempt: Option<Timestamp>,
}

impl LaneStatus {
    /// A lane that is well and owes nothing.
    #[must_use]
    pub fn open(receiver: Arc<str>, kind: String) -> LaneStatus {
        LaneStatus {
            receiver,
            kind,
            health: Health::Open,
            since: None,
            detail: None,
            advice: None,
            owed: 0,
            in_flight: 0,
            attempts: Tally::default(),
            restarts: 0,
            next_attempt: None,
        }
    }
}
