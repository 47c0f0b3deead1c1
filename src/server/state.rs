//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::mpsc;

use super::probe::Probe;
use super::room::Room;
use super::{Corridor, Door, Reload, Standing};
use crate::delivery::Lanes;

/// What taking events in needs: nothing of the lanes, so that no lane can ever slow the door.
#[derive(Debug)]
pub struct Intake {
    /// Shared with the relay, which sends its own events through it.
    pub corridor: Arc<Corridor>,
    /// Who may do what.
    pub door: Door,
    /// For the bodies of requests.
    pub(super) room: Room,
    stopping: Arc<AtomicBool>,
}

impl Intake {
    /// An open intake.
    #[must_use]
    pub fn new(corridor: Arc<Corridor>, door: Door) -> Intake {
        Intake { corridor, door, room: Room::default(), stopping: Arc::default() }
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

/// Room in a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// For programs without special rights.
    pub free: u64,
    /// Free or not.
    pub size: u64,
}

/// Everything the server needs.
pub struct State {
    /// Taking events in.
    pub intake: Arc<Intake>,
    /// Getting messages out.
    pub lanes: Lanes,
    /// Asks the store's writer; whoever starts the server runs it.
    pub probe: Probe,
    /// Room under the store, as last seen.
    pub disk: ArcSwapOption<Space>,
    /// How the running routes.yaml stands to the file on disk.
    pub standing: ArcSwap<Standing>,
    /// Asks for the file to be read now.
    pub reload: mpsc::UnboundedSender<Reload>,
}

impl State {
    /// The state of a relay whose routes.yaml stands so.
    #[must_use]
    pub fn new(intake: Arc<Intake>, lanes: Lanes, standing: Standing, reload: mpsc::UnboundedSender<Reload>) -> State {
        State {
            intake,
            lanes,
            probe: Probe::default(),
            disk: ArcSwapOption::empty(),
            standing: ArcSwap::from_pointee(standing),
            reload,
        }
    }
}
