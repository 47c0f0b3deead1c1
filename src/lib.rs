//! jobrelay: a relay for job events. An event walks one corridor, and each room does one thing:
//!
//! ```text
//! server::ingest → event::parse → routing::decide → store::accept ─(durable)→ 200
//!                                                       └→ delivery::lane → message::compose → receiver::request → http → store::record
//! ```
//!
//! The floors of the house, top to bottom: `main cli relay server delivery store config receiver message routing event yaml`. An import
//! only goes down, and there is no circle between folders. `yaml`, `event`, `routing`, `message`, `receiver` and the state machines of
//! `delivery` are pure: no I/O, no clock, no async.

pub mod cli;
pub mod config;
pub mod delivery;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod message;
pub mod receiver;
pub mod relay;
pub mod routing;
pub mod server;
pub mod store;
pub mod yaml;
