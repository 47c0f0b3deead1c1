//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::Timestamp;

use super::{Corridor, Door};
use crate::delivery::Lanes;

/// What taking events in needs: nothing of the lanes, so that no lane can ever slow the door.
#[derive(Debug)]
pub struct Intake {
    /// Shared with the relay, which sends its own events through it.
    pub corridor: Arc<Corridor>,
    /// Who may do what.
    pub door: Door,
    stopping: Arc<AtomicBool>,
}

impl Intake {
    /// An open intake.
    #[must_use]
    pub fn new(corridor: Arc<Corridor>, door: Door) -> Intake {
        Intake { corridor, door, stopping: Arc::default() }
    }

    /// Turns readiness red and asks every client for a new connection next time. Events are still taken.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for the server.
    pub(super) fn stopping_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// Whether [`Intake::stop`] was called.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Everything the server needs.
pub struct State {
    /// Taking events in.
    pub intake: Arc<Intake>,
    /// Getting messages out.
    pub lanes: Lanes,
    /// Milliseconds since the Unix epoch. An atomic, since it changes while requests are read.
    config_since: AtomicI64,
}

impl State {
    /// The state of a relay whose routes.yaml applies since `config_since`.
    #[must_use]
    pub fn new(intake: Arc<Intake>, lanes: Lanes, config_since: Timestamp) -> State {
        State { intake, lanes, config_since: AtomicI64::new(config_since.as_millisecond()) }
    }

    /// To be called when another routes.yaml was put into the corridor's `config`.
    pub fn config_applied(&self, now: Timestamp) {
        self.config_since.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// Since when the running routes.yaml applies.
    pub fn config_since(&self) -> Timestamp {
        // It was stored from a timestamp, so it is one.
        Timestamp::from_millisecond(self.config_since.load(Ordering::Relaxed)).unwrap_or_default()
    }
}
